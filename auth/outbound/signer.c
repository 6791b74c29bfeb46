#include "auth/outbound/signer.h"

#include "auth/outbound/signer_internal.h"
#include "base/memory.h"
#include "base/secret.h"

#include <assert.h>

enum {
    KEYS_MAX = 64,          /* credentials that sign in a day, with their regions and services */
    TEXT_MAX = 1024 * 1024, /* a head may be as long as the config allows; its text a bit longer */
    TEXT_KEPT = 64 * 1024,  /* memory that is kept between two signatures */
    PURPOSE_MAX = 256,
};

/* ---- the table ---- */

static const struct slice aws_fields[] = {
    SLICE_INIT("authorization"),        SLICE_INIT("x-amz-date"),
    SLICE_INIT("x-amz-security-token"), SLICE_INIT("x-amz-content-sha256"),
    SLICE_INIT("x-amz-region-set"),     SLICE_INIT(""),
};

static const struct slice azure_fields[] = {
    SLICE_INIT("authorization"),
    SLICE_INIT("x-ms-date"),
    SLICE_INIT(""),
};

static const struct slice no_fields[] = {SLICE_INIT("")}; /* those of its recipe */

/* clang-format off */
static const struct signer {
    const char *name;
    const struct slice *fields;
    enum status (*check)(struct slice secret, struct error *err);
    enum status (*sign)(const struct signing *it);
} signers[SIGNER_SCHEMES] = {
    [SIGNER_AWS_SIGV4]        = {"aws-sigv4",        aws_fields,   sigv4_check,            sigv4_sign},
    [SIGNER_AZURE_SHARED_KEY] = {"azure-shared-key", azure_fields, azure_shared_key_check, azure_shared_key_sign},
    [SIGNER_HMAC]             = {"hmac",             no_fields,    hmac_template_check,    hmac_template_sign},
};
/* clang-format on */

const char *signer_name(enum signer_scheme scheme)
{
    assert(scheme < SIGNER_SCHEMES);
    return signers[scheme].name;
}

enum signer_scheme signer_find(struct slice name)
{
    unsigned i = 0;
    while (i < SIGNER_SCHEMES && !slice_equal(slice_from(signers[i].name), name)) {
        i++;
    }
    return (enum signer_scheme)i;
}

const struct slice *signer_fields(enum signer_scheme scheme)
{
    assert(scheme < SIGNER_SCHEMES);
    return signers[scheme].fields;
}

/* ---- keys ---- */

/* One that was derived. By the secret itself, not by its version: after a reload the numbers may
 * have begun anew. */
struct kept_key {
    struct secret *key; /* owned: a struct hmac_key in locked memory; NULL: an empty place */
    unsigned char of[SHA256_BYTES]; /* the secret's digest */
    char purpose[PURPOSE_MAX];      /* the day, and what else went into it */
    size_t purpose_len;
};

struct signing_keys {
    struct kept_key kept[KEYS_MAX];
    unsigned next; /* the place that is emptied where all are taken */
    struct buffer text;
};

struct signing_keys *signing_keys_new(void)
{
    struct signing_keys *keys = MEMORY_NEW(struct signing_keys);
    buffer_init(&keys->text, TEXT_MAX);
    return keys;
}

static void drop(struct kept_key *kept)
{
    secret_free(kept->key);
    *kept = (struct kept_key){.key = NULL};
}

void signing_keys_free(struct signing_keys *keys)
{
    if (keys == NULL) {
        return;
    }
    for (unsigned i = 0; i < KEYS_MAX; i++) {
        drop(&keys->kept[i]);
    }
    buffer_wipe(&keys->text);
    memory_free(keys);
}

const struct hmac_key *signing_keys_find(const struct signing_keys *keys, struct slice secret,
                                         struct slice purpose)
{
    unsigned char of[SHA256_BYTES];
    digest_sha256(secret, of);
    for (unsigned i = 0; i < KEYS_MAX && keys->kept[i].key != NULL; i++) {
        const struct kept_key *kept = &keys->kept[i];
        if (memcmp(kept->of, of, sizeof(of)) == 0 &&
            slice_equal(slice_make(kept->purpose, kept->purpose_len), purpose)) {
            return (const struct hmac_key *)(const void *)secret_reveal(kept->key).ptr;
        }
    }
    return NULL;
}

/* Of the same secret and purpose on another day: it is of no use any more. */
static bool replaces(const struct kept_key *kept, const unsigned char *of, struct slice purpose)
{
    struct slice old = slice_make(kept->purpose, kept->purpose_len);
    return kept->key == NULL || (memcmp(kept->of, of, SHA256_BYTES) == 0 &&
                                 slice_equal(slice_skip(old, slice_find(old, '/')),
                                             slice_skip(purpose, slice_find(purpose, '/'))));
}

