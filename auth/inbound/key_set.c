#include "auth/inbound/key_set.h"

#include "auth/inbound/jwt.h"
#include "base/json.h"
#include "base/memory.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

enum {
    RSA_BYTES_MIN = 256,
    RSA_BYTES_MAX = 1024,
    NUMBER_TEXT_MAX = (RSA_BYTES_MAX * 4 + 2) / 3,
    EXPONENT_BYTES_MAX = 8,
    P256_BYTES = 32,
    ED25519_BYTES = 32
};

static const struct json_limits limits = {
    .bytes = KEY_SET_BYTES_MAX,
    .depth = 8,
    .names = JSON_NAMES_ANY,
};

/* A member's base64url as bytes; false if it is none, or not of that length. */
static bool number_of(const struct cJSON *key, const char *name, struct slice *ret,
                      unsigned char out[RSA_BYTES_MAX])
{
    struct slice text;
    size_t len = 0;
    if (!json_string(json_get(key, name), &text) || text.len > NUMBER_TEXT_MAX ||
        !jwt_decode(text, out, &len)) {
        return false;
    }
    *ret = slice_make((const char *)out, len);
    return true;
}

static EVP_PKEY *make_key(const char *type, OSSL_PARAM_BLD *builder)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (params == NULL || context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        key = NULL;
    }
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    return key;
}

static EVP_PKEY *read_ec(const struct cJSON *jwk)
{
    struct slice curve, x, y;
    unsigned char x_bytes[RSA_BYTES_MAX];
    unsigned char y_bytes[RSA_BYTES_MAX];
    unsigned char point[1 + 2 * P256_BYTES] = {4}; /* not compressed */
    if (!json_string(json_get(jwk, "crv"), &curve) || !slice_equal(curve, SLICE("P-256")) ||
        !number_of(jwk, "x", &x, x_bytes) || !number_of(jwk, "y", &y, y_bytes) ||
        x.len != P256_BYTES || y.len != P256_BYTES) {
        return NULL;
    }
    memcpy(point + 1, x.ptr, P256_BYTES);
    memcpy(point + 1 + P256_BYTES, y.ptr, P256_BYTES);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY *key = NULL;
    if (builder != NULL &&
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) ==
            1 &&
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)) ==
            1) {
        key = make_key("EC", builder); /* refuses a point that is not on the curve */
    }
    OSSL_PARAM_BLD_free(builder);
    return key;
}

static EVP_PKEY *read_rsa(const struct cJSON *jwk)
{
    struct slice n, e;
    unsigned char n_bytes[RSA_BYTES_MAX];
    unsigned char e_bytes[RSA_BYTES_MAX];
    if (!number_of(jwk, "n", &n, n_bytes) || !number_of(jwk, "e", &e, e_bytes) ||
        n.len < RSA_BYTES_MIN || n.ptr[0] == 0 || e.len > EXPONENT_BYTES_MAX) {
        return NULL;
    }
    BIGNUM *modulus = BN_bin2bn(n_bytes, (int)n.len, NULL);
    BIGNUM *exponent = BN_bin2bn(e_bytes, (int)e.len, NULL);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY *key = NULL;
    if (modulus != NULL && exponent != NULL && builder != NULL && BN_is_odd(exponent) == 1 &&
        BN_is_one(exponent) == 0 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent) == 1) {
        key = make_key("RSA", builder);
    }
    OSSL_PARAM_BLD_free(builder);
    BN_free(exponent);
    BN_free(modulus);
    return key;
}

static EVP_PKEY *read_okp(const struct cJSON *jwk)
{
    struct slice curve, x;
    unsigned char bytes[RSA_BYTES_MAX];
    if (!json_string(json_get(jwk, "crv"), &curve) || !slice_equal(curve, SLICE("Ed25519")) ||
        !number_of(jwk, "x", &x, bytes) || x.len != ED25519_BYTES) {
        return NULL;
    }
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, bytes, x.len);
}

/* Absent, or exactly this. */
static bool says(const struct cJSON *jwk, const char *name, struct slice text)
{
    struct slice value;
    const struct cJSON *member = json_get(jwk, name);
    return member == NULL || (json_string(member, &value) && slice_equal(value, text));
}

/* "key_ops" (RFC 7517, section 4.3) is absent, or has this. */
static bool may_verify(const struct cJSON *jwk)
{
    const struct cJSON *uses = json_get(jwk, "key_ops");
    struct slice text;
    const struct cJSON *use = json_is_array(uses) ? json_first(uses) : NULL;
    while (use != NULL && !(json_string(use, &text) && slice_equal(text, SLICE("verify")))) {
        use = json_next(use);
    }
    return uses == NULL || use != NULL;
}

/* Plaid's keys have "expired_at", null as long as they are good. */
static bool is_retired(const struct cJSON *jwk)
{
    uint64_t number = 0;
    struct slice text;
    const struct cJSON *member = json_get(jwk, "expired_at");
    return json_uint(member, &number) || json_string(member, &text);
}

