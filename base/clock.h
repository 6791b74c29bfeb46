/*
 * clock: the unit of time, and the two clocks. Only gateway/ reads them; below, time is passed in.
 */
#pragma once

#include <stdint.h>

typedef int64_t usec_t; /* microseconds */

#define USEC ((usec_t)1)
#define MSEC ((usec_t)1000)
#define SEC  (1000 * MSEC)

/* Never goes back; for deadlines and durations. */
usec_t clock_now(void);

/* Since 1970-01-01 UTC; for log lines and dates. */
usec_t clock_wall(void);
