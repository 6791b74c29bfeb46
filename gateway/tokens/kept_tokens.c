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
    bool written;             /* the file has it, as far as is known */
    bool unread;              /* the file could not be read */
};

struct kept_tokens {
    struct kept *first;
    struct secret_source file; /* of the last config that was seen; its texts are owned */
    bool has_file;
};

struct kept_tokens *kept_tokens_new(void)
{
    return MEMORY_NEW(struct kept_tokens);
}

static void digest_of(const struct credential *secret, char out[DIGEST_TEXT + 1])
{
    unsigned char digest[SHA256_BYTES];
    digest_sha256(secret_reveal(secret->secret), digest);
    encode_hex(slice_make((const char *)digest, sizeof(digest)), out);
    out[DIGEST_TEXT] = '\0';
}

/* ---- the file: "DIGEST:REFRESH_TOKEN" ---- */

static void forget_file(struct kept_tokens *kept)
{
    memory_free((char *)kept->file.path);
    memory_free((char *)kept->file.key_file);
    kept->file = (struct secret_source){0};
    kept->has_file = false;
}

/* Copied, for at the end there is no config any more. */
static void note_file(struct kept_tokens *kept, const struct snapshot *snapshot)
{
    forget_file(kept);
    for (unsigned i = 0; i < snapshot->secret_source_count && !kept->has_file; i++) {
        const struct secret_source *source = &snapshot->secret_sources[i];
        if (source->kind == SECRET_SOURCE_SEALED) {
            kept->file = (struct secret_source){
                .path = memory_copy(slice_from(source->path)),
                .key_file = memory_copy(slice_from(source->key_file)),
                .by_passphrase = source->by_passphrase,
            };
            kept->has_file = true;
        }
    }
}

static void write_name(const char *secret, char out[NAME_MAX_BYTES])
{
    (void)snprintf(out, NAME_MAX_BYTES, "%s%s", secret, TOKEN_ROTATED_ENDING);
}

/* NULL: there is none, it followed another value, or the file could not be read. */
static struct secret *read_token(const struct secret_source *source, struct kept *it)
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
        it->unread = true; /* another time, perhaps */
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

/* Those that could not be written when they came. A disk that is full may have room by now. */
static void write_again(struct kept_tokens *kept)
{
    struct error err;
    for (struct kept *it = kept->first; it != NULL && kept->has_file; it = it->next) {
        if (it->token != NULL && !it->written && write_token(&kept->file, it, &err) == STATUS_OK) {
            it->written = true;
            log_info("secret \"%s\": the refresh token that could not be written is written now",
                     it->name);
        }
    }
}

/* ---- what is known ---- */

/* Read from the file where it is not known yet. */
static struct kept *find(struct kept_tokens *kept, const struct credential *secret)
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
    if (strcmp(it->of, of) != 0 || it->unread) {
        memcpy(it->of, of, sizeof(of));
        secret_free(it->token);
        it->unread = false;
        it->token = kept->has_file ? read_token(&kept->file, it) : NULL;
        it->written = it->token != NULL;
    }
    return it;
}

const struct secret *kept_tokens_get(struct kept_tokens *kept, const struct snapshot *snapshot,
                                     const struct credential *secret)
{
    note_file(kept, snapshot);
    write_again(kept);
    return find(kept, secret)->token;
}

static void put(struct kept_tokens *kept, struct kept *it, struct slice refresh_token)
{
    struct error err = {.message = "secrets in the config name no sealed file"};
    secret_free(it->token);
    it->token = secret_new(refresh_token);
    it->unread = false;
    it->written = kept->has_file && write_token(&kept->file, it, &err) == STATUS_OK;
    if (!it->written) {
        log_warn("secret \"%s\": its endpoint gave a new refresh token, which is lost when the "
                 "gateway ends, unless it can be written before: %s",
                 it->name, err.message);
    }
}

void kept_tokens_put(struct kept_tokens *kept, const struct snapshot *snapshot,
                     const struct credential *secret, struct slice refresh_token)
{
    note_file(kept, snapshot);
    struct kept *it = find(kept, secret);
    if (it->token == NULL || !secret_equal(secret_reveal(it->token), refresh_token)) {
        put(kept, it, refresh_token);
    } else {
        write_again(kept);
    }
}

unsigned kept_tokens_unwritten(const struct kept_tokens *kept)
{
    unsigned count = 0;
    for (const struct kept *it = kept->first; it != NULL; it = it->next) {
        count += it->token != NULL && !it->written;
    }
    return count;
}

void kept_tokens_free(struct kept_tokens *kept)
{
    if (kept == NULL) {
        return;
    }
    write_again(kept);
    while (kept->first != NULL) {
        struct kept *it = kept->first;
        kept->first = it->next;
        if (it->token != NULL && !it->written) {
            log_error("secret \"%s\": the refresh token that follows it could not be written, and "
                      "is lost",
                      it->name);
        }
        secret_free(it->token);
        memory_free(it->name);
        memory_free(it);
    }
    forget_file(kept);
    memory_free(kept);
}
