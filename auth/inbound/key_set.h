/*
 * key_set: public keys as JSON Web Keys (RFC 7517), for signatures only. A key is taken if its kid,
 * its type and its size are what was asked for, and it does not say that it is for something else.
 */
#pragma once

#include "base/slice.h"

#include <stdint.h>

#include <openssl/types.h>

enum key_kind { KEY_ES256, KEY_RS256 };

enum { KEY_SET_BYTES_MAX = 256 * 1024 };

/* `text`: {"keys": [...]}, {"key": {...}} or a single key. NULL: there is no such key in it. The
 * caller frees it. */
EVP_PKEY *key_set_find(struct slice text, struct slice kid, enum key_kind kind);
