/*
 * jwt: signed JSON Web Tokens in compact form (RFC 7515, 7519): read strictly, verified with an
 * algorithm that the caller has allowed. What the token says of keys (jwk, jku, x5u, x5c) is never
 * used.
 */
#pragma once

#include "auth/inbound/key_set.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct cJSON;

enum {
    JWT_BYTES_MAX = 16 * 1024,
    JWT_KID_MAX_BYTES = 255,
    JWT_SIGNATURE_BYTES_MAX = 1024 /* of RSA with 8,192 bits */
};

enum jwt_fault { JWT_OK, JWT_MALFORMED, JWT_ALGORITHM };

struct jwt {
    struct cJSON *header; /* owned */
    struct cJSON *claims; /* owned; worth nothing before jwt_valid() */
    struct slice kid;     /* in header; empty: it has none */
    enum key_kind kind;   /* by "alg" */
    struct slice signed_bytes;
    unsigned char signature[JWT_SIGNATURE_BYTES_MAX];
    size_t signature_len;
};

/* Reads it; `text` is borrowed. JWT_ALGORITHM: its "alg" is another, or it has "crit". */
enum jwt_fault jwt_read(struct slice text, enum key_kind kind, struct jwt *ret);
/* The same for any of these kinds, a bit (1 << kind) each. */
enum jwt_fault jwt_read_any(struct slice text, unsigned kinds, struct jwt *ret);
void jwt_fini(struct jwt *jwt);
bool jwt_valid(const struct jwt *jwt, enum key_kind kind, EVP_PKEY *key);

/* The claim as text, whole number; false: it is none. */
bool jwt_text(const struct jwt *jwt, const char *claim, struct slice *ret);
bool jwt_number(const struct jwt *jwt, const char *claim, int64_t *ret);
bool jwt_true(const struct jwt *jwt, const char *claim);

/* base64url without padding, canonical; at most text.len bytes. */
bool jwt_decode(struct slice text, unsigned char *out, size_t *ret_len);
