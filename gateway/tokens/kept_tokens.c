#include "gateway/tokens/kept_tokens.h"

#include "auth/secrets/sealed_file.h"
#include "auth/secrets/secret_store.h"
#include "base/buffer.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/memory.h"
#include "config/snapshot.h"
#include "config/token.h"
#include "gateway/observe/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DIGEST_TEXT = 2 * SHA256_BYTES, NAME_MAX_BYTES = 80, VALUE_MAX = 64 * 1024 };

/* What is known of one secret's. */
struct kept {
    struct kept *next;
    char *name;               /* owned; the secret's */
    char of[DIGEST_TEXT + 1]; /* SHA-256 of the secret's value, hex */
    struct secret *token;     /* owned; NULL: none followed */
};

struct kept_tokens {
    struct kept *first;
};

struct kept_tokens *kept_tokens_new(void)
{
    return MEMORY_NEW(struct kept_tokens);
}

void kept_tokens_free(struct kept_tokens *kept)
{
    while (kept != NULL && kept->first != NULL) {
        struct kept *it = kept->first;
        kept->first = it->next;
        secret_free(it->token);
        memory_free(it->name);
        memory_free(it);
    }
    memory_free(kept);
}

static void digest_of(const struct credential *secret, char out[DIGEST_TEXT + 1])
{
    unsigned char digest[SHA256_BYTES];
    digest_sha256(secret_reveal(secret->secret), digest);
    encode_hex(slice_make((const char *)digest, sizeof(digest)), out);
    out[DIGEST_TEXT] = '\0';
}

/* ---- the file: "DIGEST:REFRESH_TOKEN" ---- */

static const struct secret_source *sealed_source(const struct snapshot *snapshot)
{
    for (unsigned i = 0; i < snapshot->secret_source_count; i++) {
        if (snapshot->secret_sources[i].kind == SECRET_SOURCE_SEALED) {
            return &snapshot->secret_sources[i];
        }
    }
    return NULL;
}

static void write_name(const char *secret, char out[NAME_MAX_BYTES])
{
    (void)snprintf(out, NAME_MAX_BYTES, "%s%s", secret, TOKEN_ROTATED_ENDING);
}

/* NULL: there is none, or it followed another value. */
static struct secret *read_token(const struct secret_source *source, const struct kept *it)
{
    char name[NAME_MAX_BYTES];
    struct error err;
    struct sealed_file *file = NULL;
    struct secret *token = NULL;
    write_name(it->name, name);
    if (sealed_file_open(source->path, source->key_file,
                         source->by_passphrase ? SEALED_ABSENT_IS_EMPTY_BY_PASSPHRASE
                                               : SEALED_ABSENT_IS_EMPTY,
                         &file, &err) != STATUS_OK) {
        log_warn("secret \"%s\": the refresh token that was kept cannot be read: %s", it->name,
                 err.message);
        return NULL;
    }
    const struct secret *value = sealed_file_get(file, name);
    struct slice text = value == NULL ? slice_make("", 0) : secret_reveal(value);
    if (text.len > DIGEST_TEXT + 1 && memcmp(text.ptr, it->of, DIGEST_TEXT) == 0) {
        token = secret_new(slice_skip(text, DIGEST_TEXT + 1));
    }
    sealed_file_free(file);
    return token;
}

static enum status change_file(const struct secret_source *source, const char *name,
                               struct slice value, struct error *err)
{
    struct sealed_file *file = NULL;
    TRY(sealed_file_open(source->path, source->key_file,
                         source->by_passphrase ? SEALED_ABSENT_IS_EMPTY_BY_PASSPHRASE
                                               : SEALED_ABSENT_IS_EMPTY,
                         &file, err));
    sealed_file_set(file, name, value);
    enum status status = sealed_file_save(file, err);
    sealed_file_free(file);
    return status;
}

static enum status write_token(const struct secret_source *source, const struct kept *it,
                               struct error *err)
{
    char name[NAME_MAX_BYTES];
    int lock = -1;
    struct buffer value CLEANUP(buffer_wipe);
    struct slice token = secret_reveal(it->token);
    buffer_init(&value, VALUE_MAX);
    TRY(buffer_reserve(&value, DIGEST_TEXT + 1 + token.len));
    TRY(buffer_append(&value, slice_make(it->of, DIGEST_TEXT)));
    TRY(buffer_append(&value, SLICE(":")));
    TRY(buffer_append(&value, token));
    write_name(it->name, name);
    TRY(sealed_file_lock(source->path, &lock, err));
    enum status status = change_file(source, name, buffer_bytes(&value), err);
    (void)close(lock);
    return status;
}

/* ---- what is known ---- */

/* Read from the file where it is not known yet. */
static struct kept *find(struct kept_tokens *kept, const struct snapshot *snapshot,
                         const struct credential *secret)
{
    char of[DIGEST_TEXT + 1];
    struct kept *it = kept->first;
    digest_of(secret, of);
    while (it != NULL && strcmp(it->name, secret->name) != 0) {
        it = it->next;
    }
    if (it == NULL) {
        it = MEMORY_NEW(struct kept);
        it->name = memory_copy(slice_from(secret->name));
        it->next = kept->first;
        kept->first = it;
    }
    if (strcmp(it->of, of) != 0) {
        const struct secret_source *source = sealed_source(snapshot);
        memcpy(it->of, of, sizeof(of));
        secret_free(it->token);
        it->token = source == NULL ? NULL : read_token(source, it);
    }
    return it;
}

const struct secret *kept_tokens_get(struct kept_tokens *kept, const struct snapshot *snapshot,
                                     const struct credential *secret)
{
    return find(kept, snapshot, secret)->token;
}

void kept_tokens_put(struct kept_tokens *kept, const struct snapshot *snapshot,
                     const struct credential *secret, struct slice refresh_token)
{
    struct error err = {.message = "secrets in the config name no sealed file"};
    struct kept *it = find(kept, snapshot, secret);
    const struct secret_source *source = sealed_source(snapshot);
    if (it->token != NULL && secret_equal(secret_reveal(it->token), refresh_token)) {
        return;
    }
    secret_free(it->token);
    it->token = secret_new(refresh_token);
    if (source == NULL || write_token(source, it, &err) != STATUS_OK) {
        log_warn("secret \"%s\": its endpoint gave a new refresh token, which is lost when the "
                 "gateway ends: %s",
                 it->name, err.message);
    }
}
