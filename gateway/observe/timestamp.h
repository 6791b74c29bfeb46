/*
 * timestamp: a moment as RFC 3339 text in UTC, with milliseconds.
 */
#pragma once

#include "base/clock.h"

#include <stddef.h>

enum { TIMESTAMP_LEN = 24 };

/* "2026-01-02T03:04:05.678Z", without a NUL; returns TIMESTAMP_LEN. `wall` is since 1970. */
size_t timestamp_write(usec_t wall, char out[TIMESTAMP_LEN]);
