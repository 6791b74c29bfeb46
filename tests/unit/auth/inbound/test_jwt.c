/* jwt, key_set: tokens that are made here, with a key that lives as long as the test. */
#include "auth/inbound/jwt.h"
#include "auth/inbound/key_set.h"
#include "base/encode.h"
#include "base/memory.h"

#include <stdio.h>

#include <criterion/criterion.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

enum { TEXT_BYTES = 32 * 1024 };

static EVP_PKEY *key;
static char modulus[1024]; /* base64url */

static size_t encode_url(struct slice bytes, char *out)
{
    size_t len = encode_base64(bytes, out);
    while (len > 0 && out[len - 1] == '=') {
        len--;
    }
    for (size_t i = 0; i < len; i++) {
        out[i] = out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i];
    }
    out[len] = '\0';
    return len;
}

static void set_up(void)
{
    unsigned char bytes[512];
    BIGNUM *n = NULL;
    key = EVP_RSA_gen(2048);
    cr_assert(key != NULL);
    cr_assert_eq(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n), 1);
    int len = BN_bn2bin(n, bytes);
    (void)encode_url(slice_make((const char *)bytes, (size_t)len), modulus);
    BN_free(n);
}

static void tear_down(void)
{
    EVP_PKEY_free(key);
}

TestSuite(jwt, .init = set_up, .fini = tear_down);

/* "HEADER.CLAIMS" into `out`. */
static size_t join(const char *header, const char *claims, char *out)
{
    size_t len = encode_url(slice_from(header), out);
    out[len++] = '.';
    return len + encode_url(slice_from(claims), out + len);
}

/* Signed with the key, whatever the header says. */
static struct slice token(const char *header, const char *claims)
{
    static char text[2 * TEXT_BYTES];
    unsigned char signature[512];
    size_t signature_len = sizeof(signature);
    size_t len = join(header, claims, text);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    cr_assert_eq(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key), 1);
    cr_assert_eq(EVP_DigestSign(context, signature, &signature_len, (unsigned char *)text, len), 1);
    EVP_MD_CTX_free(context);
    text[len++] = '.';
    len += encode_url(slice_make((const char *)signature, signature_len), text + len);
    return slice_make(text, len);
}

static const char *key_text(const char *kid, const char *more)
{
    static char text[2048];
    (void)snprintf(text, sizeof(text),
                   "{\"keys\":[{\"kid\":\"%s\",\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\"%s}]}",
                   kid, modulus, more);
    return text;
}

/* Read, its key found in `keys`, and the signature right? */
static bool passes(struct slice text, const char *keys)
{
    struct jwt jwt;
    bool valid = false;
    if (jwt_read(text, KEY_RS256, &jwt) != JWT_OK) {
        return false;
    }
    EVP_PKEY *found = key_set_find(slice_from(keys), jwt.kid, KEY_RS256);
    valid = found != NULL && jwt_valid(&jwt, KEY_RS256, found);
    EVP_PKEY_free(found);
    jwt_fini(&jwt);
    return valid;
}

static enum jwt_fault fault_of(struct slice text)
{
    struct jwt jwt;
    enum jwt_fault fault = jwt_read(text, KEY_RS256, &jwt);
    jwt_fini(&jwt);
    return fault;
}

Test(jwt, a_good_one_passes_and_says_what_it_claims)
{
    struct slice text = token("{\"alg\":\"RS256\",\"kid\":\"k1\"}",
                              "{\"iss\":\"me\",\"iat\":1760000000,\"ok\":true}");
    struct jwt jwt;
    struct slice issuer;
    int64_t issued = 0;
    cr_expect(passes(text, key_text("k1", "")));
    cr_assert_eq(jwt_read(text, KEY_RS256, &jwt), JWT_OK);
    cr_expect(jwt_text(&jwt, "iss", &issuer) && slice_equal(issuer, SLICE("me")));
    cr_expect(jwt_number(&jwt, "iat", &issued));
    cr_expect_eq(issued, 1760000000);
    cr_expect(jwt_true(&jwt, "ok"));
    cr_expect_not(jwt_true(&jwt, "iat"));
    cr_expect_not(jwt_number(&jwt, "iss", &issued));
    jwt_fini(&jwt);
}

