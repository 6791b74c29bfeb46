/* profile_places: where a profile's credential goes and its slots are. Internal to routes. */
#pragma once

#include "base/status.h"

struct arena;
struct cJSON;
struct profile;

/* Reads `credential` and `slots` of a profile's object. */
MUST_USE enum status profile_read_places(struct arena *arena, const struct cJSON *root,
                                         struct profile *ret, struct error *err);
