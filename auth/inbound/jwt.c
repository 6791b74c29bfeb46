#include "auth/inbound/jwt.h"

#include "auth/inbound/webhook_crypto.h"
#include "base/encode.h"
#include "base/json.h"
#include "base/memory.h"

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>

enum {
    P256_BYTES = 32,
    ES256_BYTES = 2 * P256_BYTES,
    EDDSA_BYTES = 64,
    SIGNATURE_TEXT_MAX = (JWT_SIGNATURE_BYTES_MAX * 4 + 2) / 3
};

static const struct json_limits limits = {
    .bytes = JWT_BYTES_MAX,
    .depth = 8,
    .names = JSON_NAMES_ONCE,
};

/* Four characters at a time, as base64 with padding. */
bool jwt_decode(struct slice text, unsigned char *out, size_t *ret_len)
{
    size_t len = 0;
    if (text.len % 4 == 1) {
        return false;
    }
    for (size_t i = 0; i < text.len; i += 4) {
        char group[4] = {'=', '=', '=', '='};
        unsigned char bytes[3];
        size_t count = text.len - i < 4 ? text.len - i : 4;
        size_t decoded = 0;
        for (size_t j = 0; j < count; j++) {
            char byte = text.ptr[i + j];
            if (byte == '+' || byte == '/' || byte == '=') {
                return false;
            }
            group[j] = byte;
            if (byte == '-' || byte == '_') {
                group[j] = byte == '-' ? '+' : '/';
            }
        }
        if (decode_base64(slice_make(group, 4), bytes, &decoded) != STATUS_OK) {
            return false;
        }
        memcpy(out + len, bytes, decoded);
        len += decoded;
    }
    *ret_len = len;
    return true;
}

static bool parse_part(struct slice text, struct cJSON **ret)
{
    unsigned char *bytes = memory_alloc(text.len + 1);
    size_t len = 0;
    bool done = jwt_decode(text, bytes, &len) &&
                json_parse(slice_make((const char *)bytes, len), &limits, ret, NULL) == STATUS_OK &&
                json_is_object(*ret);
    memory_free(bytes);
    return done;
}

/* It is written into URLs, documents and logs: nothing that could end a text in them. */
static bool good_kid(struct slice kid)
{
    for (size_t i = 0; i < kid.len; i++) {
        if (kid.ptr[i] <= ' ' || kid.ptr[i] > '~' || kid.ptr[i] == '"' || kid.ptr[i] == '\\') {
            return false;
        }
    }
    return kid.len > 0 && kid.len <= JWT_KID_MAX_BYTES;
}

static enum key_kind kind_of(struct slice algorithm)
{
    enum key_kind kind = 0;
    while (kind < KEY_KINDS && !slice_equal(algorithm, key_kind_name(kind))) {
        kind++;
    }
    return kind;
}

static enum jwt_fault read_header(struct jwt *jwt, unsigned kinds)
{
    struct slice algorithm;
    if (!json_string(json_get(jwt->header, "alg"), &algorithm)) {
        return JWT_MALFORMED;
    }
    jwt->kind = kind_of(algorithm);
    if (jwt->kind == KEY_KINDS || (kinds & (1U << jwt->kind)) == 0 ||
        json_get(jwt->header, "crit") != NULL) {
        return JWT_ALGORITHM;
    }
    const struct cJSON *kid = json_get(jwt->header, "kid");
    return kid == NULL || (json_string(kid, &jwt->kid) && good_kid(jwt->kid)) ? JWT_OK
                                                                              : JWT_MALFORMED;
}

/* RSA's is as long as its key; 0: any. */
static size_t signature_bytes(enum key_kind kind)
{
    return kind == KEY_ES256 ? ES256_BYTES : kind == KEY_EDDSA ? EDDSA_BYTES : 0;
}

