#include "limiter/window.h"

#include "limiter/zone.h"

#include <assert.h>

#define DAY_SECONDS INT64_C(86400)

/* Days since 1970-01-01 of a date in the Gregorian calendar, and the other way round: years are
 * counted from March, so that the leap day is a year's last. */
static int64_t days_of(int64_t year, int64_t month)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void date_of(int64_t days, int64_t *ret_year, int64_t *ret_month)
{
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_index = (5 * day_of_year + 2) / 153;
    *ret_month = month_index + (month_index < 10 ? 3 : -9);
    *ret_year = year_of_era + era * 400 + (*ret_month <= 2 ? 1 : 0);
}

static int64_t floor_to(int64_t value, int64_t step)
{
    int64_t rest = value % step;
    return value - (rest < 0 ? rest + step : rest);
}

/* The first day of the window that a day of the zone's calendar lies in. */
static int64_t first_day(const struct limit *limit, int64_t day)
{
    int64_t year;
    int64_t month;
    switch (limit->span) {
    case LIMIT_DAYS:
        return floor_to(day, limit->days);
    case LIMIT_WEEK: /* 1970-01-01 was a Thursday */
        return floor_to(day + 3, 7) - 3;
    case LIMIT_MONTH:
        date_of(day, &year, &month);
        return days_of(year, month);
    case LIMIT_RATE:
    case LIMIT_HELD:
        break;
    }
    assert(false);
    return 0;
}

static int64_t next_first_day(const struct limit *limit, int64_t first)
{
    int64_t year;
    int64_t month;
    switch (limit->span) {
    case LIMIT_DAYS:
        return first + limit->days;
    case LIMIT_WEEK:
        return first + 7;
    case LIMIT_MONTH:
        date_of(first, &year, &month);
        return month == 12 ? days_of(year + 1, 1) : days_of(year, month + 1);
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
    int64_t day = first_day(limit, floor_to(local, DAY_SECONDS) / DAY_SECONDS);
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
