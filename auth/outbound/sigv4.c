/*
 * sigv4: AWS Signature Version 4.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
#include "auth/outbound/signer_internal.h"
#include "base/calendar.h"
#include "base/encode.h"
#include "base/http1.h"
#include "base/secret.h"

enum {
    DAY_LEN = 8,   /* 20150830 */
    TIME_LEN = 16, /* 20150830T123600Z */
    HEX_BYTES = 2 * SHA256_BYTES,
    SECRET_MAX = 1024,
    OWN_FIELDS = 3,
};

static const struct slice algorithm = SLICE_INIT("AWS4-HMAC-SHA256");

static void put_number(char *out, unsigned digits, int64_t value)
{
    for (unsigned i = digits; i > 0; i--) {
        out[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
}

void sigv4_time(usec_t now, char out[TIME_LEN])
{
    int64_t seconds = now / SEC;
    struct calendar_date date = calendar_date(seconds / DAY_SECONDS);
    int64_t of_day = seconds % DAY_SECONDS;
    put_number(out, 4, date.year);
    put_number(out + 4, 2, date.month);
    put_number(out + 6, 2, date.day);
    out[8] = 'T';
    put_number(out + 9, 2, of_day / 3600);
    put_number(out + 11, 2, of_day / 60 % 60);
    put_number(out + 13, 2, of_day % 60);
    out[15] = 'Z';
}

/* ---- the secret ---- */

/* What stands in "Credential=ID/..., " must not end it. */
static bool valid_id(struct slice id)
{
    for (size_t i = 0; i < id.len; i++) {
        if (id.ptr[i] <= ' ' || id.ptr[i] > '~' || id.ptr[i] == '/' || id.ptr[i] == ',') {
            return false;
        }
    }
    return id.len > 0;
}

enum status sigv4_check(struct slice secret, struct error *err)
{
    struct signing_parts parts;
    if (!signing_split(secret, 3, &parts) || !valid_id(parts.id) || parts.key.len > SECRET_MAX ||
        !http1_valid_field_value(parts.key) || !http1_valid_field_value(parts.token)) {
        FAIL(err, STATUS_INVALID,
             "an access key of AWS is expected, as ID:SECRET or ID:SECRET:TOKEN in one line");
    }
    return STATUS_OK;
}

/* ---- the key ---- */

static void chain(struct hmac_key *key, struct slice text)
{
    unsigned char next[SHA256_BYTES];
    hmac_sha256(key, text, next);
    hmac_key_init(key, slice_make((const char *)next, sizeof(next)));
    secret_wipe(next, sizeof(next));
}

static void derive(const struct signing *it, struct slice secret, struct slice day,
                   struct hmac_key *ret)
{
    char first[4 + SECRET_MAX];
    memcpy(first, "AWS4", 4);
    memcpy(first + 4, secret.ptr, secret.len);
    hmac_key_init(ret, slice_make(first, 4 + secret.len));
    secret_wipe(first, sizeof(first));
    chain(ret, day);
    chain(ret, it->rule->region);
    chain(ret, it->rule->service);
    chain(ret, SLICE("aws4_request"));
}

/* `scope` names the day, the region and the service. */
static void find_key(const struct signing *it, struct slice secret, struct slice scope,
                     struct hmac_key *ret)
{
    const struct hmac_key *kept = signing_keys_find(it->keys, secret, scope);
    if (kept != NULL) {
        *ret = *kept;
        return;
    }
    derive(it, secret, slice_make(scope.ptr, DAY_LEN), ret);
    signing_keys_put(it->keys, secret, scope, ret);
}

/* ---- the signature ---- */

static enum status write_scope(const struct signing *it, const char *time, struct buffer *out)
{
    TRY(buffer_append(out, slice_make(time, DAY_LEN)));
    TRY(buffer_append(out, SLICE("/")));
    TRY(buffer_append(out, it->rule->region));
    TRY(buffer_append(out, SLICE("/")));
    TRY(buffer_append(out, it->rule->service));
    return buffer_append(out, SLICE("/aws4_request"));
}

/* The request's fields and those of our own, which are appended to `out`, too. */
static enum status gather(const struct signing *it, const struct signing_parts *parts,
                          struct slice time, struct signing_field *fields, unsigned *ret_count)
{
    const struct signing_request *request = it->request;
    unsigned count = request->field_count;
    if (count > 0) {
        memcpy(fields, request->fields, count * sizeof(*fields));
    }
    const struct signing_field own[OWN_FIELDS] = {
        {SLICE("x-amz-date"), time},
        {SLICE("x-amz-security-token"), parts->token},
        {SLICE("x-amz-content-sha256"), it->rule->as_s3 ? request->payload : slice_make(NULL, 0)},
    };
    for (unsigned i = 0; i < OWN_FIELDS; i++) {
        if (own[i].value.len > 0) {
            fields[count++] = own[i];
            TRY(signing_line(it->out, own[i].name, own[i].value));
        }
    }
    *ret_count = count;
    return STATUS_OK;
}

/* Puts the string to sign behind the canonical request in `text`; *ret is that string alone. */
static enum status string_to_sign(const struct signing *it, struct slice time, struct slice *ret,
                                  struct slice *ret_scope)
{
    unsigned char hash[SHA256_BYTES];
    char hex[HEX_BYTES];
    struct buffer *text = it->text;
    digest_sha256(buffer_bytes(text), hash);
    encode_hex(slice_make((const char *)hash, sizeof(hash)), hex);
    size_t start = buffer_len(text);
    TRY(buffer_append(text, algorithm));
    TRY(buffer_append(text, SLICE("\n")));
    TRY(buffer_append(text, time));
    TRY(buffer_append(text, SLICE("\n")));
    size_t scope = buffer_len(text);
    TRY(write_scope(it, time.ptr, text));
    size_t scope_end = buffer_len(text);
    TRY(buffer_append(text, SLICE("\n")));
    TRY(buffer_append(text, slice_make(hex, sizeof(hex))));
    struct slice all = buffer_bytes(text);
    *ret = slice_skip(all, start);
    *ret_scope = slice_make(all.ptr + scope, scope_end - scope);
    return STATUS_OK;
}

static enum status write_authorization(const struct signing *it, struct slice id,
                                       struct slice scope, struct slice signed_fields,
                                       struct slice signature)
{
    struct buffer *out = it->out;
    TRY(buffer_append(out, SLICE("Authorization: AWS4-HMAC-SHA256 Credential=")));
    TRY(buffer_append(out, id));
    TRY(buffer_append(out, SLICE("/")));
    TRY(buffer_append(out, scope));
    TRY(buffer_append(out, SLICE(", SignedHeaders=")));
    TRY(buffer_append(out, signed_fields));
    TRY(buffer_append(out, SLICE(", Signature=")));
    TRY(buffer_append(out, signature));
    return buffer_append(out, SLICE("\r\n"));
}

static enum status keep_seed(struct sigv4_seed *seed, const struct hmac_key *key, struct slice time,
                             struct slice scope, const char *signature)
{
    if (scope.len > sizeof(seed->scope)) {
        return STATUS_TOO_LARGE;
    }
    seed->key = *key;
    memcpy(seed->time, time.ptr, TIME_LEN);
    memcpy(seed->scope, scope.ptr, scope.len);
    seed->scope_len = scope.len;
    memcpy(seed->signature, signature, HEX_BYTES);
    return STATUS_OK;
}

enum status sigv4_sign(const struct signing *it)
{
    struct signing_field fields[SIGNING_FIELDS_MAX + OWN_FIELDS];
    char time_text[TIME_LEN];
    unsigned char mac[SHA256_BYTES];
    char signature[HEX_BYTES];
    struct slice time = slice_make(time_text, sizeof(time_text));
    struct signing_parts parts;
    struct slice signed_fields;
    struct slice scope;
    struct slice string;
    struct hmac_key key;
    unsigned count = 0;

    (void)signing_split(it->secret, 3, &parts);
    sigv4_time(it->request->now, time_text);
    TRY(gather(it, &parts, time, fields, &count));
    TRY(sigv4_canonical(it->rule, it->request, fields, count, it->text, &signed_fields));
    size_t list = (size_t)(signed_fields.ptr - buffer_bytes(it->text).ptr);
    TRY(string_to_sign(it, time, &string, &scope));
    signed_fields.ptr = buffer_bytes(it->text).ptr + list; /* it may have moved */
    find_key(it, parts.key, scope, &key);
    hmac_sha256(&key, string, mac);
    encode_hex(slice_make((const char *)mac, sizeof(mac)), signature);
    enum status status = write_authorization(it, parts.id, scope, signed_fields,
                                             slice_make(signature, sizeof(signature)));
    if (status == STATUS_OK && it->seed != NULL) {
        status = keep_seed(it->seed, &key, time, scope, signature);
    }
    secret_wipe(&key, sizeof(key));
    return status;
}
