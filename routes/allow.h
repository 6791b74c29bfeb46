/*
 * allow: what a tenant may call: "openai", "stripe:GET /v1/..." Pure.
 *
 * ROUTE, or ROUTE:METHOD PATH; METHOD "*" is any. In PATH a segment "*" is one segment (not an
 * empty one), as the last one any rest, an empty one too. Matched against the normalized path
 * behind the route's; an empty one counts as "/".
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>

struct arena;

struct allow_rule {
    struct slice route;            /* name */
    struct slice method;           /* empty: any */
    struct slice path;             /* normalized; empty: any */
    const struct allow_rule *next; /* of the same tenant and route; set by config/link.c */
};

/* Whether the route exists is for the caller to see. */
MUST_USE enum status allow_parse(struct arena *arena, struct slice text, struct allow_rule *ret,
                                 struct error *err);
/* One rule alone, without `next`. */
bool allow_matches(const struct allow_rule *rule, struct slice method, struct slice path);
/* Any rule of the list. */
bool allow_any(const struct allow_rule *first, struct slice method, struct slice path);
