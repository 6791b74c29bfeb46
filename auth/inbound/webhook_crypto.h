/*
 * webhook_crypto: macs and signatures of webhooks, over OpenSSL. For the files of webhook_signature
 * and jwt only. Nothing here keeps a key.
 */
#pragma once

#include "auth/inbound/webhook_scheme.h"

#include <openssl/types.h>

enum { WEBHOOK_SIGNATURE_BYTES = 1024, WEBHOOK_MAC_BYTES = 64 };

struct arena;

/* A signature's text as bytes, into `out`. False: it is not of that encoding, or too long. */
bool webhook_decode(enum webhook_encoding encoding, struct slice text,
                    unsigned char out[WEBHOOK_SIGNATURE_BYTES], struct slice *ret);

/* The mac (or, of WEBHOOK_SHA256, the digest) of the message; returns its length. 0: an algorithm
 * that makes none. */
size_t webhook_mac(enum webhook_algorithm algorithm, struct slice key, struct slice message,
                   unsigned char out[WEBHOOK_MAC_BYTES]);

/* NULL: it is no such key. The caller frees it. */
EVP_PKEY *webhook_public_key(enum webhook_algorithm algorithm, struct slice bytes);
/* Of a certificate in PEM that is in its time at `now` (Unix seconds), with an RSA key of 2048 bits
 * or more; else NULL. */
EVP_PKEY *webhook_certificate_key(struct slice pem, int64_t now);
void webhook_key_free_at(EVP_PKEY **key);

enum webhook_hash { WEBHOOK_HASH_NONE, WEBHOOK_HASH_SHA1, WEBHOOK_HASH_SHA256 };
/* ECDSA signatures are DER. WEBHOOK_HASH_NONE: Ed25519. */
bool webhook_signature_valid(EVP_PKEY *key, enum webhook_hash hash, struct slice message,
                             struct slice signature);
