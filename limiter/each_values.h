/*
 * each_values: which values of an `each: ip` or `each: header` rule are counted on their own.
 *
 * At most LIMIT_VALUES_MAX live ones a rule; further ones share one. A value lives until its rule's
 * period is over without a request of it; in a calendar window, for a day at least. Known by hash,
 * so memory is bounded whatever peers send. Shared by the workers, striped locks, kept over a
 * reload.
 */
#pragma once

#include "limiter/limit.h"

#include <stdbool.h>

struct each_values;

struct each_values *each_values_new(void);
void each_values_free(struct each_values *values); /* takes NULL */

/* May this value be counted on its own at `now` (monotonic)? It is live from then on. */
bool each_values_admit(struct each_values *values, const struct limit *limit, struct slice value,
                       usec_t now);
