/*
 * command_time: the times that commands are given: so long ago, the beginning of a day, or a
 * moment.
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

/* "24h" ago, "2026-11-01" in the zone, or "2026-11-01T12:00:00Z"; NULL leaves *ret as it is. False:
 * it is misused, and that was said. */
bool command_read_time(const struct command_line *line, const struct zone *zone, const char *text,
                       usec_t *ret);
/* Two of them; `until` NULL: now, which is 0. False: it is misused, and
 * that was said. */
bool command_read_times(const struct command_line *line, const struct zone *zone, const char *since,
                        const char *until, usec_t *ret_since, usec_t *ret_until);
