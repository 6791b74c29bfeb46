#include "base/nearest.h"

#include <criterion/criterion.h>

static const char *nearest_of(const char *wanted)
{
    static const char *const known[] = {"listen", "limits", "timeouts", "tls", "workers"};
    struct nearest nearest;
    nearest_init(&nearest, slice_from(wanted));
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        nearest_offer(&nearest, known[i]);
    }
    return nearest.best;
}

Test(nearest, finds_slips_swaps_and_other_case)
{
    static const struct {
        const char *wanted, *best;
    } cases[] = {
        {"lisen", "listen"},    {"limit", "limits"}, {"Timeouts", "timeouts"},
        {"wrokers", "workers"}, {"tsl", "tls"},      {"timeout", "timeouts"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *best = nearest_of(cases[i].wanted);
        cr_assert_not_null(best, "%s", cases[i].wanted);
        cr_expect_str_eq(best, cases[i].best, "%s: %s", cases[i].wanted, best);
    }
}

Test(nearest, does_not_guess_where_nothing_is_like_it)
{
    char longest[300];
    memset(longest, 'l', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    cr_expect_null(nearest_of("quotas"));
    cr_expect_null(nearest_of(""));
    cr_expect_null(nearest_of("x"));
    cr_expect_null(nearest_of(longest));
}

Test(nearest, lists_all_that_were_offered)
{
    struct nearest nearest;
    nearest_init(&nearest, SLICE("x"));
    cr_expect_str_eq(nearest.known, "");
    nearest_offer(&nearest, "listen");
    nearest_offer(&nearest, "tls");
    cr_expect_str_eq(nearest.known, "listen, tls");
    for (unsigned i = 0; i < 1000; i++) { /* cut, and never beyond its end */
        nearest_offer(&nearest, "workers");
    }
    cr_expect_eq(strlen(nearest.known), sizeof(nearest.known) - 1);
}
