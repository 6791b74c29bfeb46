/* profile_guide: what people are told of a provider. Internal to routes. */
#pragma once

#include "base/status.h"

struct arena;
struct cJSON;
struct profile;

/* Reads `base_url_form`, `secret`, `sdk` and `notes` of a profile's object. */
MUST_USE enum status profile_read_guide(struct arena *arena, const struct cJSON *root,
                                        struct profile *ret, struct error *err);
