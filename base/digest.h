/*
 * digest: SHA-256 and randomness, from OpenSSL.
 */
#pragma once

#include "base/slice.h"

enum { SHA256_BYTES = 32 };

void digest_sha256(struct slice bytes, unsigned char out[SHA256_BYTES]);
/* Cryptographic randomness; aborts if there is none. */
void random_bytes(void *out, size_t len);
