/*
 * hmac_template: signatures as the APIs of exchanges and their like want them: an HMAC over a text
 * that is made of parts of the request. The secret is KEY:SECRET, or the secret alone.
 */
#define OPENSSL_API_COMPAT 0x10100000L /* HMAC in pieces, without a context of providers */

#include "auth/outbound/hmac_recipe.h"
#include "auth/outbound/signer_internal.h"
#include "base/calendar.h"
#include "base/encode.h"
#include "base/http1.h"
#include "base/secret.h"

#include <stdio.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

enum { STAMP_MAX = 32, MAC_MAX = 64, MAC_TEXT_MAX = 2 * MAC_MAX + 1, KEY_MAX = 4096 };

/* ---- placeholders ---- */

enum part {
    PART_METHOD,
    PART_TARGET,
    PART_PATH,
    PART_QUERY,
    PART_HOST,
    PART_BODY,
    PART_BODY_SHA256,
    PART_BODY_SHA512,
    PART_TIMESTAMP,
    PART_USER,
    PART_SIGNATURE,
    PARTS /* not a part; keep last */
};

static const struct {
    struct slice mark;
    bool in_message, in_value, of_body;
} parts[PARTS] = {
    [PART_METHOD] = {SLICE_INIT("{method}"), true, false, false},
    [PART_TARGET] = {SLICE_INIT("{target}"), true, false, false},
    [PART_PATH] = {SLICE_INIT("{path}"), true, false, false},
    [PART_QUERY] = {SLICE_INIT("{query}"), true, false, false},
    [PART_HOST] = {SLICE_INIT("{host}"), true, false, false},
    [PART_BODY] = {SLICE_INIT("{body}"), true, false, true},
    [PART_BODY_SHA256] = {SLICE_INIT("{body_sha256}"), true, false, true},
    [PART_BODY_SHA512] = {SLICE_INIT("{body_sha512}"), true, false, true},
    [PART_TIMESTAMP] = {SLICE_INIT("{timestamp}"), true, true, false},
    [PART_USER] = {SLICE_INIT("{user}"), true, true, false},
    [PART_SIGNATURE] = {SLICE_INIT("{signature}"), false, true, false},
};

/* PARTS: there is none at the front. */
static enum part part_at(struct slice text)
{
    unsigned i = 0;
    while (i < PARTS && !slice_starts_with(text, parts[i].mark)) {
        i++;
    }
    return (enum part)i;
}

enum status hmac_recipe_check(struct slice text, enum hmac_text kind, bool *ret_reads_body,
                              struct error *err)
{
    bool reads = false;
    for (size_t at = 0; at < text.len; at++) {
        struct slice rest = slice_skip(text, at);
        if (rest.ptr[0] != '{') {
            continue;
        }
        enum part part = part_at(rest);
        if (part == PARTS) {
            if (kind == HMAC_VALUE || slice_find(rest, '}') == rest.len) {
                FAIL(err, STATUS_INVALID, "a '{' that begins no placeholder; %s",
                     kind == HMAC_VALUE ? "{signature}, {timestamp} and {user} can stand here"
                                        : "see the manual for those that can stand here");
            }
            FAIL(err, STATUS_INVALID, "\"%.*s\" is no placeholder",
                 (int)(slice_find(rest, '}') + 1), rest.ptr);
        }
        if (kind == HMAC_MESSAGE ? !parts[part].in_message : !parts[part].in_value) {
            FAIL(err, STATUS_INVALID, "%.*s cannot stand here", SLICE_ARG(parts[part].mark));
        }
        reads = reads || parts[part].of_body;
        at += parts[part].mark.len - 1;
    }
    if (ret_reads_body != NULL) {
        *ret_reads_body = reads;
    }
    return STATUS_OK;
}

/* ---- what they stand for ---- */

struct facts {
    struct slice of[PARTS];
    char stamp[STAMP_MAX];
    char sha256[2 * SHA256_BYTES];
    char sha512[2 * SHA512_DIGEST_LENGTH];
};

