/*
 * jwt_sign: makes signed JSON Web Tokens in compact form (RFC 7515, 7519), with a private key as
 * PEM. Beside auth/inbound/jwt, which reads them.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct buffer;
struct evp_pkey_st;

enum jwt_algorithm { JWT_RS256, JWT_PS256, JWT_ES256 };

enum { JWT_KEY_MIN_BITS = 2048 }; /* of RSA (RFC 7518, section 3.3) */

/* STATUS_INVALID: it is no private key as PEM, one with a passphrase, or of another kind than the
 * algorithm's. Errors quote nothing of it. *ret is freed with EVP_PKEY_free(). */
MUST_USE enum status jwt_key_read(struct slice pem, enum jwt_algorithm algorithm,
                                  struct evp_pkey_st **ret, struct error *err);

/* Without padding. */
MUST_USE enum status jwt_put_base64url(struct slice bytes, struct buffer *out);

/* A member of a JSON object: ,"name":"text", without the comma in the first one; nothing where the
 * value is empty. */
MUST_USE enum status jwt_put_text(struct buffer *out, const char *name, struct slice value);
MUST_USE enum status jwt_put_number(struct buffer *out, const char *name, int64_t value);

/* What is signed, as the two parts in base64url with a dot between, is what `out` has behind
 * `from`; the signature is appended with its dot. */
MUST_USE enum status jwt_append_signature(struct evp_pkey_st *key, enum jwt_algorithm algorithm,
                                          size_t from, struct buffer *out, struct error *err);

/* Appends the token. `header` and `claims` are members of an object, without its braces; "alg" and
 * "typ" are put in here. */
struct jwt_request {
    struct evp_pkey_st *key;
    enum jwt_algorithm algorithm;
    struct slice header, claims;
};
MUST_USE enum status jwt_sign(const struct jwt_request *request, struct buffer *out,
                              struct error *err);