Test(jwt, no_other_algorithm_is_taken)
{
    static const char *const headers[] = {
        "{\"alg\":\"none\",\"kid\":\"k1\"}",
        "{\"alg\":\"None\",\"kid\":\"k1\"}",
        "{\"alg\":\"HS256\",\"kid\":\"k1\"}",
        "{\"alg\":\"RS512\",\"kid\":\"k1\"}",
        "{\"alg\":\"ES256\",\"kid\":\"k1\"}",
        "{\"alg\":\"rs256\",\"kid\":\"k1\"}",
        "{\"alg\":\"RS256\",\"kid\":\"k1\",\"crit\":[\"exp\"]}",
    };
    for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++) {
        cr_expect_eq(fault_of(token(headers[i], "{}")), JWT_ALGORITHM, "%s", headers[i]);
    }
}

Test(jwt, a_public_key_is_no_hmac_key)
{
    char text[TEXT_BYTES];
    unsigned char mac[32];
    unsigned mac_len = 0;
    const char *public_text = key_text("k1", "");
    size_t len = join("{\"alg\":\"RS256\",\"kid\":\"k1\"}", "{\"iss\":\"me\"}", text);
    cr_assert(HMAC(EVP_sha256(), public_text, (int)strlen(public_text), (unsigned char *)text, len,
                   mac, &mac_len) != NULL);
    text[len++] = '.';
    len += encode_url(slice_make((const char *)mac, mac_len), text + len);
    cr_expect_not(passes(slice_make(text, len), public_text));
}

Test(jwt, a_key_within_the_token_is_not_used)
{
    char header[2048];
    (void)snprintf(header, sizeof(header),
                   "{\"alg\":\"RS256\",\"kid\":\"k1\",\"jku\":\"https://evil.example\",\"jwk\":"
                   "{\"kty\":\"RSA\",\"kid\":\"k1\",\"n\":\"%s\",\"e\":\"AQAB\"}}",
                   modulus);
    cr_expect_not(passes(token(header, "{}"), "{\"keys\":[]}"));
}

Test(jwt, a_kid_that_could_end_a_text_is_refused)
{
    static const char *const headers[] = {
        "{\"alg\":\"RS256\",\"kid\":\"\"}",
        "{\"alg\":\"RS256\",\"kid\":null}",
        "{\"alg\":\"RS256\",\"kid\":1}",
        "{\"alg\":\"RS256\",\"kid\":\"a\\\"b\"}",
        "{\"alg\":\"RS256\",\"kid\":\"a\\\\b\"}",
        "{\"alg\":\"RS256\",\"kid\":\"a\\r\\nb\"}",
        "{\"alg\":\"RS256\",\"kid\":\"a b\"}",
        "{\"alg\":\"RS256\",\"kid\":\"k1\",\"kid\":\"k2\"}",
    };
    for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++) {
        cr_expect_eq(fault_of(token(headers[i], "{}")), JWT_MALFORMED, "%s", headers[i]);
    }
}

Test(jwt, a_kid_may_be_absent)
{
    struct jwt jwt;
    cr_assert_eq(jwt_read(token("{\"alg\":\"RS256\"}", "{}"), KEY_RS256, &jwt), JWT_OK);
    cr_expect_eq(jwt.kid.len, 0);
    jwt_fini(&jwt);
}

Test(jwt, what_is_too_long_or_in_other_parts_is_refused)
{
    static char claims[JWT_BYTES_MAX];
    static char longer[2 * TEXT_BYTES];
    struct slice good = token("{\"alg\":\"RS256\",\"kid\":\"k1\"}", "{}");
    (void)snprintf(longer, sizeof(longer), "%.*s.x", SLICE_ARG(good));
    cr_expect_eq(fault_of(slice_from(longer)), JWT_MALFORMED, "four parts");
    (void)snprintf(longer, sizeof(longer), "%.*s=", SLICE_ARG(good));
    cr_expect_eq(fault_of(slice_from(longer)), JWT_MALFORMED, "padding");
    for (size_t len = 0; len < good.len; len += 7) {
        cr_expect_not(passes(slice_make(good.ptr, len), key_text("k1", "")), "%zu bytes", len);
    }
    memset(claims, ' ', sizeof(claims) - 1);
    claims[0] = '{';
    claims[sizeof(claims) - 2] = '}';
    cr_expect_eq(fault_of(token("{\"alg\":\"RS256\",\"kid\":\"k1\"}", claims)), JWT_MALFORMED);
}

