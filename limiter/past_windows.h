/*
 * past_windows: what was charged, before this process began, in calendar windows that are not over.
 *
 * Filled once at start; later it only changes what was charged then. Any thread may look, and
 * change. A key is known by its hash alone, with a seed of whoever kept it, as keys of `each` are
 * many and their texts long.
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct past_window {
    uint64_t hash;            /* table_hash_with(seed, key) */
    int64_t start_ms, end_ms; /* since 1970-01-01 UTC; the end is exclusive */
    uint64_t used;            /* in the limit's unit */
    uint64_t edition;         /* of past_windows_change(); 0: it has not been changed */
};

struct past_windows;

struct past_windows *past_windows_new(void);
void past_windows_free(struct past_windows *past); /* takes NULL */

/* Of one key and window there may be several: they add up. Saturates at INT64_MAX. */
void past_windows_add(struct past_windows *past, const struct past_window *window);
/* No more are added, and it may be asked. */
void past_windows_finish(struct past_windows *past, const uint64_t seed[2]);

/* What was charged then turned out to be more, or less, by `change`: from now on it is found so.
 * Returns the edition that it has become, which is larger than all before; 0: there is no such
 * window. `past` may be NULL. */
uint64_t past_windows_change(struct past_windows *past, uint64_t hash, int64_t end_ms,
                             int64_t change);

/* The window that goes on at `wall_ms`, and what was used of it. Where several do, as after a
 * change of the time zone in between, it is the one that ends last, with the sum of all. False:
 * there is none; *ret is as it was. `past` may be NULL. */
bool past_windows_find(struct past_windows *past, struct slice key, int64_t wall_ms,
                       struct past_window *ret);
