/*
 * idempotency: where a provider takes an idempotency key, and what goes there. From the profile's
 * "idempotency" (profiles/README.md). Pure.
 *
 * A caller's key goes upstream as base62(SHA-256(tenant, 0, key)), cut to the provider's maximum,
 * so that tenants that share a credential cannot meet; a request without one gets one of the
 * gateway's.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>

struct buffer;
struct profile;

enum {
    IDEMPOTENCY_KEY_MAX = 43,     /* base62 of 256 bits */
    IDEMPOTENCY_GIVEN_MAX = 1024, /* a caller's own; longer ones are refused */
};

/* The provider's table: which calls take a key. */
struct idempotency_facts {
    struct slice header;  /* as it is sent, "Idempotency-Key"; empty: */
    struct slice member;  /* a member at the top of the JSON body ("idempotency_key") */
    uint32_t header_hash; /* http1_name_hash() */
    const struct slice *methods;
    unsigned method_count;
    const struct slice *paths; /* as in an allow rule; none: all */
    unsigned path_count;
    unsigned max_length;        /* >= 20 */
    const struct slice *scopes; /* headers, lower case, that a key is only unique within */
    unsigned scope_count;
    struct slice docs_url; /* the provider's page; may be empty */
};

/* Whether this call takes a key. `path` is the one behind the route's, normalized. */
bool idempotency_applies(const struct profile *profile, struct slice method, struct slice path);

/* What goes upstream for a caller's key. Not NUL-terminated; returns the length, at most
 * `max_length`. */
size_t idempotency_key_of(struct slice tenant, struct slice given, unsigned max_length,
                          char out[IDEMPOTENCY_KEY_MAX]);

/* For keys in the body. STATUS_INVALID: the body is no JSON object, or has the member twice or as
 * no string, or too long a one: the error is for the caller. *ret stays empty: it has none, or null
 * or "", which say none. The text is unescaped into the buffer. */
MUST_USE enum status idempotency_body_key(struct slice body, struct slice member,
                                          struct buffer *ret, struct error *err);
/* The body with `"member":"key"` in place of what it has, or as its first member. */
MUST_USE enum status idempotency_body_write(struct slice body, struct slice member,
                                            struct slice key, struct buffer *out);
