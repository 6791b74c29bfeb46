/*
 * headers: which request headers go upstream, compiled once a route.
 *
 * Dropped on every route, whatever it passes: hop-by-hop fields and what Connection names, Host,
 * Content-Length, Transfer-Encoding and Accept-Encoding (written anew), Expect, every header slot
 * of every profile, Proxy-*, X-Sallyport-*, the method and URL override headers, and what the route
 * says. Dropped unless the route passes them: Cookie, trace context (traceparent, tracestate,
 * baggage), and what would show the inside to a third party (Forwarded, Via, X-Forwarded-*,
 * X-Real-IP and its like). Then come the route's own (set) and the profile's (required, if absent).
 *
 * A traceparent and tracestate that are passed are written by the gateway, for what goes upstream
 * has a parent of its own (base/trace_context.h).
 *
 * A name with '_' is also judged as if it had '-': some servers do not tell them apart.
 */
#pragma once

#include "base/http1.h"
#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>

struct arena;
struct buffer;

enum header_action {
    HEADER_PASS, /* goes on as it is; in the table only where the route passes it */
    HEADER_DROP,
    HEADER_DEFAULT_SEEN, /* goes on, and the profile's default of that name is not needed */
};

struct header_rule {
    struct slice name; /* lower case; len 0: empty place */
    uint32_t hash;
    enum header_action action;
    unsigned default_index; /* for HEADER_DEFAULT_SEEN */
};

enum { HEADER_DEFAULTS_MAX = 16 };

struct header_rules {
    const struct header_rule *rules; /* open addressing, a power of two */
    unsigned size;
    struct slice constant;                      /* "Host: …\r\n" and the route's set lines */
    struct slice defaults[HEADER_DEFAULTS_MAX]; /* "name: value\r\n" */
    unsigned default_count;
    bool trace_parent, trace_state; /* the gateway's own are to be written */
};

struct header_setting {
    struct slice name;
    struct slice value;
};

struct header_rules_input {
    struct slice authority;    /* for Host */
    const struct slice *slots; /* every header that can carry a caller's credential */
    unsigned slot_count;
    const struct slice *drop; /* of the route; slots too, e.g. the injected header */
    unsigned drop_count;
    const struct slice *pass; /* of the route: taken out of the drop list, Cookie too;
                                 never a slot or a hop-by-hop field */
    unsigned pass_count;
    const struct header_setting *set; /* of the route; replaces what the caller sent */
    unsigned set_count;
    const struct header_setting *defaults; /* of the profile: required headers, if absent */
    unsigned default_count;
};

/* Whether the gateway alone decides about this name, so that a route can neither set nor pass it:
 * hop-by-hop and framing fields, Host, Expect, Accept-Encoding, Proxy-*, X-Sallyport-*. */
bool header_name_reserved(struct slice name);
/* Whether it would make an allowed call another one (X-HTTP-Method-Override and its like): a route
 * cannot pass it. */
bool header_name_overrides(struct slice name);

/* Everything is copied into the arena. Names and values in the input are valid (http1_valid_token,
 * http1_valid_field_value); reserved names among `set` and `defaults` are left out; beyond
 * HEADER_DEFAULTS_MAX defaults are not looked at. */
void header_rules_compile(struct arena *arena, const struct header_rules_input *input,
                          struct header_rules *ret);

/* The constant lines of these rules for another Host. */
struct slice header_rules_rehost(struct arena *arena, const struct header_rules *rules,
                                 struct slice authority);

/* Writes the request's field lines: Host first, the route's, the caller's, the defaults (no start
 * line, no framing, no credential, no empty line). STATUS_TOO_LARGE if the buffer is full. */
MUST_USE enum status header_rules_write(const struct header_rules *rules,
                                        const struct http1_field *fields, unsigned count,
                                        struct buffer *out);
