/*
 * zone_rule: the POSIX rule behind a zone's table (POSIX.1-2017, chapter 8.3, TZ; RFC 8536, section
 * 3.3): how summer time goes on for ever. Internal to zone.
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* When in a year, in local time before the change. */
struct zone_change {
    enum { ZONE_JULIAN, ZONE_DAY_OF_YEAR, ZONE_WEEKDAY } kind;
    int month, week, day; /* ZONE_WEEKDAY: 1-12, 1-5 (5: last), 0-6; else the day alone */
    int seconds;          /* after midnight; may be negative or beyond a day */
};

struct zone_rule {
    int standard_offset; /* seconds east of UTC */
    int summer_offset;
    bool has_summer;
    struct zone_change to_summer, to_standard;
};

/* False: it is none. */
bool zone_rule_parse(struct slice text, struct zone_rule *ret);
int zone_rule_offset(const struct zone_rule *rule, int64_t utc_seconds);
