#include "gateway/observe/timestamp.h"

#include <stdio.h>
#include <time.h>

#include <criterion/criterion.h>

Test(timestamp, known_moments)
{
    static const struct {
        usec_t wall;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {951782399 * SEC, "2000-02-28T23:59:59.000Z"},
        {951782400 * SEC + 1999, "2000-02-29T00:00:00.001Z"},
        {1767323045 * SEC + 678901, "2026-01-02T03:04:05.678Z"},
        {4107542400 * SEC, "2100-03-01T00:00:00.000Z"},
        {-5, "1970-01-01T00:00:00.000Z"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[TIMESTAMP_LEN + 1] = "";
        cr_expect_eq(timestamp_write(cases[i].wall, text), TIMESTAMP_LEN);
        cr_expect_str_eq(text, cases[i].text);
    }
}

Test(timestamp, agrees_with_the_c_library_for_every_day_of_two_centuries)
{
    for (int64_t day = 0; day < 200 * 366; day++) {
        time_t seconds = day * 86400 + 86399;
        struct tm parts;
        char expected[64];
        cr_assert_not_null(gmtime_r(&seconds, &parts));
        (void)strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S.000Z", &parts);
        char text[TIMESTAMP_LEN + 1] = "";
        (void)timestamp_write(seconds * SEC, text);
        cr_assert_str_eq(text, expected);
    }
}