static struct slice find_field(const struct signing_request *request, struct slice name)
{
    for (unsigned i = 0; i < request->field_count; i++) {
        if (slice_equal_nocase(request->fields[i].name, name)) {
            return request->fields[i].value;
        }
    }
    return slice_make(NULL, 0);
}

static void write_stamp(enum hmac_clock clock, usec_t now, char out[STAMP_MAX])
{
    int64_t seconds = now / SEC;
    struct calendar_date date = calendar_date(seconds / DAY_SECONDS);
    int of_day = (int)(seconds % DAY_SECONDS);
    int milliseconds = (int)(now % SEC / MSEC);
    switch (clock) {
    case HMAC_SECONDS:
        (void)snprintf(out, STAMP_MAX, "%lld", (long long)seconds);
        return;
    case HMAC_MILLISECONDS:
        (void)snprintf(out, STAMP_MAX, "%lld", (long long)(now / MSEC));
        return;
    case HMAC_ISO_8601:
        (void)snprintf(out, STAMP_MAX, "%04lld-%02d-%02dT%02d:%02d:%02d.%03dZ",
                       (long long)date.year, date.month, date.day, of_day / 3600, of_day / 60 % 60,
                       of_day % 60, milliseconds);
        return;
    }
}

static void hash_body(struct slice body, struct facts *facts)
{
    unsigned char hash[SHA512_DIGEST_LENGTH];
    digest_sha256(body, hash);
    encode_hex(slice_make((const char *)hash, SHA256_BYTES), facts->sha256);
    (void)SHA512((const unsigned char *)(body.ptr == NULL ? "" : body.ptr), body.len, hash);
    encode_hex(slice_make((const char *)hash, sizeof(hash)), facts->sha512);
    facts->of[PART_BODY_SHA256] = slice_make(facts->sha256, sizeof(facts->sha256));
    facts->of[PART_BODY_SHA512] = slice_make(facts->sha512, sizeof(facts->sha512));
}

static void gather(const struct signing *it, struct slice user, struct facts *facts)
{
    const struct signing_request *request = it->request;
    size_t mark = slice_find(request->target, '?');
    write_stamp(it->rule->recipe->clock, request->now, facts->stamp);
    facts->of[PART_METHOD] = request->method;
    facts->of[PART_TARGET] = request->target;
    facts->of[PART_PATH] = slice_make(request->target.ptr, mark);
    facts->of[PART_QUERY] = slice_skip(request->target, mark + 1);
    facts->of[PART_HOST] = find_field(request, SLICE("host"));
    facts->of[PART_BODY] = request->body;
    facts->of[PART_TIMESTAMP] = slice_from(facts->stamp);
    facts->of[PART_USER] = user;
    if (it->rule->recipe->reads_body) {
        hash_body(request->body, facts);
    }
}

/* Where a text goes: into a buffer, or right into the mac, for a body may be long. */
struct sink {
    struct buffer *out;
    HMAC_CTX *mac; /* if there is no buffer */
};

static enum status put(const struct sink *sink, struct slice bytes)
{
    if (sink->out != NULL) {
        return buffer_append(sink->out, bytes);
    }
    return bytes.len == 0 ||
                   HMAC_Update(sink->mac, (const unsigned char *)bytes.ptr, bytes.len) == 1
               ? STATUS_OK
               : STATUS_INVALID;
}

static enum status fill(struct slice text, const struct facts *facts, const struct sink *sink)
{
    while (text.len > 0) {
        enum part part = text.ptr[0] == '{' ? part_at(text) : PARTS;
        if (part != PARTS) {
            TRY(put(sink, facts->of[part]));
            text = slice_skip(text, parts[part].mark.len);
        } else if (slice_starts_with(text, SLICE("\\n"))) {
            TRY(put(sink, SLICE("\n")));
            text = slice_skip(text, 2);
        } else {
            TRY(put(sink, slice_make(text.ptr, 1)));
            text = slice_skip(text, 1);
        }
    }
    return STATUS_OK;
}

