#include "auth/outbound/jwt_sign.h"
#include "base/buffer.h"
#include "jwt_check.h"
#include "jwt_keys.h"

#include <criterion/criterion.h>

static EVP_PKEY *key_of(const char *pem, enum jwt_algorithm algorithm)
{
    EVP_PKEY *key = NULL;
    struct error err;
    cr_assert_eq(jwt_key_read(slice_from(pem), algorithm, &key, &err), STATUS_OK, "%s",
                 err.message);
    return key;
}

/* RFC 7515, appendix A.2: that signature has one form only. */
Test(jwt_sign, signs_as_the_rfc_does)
{
    static const struct slice signed_text = SLICE_INIT(
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9l"
        "eGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ");
    static const struct slice expected = SLICE_INIT(
        ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W"
        "2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSj"
        "tQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6"
        "IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw");
    struct error err;
    struct buffer out CLEANUP(buffer_fini);
    EVP_PKEY *key = key_of(RFC7515_RSA, JWT_RS256);
    buffer_init(&out, 4096);
    cr_assert_eq(buffer_append(&out, SLICE("before ")), STATUS_OK);
    cr_assert_eq(buffer_append(&out, signed_text), STATUS_OK);
    cr_assert_eq(jwt_append_signature(key, JWT_RS256, strlen("before "), &out, &err), STATUS_OK);
    cr_expect(
        slice_equal(slice_skip(buffer_bytes(&out), strlen("before ") + signed_text.len), expected),
        "%.*s", SLICE_ARG(buffer_bytes(&out)));
    EVP_PKEY_free(key);
}

Test(jwt_sign, what_it_signs_can_be_verified)
{
    static const struct {
        const char *name, *pem;
        enum jwt_algorithm algorithm;
        int padding;
        size_t len;
    } cases[] = {
        {"RS256", RFC7515_RSA, JWT_RS256, 0, 256},
        {"PS256", RFC7515_RSA, JWT_PS256, RSA_PKCS1_PSS_PADDING, 256},
        {"ES256", RFC7515_EC, JWT_ES256, 0, 64},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char head[100];
        struct error err;
        struct jwt_parts parts;
        struct buffer out CLEANUP(buffer_fini);
        EVP_PKEY *key = key_of(cases[i].pem, cases[i].algorithm);
        const struct jwt_request request = {.key = key,
                                            .algorithm = cases[i].algorithm,
                                            .header = SLICE("\"kid\":\"k\""),
                                            .claims = SLICE("\"iss\":\"me\"")};
        buffer_init(&out, 4096);
        cr_assert_eq(jwt_sign(&request, &out, &err), STATUS_OK);
        EVP_PKEY_free(key);
        jwt_take_apart(buffer_bytes(&out), &parts);
        (void)snprintf(head, sizeof(head), "{\"alg\":\"%s\",\"typ\":\"JWT\",\"kid\":\"k\"}",
                       cases[i].name);
        cr_expect_str_eq(parts.header, head);
        cr_expect_str_eq(parts.claims, "{\"iss\":\"me\"}");
        cr_expect_eq(parts.signature_len, cases[i].len);
        cr_expect(jwt_verify(&parts, cases[i].pem, cases[i].padding), "%s", cases[i].name);
        parts.signature[5] ^= 1;
        cr_expect_not(jwt_verify(&parts, cases[i].pem, cases[i].padding), "%s", cases[i].name);
    }
}

/* R or S with zeros in front are padded: one of 128 is shorter than 32 bytes. */
Test(jwt_sign, every_signature_of_p256_has_64_bytes)
{
    EVP_PKEY *key = key_of(RFC7515_EC, JWT_ES256);
    for (unsigned i = 0; i < 600; i++) {
        struct error err;
        struct jwt_parts parts;
        struct buffer out CLEANUP(buffer_fini);
        const struct jwt_request request = {.key = key, .algorithm = JWT_ES256};
        buffer_init(&out, 4096);
        cr_assert_eq(jwt_sign(&request, &out, &err), STATUS_OK);
        jwt_take_apart(buffer_bytes(&out), &parts);
        cr_assert_eq(parts.signature_len, 64U);
        cr_assert(jwt_verify(&parts, RFC7515_EC, 0));
    }
    EVP_PKEY_free(key);
}

Test(jwt_sign, a_key_that_does_not_fit_is_refused)
{
    static const struct {
        const char *pem;
        enum jwt_algorithm algorithm;
        const char *why;
    } cases[] = {
        {"", JWT_RS256, "no private key"},
        {"not a key", JWT_RS256, "no private key"},
        {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", JWT_RS256,
         "no private key"},
        {RFC7515_EC, JWT_RS256, "RSA of 2048 bits"},
        {RFC7515_EC, JWT_PS256, "RSA of 2048 bits"},
        {RFC7515_RSA, JWT_ES256, "P-256"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err;
        EVP_PKEY *key = NULL;
        cr_expect_eq(jwt_key_read(slice_from(cases[i].pem), cases[i].algorithm, &key, &err),
                     STATUS_INVALID);
        cr_expect_not_null(strstr(err.message, cases[i].why), "%s", err.message);
        cr_expect_null(strstr(err.message, "AAAA"));
        cr_expect_null(key);
    }
}

Test(jwt_sign, an_rsa_key_of_1024_bits_is_refused)
{
    EVP_PKEY *weak = EVP_RSA_gen(1024);
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem = NULL;
    struct error err;
    EVP_PKEY *key = NULL;
    cr_assert_eq(PEM_write_bio_PrivateKey(bio, weak, NULL, NULL, 0, NULL, NULL), 1);
    long len = BIO_get_mem_data(bio, &pem);
    cr_expect_eq(jwt_key_read(slice_make(pem, (size_t)len), JWT_RS256, &key, &err), STATUS_INVALID);
    BIO_free(bio);
    EVP_PKEY_free(weak);
}

Test(jwt_sign, texts_cannot_break_out_of_their_claims)
{
    struct buffer out CLEANUP(buffer_fini);
    buffer_init(&out, 200);
    cr_assert_eq(jwt_put_text(&out, "iss", SLICE("a\",\"admin\":\"yes\n")), STATUS_OK);
    cr_assert_eq(jwt_put_text(&out, "sub", SLICE("")), STATUS_OK);
    cr_assert_eq(jwt_put_number(&out, "exp", 5), STATUS_OK);
    cr_expect(slice_equal(buffer_bytes(&out),
                          SLICE("\"iss\":\"a\\\",\\\"admin\\\":\\\"yes\\n\",\"exp\":5")),
              "%.*s", SLICE_ARG(buffer_bytes(&out)));
}
