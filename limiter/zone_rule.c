#include "limiter/zone_rule.h"

#define DAY_SECONDS INT64_C(86400)

enum { HOUR_SECONDS = 3600, DEFAULT_CHANGE = 2 * HOUR_SECONDS, HOURS_MAX = 167 };

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
static bool take_time(struct slice *text, int *ret)
{
    int hours;
    int minutes = 0;
    int seconds = 0;
    bool negative = take(text, '-');
    if (!negative) {
        (void)take(text, '+');
    }
    if (!take_number(text, HOURS_MAX, &hours) ||
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
    return good && (!take(text, '/') || take_time(text, &ret->seconds));
}

bool zone_rule_parse(struct slice text, struct zone_rule *ret)
{
    int west;
    *ret = (struct zone_rule){0};
    if (!take_name(&text) || !take_time(&text, &west)) {
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
        if (!take_time(&text, &west)) {
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
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from 1970-01-01 to the first day of the year. */
static int64_t year_start(int64_t year)
{
    int64_t before = year - 1; /* whole years since year 0; only years after 0 are asked for */
    int64_t days = before * 365 + before / 4 - before / 100 + before / 400;
    return days - 719162;
}

int64_t zone_days_of(int64_t year, int month, int day)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int leap = month > 2 && is_leap(year) ? 1 : 0;
    return year_start(year) + before[month - 1] + leap + day - 1;
}

static int days_in_month(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year) ? 1 : 0);
}

static int64_t change_day(const struct zone_change *change, int64_t year)
{
    switch (change->kind) {
    case ZONE_JULIAN: /* February 29 is never counted */
        return year_start(year) + change->day - 1 + (is_leap(year) && change->day > 59 ? 1 : 0);
    case ZONE_DAY_OF_YEAR:
        return year_start(year) + change->day;
    case ZONE_WEEKDAY:
        break;
    }
    int64_t first = zone_days_of(year, change->month, 1);
    int64_t weekday = ((first + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
    int64_t day = (change->day - weekday + 7) % 7 + (change->week - 1) * INT64_C(7);
    while (day >= days_in_month(year, change->month)) {
        day -= 7;
    }
    return first + day;
}

static int64_t change_at(const struct zone_change *change, int64_t year, int offset_before)
{
    return change_day(change, year) * DAY_SECONDS + change->seconds - offset_before;
}

static int64_t year_of(int64_t utc_seconds)
{
    int64_t days = utc_seconds / DAY_SECONDS;
    int64_t year = 1970 + days * 400 / 146097;
    while (year_start(year) > days) {
        year--;
    }
    while (year_start(year + 1) <= days) {
        year++;
    }
    return year;
}

int zone_rule_offset(const struct zone_rule *rule, int64_t utc_seconds)
{
    if (!rule->has_summer) {
        return rule->standard_offset;
    }
    int64_t year = year_of(utc_seconds + rule->standard_offset);
    int64_t begins = change_at(&rule->to_summer, year, rule->standard_offset);
    int64_t ends = change_at(&rule->to_standard, year, rule->summer_offset);
    bool summer = begins < ends ? utc_seconds >= begins && utc_seconds < ends
                                : utc_seconds >= begins || utc_seconds < ends;
    return summer ? rule->summer_offset : rule->standard_offset;
}