/* ---- the secret ---- */

/* Of a secret without a colon all is the key. */
static void split(struct slice secret, struct signing_parts *ret)
{
    if (!signing_split(secret, 2, ret)) {
        *ret = (struct signing_parts){.id = slice_make("", 0), .key = secret};
    }
}

enum status hmac_template_check(struct slice secret, struct error *err)
{
    struct signing_parts pair;
    split(secret, &pair);
    if (secret.len == 0 || pair.key.len > KEY_MAX || !http1_valid_field_value(pair.id)) {
        FAIL(err, STATUS_INVALID, "KEY:SECRET in one line is expected, or the secret alone");
    }
    return STATUS_OK;
}

static enum status read_key(enum hmac_key_form form, struct slice text, unsigned char out[KEY_MAX],
                            size_t *ret_len)
{
    switch (form) {
    case HMAC_KEY_TEXT:
        memcpy(out, text.ptr, text.len);
        *ret_len = text.len;
        return STATUS_OK;
    case HMAC_KEY_BASE64:
        return decode_base64(text, out, ret_len);
    case HMAC_KEY_HEX:
        *ret_len = text.len / 2;
        return decode_hex(text, out);
    }
    return STATUS_INVALID;
}

/* ---- the signature ---- */

static void free_mac(HMAC_CTX **mac)
{
    HMAC_CTX_free(*mac);
}

static enum status begin_mac(const struct hmac_recipe *recipe, struct slice key_text, HMAC_CTX *mac)
{
    unsigned char key[KEY_MAX];
    size_t key_len = 0;
    enum status status = read_key(recipe->key_form, key_text, key, &key_len);
    const EVP_MD *hash = recipe->hash == HMAC_SHA256 ? EVP_sha256() : EVP_sha512();
    if (status == STATUS_OK && HMAC_Init_ex(mac, key, (int)key_len, hash, NULL) != 1) {
        status = STATUS_INVALID;
    }
    secret_wipe(key, sizeof(key));
    return status;
}

static enum status make_mac(const struct hmac_recipe *recipe, struct slice key_text,
                            const struct facts *facts, char out[MAC_TEXT_MAX], struct slice *ret)
{
    unsigned char bytes[MAC_MAX];
    unsigned len = 0;
    HMAC_CTX *mac CLEANUP(free_mac) = HMAC_CTX_new();
    if (mac == NULL) {
        return STATUS_UNAVAILABLE;
    }
    const struct sink sink = {.mac = mac};
    TRY(begin_mac(recipe, key_text, mac));
    TRY(fill(recipe->message, facts, &sink));
    if (HMAC_Final(mac, bytes, &len) != 1) {
        return STATUS_INVALID;
    }
    struct slice made = slice_make((const char *)bytes, len);
    size_t written = 2 * made.len;
    if (recipe->encoding == HMAC_HEX) {
        encode_hex(made, out);
    } else {
        written = encode_base64(made, out);
    }
    *ret = slice_make(out, written);
    return STATUS_OK;
}

enum status hmac_template_sign(const struct signing *it)
{
    const struct hmac_recipe *recipe = it->rule->recipe;
    const struct sink lines = {.out = it->out};
    struct facts facts = {.stamp = ""};
    char mac[MAC_TEXT_MAX];
    struct signing_parts pair;
    split(it->secret, &pair);
    gather(it, pair.id, &facts);
    TRY(make_mac(recipe, pair.key, &facts, mac, &facts.of[PART_SIGNATURE]));
    for (unsigned i = 0; i < recipe->header_count; i++) {
        TRY(buffer_append(it->out, recipe->headers[i].name));
        TRY(buffer_append(it->out, SLICE(": ")));
        TRY(fill(recipe->headers[i].value, &facts, &lines));
        TRY(buffer_append(it->out, SLICE("\r\n")));
    }
    return STATUS_OK;
}
