/*
 * profile_calls: a profile's "calls" from JSON; see profiles/README.md. Internal to profile_read.
 */
#pragma once

#include "base/status.h"

struct arena;
struct cJSON;
struct profile;

MUST_USE enum status profile_read_calls(struct arena *arena, const struct cJSON *root,
                                        struct profile *ret, struct error *err);