Test(jwt, every_changed_byte_is_noticed)
{
    static char changed[TEXT_BYTES];
    struct slice good = token("{\"alg\":\"RS256\",\"kid\":\"k1\"}", "{\"iss\":\"me\"}");
    const char *keys = key_text("k1", "");
    memcpy(changed, good.ptr, good.len);
    cr_assert(passes(slice_make(changed, good.len), keys));
    for (size_t i = 0; i < good.len; i++) {
        changed[i] = good.ptr[i] == 'A' ? 'B' : 'A';
        cr_expect_not(passes(slice_make(changed, good.len), keys), "byte %zu", i);
        changed[i] = good.ptr[i];
    }
}

Test(jwt, a_key_for_something_else_is_not_taken)
{
    struct slice text = token("{\"alg\":\"RS256\",\"kid\":\"k1\"}", "{}");
    cr_expect(passes(text, key_text("k1", ",\"use\":\"sig\",\"alg\":\"RS256\"")));
    cr_expect(passes(text, key_text("k1", ",\"expired_at\":null")));
    cr_expect_not(passes(text, key_text("k2", "")), "other kid");
    cr_expect_not(passes(text, key_text("k1", ",\"key_ops\":[\"encrypt\",\"wrapKey\"]")));
    cr_expect_not(passes(text, key_text("k1", ",\"key_ops\":[]")));
    cr_expect_not(passes(text, key_text("k1", ",\"key_ops\":\"verify\"")));
    cr_expect(passes(text, key_text("k1", ",\"key_ops\":[\"sign\",\"verify\"]")));
    cr_expect_not(passes(text, key_text("k1", ",\"use\":\"enc\"")));
    cr_expect_not(passes(text, key_text("k1", ",\"alg\":\"RS512\"")));
    cr_expect_not(passes(text, key_text("k1", ",\"expired_at\":1760000000")), "retired");
    cr_expect_not(passes(text, "{\"keys\":[{\"kid\":\"k1\",\"kty\":\"oct\",\"k\":\"AQAB\"}]}"));
    cr_expect_not(passes(text, "{\"keys\":[{\"kid\":\"k1\",\"kty\":\"RSA\",\"n\":\"AQAB\","
                               "\"e\":\"AQAB\"}]}"),
                  "too short");
    cr_expect_not(passes(text, "no JSON"));
    cr_expect_not(passes(text, "{\"keys\":{}}"));
}

Test(jwt, a_point_that_is_not_on_the_curve_is_no_key)
{
    static const char keys[] = "{\"kid\":\"k\",\"kty\":\"EC\",\"crv\":\"P-256\","
                               "\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\","
                               "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\"}";
    cr_expect_eq(key_set_find(slice_from(keys), SLICE("k"), KEY_ES256), NULL);
}

/* ---- published vectors ---- */

struct vector {
    const char *name, *jwk, *signed_bytes, *signature;
    enum key_kind kind;
};

#define RFC_7515_CLAIMS                                                                            \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl" \
    "fQ"

/* Their tokens have no kid, so they are put together by hand, and their keys get one. */
static const struct vector vectors[] = {
    {"RFC 7515, A.2",
     "{\"kid\":\"v\",\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_"
     "wWJcyQoTbji9k0l8W26mPddxHmfHQ"
     "p-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb"
     "_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb"
     "3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRW"
     "yuXpoQ\",\"e\":\"AQAB\"}",
     "eyJhbGciOiJSUzI1NiJ9." RFC_7515_CLAIMS,
     "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5"
     "jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb"
     "1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QO"
     "YEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
     KEY_RS256},
    {"RFC 7515, A.3",
     "{\"kid\":\"v\",\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":"
     "\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
     "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
     "eyJhbGciOiJFUzI1NiJ9." RFC_7515_CLAIMS,
     "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
     KEY_ES256},
    {"RFC 8037, A.4",
     "{\"kid\":\"v\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
     "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
     "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
     "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
     KEY_EDDSA},
};

