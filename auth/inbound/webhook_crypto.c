#include "auth/inbound/webhook_crypto.h"

#include "base/digest.h"
#include "base/encode.h"

#include <limits.h>
#include <stdlib.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 8192, PEM_BYTES_MAX = 64 * 1024 };

bool webhook_decode(enum webhook_encoding encoding, struct slice text,
                    unsigned char out[WEBHOOK_SIGNATURE_BYTES], struct slice *ret)
{
    size_t len = text.len / 2;
    if (text.len == 0 || text.len > WEBHOOK_SIGNATURE_BYTES) {
        return false;
    }
    switch (encoding) {
    case WEBHOOK_HEX:
        for (size_t i = 0; i < text.len; i++) {
            if (text.ptr[i] >= 'A' && text.ptr[i] <= 'F') {
                return false;
            }
        }
        __attribute__((fallthrough));
    case WEBHOOK_HEX_ANY:
        if (decode_hex(text, out) != STATUS_OK) {
            return false;
        }
        break;
    case WEBHOOK_BASE64:
        if (decode_base64(text, out, &len) != STATUS_OK) {
            return false;
        }
        break;
    case WEBHOOK_RAW:
        len = text.len;
        memcpy(out, text.ptr, len);
        break;
    }
    *ret = slice_make((const char *)out, len);
    return len > 0;
}

size_t webhook_mac(enum webhook_algorithm algorithm, struct slice key, struct slice message,
                   unsigned char out[WEBHOOK_MAC_BYTES])
{
    const EVP_MD *hash = NULL;
    unsigned len = 0;
    if (algorithm == WEBHOOK_SHA256) {
        digest_sha256(message, out);
        return SHA256_BYTES;
    }
    if (algorithm == WEBHOOK_HMAC_SHA1) {
        hash = EVP_sha1();
    } else if (algorithm == WEBHOOK_HMAC_SHA256) {
        hash = EVP_sha256();
    } else if (algorithm == WEBHOOK_HMAC_SHA512) {
        hash = EVP_sha512();
    }
    if (hash == NULL || key.len > INT_MAX) {
        return 0;
    }
    if (HMAC(hash, key.ptr, (int)key.len, (const unsigned char *)message.ptr, message.len, out,
             &len) == NULL) {
        abort(); /* it cannot fail */
    }
    return len;
}

static bool on_p256(const EVP_PKEY *key)
{
    char group[32];
    size_t len = 0;
    return EVP_PKEY_is_a(key, "EC") == 1 &&
           EVP_PKEY_get_group_name(key, group, sizeof(group), &len) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

static EVP_PKEY *read_p256(struct slice bytes)
{
    const unsigned char *at = (const unsigned char *)bytes.ptr;
    EVP_PKEY *key =
        bytes.len > WEBHOOK_SIGNATURE_BYTES ? NULL : d2i_PUBKEY(NULL, &at, (long)bytes.len);
    bool whole = key != NULL && at == (const unsigned char *)bytes.ptr + bytes.len;
    if (!whole || !on_p256(key)) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return key;
}

EVP_PKEY *webhook_public_key(enum webhook_algorithm algorithm, struct slice bytes)
{
    EVP_PKEY *key = NULL;
    if (algorithm == WEBHOOK_ED25519 && bytes.len == 32) {
        key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)bytes.ptr,
                                          bytes.len);
    } else if (algorithm == WEBHOOK_ECDSA_P256) {
        key = read_p256(bytes);
    }
    ERR_clear_error();
    return key;
}

static bool in_time(const X509 *certificate, int64_t now)
{
    time_t at = (time_t)now;
    return X509_cmp_time(X509_get0_notBefore(certificate), &at) < 0 &&
           X509_cmp_time(X509_get0_notAfter(certificate), &at) > 0;
}

EVP_PKEY *webhook_certificate_key(struct slice pem, int64_t now)
{
    EVP_PKEY *key = NULL;
    if (pem.len == 0 || pem.len > PEM_BYTES_MAX) {
        return NULL;
    }
    BIO *input = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    X509 *certificate = input == NULL ? NULL : PEM_read_bio_X509(input, NULL, NULL, NULL);
    if (certificate != NULL && in_time(certificate, now)) {
        key = X509_get_pubkey(certificate);
    }
    if (key != NULL && (EVP_PKEY_is_a(key, "RSA") != 1 || EVP_PKEY_get_bits(key) < RSA_BITS_MIN ||
                        EVP_PKEY_get_bits(key) > RSA_BITS_MAX)) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    X509_free(certificate);
    BIO_free(input);
    ERR_clear_error();
    return key;
}

void webhook_key_free_at(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

bool webhook_signature_valid(EVP_PKEY *key, enum webhook_hash hash, struct slice message,
                             struct slice signature)
{
    const EVP_MD *digest = hash == WEBHOOK_HASH_SHA1     ? EVP_sha1()
                           : hash == WEBHOOK_HASH_SHA256 ? EVP_sha256()
                                                         : NULL;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool valid = context != NULL && EVP_DigestVerifyInit(context, NULL, digest, NULL, key) == 1 &&
                 EVP_DigestVerify(context, (const unsigned char *)signature.ptr, signature.len,
                                  (const unsigned char *)message.ptr, message.len) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return valid;
}
