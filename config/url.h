/*
 * url: the http and https URLs, host names and paths that a config may have. Strict: what has two
 * meanings somewhere is refused. Messages do not quote a URL, which may have a password in it.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>

struct arena;

struct url {
    bool tls;
    const char *host;      /* lower case; IPv6 without brackets */
    unsigned port;         /* given or the scheme's */
    const char *authority; /* "host", "[v6]", and ":port" where it is not the scheme's */
    struct slice path;     /* without a trailing '/'; may be empty */
};

/* "https://host[:port][/path]"; no user, query or fragment. Everything lies in the arena. */
MUST_USE enum status url_parse(struct arena *arena, struct slice text, struct url *ret,
                               struct error *err);

/* The same with a query, for what is called as it is written: "https://host[:port][/path][?query]".
 * *ret_target: path and query, in the arena; ret->path as above. */
MUST_USE enum status url_target_parse(struct arena *arena, struct slice text, struct url *ret,
                                      struct slice *ret_target, struct error *err);

/* A name or IPv4 address, lower case, without port or trailing dot. */
MUST_USE enum status url_host_check(struct slice host, struct error *err);

/* "/" or "/one/two": no trailing '/', no empty or dot segments, nothing to be percent-encoded. */
MUST_USE enum status url_path_check(struct slice path, struct error *err);
