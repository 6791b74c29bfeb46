/*
 * api_key: tenant keys: "sp_" + 8 characters of id + 32 of secret + 6 of CRC32, base62.
 *
 * The CRC stands over what is before it, so that secret scanners know a key from chance. All that
 * is kept is the SHA-256 of the whole key.
 */
#pragma once

#include "base/digest.h"
#include "base/slice.h"

#include <stdbool.h>

enum { API_KEY_LEN = 3 + 8 + 32 + 6 };

struct api_key_hash {
    unsigned char bytes[SHA256_BYTES];
};

/* A new one; NUL-terminated. The caller wipes it. */
void api_key_new(char out[API_KEY_LEN + 1]);
/* Length, prefix, alphabet and CRC. */
bool api_key_valid(struct slice text);
void api_key_hash(struct slice text, struct api_key_hash *ret);

/* "sha256:<64 hex>". */
enum { API_KEY_HASH_TEXT = 7 + 64 };
void api_key_hash_print(const struct api_key_hash *hash, char out[API_KEY_HASH_TEXT + 1]);
bool api_key_hash_parse(struct slice text, struct api_key_hash *ret);
