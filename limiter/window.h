/*
 * window: where the calendar window of a budget begins and ends, in a time zone. Pure.
 *
 * Days, ISO weeks and months follow the zone's clock: over a change to or from summer time a day
 * has 23 or 25 hours. N-day windows are counted from 1970-01-01 in the zone.
 */
#pragma once

#include "limiter/limit.h"

#include <stdint.h>

struct window {
    int64_t start_ms;    /* since 1970-01-01 UTC; inclusive */
    int64_t end_ms;      /* exclusive; where the next one begins */
    int64_t next_end_ms; /* the end of the next one */
};

/* The window that `wall_ms` (>= 0) lies in. For LIMIT_DAYS, LIMIT_WEEK and LIMIT_MONTH. */
struct window window_at(const struct limit *limit, int64_t wall_ms);
