/*
 * profile_token: reads a profile's `token`. Internal to routes.
 */
#pragma once

#include "base/status.h"

struct arena;
struct cJSON;
struct profile;

MUST_USE enum status profile_read_token(struct arena *arena, const struct cJSON *root,
                                        struct profile *ret, struct error *err);
