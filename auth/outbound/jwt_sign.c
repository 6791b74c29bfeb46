#include "auth/outbound/jwt_sign.h"

#include "base/buffer.h"
#include "base/encode.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

enum { SIGNATURE_MAX = 1024, P256_BITS = 256, P256_BYTES = 32, PARTS_MAX = 64 * 1024 };

static const char *const names[] = {
    [JWT_RS256] = "RS256",
    [JWT_PS256] = "PS256",
    [JWT_ES256] = "ES256",
};

/* ---- the key ---- */

static bool is_p256(const EVP_PKEY *key)
{
    return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && EVP_PKEY_get_bits(key) == P256_BITS;
}

enum status jwt_key_read(struct slice pem, enum jwt_algorithm algorithm, EVP_PKEY **ret,
                         struct error *err)
{
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    char none[] = ""; /* the passphrase, for there is nobody who could be asked for one */
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, none);
    BIO_free(bio);
    ERR_clear_error();
    if (key == NULL) {
        FAIL(err, STATUS_INVALID,
             "there is no private key as PEM in the secret, or it has a "
             "passphrase");
    }
    bool fits = algorithm == JWT_ES256 ? is_p256(key)
                                       : EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA &&
                                             EVP_PKEY_get_bits(key) >= JWT_KEY_MIN_BITS;
    if (!fits) {
        EVP_PKEY_free(key);
        FAIL(err, STATUS_INVALID, "the secret's private key is not one for %s (%s)",
             names[algorithm], algorithm == JWT_ES256 ? "P-256" : "RSA of 2048 bits or more");
    }
    *ret = key;
    return STATUS_OK;
}

/* ---- the text ---- */

enum status jwt_put_base64url(struct slice bytes, struct buffer *out)
{
    TRY(buffer_reserve(out, (bytes.len + 2) / 3 * 4));
    char *text = buffer_tail(out);
    size_t len = encode_base64(bytes, text);
    while (len > 0 && text[len - 1] == '=') {
        len--;
    }
    for (size_t i = 0; i < len; i++) {
        text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
    }
    buffer_commit(out, len);
    return STATUS_OK;
}

static enum status put_name(struct buffer *out, const char *name)
{
    TRY(buffer_append(out, buffer_len(out) > 0 ? SLICE(",") : SLICE("")));
    TRY(encode_json_string(slice_from(name), out));
    return buffer_append(out, SLICE(":"));
}

enum status jwt_put_text(struct buffer *out, const char *name, struct slice value)
{
    if (value.len == 0) {
        return STATUS_OK;
    }
    TRY(put_name(out, name));
    return encode_json_string(value, out);
}

enum status jwt_put_number(struct buffer *out, const char *name, int64_t value)
{
    TRY(put_name(out, name));
    return buffer_append_number(out, (uint64_t)(value < 0 ? 0 : value));
}

/* ---- the signature ---- */

/* RFC 7518, section 3.4: R and S, as 32 bytes each. */
static bool flatten(unsigned char *bytes, size_t *len)
{
    const unsigned char *der = bytes;
    ECDSA_SIG *parts = d2i_ECDSA_SIG(NULL, &der, (long)*len);
    unsigned char flat[2 * P256_BYTES];
    bool done = parts != NULL &&
                BN_bn2binpad(ECDSA_SIG_get0_r(parts), flat, P256_BYTES) == P256_BYTES &&
                BN_bn2binpad(ECDSA_SIG_get0_s(parts), flat + P256_BYTES, P256_BYTES) == P256_BYTES;
    ECDSA_SIG_free(parts);
    if (done) {
        memcpy(bytes, flat, sizeof(flat));
        *len = sizeof(flat);
    }
    return done;
}

static bool sign(EVP_PKEY *key, enum jwt_algorithm algorithm, struct slice text,
                 unsigned char *bytes, size_t *len)
{
    EVP_PKEY_CTX *options = NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool done = EVP_DigestSignInit(ctx, &options, EVP_sha256(), NULL, key) == 1;
    if (done && algorithm == JWT_PS256) {
        done = EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1;
    }
    done = done &&
           EVP_DigestSign(ctx, bytes, len, (const unsigned char *)text.ptr, text.len) == 1 &&
           (algorithm != JWT_ES256 || flatten(bytes, len));
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return done;
}

enum status jwt_append_signature(EVP_PKEY *key, enum jwt_algorithm algorithm, size_t from,
                                 struct buffer *out, struct error *err)
{
    unsigned char bytes[SIGNATURE_MAX];
    size_t len = sizeof(bytes);
    if (!sign(key, algorithm, slice_skip(buffer_bytes(out), from), bytes, &len)) {
        FAIL(err, STATUS_INVALID, "the secret's private key cannot sign with %s", names[algorithm]);
    }
    TRY(buffer_append(out, SLICE(".")));
    return jwt_put_base64url(slice_make((const char *)bytes, len), out);
}

static enum status put_part(struct slice members, struct buffer *part, struct buffer *out)
{
    TRY(buffer_append(part, members));
    TRY(buffer_append(part, SLICE("}")));
    TRY(jwt_put_base64url(buffer_bytes(part), out));
    buffer_consume(part, buffer_len(part));
    return STATUS_OK;
}

enum status jwt_sign(const struct jwt_request *request, struct buffer *out, struct error *err)
{
    size_t from = buffer_len(out);
    struct buffer part CLEANUP(buffer_fini);
    buffer_init(&part, PARTS_MAX);
    TRY(buffer_print(&part, "{\"alg\":\"%s\",\"typ\":\"JWT\"%s", names[request->algorithm],
                     request->header.len > 0 ? "," : ""));
    TRY(put_part(request->header, &part, out));
    TRY(buffer_append(out, SLICE(".")));
    TRY(buffer_append(&part, SLICE("{")));
    TRY(put_part(request->claims, &part, out));
    return jwt_append_signature(request->key, request->algorithm, from, out, err);
}
