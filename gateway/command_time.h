/*
 * command_time: the times that commands are given: so long ago, or the beginning of a day.
 */
#pragma once

#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>

struct command_line;
struct zone;

enum { COMMAND_DATE_LEN = 10 };

/* "2026-11-01", of days since 1970. */
void command_write_date(int64_t days, char out[COMMAND_DATE_LEN + 1]);

/* "24h" ago, or "2026-11-01" in the zone; `until` NULL: now, which is 0. False: it is misused, and
 * that was said. */
bool command_read_times(const struct command_line *line, const struct zone *zone, const char *since,
                        const char *until, usec_t *ret_since, usec_t *ret_until);