Test(jwt, published_signatures_are_right_and_changed_ones_are_not)
{
    for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
        const struct vector *vector = &vectors[i];
        char text[1024];
        struct jwt jwt = {.signed_bytes = slice_from(vector->signed_bytes)};
        cr_assert(jwt_decode(slice_from(vector->signature), jwt.signature, &jwt.signature_len));
        EVP_PKEY *of_vector = key_set_find(slice_from(vector->jwk), SLICE("v"), vector->kind);
        cr_assert(of_vector != NULL, "%s", vector->name);
        cr_expect(jwt_valid(&jwt, vector->kind, of_vector), "%s", vector->name);
        jwt.signature[jwt.signature_len / 2] ^= 1;
        cr_expect_not(jwt_valid(&jwt, vector->kind, of_vector), "%s", vector->name);
        jwt.signature[jwt.signature_len / 2] ^= 1;
        (void)snprintf(text, sizeof(text), "%sA", vector->signed_bytes);
        jwt.signed_bytes = slice_from(text);
        cr_expect_not(jwt_valid(&jwt, vector->kind, of_vector), "%s", vector->name);
        EVP_PKEY_free(of_vector);
    }
}

/* RFC 7519, 3.1 and 6.1: HMAC, and no signature at all. */
Test(jwt, published_tokens_of_other_kinds_are_refused)
{
    static const char *const tokens[] = {
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." RFC_7515_CLAIMS
        ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        "eyJhbGciOiJub25lIn0." RFC_7515_CLAIMS ".",
    };
    for (size_t i = 0; i < sizeof(tokens) / sizeof(*tokens); i++) {
        struct jwt jwt;
        cr_expect_eq(jwt_read_any(slice_from(tokens[i]), (1U << KEY_KINDS) - 1, &jwt),
                     JWT_ALGORITHM);
    }
}

/* ---- sets that are read once ---- */

Test(jwt, set_has_the_keys_that_are_of_use_each_for_its_kind)
{
    char text[4096];
    (void)snprintf(text, sizeof(text),
                   "{\"keys\":[%s,{\"kid\":\"w\",\"kty\":\"oct\",\"k\":\"AAAA\"},7,"
                   "{\"kid\":\"x\",\"kty\":\"OKP\",\"crv\":\"Ed448\",\"x\":\"AAAA\"},"
                   "{\"kid\":\"y\",\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"},"
                   "{\"kid\":\"z\",\"use\":\"enc\",%s,%s]}",
                   vectors[0].jwk, vectors[1].jwk + 1, vectors[2].jwk);
    struct key_set *set = key_set_new(slice_from(text));
    cr_assert_not_null(set);
    cr_expect(key_set_get(set, SLICE("v"), KEY_RS256) != NULL);
    cr_expect(key_set_get(set, SLICE("v"), KEY_EDDSA) != NULL);
    cr_expect(key_set_get(set, SLICE("v"), KEY_ES256) == NULL, "it is for encryption");
    cr_expect(key_set_get(set, SLICE("w"), KEY_RS256) == NULL);
    cr_expect(key_set_get(set, SLICE("x"), KEY_EDDSA) == NULL);
    cr_expect(key_set_get(set, SLICE("y"), KEY_RS256) == NULL, "it is short");
    cr_expect_eq(key_set_get(set, SLICE(""), KEY_RS256), key_set_get(set, SLICE("v"), KEY_RS256),
                 "the only one");
    cr_expect_eq(key_set_count(set, KEY_RS256), 1);
    cr_expect_eq(key_set_count(set, KEY_ES256), 0);
    cr_expect(key_set_get(set, SLICE(""), KEY_ES256) == NULL);
    key_set_free(set);
    key_set_free(NULL);
}