void signing_keys_put(struct signing_keys *keys, struct slice secret, struct slice purpose,
                      const struct hmac_key *key)
{
    unsigned place = 0;
    unsigned char of[SHA256_BYTES];
    if (purpose.len > PURPOSE_MAX) {
        return; /* then it is derived each time */
    }
    digest_sha256(secret, of);
    while (place < KEYS_MAX && !replaces(&keys->kept[place], of, purpose)) {
        place++;
    }
    if (place == KEYS_MAX) {
        place = keys->next;
        keys->next = (keys->next + 1) % KEYS_MAX;
    }
    struct kept_key *kept = &keys->kept[place];
    drop(kept);
    memcpy(kept->of, of, sizeof(of));
    memcpy(kept->purpose, purpose.ptr, purpose.len);
    kept->purpose_len = purpose.len;
    kept->key = secret_new(slice_make((const char *)key, sizeof(*key)));
}

/* ---- what schemes share ---- */

bool signing_split(struct slice secret, unsigned parts, struct signing_parts *ret)
{
    size_t colon = slice_find(secret, ':');
    struct slice rest = slice_skip(secret, colon + 1);
    *ret = (struct signing_parts){.id = slice_make(secret.ptr, colon), .key = rest};
    if (parts == 3 && slice_find(rest, ':') < rest.len) {
        ret->key = slice_make(rest.ptr, slice_find(rest, ':'));
        ret->token = slice_skip(rest, ret->key.len + 1);
    }
    return colon < secret.len && ret->id.len > 0 && ret->key.len > 0;
}

enum status signing_line(struct buffer *out, struct slice name, struct slice value)
{
    TRY(buffer_append(out, name));
    TRY(buffer_append(out, SLICE(": ")));
    TRY(buffer_append(out, value));
    return buffer_append(out, SLICE("\r\n"));
}

enum status signing_append_lower(struct buffer *out, struct slice text)
{
    if (text.len == 0) {
        return STATUS_OK;
    }
    TRY(buffer_reserve(out, text.len));
    char *to = buffer_tail(out);
    for (size_t i = 0; i < text.len; i++) {
        to[i] = ascii_lower(text.ptr[i]);
    }
    buffer_commit(out, text.len);
    return STATUS_OK;
}

int signing_compare(struct slice a, struct slice b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter == 0 ? 0 : memcmp(a.ptr, b.ptr, shorter);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

int signing_compare_nocase(struct slice a, struct slice b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    for (size_t i = 0; i < shorter; i++) {
        int order = (unsigned char)ascii_lower(a.ptr[i]) - (unsigned char)ascii_lower(b.ptr[i]);
        if (order != 0) {
            return order;
        }
    }
    return (a.len > b.len) - (a.len < b.len);
}

unsigned char signing_take_decoded(struct slice text, size_t *at)
{
    unsigned char byte = (unsigned char)text.ptr[*at];
    if (byte == '%' && *at + 2 < text.len) {
        unsigned high = ascii_hex_value(text.ptr[*at + 1]);
        unsigned low = ascii_hex_value(text.ptr[*at + 2]);
        if (high != ASCII_NOT_HEX && low != ASCII_NOT_HEX) {
            *at += 3;
            return (unsigned char)(high << 4 | low);
        }
    }
    *at += 1;
    return byte;
}

/* ---- the head ---- */

struct slice signing_take_line(struct slice *text)
{
    size_t end = slice_find(*text, '\n');
    struct slice line = slice_make(text->ptr, end);
    *text = slice_skip(*text, end + 1);
    if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
        line.len--;
    }
    return line;
}

enum status signer_read_head(struct slice head, struct signing_field *fields,
                             struct signing_request *ret)
{
    struct slice start = signing_take_line(&head);
    size_t method = slice_find(start, ' ');
    size_t version = start.len;
    while (version > 0 && start.ptr[version - 1] != ' ') {
        version--;
    }
    if (version < method + 2) {
        return STATUS_INVALID;
    }
    ret->method = slice_make(start.ptr, method);
    ret->target = slice_make(start.ptr + method + 1, version - method - 2);
    ret->fields = fields;
    ret->field_count = 0;
    while (head.len > 0) {
        struct slice line = signing_take_line(&head);
        size_t colon = slice_find(line, ':');
        if (line.len == 0) {
            break;
        }
        if (colon == line.len) {
            return STATUS_INVALID;
        }
        if (ret->field_count == SIGNING_FIELDS_MAX) {
            return STATUS_TOO_LARGE;
        }
        fields[ret->field_count++] = (struct signing_field){
            slice_make(line.ptr, colon), slice_trim(slice_skip(line, colon + 1))};
    }
    return STATUS_OK;
}

/* ---- the signature ---- */

enum status signer_check_secret(const struct signing_rule *rule, struct slice secret,
                                struct error *err)
{
    return signers[rule->scheme].check(secret, err);
}

enum status signer_sign(const struct signing_rule *rule, struct slice secret,
                        struct signing_keys *keys, const struct signing_request *request,
                        struct buffer *out, struct sigv4_seed *ret_seed)
{
    struct buffer *text = &keys->text;
    assert(buffer_len(text) == 0 && request->field_count <= SIGNING_FIELDS_MAX);
    TRY(signers[rule->scheme].check(secret, NULL));
    const struct signing it = {rule, secret, keys, request, out, text, ret_seed};
    enum status status = signers[rule->scheme].sign(&it);
    if (text->ptr != NULL) { /* a token may be in it */
        secret_wipe(text->ptr, text->end);
    }
    buffer_consume(text, buffer_len(text));
    if (text->size > TEXT_KEPT) {
        buffer_reset(text);
    }
    return status;
}
