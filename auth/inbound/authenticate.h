/*
 * authenticate: who a request says it is: tenant keys in the places where SDKs put them.
 *
 * The caller walks the places (it knows the profile's slots) and hands each value over; this file
 * takes the key out of it, looks it up and remembers what was found. Tokens are found here, too,
 * and verified by the caller, who may have to wait for a key. Pure; keeps no key.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"

#include <stdbool.h>

struct tenant;
struct tenant_key_entry;
struct tenant_table;

/* How a value carries a key. */
enum credential_form {
    CREDENTIAL_PLAIN,          /* the value, behind an optional prefix such as "Bearer " */
    CREDENTIAL_BASIC_USER,     /* "Basic base64(user:password)": the user (RFC 7617) */
    CREDENTIAL_BASIC_PASSWORD, /* its password */
    CREDENTIAL_AWS,            /* the access key id of an AWS signature (aws_authorization.h) */
    CREDENTIAL_QUERY,          /* a query parameter's raw value, percent-encoded */
};

enum authenticate_verdict {
    AUTHENTICATE_MISSING,   /* no place held anything: tenant_key_missing */
    AUTHENTICATE_NOT_A_KEY, /* something was there, but no tenant key (length, CRC) */
    AUTHENTICATE_UNKNOWN,   /* a well-formed key that no tenant has */
    AUTHENTICATE_EXPIRED,   /* a tenant's, whose time is over */
    AUTHENTICATE_EARLY,     /* a tenant's, whose time has not begun */
    AUTHENTICATE_REFUSED,   /* a token of a known issuer that is not to be taken */
    AUTHENTICATE_CONFLICT,  /* keys or tokens of two tenants */
    AUTHENTICATE_TENANT,
};

enum { AUTHENTICATE_TOKENS_MAX = 2 }; /* one more is a conflict */

/* Zero-initialized but for the first two is its beginning. */
struct authentication {
    usec_t wall;                                /* when it is, for keys that have a time */
    bool takes_tokens;                          /* some tenant does */
    const struct tenant *tenant;                /* borrowed from the table; NULL: none yet */
    const struct tenant_key_entry *out_of_time; /* likewise; the last one that was so */
    bool value_seen;
    bool unknown_seen;
    bool conflict_seen;
    bool refused_seen;
    /* What looks like a JSON Web Token, each once, where it was found: for the caller to verify. */
    struct slice tokens[AUTHENTICATE_TOKENS_MAX];
    unsigned token_count;
    unsigned taken; /* bits of those that said who the tenant is */
};

/* Looks at one place. `prefix` (any case, may be empty) is for CREDENTIAL_PLAIN: a value without
 * it holds something else and is passed over, and so is any other scheme than Basic for the
 * basic forms. Returns whether it held a tenant key, well-formed, of whomever. */
bool authenticate_value(struct authentication *auth, const struct tenant_table *table,
                        enum credential_form form, struct slice value, struct slice prefix);

/* One more tenant that the request has shown to be: by a token, by a certificate. */
void authenticate_add(struct authentication *auth, const struct tenant *tenant);

/* After all places. One good key beside values that are no tenant keys is enough (an SDK may
 * insist on a second header); beside an unknown key, as of a tenant that was removed, or one out of
 * its time, it is not. */
enum authenticate_verdict authenticate_verdict(const struct authentication *auth);