Test(jwt, key_without_kid_is_found_as_the_only_one_of_its_kind)
{
    char text[4096];
    const char *okp = vectors[2].jwk + sizeof("{\"kid\":\"v\"");
    (void)snprintf(text, sizeof(text), "{\"keys\":[{%s,%s,{\"kid\":\"\",%s,{\"kid\":7,%s]}", okp,
                   vectors[0].jwk, okp, okp);
    struct key_set *set = key_set_new(slice_from(text));
    cr_assert_not_null(set);
    cr_expect_eq(key_set_count(set, KEY_EDDSA), 1);
    cr_expect(key_set_get(set, SLICE(""), KEY_EDDSA) != NULL);
    cr_expect(key_set_get(set, SLICE("v"), KEY_EDDSA) == NULL, "it has no kid");
    key_set_free(set);
    (void)snprintf(text, sizeof(text), "{\"keys\":[{%s,{\"kid\":\"b\",%s]}", okp, okp);
    set = key_set_new(slice_from(text));
    cr_assert_not_null(set);
    cr_expect_eq(key_set_count(set, KEY_EDDSA), 2);
    cr_expect(key_set_get(set, SLICE(""), KEY_EDDSA) == NULL, "which of the two?");
    cr_expect(key_set_get(set, SLICE("b"), KEY_EDDSA) != NULL);
    key_set_free(set);
}

Test(jwt, largest_rsa_key_and_its_signature_are_read)
{
    enum { MOST = (JWT_SIGNATURE_BYTES_MAX * 4 + 2) / 3 };
    char digits[MOST + 2];
    char text[2 * MOST];
    memset(digits, '_', MOST);
    digits[MOST - 1] = 'w'; /* what its last bits could say is beyond the number */
    digits[MOST] = '\0';
    (void)snprintf(text, sizeof(text),
                   "{\"kid\":\"k\",\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\"}", digits);
    EVP_PKEY *found = key_set_find(slice_from(text), SLICE("k"), KEY_RS256);
    cr_assert_not_null(found);
    cr_expect_eq(EVP_PKEY_get_bits(found), 8 * JWT_SIGNATURE_BYTES_MAX);
    EVP_PKEY_free(found);

    static char whole[TEXT_BYTES];
    size_t len = join("{\"alg\":\"RS256\",\"kid\":\"k\"}", "{}", whole);
    struct jwt jwt;
    (void)snprintf(whole + len, sizeof(whole) - len, ".%s", digits);
    cr_assert_eq(jwt_read(slice_from(whole), KEY_RS256, &jwt), JWT_OK);
    cr_expect_eq(jwt.signature_len, JWT_SIGNATURE_BYTES_MAX);
    jwt_fini(&jwt);
    (void)snprintf(whole + len, sizeof(whole) - len, ".%sA", digits);
    cr_expect_eq(jwt_read(slice_from(whole), KEY_RS256, &jwt), JWT_MALFORMED, "one more");
    jwt_fini(&jwt);
}

Test(jwt, what_has_no_key_is_no_set)
{
    static const char *const texts[] = {"", "[]", "{}", "{\"keys\":[]}", "{\"keys\":{}}", "<html>"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        cr_expect_null(key_set_new(slice_from(texts[i])), "%s", texts[i]);
    }
}

Test(jwt, set_is_bounded)
{
    size_t size = KEY_SET_BYTES_MAX;
    char *text = memory_alloc(size);
    size_t len = (size_t)snprintf(text, size, "{\"keys\":[");
    for (unsigned i = 0; i < 2 * KEY_SET_KEYS_MAX; i++) {
        len += (size_t)snprintf(text + len, size - len, "%s{\"kid\":\"k%u\",%s", i > 0 ? "," : "",
                                i, vectors[2].jwk + sizeof("{\"kid\":\"v\""));
    }
    len += (size_t)snprintf(text + len, size - len, "]}");
    struct key_set *set = key_set_new(slice_make(text, len));
    cr_assert_not_null(set);
    cr_expect(key_set_get(set, SLICE("k127"), KEY_EDDSA) != NULL);
    cr_expect(key_set_get(set, SLICE("k128"), KEY_EDDSA) == NULL);
    cr_expect_eq(key_set_count(set, KEY_EDDSA), 2 * KEY_SET_KEYS_MAX);
    key_set_free(set);
    memory_free(text);
}
