/*
 * object: what a call makes at its provider, and where the answer says so: a payment, a
 * subscription, a message. From the profile's "objects" (profiles/README.md). Pure.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdint.h>

struct arena;
struct cJSON;
struct profile;

enum object_field {
    OBJECT_ID,
    OBJECT_TYPE,
    OBJECT_STATUS,
    OBJECT_CURRENCY,
    OBJECT_AMOUNT, /* in the currency's smallest unit */
    OBJECT_FIELDS
};

enum {
    OBJECT_PLACES_MAX = 16, /* of a rule: a bit each */
    OBJECT_STEPS_MAX = 6,   /* of a pointer */
};

/* A JSON pointer (RFC 6901): names of members, or positions in arrays. */
struct object_place {
    enum object_field field;
    uint8_t rank; /* of the field's places; the first that is told counts */
    uint8_t step_count;
    struct slice steps[OBJECT_STEPS_MAX];
};

struct object_rule {
    const struct slice *methods; /* none: any but GET, HEAD and OPTIONS, which make nothing */
    unsigned method_count;
    const struct slice *paths; /* as in allow rules; none: any */
    unsigned path_count;
    struct slice id_header; /* of the answer, lower case; empty: the id is in the body */
    struct slice type;      /* where it is always the same; else empty */
    struct object_place places[OBJECT_PLACES_MAX]; /* none, and no header: it makes nothing */
    unsigned place_count;
};

/* The first that fits; NULL: none, or it makes nothing, so the answer is not looked at. `path` is
 * the target behind the route's, without the query. */
const struct object_rule *object_rule_find(const struct profile *profile, struct slice method,
                                           struct slice path);

/* A profile's "objects". Internal to profile_read. */
MUST_USE enum status profile_read_objects(struct arena *arena, const struct cJSON *root,
                                          struct profile *ret, struct error *err);
