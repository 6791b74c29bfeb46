/*
 * route_table: finds the route of a request by host and path; constant time in the number of
 * routes: one hash lookup a path segment.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"
#include "base/table.h"

struct arena;
struct route;

struct route_table {
    struct table by_host; /* "host" -> struct table of paths; host routes go first */
    struct table by_path; /* of routes without host */
    unsigned deepest;     /* most segments of any route path */
};

/* Keys are borrowed from the routes. route->host is lower case, without port and trailing dot, an
 * IPv6 literal in its brackets. Fails if two have the same host and path (naming both), or if the
 * path is neither empty nor "/segment/segment". */
MUST_USE enum status route_table_add(struct route_table *table, const struct route *route,
                                     struct error *err);
void route_table_fini(struct route_table *table);

enum { ROUTE_HOST_MAX = 255 }; /* RFC 1035, section 2.3.4 */

/* A Host field's host as a table has it: in lower case, without port and trailing dot. Too long:
 * empty. */
struct slice route_host(struct slice host, char room[ROUTE_HOST_MAX]);

/* `host` as in the request (any case, with or without port and trailing dot); `path` without
 * query, compared byte for byte. The longest match at a segment border among the routes of that
 * host; where none of them covers the path, among those without host. NULL: none. */
const struct route *route_table_find(const struct route_table *table, struct slice host,
                                     struct slice path);
