/*
 * route: one upstream API as the config describes it, ready to serve. Immutable, part of a
 * snapshot. What the auth folder owns is joined by config/link.c, through forward declarations.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"
#include "routes/headers.h"
#include "routes/origin.h"

#include <stdbool.h>

struct price_list;
struct profile;
struct secret_slot;

/* Where the credential goes. */
enum injection_place {
    INJECT_NONE,
    INJECT_HEADER,
    INJECT_QUERY, /* appended as NAME=value, percent-encoded; a caller's own NAME is removed */
    INJECT_PATH,  /* inserted between base path and REST, percent-encoded */
    INJECT_BASIC, /* header Authorization: Basic base64(value) */
};

struct injection {
    enum injection_place place;
    struct slice name;   /* of the header or query parameter */
    struct slice before; /* template split at "{secret}" */
    struct slice after;
};

struct route_timeouts {
    usec_t connect, first_byte, idle, total;
};

struct route {
    const char *name;
    unsigned index;    /* position in the snapshot */
    struct slice path; /* "/openai"; empty for a host route that covers all */
    struct slice host; /* lower case, no port; empty: any */
    const struct profile *profile;
    struct origin origin;
    struct slice base_path;         /* of base_url, without a trailing '/'; may be empty */
    const char *secret_name;        /* NULL: nothing is injected */
    struct secret_slot *credential; /* ref, set by config/link.c; NULL with secret_name NULL */
    struct injection injection;
    struct header_rules headers; /* compiled: which request headers go on, constant ones, Host */
    struct route_timeouts timeouts;
    const struct price_list *prices; /* of the profile; NULL: none are known */
    struct slice public_base; /* "https://gw.internal/openai" for rewritten links; empty: from the
                                 request's own scheme and Host */
};
