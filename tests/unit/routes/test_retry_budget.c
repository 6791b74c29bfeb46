#include "routes/retry_budget.h"

#include <criterion/criterion.h>

#define START (1000 * SEC)
enum { SHARE = 20 };

static void empty(struct retry_budget *budget, usec_t now)
{
    for (unsigned i = 0; i < RETRY_BUDGET_MOST; i++) {
        cr_assert(retry_budget_take(budget, now), "%u", i);
    }
    cr_assert_not(retry_budget_take(budget, now));
}

Test(retry_budget, begins_full_and_holds_no_more)
{
    struct retry_budget budget = {0};
    cr_expect_eq(retry_budget_left(&budget, START), RETRY_BUDGET_MOST);
    for (unsigned i = 0; i < 1000; i++) {
        retry_budget_first(&budget, SHARE, START);
    }
    cr_expect_eq(retry_budget_left(&budget, START + 86400 * SEC), RETRY_BUDGET_MOST);
    empty(&budget, START + 86400 * SEC);
}

Test(retry_budget, each_first_attempt_adds_its_share)
{
    struct retry_budget budget = {0};
    empty(&budget, START);
    for (unsigned i = 0; i < 4; i++) {
        retry_budget_first(&budget, SHARE, START);
    }
    cr_expect_not(retry_budget_take(&budget, START));
    retry_budget_first(&budget, SHARE, START);
    cr_expect_eq(retry_budget_left(&budget, START), 1);
    cr_expect(retry_budget_take(&budget, START));
    cr_expect_not(retry_budget_take(&budget, START));
    retry_budget_first(&budget, UINT32_MAX, START); /* no policy says so much */
    cr_expect_eq(retry_budget_left(&budget, START), RETRY_BUDGET_MOST);
}

Test(retry_budget, a_quiet_service_gets_three_a_minute)
{
    struct retry_budget budget = {0};
    empty(&budget, START);
    cr_expect_not(retry_budget_take(&budget, START + 20 * SEC - 1));
    cr_expect(retry_budget_take(&budget, START + 20 * SEC));
    cr_expect_not(retry_budget_take(&budget, START + 20 * SEC));
    cr_expect_eq(retry_budget_left(&budget, START + 80 * SEC), 3);
}

/* What is less than a thousandth of a retry is not lost, however often it is looked at. */
Test(retry_budget, asking_often_loses_nothing)
{
    struct retry_budget budget = {0};
    empty(&budget, START);
    unsigned taken = 0;
    for (usec_t now = START; now <= START + 60 * SEC; now += 7 * MSEC + 1) {
        taken += retry_budget_take(&budget, now) ? 1 : 0;
    }
    cr_expect(taken == 2 || taken == 3, "%u", taken);
    cr_expect(taken == 3 || retry_budget_take(&budget, START + 60 * SEC));
}

Test(retry_budget, a_clock_that_is_late_gives_nothing)
{
    struct retry_budget budget = {0};
    empty(&budget, START);
    cr_expect_not(retry_budget_take(&budget, START - 3600 * SEC));
    cr_expect_eq(retry_budget_left(&budget, 1), 0);
    cr_expect_not(retry_budget_take(&budget, START + SEC));
}

Test(retry_budget, callers_retries_are_charged_and_never_owed)
{
    struct retry_budget budget = {0};
    (void)retry_budget_left(&budget, START);
    retry_budget_charge(&budget, START);
    cr_expect_eq(retry_budget_left(&budget, START), RETRY_BUDGET_MOST - 1);
    for (unsigned i = 0; i < 100; i++) {
        retry_budget_charge(&budget, START);
    }
    cr_expect_eq(retry_budget_left(&budget, START), 0);
    cr_expect(retry_budget_take(&budget, START + 20 * SEC)); /* nothing was owed */
}

/* The reason for all of it: an upstream that fails half of its calls, each asked up to four times,
 * hears a fifth more, not twice as much. */
Test(retry_budget, a_storm_is_kept_to_its_share)
{
    enum { REQUESTS = 20000, TRIES = 4 };
    struct retry_budget budget = {0};
    uint64_t dice = 88172645463325252U;
    unsigned retries = 0;
    unsigned refused = 0;
    for (unsigned i = 0; i < REQUESTS; i++) {
        usec_t now = START + i * MSEC;
        retry_budget_first(&budget, SHARE, now);
        for (unsigned made = 1; made < TRIES; made++) {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            if ((dice >> 33 & 1) == 0) {
                break; /* it worked */
            }
            if (!retry_budget_take(&budget, now)) {
                refused++;
                break;
            }
            retries++;
        }
    }
    cr_expect_leq(retries, REQUESTS * SHARE / 100 + 25, "%u", retries);
    cr_expect_geq(retries, REQUESTS * SHARE / 100 - 25, "%u", retries);
    cr_expect_gt(refused, REQUESTS / 10);
}
