/*
 * digest: SHA-256, SHA-1 (only where a protocol names it) and randomness, from OpenSSL.
 */
#pragma once

#include "base/slice.h"

enum { SHA256_BYTES = 32, SHA1_BYTES = 20 };

void digest_sha256(struct slice bytes, unsigned char out[SHA256_BYTES]);
/* The same of what comes in pieces. */
struct sha256 {
    uint64_t opaque[14];
};
void sha256_begin(struct sha256 *digest);
void sha256_add(struct sha256 *digest, struct slice bytes);
void sha256_end(struct sha256 *digest, unsigned char out[SHA256_BYTES]); /* no more is added */
void digest_sha1(struct slice bytes, unsigned char out[SHA1_BYTES]);
/* Cryptographic randomness; aborts if there is none. */
void random_bytes(void *out, size_t len);
uint64_t random_number(void);

enum { RANDOM_NAME_MAX_BYTES = 32 };
/* A name that nothing else has: `len` random bytes, at most RANDOM_NAME_MAX_BYTES, as 2 × len hex
 * digits and a NUL. Not for secrets: nothing is wiped. */
void random_name(char *out, size_t len);
