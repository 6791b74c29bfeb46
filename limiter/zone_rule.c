#include "limiter/zone_rule.h"

#include "base/calendar.h"

enum { HOUR_SECONDS = 3600, DEFAULT_CHANGE = 2 * HOUR_SECONDS };

/* The most that may be written: of an offset, and (RFC 8536, section 3.3.1) of a change. */
enum { OFFSET_HOURS_MAX = 24, CHANGE_HOURS_MAX = 167 };

/* ---- reading ---- */

static bool take(struct slice *text, char byte)
{
    if (text->len == 0 || text->ptr[0] != byte) {
        return false;
    }
    *text = slice_skip(*text, 1);
    return true;
}

static bool take_number(struct slice *text, int max, int *ret)
{
    size_t digits = 0;
    int value = 0;
    while (digits < text->len && digits < 4 && ascii_is_digit(text->ptr[digits])) {
        value = value * 10 + (text->ptr[digits] - '0');
        digits++;
    }
    *text = slice_skip(*text, digits);
    *ret = value;
    return digits > 0 && value <= max;
}

/* "CET", or "<+0330>" for names with digits. */
static bool take_name(struct slice *text)
{
    size_t len = 0;
    if (take(text, '<')) {
        len = slice_find(*text, '>');
        bool closed = len < text->len && len > 0;
        *text = slice_skip(*text, len + 1);
        return closed;
    }
    while (len < text->len && ascii_is_letter(text->ptr[len])) {
        len++;
    }
    *text = slice_skip(*text, len);
    return len >= 3;
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(struct slice *text, int hours_max, int *ret)
{
    int hours;
    int minutes = 0;
    int seconds = 0;
    bool negative = take(text, '-');
    if (!negative) {
        (void)take(text, '+');
    }
    if (!take_number(text, hours_max, &hours) ||
        (take(text, ':') && (!take_number(text, 59, &minutes) ||
                             (take(text, ':') && !take_number(text, 59, &seconds))))) {
        return false;
    }
    *ret = (hours * 60 + minutes) * 60 + seconds;
    *ret = negative ? -*ret : *ret;
    return true;
}

static bool take_change(struct slice *text, struct zone_change *ret)
{
    *ret = (struct zone_change){.kind = ZONE_DAY_OF_YEAR, .seconds = DEFAULT_CHANGE};
    bool good;
    if (take(text, 'M')) {
        ret->kind = ZONE_WEEKDAY;
        good = take_number(text, 12, &ret->month) && ret->month > 0 && take(text, '.') &&
               take_number(text, 5, &ret->week) && ret->week > 0 && take(text, '.') &&
               take_number(text, 6, &ret->day);
    } else if (take(text, 'J')) {
        ret->kind = ZONE_JULIAN;
        good = take_number(text, 365, &ret->day) && ret->day > 0;
    } else {
        good = take_number(text, 365, &ret->day);
    }
    return good && (!take(text, '/') || take_time(text, CHANGE_HOURS_MAX, &ret->seconds));
}

bool zone_rule_parse(struct slice text, struct zone_rule *ret)
{
    int west;
    *ret = (struct zone_rule){0};
    if (!take_name(&text) || !take_time(&text, OFFSET_HOURS_MAX, &west)) {
        return false;
    }
    ret->standard_offset = -west; /* POSIX counts to the west */
    if (text.len == 0) {
        return true;
    }
    ret->has_summer = true;
    ret->summer_offset = ret->standard_offset + HOUR_SECONDS;
    if (!take_name(&text)) {
        return false;
    }
    if (text.len > 0 && text.ptr[0] != ',') {
        if (!take_time(&text, OFFSET_HOURS_MAX, &west)) {
            return false;
        }
        ret->summer_offset = -west;
    }
    return take(&text, ',') && take_change(&text, &ret->to_summer) && take(&text, ',') &&
           take_change(&text, &ret->to_standard) && text.len == 0;
}

/* ---- the calendar ---- */

static bool is_leap(int64_t year)
{
    return calendar_days(year, 3, 1) - calendar_days(year, 2, 1) == 29;
}

static int64_t change_day(const struct zone_change *change, int64_t year)
{
    int64_t new_year = calendar_days(year, 1, 1);
    switch (change->kind) {
    case ZONE_JULIAN: /* February 29 is never counted */
        return new_year + change->day - 1 + (is_leap(year) && change->day > 59 ? 1 : 0);
    case ZONE_DAY_OF_YEAR:
        return new_year + change->day;
    case ZONE_WEEKDAY:
        break;
    }
    int64_t first = calendar_days(year, change->month, 1);
    int64_t sunday = calendar_floor(first + 4, 7) - 4; /* 1970-01-01 was a Thursday */
    int64_t day = sunday + change->day;
    day += day < first ? 7 : 0;
    day += (change->week - 1) * INT64_C(7);
    return day < calendar_days(year, change->month + 1, 1) ? day : day - 7;
}

static int64_t change_at(const struct zone_change *change, int64_t year, int offset_before)
{
    return change_day(change, year) * DAY_SECONDS + change->seconds - offset_before;
}

int zone_rule_offset(const struct zone_rule *rule, int64_t utc_seconds)
{
    if (!rule->has_summer) {
        return rule->standard_offset;
    }
    int64_t standard = utc_seconds + rule->standard_offset;
    int64_t year = calendar_date(calendar_floor(standard, DAY_SECONDS) / DAY_SECONDS).year;
    int64_t begins = change_at(&rule->to_summer, year, rule->standard_offset);
    int64_t ends = change_at(&rule->to_standard, year, rule->summer_offset);
    bool summer = begins < ends ? utc_seconds >= begins && utc_seconds < ends
                                : utc_seconds >= begins || utc_seconds < ends;
    return summer ? rule->summer_offset : rule->standard_offset;
}
