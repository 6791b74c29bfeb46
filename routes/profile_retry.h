/*
 * profile_retry: what a profile says about sending a request again: "retry", "idempotency",
 * "repeatable", "domains", "domain_by_model" and "health" from JSON; see profiles/README.md.
 * Internal to profile_read.
 */
#pragma once

#include "base/status.h"

struct arena;
struct cJSON;
struct profile;

MUST_USE enum status profile_read_retry(struct arena *arena, const struct cJSON *root,
                                        struct profile *ret, struct error *err);
