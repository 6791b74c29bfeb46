/*
 * jwt_check: takes a signed JWT apart and verifies it, with OpenSSL alone.
 */
#pragma once

#include "base/slice.h"

#include <string.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

struct jwt_parts {
    char header[2048], claims[4096]; /* as JSON, NUL-terminated */
    struct slice text;               /* what is signed */
    unsigned char signature[1024];
    size_t signature_len;
};

static inline size_t decode_url(struct slice text, unsigned char *out)
{
    char padded[8192];
    size_t len = text.len;
    for (size_t i = 0; i < len; i++) {
        padded[i] = text.ptr[i] == '-' ? '+' : text.ptr[i] == '_' ? '/' : text.ptr[i];
    }
    while (len % 4 != 0) {
        padded[len++] = '=';
    }
    int bytes = EVP_DecodeBlock(out, (const unsigned char *)padded, (int)len);
    return bytes < 0 ? 0 : (size_t)bytes - (len - text.len);
}

static inline void jwt_take_apart(struct slice token, struct jwt_parts *ret)
{
    size_t first = slice_find(token, '.');
    struct slice rest = slice_skip(token, first + 1);
    size_t second = slice_find(rest, '.');
    memset(ret, 0, sizeof(*ret));
    (void)decode_url(slice_make(token.ptr, first), (unsigned char *)ret->header);
    (void)decode_url(slice_make(rest.ptr, second), (unsigned char *)ret->claims);
    ret->text = slice_make(token.ptr, first + 1 + second);
    ret->signature_len = decode_url(slice_skip(rest, second + 1), ret->signature);
}

static inline size_t der_of(const unsigned char *flat, unsigned char *der)
{
    ECDSA_SIG *parts = ECDSA_SIG_new();
    ECDSA_SIG_set0(parts, BN_bin2bn(flat, 32, NULL), BN_bin2bn(flat + 32, 32, NULL));
    int len = i2d_ECDSA_SIG(parts, &der);
    ECDSA_SIG_free(parts);
    return (size_t)len;
}

/* `padding` 0: as the key has it. */
static inline bool jwt_verify(const struct jwt_parts *jwt, const char *pem, int padding)
{
    unsigned char der[128];
    const unsigned char *signature = jwt->signature;
    size_t len = jwt->signature_len;
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    EVP_PKEY_CTX *options = NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    BIO_free(bio);
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && len == 64) {
        len = der_of(jwt->signature, der);
        signature = der;
    }
    bool valid = EVP_DigestVerifyInit(ctx, &options, EVP_sha256(), NULL, key) == 1 &&
                 (padding == 0 ||
                  (EVP_PKEY_CTX_set_rsa_padding(options, padding) == 1 &&
                   EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1)) &&
                 EVP_DigestVerify(ctx, signature, len, (const unsigned char *)jwt->text.ptr,
                                  jwt->text.len) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return valid;
}
