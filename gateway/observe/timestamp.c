#include "gateway/observe/timestamp.h"

static char *put_digits(char *at, int64_t value, unsigned count)
{
    for (unsigned i = count; i > 0; i--) {
        at[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + count;
}

struct date {
    int64_t year, month, day;
};

/* Days since 1970 to a date: eras of 400 years, years that begin in March. No tables, no locale,
 * no lock, unlike gmtime(). */
static struct date to_date(int64_t days)
{
    int64_t shifted = days + 719468; /* since 0000-03-01 */
    int64_t era = shifted / 146097;
    int64_t day_of_era = shifted % 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153; /* 0: March */
    struct date date = {.day = day_of_year - (153 * month + 2) / 5 + 1,
                        .month = month < 10 ? month + 3 : month - 9,
                        .year = era * 400 + year_of_era};
    date.year += date.month <= 2;
    return date;
}

size_t timestamp_write(usec_t wall, char out[TIMESTAMP_LEN])
{
    if (wall < 0) {
        wall = 0;
    }
    int64_t seconds = wall / SEC;
    struct date date = to_date(seconds / 86400);
    int64_t of_day = seconds % 86400;
    char *at = put_digits(out, date.year, 4);
    *at++ = '-';
    at = put_digits(at, date.month, 2);
    *at++ = '-';
    at = put_digits(at, date.day, 2);
    *at++ = 'T';
    at = put_digits(at, of_day / 3600, 2);
    *at++ = ':';
    at = put_digits(at, of_day / 60 % 60, 2);
    *at++ = ':';
    at = put_digits(at, of_day % 60, 2);
    *at++ = '.';
    at = put_digits(at, wall / MSEC % 1000, 3);
    *at = 'Z';
    return TIMESTAMP_LEN;
}