static enum jwt_fault read_parts(struct slice text, unsigned kinds, struct jwt *jwt)
{
    struct slice header = slice_make(text.ptr, slice_find(text, '.'));
    struct slice rest = slice_skip(text, header.len + 1);
    struct slice claims = slice_make(rest.ptr, slice_find(rest, '.'));
    struct slice signature = slice_skip(rest, claims.len + 1);
    if (header.len == 0 || !parse_part(header, &jwt->header)) {
        return JWT_MALFORMED;
    }
    enum jwt_fault fault = read_header(jwt, kinds);
    if (fault != JWT_OK) {
        return fault;
    }
    if (claims.len == 0 || !parse_part(claims, &jwt->claims) ||
        signature.len > SIGNATURE_TEXT_MAX || slice_find(signature, '.') < signature.len ||
        !jwt_decode(signature, jwt->signature, &jwt->signature_len)) {
        return JWT_MALFORMED;
    }
    size_t wanted = signature_bytes(jwt->kind);
    if (jwt->signature_len == 0 || (wanted != 0 && jwt->signature_len != wanted)) {
        return JWT_MALFORMED;
    }
    jwt->signed_bytes = slice_make(text.ptr, header.len + 1 + claims.len);
    return JWT_OK;
}

enum jwt_fault jwt_read(struct slice text, enum key_kind kind, struct jwt *ret)
{
    return jwt_read_any(text, 1U << kind, ret);
}

enum jwt_fault jwt_read_any(struct slice text, unsigned kinds, struct jwt *ret)
{
    *ret = (struct jwt){0};
    enum jwt_fault fault = text.len > JWT_BYTES_MAX ? JWT_MALFORMED : read_parts(text, kinds, ret);
    if (fault != JWT_OK) {
        jwt_fini(ret);
    }
    return fault;
}

void jwt_fini(struct jwt *jwt)
{
    json_free(jwt->header);
    json_free(jwt->claims);
    jwt->header = NULL;
    jwt->claims = NULL;
}

/* JWS has the two numbers as they are; OpenSSL wants them in DER. */
static bool es256_valid(const struct jwt *jwt, EVP_PKEY *key)
{
    ECDSA_SIG *numbers = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(jwt->signature, P256_BYTES, NULL);
    BIGNUM *s = BN_bin2bn(jwt->signature + P256_BYTES, P256_BYTES, NULL);
    unsigned char *der = NULL;
    bool valid = false;
    if (numbers == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(numbers, r, s) != 1) {
        BN_free(r);
        BN_free(s);
    } else {
        int len = i2d_ECDSA_SIG(numbers, &der);
        valid = len > 0 && webhook_signature_valid(key, WEBHOOK_HASH_SHA256, jwt->signed_bytes,
                                                   slice_make((const char *)der, (size_t)len));
    }
    OPENSSL_free(der);
    ECDSA_SIG_free(numbers);
    return valid;
}

bool jwt_valid(const struct jwt *jwt, enum key_kind kind, EVP_PKEY *key)
{
    if (kind == KEY_ES256) {
        return es256_valid(jwt, key);
    }
    return webhook_signature_valid(key, kind == KEY_EDDSA ? WEBHOOK_HASH_NONE : WEBHOOK_HASH_SHA256,
                                   jwt->signed_bytes,
                                   slice_make((const char *)jwt->signature, jwt->signature_len));
}

bool jwt_text(const struct jwt *jwt, const char *claim, struct slice *ret)
{
    return json_string(json_get(jwt->claims, claim), ret);
}

bool jwt_number(const struct jwt *jwt, const char *claim, int64_t *ret)
{
    uint64_t number = 0;
    if (!json_uint(json_get(jwt->claims, claim), &number)) {
        return false;
    }
    *ret = (int64_t)number;
    return true;
}

bool jwt_true(const struct jwt *jwt, const char *claim)
{
    bool value = false;
    return json_bool(json_get(jwt->claims, claim), &value) && value;
}
