#include "routes/retry.h"

#include <criterion/criterion.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const struct retry_policy classic = {
    .attempts = 3,
    .base = SEC,
    .factor = 2,
    .cap = 30 * SEC,
    .jitter = RETRY_JITTER_NONE,
    .statuses = {429, 500, 502, 503, 504},
    .status_count = 5,
};

static struct retry_policy jittered(void)
{
    struct retry_policy policy = classic;
    policy.jitter = RETRY_JITTER_FULL;
    return policy;
}

/* Uniform enough, and the same in every run. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t mixed = (*state += 0x9e3779b97f4a7c15U);
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9U;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebU;
    return mixed ^ mixed >> 31;
}

Test(retry, statuses_are_those_of_the_list)
{
    cr_expect(retry_policy_has(&classic, 429));
    cr_expect(retry_policy_has(&classic, 504));
    cr_expect_not(retry_policy_has(&classic, 501));
    cr_expect_not(retry_policy_has(&classic, 200));
    cr_expect_not(retry_policy_has(&classic, 0)); /* what is behind the list is not of it */
}

Test(retry, without_jitter_it_waits_1_2_4_seconds_up_to_the_cap)
{
    static const usec_t wanted[] = {SEC, 2 * SEC, 4 * SEC, 8 * SEC, 16 * SEC, 30 * SEC, 30 * SEC};
    for (unsigned i = 0; i < COUNT_OF(wanted); i++) {
        cr_expect_eq(retry_wait(&classic, i + 1, -1, 12345), wanted[i], "after %u", i + 1);
    }
}

Test(retry, a_factor_of_one_waits_the_same_each_time)
{
    struct retry_policy policy = classic;
    policy.factor = 1;
    cr_expect_eq(retry_wait(&policy, 1, 0, 0), SEC);
    cr_expect_eq(retry_wait(&policy, UINT32_MAX, 0, 0), SEC); /* and at once */
}

Test(retry, full_jitter_stays_below_what_it_would_be_and_uses_all_of_it)
{
    const struct retry_policy policy = jittered();
    uint64_t state = 1;
    for (unsigned made = 1; made <= 7; made++) {
        usec_t bound = retry_wait(&classic, made, 0, 0);
        usec_t least = bound;
        usec_t most = 0;
        usec_t sum = 0;
        for (unsigned i = 0; i < 2000; i++) {
            usec_t wait = retry_wait(&policy, made, 0, next_random(&state));
            cr_assert(wait >= 0 && wait < bound, "%ld of %ld", (long)wait, (long)bound);
            least = wait < least ? wait : least;
            most = wait > most ? wait : most;
            sum += wait / 2000;
        }
        cr_expect_lt(least, bound / 100);
        cr_expect_gt(most, bound - bound / 100);
        cr_expect(sum > bound * 47 / 100 && sum < bound * 53 / 100, "mean %ld", (long)sum);
    }
}

Test(retry, absurd_values_end_at_the_cap)
{
    struct retry_policy policy = classic;
    policy.base = INT64_MAX / 2;
    policy.cap = INT64_MAX;
    policy.factor = RETRY_FACTOR_MAX;
    cr_expect_eq(retry_wait(&policy, 2, 0, 0), INT64_MAX);
    cr_expect_eq(retry_wait(&policy, UINT32_MAX, 0, 0), INT64_MAX);
    policy.base = 1;
    cr_expect_eq(retry_wait(&policy, UINT32_MAX, 0, 0), INT64_MAX);
    policy.base = 0; /* no policy has it; it must end all the same */
    cr_expect_eq(retry_wait(&policy, UINT32_MAX, 0, 0), 0);
    policy = jittered();
    policy.base = policy.cap = 0;
    cr_expect_eq(retry_wait(&policy, 3, 0, UINT64_MAX), 0);
}

Test(retry, what_the_provider_asks_for_is_the_least)
{
    cr_expect_eq(retry_wait(&classic, 1, 7 * SEC, 0), 7 * SEC);
    cr_expect_eq(retry_wait(&classic, 1, SEC / 2, 0), SEC); /* the own wait is longer */
    cr_expect_eq(retry_wait(&classic, 1, 0, 0), SEC);
    cr_expect_eq(retry_wait(&classic, 1, -5 * SEC, 0), SEC);
    cr_expect_eq(retry_wait(&classic, 1, INT64_MAX, 0), INT64_MAX);
}

struct spread_case {
    usec_t asked, spread;
};

/* Never earlier, so that the provider is not asked in vain; not all at once either. */
Test(retry, those_who_were_told_the_same_do_not_come_together)
{
    static const struct spread_case cases[] = {
        {2 * SEC, SEC / 5}, {8 * SEC, 8 * SEC / 10}, {25 * SEC, SEC}, /* a second at most */
    };
    struct retry_policy policy = jittered();
    uint64_t state = 2;
    policy.base = policy.cap = MSEC;
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        usec_t least = INT64_MAX;
        usec_t most = 0;
        for (unsigned n = 0; n < 2000; n++) {
            usec_t wait = retry_wait(&policy, 1, cases[i].asked, next_random(&state));
            least = wait < least ? wait : least;
            most = wait > most ? wait : most;
        }
        cr_expect(least >= cases[i].asked && most <= cases[i].asked + cases[i].spread);
        cr_expect_gt(most - least, cases[i].spread / 2);
    }
    cr_expect_eq(retry_wait(&policy, 1, INT64_MAX, UINT64_MAX), INT64_MAX);
    cr_expect_eq(retry_wait(&policy, 1, INT64_MAX, 123456), INT64_MAX);
}
