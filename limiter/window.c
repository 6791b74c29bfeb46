#include "limiter/window.h"

#include "base/calendar.h"
#include "limiter/zone.h"

#include <assert.h>

/* The first day of the window that a day of the zone's calendar lies in. */
static int64_t first_day(const struct limit *limit, int64_t day)
{
    struct calendar_date date;
    switch (limit->span) {
    case LIMIT_DAYS:
        return calendar_floor(day, limit->days);
    case LIMIT_WEEK: /* 1970-01-01 was a Thursday */
        return calendar_floor(day + 3, 7) - 3;
    case LIMIT_MONTH:
        date = calendar_date(day);
        return calendar_days(date.year, date.month, 1);
    case LIMIT_RATE:
    case LIMIT_HELD:
        break;
    }
    assert(false);
    return 0;
}

static int64_t next_first_day(const struct limit *limit, int64_t first)
{
    struct calendar_date date;
    switch (limit->span) {
    case LIMIT_DAYS:
        return first + limit->days;
    case LIMIT_WEEK:
        return first + 7;
    case LIMIT_MONTH:
        date = calendar_date(first);
        return calendar_days(date.year, date.month + 1, 1);
    case LIMIT_RATE:
    case LIMIT_HELD:
        break;
    }
    assert(false);
    return 0;
}

static int64_t instant(const struct limit *limit, int64_t day)
{
    return zone_to_utc(limit->zone, day * DAY_SECONDS) * 1000;
}

/* The next border after that of `*day`; a day that the zone skipped has no length. */
static int64_t next_border(const struct limit *limit, int64_t *day)
{
    int64_t before = instant(limit, *day);
    int64_t border;
    do {
        *day = next_first_day(limit, *day);
        border = instant(limit, *day);
    } while (border <= before);
    return border;
}

struct window window_at(const struct limit *limit, int64_t wall_ms)
{
    int64_t seconds = wall_ms / 1000;
    int64_t local = seconds + zone_offset(limit->zone, seconds);
    int64_t day = first_day(limit, calendar_floor(local, DAY_SECONDS) / DAY_SECONDS);
    struct window window = {.start_ms = instant(limit, day)};
    window.end_ms = next_border(limit, &day);
    /* Where midnight is skipped or comes twice, the instant itself decides. */
    while (wall_ms >= window.end_ms) {
        window.start_ms = window.end_ms;
        window.end_ms = next_border(limit, &day);
    }
    window.next_end_ms = next_border(limit, &day);
    return window;
}
