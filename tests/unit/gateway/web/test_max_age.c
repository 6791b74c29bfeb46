#include "gateway/web/max_age.h"

#include <criterion/criterion.h>

static const struct {
    const char *value;
    usec_t seconds;
} cases[] = {
    {"public, max-age=19845, must-revalidate, no-transform", 19845},
    {"Max-Age=60", 60},
    {" max-age=60 ", 60},
    {"max-age=99999999999", 24 * 3600},
    {"max-age=-1", 0},
    {"max-age=", 0},
    {"max-age=1x", 0},
    {"s-maxage=60", 0},
    {"max-age=60, no-store", 0},
    {"no-cache, max-age=60", 0},
    {"", 0},
    {",,,", 0},
};

Test(max_age, is_what_cache_control_says)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http1_field fields[] = {
            {.name = SLICE("Date"), .value = SLICE("max-age=5")},
            {.name = SLICE("cache-control"), .value = slice_from(cases[i].value)},
        };
        cr_expect_eq(max_age_of(fields, 2), cases[i].seconds * SEC, "%s", cases[i].value);
    }
    cr_expect_eq(max_age_of(NULL, 0), 0);
}