/* What makes keys of each kind. */
static const struct kind {
    struct slice algorithm, type;
    EVP_PKEY *(*read)(const struct cJSON *jwk);
} kinds[KEY_KINDS] = {
    [KEY_ES256] = {SLICE_INIT("ES256"), SLICE_INIT("EC"), read_ec},
    [KEY_RS256] = {SLICE_INIT("RS256"), SLICE_INIT("RSA"), read_rsa},
    [KEY_EDDSA] = {SLICE_INIT("EdDSA"), SLICE_INIT("OKP"), read_okp},
};

struct slice key_kind_name(enum key_kind kind)
{
    return kinds[kind].algorithm;
}

static bool is_of_kind(const struct cJSON *jwk, enum key_kind kind)
{
    struct slice type;
    return json_string(json_get(jwk, "kty"), &type) && slice_equal(type, kinds[kind].type) &&
           says(jwk, "alg", kinds[kind].algorithm) && says(jwk, "use", SLICE("sig")) &&
           may_verify(jwk) && !is_retired(jwk);
}

static bool fits(const struct cJSON *jwk, struct slice kid, enum key_kind kind)
{
    struct slice id;
    return json_string(json_get(jwk, "kid"), &id) && slice_equal(id, kid) && is_of_kind(jwk, kind);
}

static EVP_PKEY *read_key(const struct cJSON *jwk, enum key_kind kind)
{
    EVP_PKEY *key = kinds[kind].read(jwk);
    ERR_clear_error();
    return key;
}

EVP_PKEY *key_set_find(struct slice text, struct slice kid, enum key_kind kind)
{
    struct cJSON *root CLEANUP(json_free_at) = NULL;
    if (json_parse(text, &limits, &root, NULL) != STATUS_OK) {
        return NULL;
    }
    const struct cJSON *keys = json_get(root, "keys");
    const struct cJSON *single = json_get(root, "key");
    const struct cJSON *jwk = keys != NULL ? json_first(keys) : single != NULL ? single : root;
    while (jwk != NULL && !fits(jwk, kid, kind)) {
        jwk = keys == NULL ? NULL : json_next(jwk);
    }
    return jwk == NULL ? NULL : read_key(jwk, kind);
}

/* ---- read once ---- */

struct key_entry {
    struct slice kid; /* owned: memory_copy(); empty: it has none */
    enum key_kind kind;
    EVP_PKEY *key; /* owned */
};

struct key_set {
    struct key_entry keys[KEY_SET_KEYS_MAX];
    unsigned count;
    unsigned of_kind[KEY_KINDS]; /* with those that had no room */
};

static void keep_key(struct key_set *set, struct slice kid, enum key_kind kind, EVP_PKEY *take_key)
{
    set->of_kind[kind]++;
    if (set->count == KEY_SET_KEYS_MAX) {
        EVP_PKEY_free(take_key);
        return;
    }
    set->keys[set->count++] = (struct key_entry){
        .kid = slice_make(memory_copy(kid), kid.len), .kind = kind, .key = take_key};
}

static void add_key(struct key_set *set, const struct cJSON *jwk)
{
    struct slice kid = SLICE("");
    const struct cJSON *name = json_get(jwk, "kid");
    if (name != NULL && (!json_string(name, &kid) || kid.len == 0 || kid.len > JWT_KID_MAX_BYTES)) {
        return;
    }
    for (enum key_kind kind = 0; kind < KEY_KINDS; kind++) {
        EVP_PKEY *key = is_of_kind(jwk, kind) ? read_key(jwk, kind) : NULL;
        if (key != NULL) {
            keep_key(set, kid, kind, key);
        }
    }
}

struct key_set *key_set_new(struct slice text)
{
    struct cJSON *root CLEANUP(json_free_at) = NULL;
    if (json_parse(text, &limits, &root, NULL) != STATUS_OK) {
        return NULL;
    }
    struct key_set *set = MEMORY_NEW(struct key_set);
    const struct cJSON *jwk = json_first(json_get(root, "keys"));
    for (; jwk != NULL; jwk = json_next(jwk)) {
        add_key(set, jwk);
    }
    if (set->count == 0) {
        key_set_free(set);
        set = NULL;
    }
    return set;
}

void key_set_free(struct key_set *set)
{
    if (set == NULL) {
        return;
    }
    for (unsigned i = 0; i < set->count; i++) {
        memory_free((char *)set->keys[i].kid.ptr);
        EVP_PKEY_free(set->keys[i].key);
    }
    memory_free(set);
}

unsigned key_set_count(const struct key_set *set, enum key_kind kind)
{
    return set->of_kind[kind];
}

EVP_PKEY *key_set_get(const struct key_set *set, struct slice kid, enum key_kind kind)
{
    if (kid.len == 0 && set->of_kind[kind] != 1) {
        return NULL;
    }
    for (unsigned i = 0; i < set->count; i++) {
        if (set->keys[i].kind == kind && (kid.len == 0 || slice_equal(set->keys[i].kid, kid))) {
            return set->keys[i].key;
        }
    }
    return NULL;
}
