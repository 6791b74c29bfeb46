/*
 * members: reads the members of objects in the built-in data (profiles, prices). Internal to
 * routes.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>

struct arena;
struct cJSON;

/* An object with no members but the `known` ones, which end with NULL. */
MUST_USE enum status members_check(const struct cJSON *object, const char *const *known,
                                   struct error *err);
/* A list that may be absent: then *ret_list is NULL. */
MUST_USE enum status members_list(const struct cJSON *object, const char *name,
                                  const struct cJSON **ret_list, struct error *err);
/* A text, copied; absent: empty. */
MUST_USE enum status members_text(struct arena *arena, const struct cJSON *object, const char *name,
                                  struct slice *ret, struct error *err);
/* One that must be there, and not be empty. */
MUST_USE enum status members_need_text(struct arena *arena, const struct cJSON *object,
                                       const char *name, struct slice *ret, struct error *err);
/* true or false; absent: false. */
MUST_USE enum status members_flag(const struct cJSON *object, const char *name, bool *ret,
                                  struct error *err);
/* A list of texts, copied; absent: none. */
MUST_USE enum status members_texts(struct arena *arena, const struct cJSON *object,
                                   const char *name, const struct slice **ret, unsigned *ret_count,
                                   struct error *err);
