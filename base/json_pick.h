/*
 * json_pick: what stands at some places of a JSON text, found in one pass without a tree, in
 * constant memory.
 *
 * A place is a path of names, from the top; in an array a name is an element's number, or "*" for
 * each of them. Names are compared exactly. One that is on the way to a place and occurs twice in
 * its object is an error, for who reads the text next may take the other.
 */
#pragma once

#include "base/json_scan.h"
#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>

struct arena;

enum { JSON_PLACE_DEPTH_MAX = 8, JSON_PLACES_MAX = 64 };

struct json_place {
    const char *const *path;
    unsigned depth;
};

struct json_found {
    unsigned place;       /* its number */
    enum json_event kind; /* JSON_OBJECT_BEGIN, JSON_ARRAY_BEGIN, or a scalar's */
    bool in_array;        /* not the value at the place itself, but a scalar in that array */
    struct slice text;    /* of a string or number: during the call */
    bool whole;           /* false: the text is longer, these are its first JSON_SCAN_TEXT bytes */
};

/* "/a/b~1c" as a path in the arena (RFC 6901). False: it is none, empty or too deep. */
bool json_place_parse(struct arena *arena, struct slice pointer, struct json_place *ret);

/* Calls `found` for all that is there. STATUS_INVALID, and the error says why and quotes nothing:
 * it is no JSON, or has a name twice. At most JSON_PLACES_MAX places. */
MUST_USE enum status json_pick(struct slice text, const struct json_place *places, unsigned count,
                               void (*found)(void *ctx, const struct json_found *found), void *ctx,
                               struct error *err);
