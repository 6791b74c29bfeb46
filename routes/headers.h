/*
 * headers: which request headers go upstream, compiled once a route.
 *
 * Dropped on every route: hop-by-hop fields and what Connection names, Host, Content-Length and
 * Transfer-Encoding (written anew), Expect, every header slot of every profile, Proxy-Authorization,
 * X-Sallyport-*, Cookie unless passed, Accept-Encoding, the method and URL override headers, and
 * what the route says. Then come the route's own (set) and the profile's (required, if absent).
 */
#pragma once

#include "base/http1.h"
#include "base/slice.h"
#include "base/status.h"

struct arena;
struct buffer;

enum header_action {
    HEADER_PASS, /* not in the table: goes on as it is */
    HEADER_DROP,
    HEADER_DEFAULT_SEEN, /* goes on, and the profile's default of that name is not needed */
};

struct header_rule {
    struct slice name; /* lower case; len 0: empty place */
    uint32_t hash;
    enum header_action action;
    unsigned default_index; /* for HEADER_DEFAULT_SEEN */
};

struct header_default {
    struct slice name;
    struct slice line; /* "name: value\r\n" */
};

enum { HEADER_DEFAULTS_MAX = 16 };

struct header_rules {
    const struct header_rule *rules; /* open addressing, a power of two */
    unsigned size;
    struct slice constant; /* "Host: …\r\n" and the route's set lines */
    struct header_default defaults[HEADER_DEFAULTS_MAX];
    unsigned default_count;
};

struct header_setting {
    struct slice name;
    struct slice value;
};

struct header_rules_input {
    struct slice authority;             /* for Host */
    const struct slice *slots;          /* every header that can carry a caller's credential */
    unsigned slot_count;
    const struct slice *drop;           /* of the route; slots too, e.g. the injected header */
    unsigned drop_count;
    const struct slice *pass;           /* of the route: taken out of the drop list, Cookie too;
                                           never a slot or a hop-by-hop field */
    unsigned pass_count;
    const struct header_setting *set;   /* of the route; replaces what the caller sent */
    unsigned set_count;
    const struct header_setting *defaults; /* of the profile: required headers, if absent */
    unsigned default_count;
};

/* Everything is copied into the arena. */
void header_rules_compile(struct arena *arena, const struct header_rules_input *input,
                          struct header_rules *ret);

/* Writes the request's field lines (no start line, no framing, no credential, no empty line).
 * STATUS_TOO_LARGE if the buffer is full. */
MUST_USE enum status header_rules_write(const struct header_rules *rules,
                                        const struct http1_field *fields, unsigned count,
                                        struct buffer *out);
