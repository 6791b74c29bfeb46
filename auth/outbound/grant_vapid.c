/* grant_vapid: RFC 8292: who sends web push messages says so to each push service by a JWT for that
 * service's origin. The token is "t=JWT, k=KEY", to be sent behind "vapid ". */
#include "auth/outbound/jwt_sign.h"
#include "auth/outbound/token_form.h"
#include "base/buffer.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#define VAPID_LIFE (12 * 3600 * SEC) /* 24 hours are the most */

enum { PART_MAX = 2048, SCALAR_BYTES = 32, SCALAR_TEXT = 43, POINT_BYTES = 65 };

/* Four characters of base64url at a time are three bytes. */
static bool read_scalar(struct slice text, BIGNUM **ret)
{
    unsigned char bytes[SCALAR_BYTES + 1];
    char padded[SCALAR_TEXT + 1];
    if (text.len != SCALAR_TEXT) {
        return false;
    }
    for (size_t i = 0; i < SCALAR_TEXT; i++) {
        padded[i] = text.ptr[i] == '-' ? '+' : text.ptr[i] == '_' ? '/' : text.ptr[i];
    }
    padded[SCALAR_TEXT] = '=';
    /* 44 characters are 33 bytes, of which the last is the padding's. */
    bool done =
        EVP_DecodeBlock(bytes, (const unsigned char *)padded, sizeof(padded)) == sizeof(bytes);
    *ret = done ? BN_bin2bn(bytes, SCALAR_BYTES, NULL) : NULL;
    OPENSSL_cleanse(bytes, sizeof(bytes));
    OPENSSL_cleanse(padded, sizeof(padded));
    return done;
}

/* A key of P-256 from its private number alone. NULL: it is none. */
static EVP_PKEY *key_of_scalar(const BIGNUM *scalar)
{
    unsigned char point_bytes[POINT_BYTES];
    EVP_PKEY *key = NULL;
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *point = EC_POINT_new(group);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    bool done =
        !BN_is_zero(scalar) && BN_cmp(scalar, EC_GROUP_get0_order(group)) < 0 &&
        EC_POINT_mul(group, point, scalar, NULL, NULL, NULL) == 1 &&
        EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, point_bytes,
                           sizeof(point_bytes), NULL) == sizeof(point_bytes) &&
        OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, scalar) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point_bytes,
                                         sizeof(point_bytes)) == 1;
    OSSL_PARAM *params = done ? OSSL_PARAM_BLD_to_param(build) : NULL;
    if (params == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) != 1) {
        key = NULL;
    }
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(ctx);
    EC_POINT_free(point);
    EC_GROUP_free(group);
    return key;
}

static enum status read_key(struct slice secret, EVP_PKEY **ret, struct error *err)
{
    BIGNUM *scalar = NULL;
    struct slice text = token_trim(secret);
    if (!read_scalar(text, &scalar)) {
        return jwt_key_read(text, JWT_ES256, ret, err);
    }
    *ret = key_of_scalar(scalar);
    BN_clear_free(scalar);
    ERR_clear_error();
    if (*ret == NULL) {
        FAIL(err, STATUS_INVALID, "the secret is no private key of P-256");
    }
    return STATUS_OK;
}

static enum status put_token(const struct token_input *input, EVP_PKEY *key, struct buffer *ret,
                             struct error *err)
{
    const struct slice *values = input->plan->values;
    unsigned char point[POINT_BYTES];
    size_t len = 0;
    struct buffer claims CLEANUP(buffer_fini);
    buffer_init(&claims, PART_MAX);
    TRY(jwt_put_text(&claims, "aud",
                     values[TOKEN_AUDIENCE].len > 0 ? values[TOKEN_AUDIENCE] : input->subject));
    TRY(jwt_put_number(&claims, "exp", input->wall + VAPID_LIFE / SEC));
    TRY(jwt_put_text(&claims, "sub", values[TOKEN_SUBJECT]));
    const struct jwt_request request = {
        .key = key, .algorithm = JWT_ES256, .claims = buffer_bytes(&claims)};
    if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, point,
                                        sizeof(point), &len) != 1 ||
        len != sizeof(point)) {
        FAIL(err, STATUS_INVALID, "the secret's key has no public part");
    }
    /* The JWT is signed by itself: what is before it in the buffer is not a part of it. */
    TRY(buffer_append(ret, SLICE("t=")));
    TRY(jwt_sign(&request, ret, err));
    TRY(buffer_append(ret, SLICE(", k=")));
    return jwt_put_base64url(slice_make((const char *)point, len), ret);
}

enum status grant_vapid_sign(const struct token_input *input, struct buffer *ret, usec_t *ret_life,
                             struct error *err)
{
    EVP_PKEY *key = NULL;
    TRY(read_key(input->secret, &key, err));
    enum status status = put_token(input, key, ret, err);
    EVP_PKEY_free(key);
    *ret_life = VAPID_LIFE / 2; /* RFC 8292, section 2: an old one may be refused earlier */
    return status;
}
