#include "gateway/observe/timestamp.h"

#include "base/calendar.h"

static char *put_digits(char *at, int64_t value, unsigned count)
{
    for (unsigned i = count; i > 0; i--) {
        at[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + count;
}

size_t timestamp_write(usec_t wall, char out[TIMESTAMP_LEN])
{
    if (wall < 0) {
        wall = 0;
    }
    int64_t seconds = wall / SEC;
    /* No locale and no lock, unlike the C library's. */
    struct calendar_date date = calendar_date(seconds / DAY_SECONDS);
    int64_t of_day = seconds % DAY_SECONDS;
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
