/*
 * key_set: public keys as JSON Web Keys (RFC 7517), for signatures only. A key is taken if its kid,
 * its type and its size are what was asked for, and it does not say that it is for something else
 * ("alg", "use", "key_ops").
 */
#pragma once

#include "base/slice.h"

#include <stdint.h>

#include <openssl/types.h>

enum key_kind { KEY_ES256, KEY_RS256, KEY_EDDSA, KEY_KINDS /* none; keep last */ };

enum { KEY_SET_BYTES_MAX = 256 * 1024, KEY_SET_KEYS_MAX = 128 };

/* "ES256", "RS256", "EdDSA" (RFC 7518, RFC 8037; of its curves Ed25519 alone). */
struct slice key_kind_name(enum key_kind kind);

/* A document's keys, read once; for who asks often. NULL: it is no such document, or has no key
 * that is of use; of more than KEY_SET_KEYS_MAX the rest is left out. Immutable: any thread may
 * ask. */
struct key_set;
struct key_set *key_set_new(struct slice text);
void key_set_free(struct key_set *set); /* takes NULL */
/* How many it has of a kind, those that were left out too. */
unsigned key_set_count(const struct key_set *set, enum key_kind kind);
/* Borrowed; NULL: it has none. `kid` empty: the only one of its kind, whatever its kid. */
EVP_PKEY *key_set_get(const struct key_set *set, struct slice kid, enum key_kind kind);

/* `text`: {"keys": [...]}, {"key": {...}} or a single key. NULL: there is no such key in it. The
 * caller frees it. */
EVP_PKEY *key_set_find(struct slice text, struct slice kid, enum key_kind kind);
