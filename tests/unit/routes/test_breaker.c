#include "routes/breaker.h"

#include <criterion/criterion.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define START           (1000 * SEC)
/* A random number for which an open time is what the policy says: in the middle of ±20 %. */
#define MIDDLE(open) ((uint64_t)((open) / 5))

static const struct breaker_policy policy = {
    .window = 10 * SEC,
    .min_requests = 10,
    .failure_rate = 50,
    .consecutive = 5,
    .open = 5 * SEC,
    .max_open = 60 * SEC,
    .probes = 3,
    .slow_rate = 80,
};

static struct breaker_permit admit(struct breaker *breaker, usec_t now)
{
    struct breaker_permit permit;
    usec_t after;
    cr_assert(breaker_admit(breaker, &policy, now, &permit, &after));
    cr_assert(permit.held);
    return permit;
}

static bool refused(struct breaker *breaker, usec_t now)
{
    struct breaker_permit permit;
    usec_t after;
    bool would = breaker_would_admit(breaker, &policy, now);
    bool admitted = breaker_admit(breaker, &policy, now, &permit, &after);
    cr_assert_eq(admitted, would);
    cr_assert_eq(permit.held, admitted);
    return !admitted;
}

static bool report(struct breaker *breaker, struct breaker_permit permit,
                   enum breaker_outcome outcome, usec_t now)
{
    return breaker_report(breaker, &policy, &permit, outcome, MSEC, now, MIDDLE(policy.open));
}

static bool call(struct breaker *breaker, enum breaker_outcome outcome, usec_t now)
{
    return report(breaker, admit(breaker, now), outcome, now);
}

static void calls(struct breaker *breaker, unsigned count, enum breaker_outcome outcome, usec_t now)
{
    for (unsigned i = 0; i < count; i++) {
        cr_assert_not(call(breaker, outcome, now), "%u", i);
    }
}

/* Opened at `now` by failed connects. */
static struct breaker opened(usec_t now)
{
    struct breaker breaker = {0};
    calls(&breaker, 4, BREAKER_CONNECT_FAILURE, now);
    cr_assert(call(&breaker, BREAKER_CONNECT_FAILURE, now));
    cr_assert_eq(breaker.state, BREAKER_OPEN);
    return breaker;
}

Test(breaker, opens_at_the_rate_and_not_before_enough_were_seen)
{
    struct breaker breaker = {0};
    calls(&breaker, 9, BREAKER_FAILURE, START);
    cr_expect(call(&breaker, BREAKER_FAILURE, START));
    cr_expect_eq(breaker.state, BREAKER_OPEN);
    cr_expect_eq(breaker.changed_at, START);
    cr_expect(refused(&breaker, START));
}

Test(breaker, below_the_rate_it_stays_closed)
{
    struct breaker breaker = {0};
    for (unsigned i = 0; i < 1000; i++) {
        cr_assert_not(call(&breaker, i % 9 > 4 ? BREAKER_FAILURE : BREAKER_SUCCESS, START + i));
    }
    cr_expect_eq(breaker.state, BREAKER_CLOSED);
}

/* Enough may be reached by a call that succeeds. */
Test(breaker, the_rate_counts_whichever_call_completes_it)
{
    struct breaker breaker = {0};
    calls(&breaker, 5, BREAKER_FAILURE, START);
    calls(&breaker, 4, BREAKER_SUCCESS, START);
    cr_expect(call(&breaker, BREAKER_SUCCESS, START));
    cr_expect_eq(breaker.state, BREAKER_OPEN);
}

Test(breaker, a_429_is_neither_success_nor_failure)
{
    struct breaker breaker = {0};
    calls(&breaker, 5, BREAKER_FAILURE, START);
    calls(&breaker, 1000, BREAKER_NEUTRAL, START);
    calls(&breaker, 4, BREAKER_FAILURE, START);
    cr_expect(call(&breaker, BREAKER_FAILURE, START));
}

struct age_case {
    usec_t later;
    bool opens;
};

Test(breaker, calls_leave_the_window_slice_by_slice)
{
    static const struct age_case cases[] = {
        {9 * SEC, true},   {10 * SEC - 1, true}, {10 * SEC, false},
        {11 * SEC, false}, {3600 * SEC, false},  {INT64_MAX / 2, false},
    };
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        struct breaker breaker = {0};
        calls(&breaker, 9, BREAKER_FAILURE, START);
        cr_expect_eq(call(&breaker, BREAKER_FAILURE, START + cases[i].later), cases[i].opens, "%u",
                     i);
    }
}

/* Each slice ages alone: a failure every second never adds up to more than ten. */
Test(breaker, the_window_slides)
{
    struct breaker breaker = {0};
    calls(&breaker, 4, BREAKER_FAILURE, START);           /* gone at 10 s */
    calls(&breaker, 4, BREAKER_FAILURE, START + 5 * SEC); /* gone at 15 s */
    calls(&breaker, 5, BREAKER_FAILURE, START + 10 * SEC);
    cr_expect_eq(breaker.state, BREAKER_CLOSED); /* 9 in the window */
    cr_expect(call(&breaker, BREAKER_FAILURE, START + 11 * SEC));
}

Test(breaker, tells_the_counts_of_the_window)
{
    struct breaker breaker = {0};
    calls(&breaker, 3, BREAKER_FAILURE, START);
    calls(&breaker, 20, BREAKER_SUCCESS, START + SEC);
    struct breaker_slice counts = breaker_counts(&breaker, &policy, START + 2 * SEC);
    cr_expect(counts.calls == 23 && counts.failures == 3 && counts.slow == 0);
    counts = breaker_counts(&breaker, &policy, START + 10 * SEC);
    cr_expect(counts.calls == 20 && counts.failures == 0);
    calls(&breaker, 4, BREAKER_CONNECT_FAILURE, START + 2 * SEC); /* asking changed nothing */
    cr_assert(call(&breaker, BREAKER_CONNECT_FAILURE, START + 2 * SEC));
    counts = breaker_counts(&breaker, &policy, START + 2 * SEC);
    cr_expect(counts.calls == 28 && counts.failures == 8); /* why it has opened */
}

Test(breaker, a_standing_or_late_clock_counts_in_the_newest_slice)
{
    struct breaker breaker = {0};
    calls(&breaker, 5, BREAKER_FAILURE, START);
    calls(&breaker, 4, BREAKER_FAILURE, START - SEC);
    cr_expect(call(&breaker, BREAKER_FAILURE, START));
}

Test(breaker, failed_connects_in_a_row_open_it)
{
    struct breaker breaker = {0};
    calls(&breaker, 4, BREAKER_CONNECT_FAILURE, START);
    calls(&breaker, 1, BREAKER_SUCCESS, START); /* breaks the row */
    calls(&breaker, 4, BREAKER_CONNECT_FAILURE, START + 20 * SEC);
    calls(&breaker, 3, BREAKER_NEUTRAL, START + 20 * SEC); /* says nothing of it */
    cr_expect(call(&breaker, BREAKER_CONNECT_FAILURE, START + 3600 * SEC));
}

Test(breaker, failures_that_had_a_connection_break_the_row_of_connects)
{
    struct breaker breaker = {0};
    calls(&breaker, 4, BREAKER_CONNECT_FAILURE, START);
    calls(&breaker, 1, BREAKER_FAILURE, START);
    calls(&breaker, 4, BREAKER_CONNECT_FAILURE, START);
    cr_expect_eq(breaker.state, BREAKER_CLOSED);
}

struct slow_case {
    usec_t slow;
    unsigned slow_rate;
    unsigned slow_calls; /* of ten */
    bool opens;
};

Test(breaker, slow_calls_open_it_where_that_is_asked_for)
{
    static const struct slow_case cases[] = {
        {SEC, 80, 8, true}, {SEC, 80, 7, false}, {SEC, 100, 10, true},
        {0, 80, 10, false}, {SEC, 0, 10, false},
    };
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        struct breaker_policy slow = policy;
        struct breaker breaker = {0};
        slow.slow = cases[i].slow;
        slow.slow_rate = cases[i].slow_rate;
        bool changed = false;
        for (unsigned n = 0; n < 10; n++) {
            struct breaker_permit permit = admit(&breaker, START);
            usec_t took = n < cases[i].slow_calls ? SEC + 1 : SEC; /* SEC is not above it */
            changed = breaker_report(&breaker, &slow, &permit, BREAKER_SUCCESS, took, START, 0);
        }
        cr_expect_eq(changed, cases[i].opens, "%u", i);
    }
}

Test(breaker, open_it_says_how_long)
{
    struct breaker breaker = opened(START);
    struct breaker_permit permit;
    usec_t after = -1;
    cr_expect_not(breaker_admit(&breaker, &policy, START + SEC, &permit, &after));
    cr_expect_eq(after, 4 * SEC);
    cr_expect(refused(&breaker, START + 5 * SEC - 1));
    cr_expect_eq(breaker.state, BREAKER_OPEN);
    cr_expect_not(refused(&breaker, START + 5 * SEC));
    cr_expect_eq(breaker.state, BREAKER_HALF_OPEN);
}

Test(breaker, asking_whether_it_would_changes_nothing)
{
    struct breaker breaker = opened(START);
    struct breaker before = breaker;
    cr_expect_not(breaker_would_admit(&breaker, &policy, START));
    cr_expect(breaker_would_admit(&breaker, &policy, START + 5 * SEC));
    cr_expect_eq(breaker.state, before.state);
    cr_expect_eq(breaker.epoch, before.epoch);
    cr_expect_eq(breaker.probing, before.probing);
    cr_expect_eq(breaker.open_until, before.open_until);
}

Test(breaker, so_many_probes_at_once_and_all_must_succeed)
{
    struct breaker breaker = opened(START);
    usec_t now = START + 5 * SEC;
    struct breaker_permit probes[3];
    struct breaker_permit none;
    usec_t after = -1;
    for (unsigned i = 0; i < 3; i++) {
        probes[i] = admit(&breaker, now);
        cr_expect(probes[i].probe);
    }
    cr_expect_not(breaker_admit(&breaker, &policy, now, &none, &after));
    cr_expect_eq(after, 0);
    cr_expect_not(report(&breaker, probes[0], BREAKER_SUCCESS, now));
    cr_expect(refused(&breaker, now)); /* no more than are needed */
    cr_expect_not(report(&breaker, probes[1], BREAKER_SUCCESS, now));
    cr_expect(report(&breaker, probes[2], BREAKER_SUCCESS, now));
    cr_expect_eq(breaker.state, BREAKER_CLOSED);
    calls(&breaker, 9, BREAKER_FAILURE, now); /* what was before is forgotten */
}

Test(breaker, one_probe_that_fails_opens_it_again)
{
    struct breaker breaker = opened(START);
    usec_t now = START + 5 * SEC;
    struct breaker_permit first = admit(&breaker, now);
    struct breaker_permit second = admit(&breaker, now);
    cr_expect_not(report(&breaker, first, BREAKER_SUCCESS, now));
    cr_expect(report(&breaker, second, BREAKER_FAILURE, now));
    cr_expect_eq(breaker.state, BREAKER_OPEN);
    cr_expect(refused(&breaker, now + 7 * SEC)); /* longer than the first time */
}

Test(breaker, a_probe_that_says_nothing_frees_its_place)
{
    struct breaker breaker = opened(START);
    usec_t now = START + 5 * SEC;
    for (unsigned i = 0; i < 100; i++) {
        struct breaker_permit permit = admit(&breaker, now);
        cr_expect_not(report(&breaker, permit, BREAKER_NEUTRAL, now));
    }
    cr_expect_eq(breaker.state, BREAKER_HALF_OPEN);
    cr_expect_eq(breaker.probing, 0);
    calls(&breaker, 2, BREAKER_SUCCESS, now);
    cr_expect(call(&breaker, BREAKER_SUCCESS, now));
}

Test(breaker, a_slow_probe_has_failed)
{
    struct breaker breaker = opened(START);
    struct breaker_policy slow = policy;
    slow.slow = SEC;
    struct breaker_permit permit = admit(&breaker, START + 5 * SEC);
    cr_expect(
        breaker_report(&breaker, &slow, &permit, BREAKER_SUCCESS, 2 * SEC, START + 7 * SEC, 0));
    cr_expect_eq(breaker.state, BREAKER_OPEN);
}

/* Probes fail again and again; the random number is the middle, the least, the greatest. */
Test(breaker, the_open_time_doubles_to_its_most)
{
    static const usec_t wanted[] = {5, 10, 20, 40, 60, 60, 60};
    for (unsigned turn = 0; turn < 3; turn++) {
        struct breaker breaker = opened(START);
        usec_t now = START + 5 * SEC;
        for (unsigned i = 1; i < COUNT_OF(wanted); i++) {
            usec_t open = wanted[i] * SEC;
            uint64_t random = turn == 0 ? MIDDLE(open) : (turn == 1 ? 0 : 2 * MIDDLE(open));
            usec_t most = turn == 0 ? open : (turn == 1 ? open / 5 * 4 : open / 5 * 6);
            struct breaker_permit permit = admit(&breaker, now);
            cr_assert(
                breaker_report(&breaker, &policy, &permit, BREAKER_FAILURE, MSEC, now, random));
            cr_expect_eq(breaker.open_until - now, most, "%u %u", turn, i);
            now = breaker.open_until;
        }
    }
}

Test(breaker, the_open_time_is_within_a_fifth_for_any_random_number)
{
    uint64_t random = 0;
    for (unsigned i = 0; i < 1000; i++, random += 0x9e3779b97f4a7c15U) {
        struct breaker breaker = {0};
        calls(&breaker, 4, BREAKER_CONNECT_FAILURE, START);
        struct breaker_permit permit = admit(&breaker, START);
        cr_assert(
            breaker_report(&breaker, &policy, &permit, BREAKER_CONNECT_FAILURE, 0, START, random));
        usec_t open = breaker.open_until - START;
        cr_assert(open >= 4 * SEC && open <= 6 * SEC, "%ld", (long)open);
    }
}

Test(breaker, closing_ends_the_doubling)
{
    struct breaker breaker = opened(START);
    usec_t now = START + 5 * SEC;
    cr_assert(call(&breaker, BREAKER_FAILURE, now));
    now = breaker.open_until;
    calls(&breaker, 2, BREAKER_SUCCESS, now);
    cr_assert(call(&breaker, BREAKER_SUCCESS, now));
    calls(&breaker, 4, BREAKER_CONNECT_FAILURE, now);
    cr_assert(call(&breaker, BREAKER_CONNECT_FAILURE, now));
    cr_expect_eq(breaker.open_until, now + 5 * SEC);
}

Test(breaker, absurd_open_times_do_not_overflow)
{
    struct breaker_policy endless = policy;
    struct breaker breaker = {0};
    usec_t now = START;
    endless.open = endless.max_open = INT64_MAX;
    endless.consecutive = 1;
    for (unsigned i = 0; i < 3; i++) {
        struct breaker_permit permit;
        usec_t after;
        cr_assert(breaker_admit(&breaker, &endless, now, &permit, &after));
        cr_assert(breaker_report(&breaker, &endless, &permit, BREAKER_CONNECT_FAILURE, 0, now,
                                 UINT64_MAX));
        cr_assert_gt(breaker.open_until, now);
        now = breaker.open_until;
    }
}

Test(breaker, late_news_says_nothing_of_the_present)
{
    struct breaker breaker = {0};
    struct breaker_permit early = admit(&breaker, START);
    calls(&breaker, 4, BREAKER_CONNECT_FAILURE, START);
    cr_assert(call(&breaker, BREAKER_CONNECT_FAILURE, START));
    cr_expect_not(report(&breaker, early, BREAKER_SUCCESS, START + SEC));
    cr_expect_eq(breaker.state, BREAKER_OPEN);

    struct breaker_permit old_probe = admit(&breaker, START + 5 * SEC);
    cr_expect_not(report(&breaker, early, BREAKER_FAILURE, START + 5 * SEC));
    cr_expect_eq(breaker.state, BREAKER_HALF_OPEN);
    cr_assert(call(&breaker, BREAKER_FAILURE, START + 5 * SEC));
    struct breaker_permit probe = admit(&breaker, breaker.open_until);
    cr_expect_not(report(&breaker, old_probe, BREAKER_SUCCESS, breaker.open_until));
    cr_expect_eq(breaker.probing, 1);
    cr_expect_eq(breaker.probed, 0);
    (void)probe;
}

Test(breaker, a_permit_is_given_back_once)
{
    struct breaker breaker = opened(START);
    struct breaker_permit permit = admit(&breaker, START + 5 * SEC);
    struct breaker_permit none = {0};
    for (unsigned i = 0; i < 5; i++) {
        cr_expect_not(
            breaker_report(&breaker, &policy, &permit, BREAKER_SUCCESS, 0, START + 5 * SEC, 0));
    }
    cr_expect_eq(breaker.probed, 1);
    cr_expect_not(permit.held);
    cr_expect_not(breaker_report(&breaker, &policy, &none, BREAKER_FAILURE, 0, START, 0));
}

Test(breaker, a_reset_closes_it_and_forgets_all)
{
    struct breaker breaker = opened(START);
    struct breaker_permit probe = admit(&breaker, START + 5 * SEC);
    breaker_reset(&breaker, START + 6 * SEC);
    cr_expect_eq(breaker.state, BREAKER_CLOSED);
    cr_expect_eq(breaker.changed_at, START + 6 * SEC);
    cr_expect_not(report(&breaker, probe, BREAKER_FAILURE, START + 6 * SEC));
    calls(&breaker, 4, BREAKER_CONNECT_FAILURE, START + 6 * SEC);
    cr_expect(call(&breaker, BREAKER_CONNECT_FAILURE, START + 6 * SEC));
    cr_expect_eq(breaker.open_until, START + 11 * SEC);
}

Test(breaker, a_good_health_check_lets_it_probe_at_once)
{
    struct breaker breaker = opened(START);
    cr_expect(breaker_hint_well(&breaker, START + SEC));
    cr_expect_not(breaker_hint_well(&breaker, START + SEC));
    cr_expect(admit(&breaker, START + SEC).probe);
    breaker_reset(&breaker, START);
    cr_expect_not(breaker_hint_well(&breaker, START));
}

Test(breaker, switched_off_it_lets_all_through_and_counts_nothing)
{
    struct breaker_policy off = policy;
    struct breaker breaker = opened(START);
    struct breaker_permit permit;
    usec_t after = -1;
    off.off = true;
    cr_expect(breaker_would_admit(&breaker, &off, START));
    cr_expect(breaker_admit(&breaker, &off, START, &permit, &after));
    cr_expect_not(permit.probe);
    cr_expect_not(breaker_report(&breaker, &off, &permit, BREAKER_FAILURE, 0, START, 0));
    cr_expect_eq(breaker.state, BREAKER_OPEN); /* as it was; on again it goes on */

    breaker_reset(&breaker, START);
    for (unsigned i = 0; i < 100; i++) {
        cr_assert(breaker_admit(&breaker, &off, START, &permit, &after));
        cr_expect_not(
            breaker_report(&breaker, &off, &permit, BREAKER_CONNECT_FAILURE, 0, START, 0));
    }
    cr_expect_eq(breaker.state, BREAKER_CLOSED);
    cr_expect_eq(breaker.connect_failures, 0);
}

/* Three had to succeed, two have; then a reload asks for one. */
Test(breaker, fewer_probes_after_a_reload_leave_no_circuit_stuck)
{
    struct breaker breaker = opened(START);
    struct breaker_policy fewer = policy;
    usec_t now = START + 5 * SEC;
    struct breaker_permit permit;
    usec_t after;
    calls(&breaker, 2, BREAKER_SUCCESS, now);
    fewer.probes = 1;
    cr_assert(breaker_admit(&breaker, &fewer, now, &permit, &after));
    cr_expect(breaker_report(&breaker, &fewer, &permit, BREAKER_SUCCESS, 0, now, 0));
    cr_expect_eq(breaker.state, BREAKER_CLOSED);
}

Test(breaker, states_have_names)
{
    cr_expect_str_eq(breaker_state_name(BREAKER_CLOSED), "closed");
    cr_expect_str_eq(breaker_state_name(BREAKER_OPEN), "open");
    cr_expect_str_eq(breaker_state_name(BREAKER_HALF_OPEN), "half_open");
}

Test(breaker, its_window_is_told_as_of_now)
{
    static const struct {
        usec_t later;
        unsigned calls, failures;
    } cases[] = {
        {0, 7, 4},           {-SEC, 7, 4},     {4 * SEC, 7, 4},
        {5 * SEC - 1, 7, 4}, {5 * SEC, 3, 0}, /* the first slice has left */
        {10 * SEC, 0, 0},    {15 * SEC, 0, 0}, {INT64_MAX / 2, 0, 0},
    };
    struct breaker breaker = {0};
    calls(&breaker, 4, BREAKER_FAILURE, START);
    calls(&breaker, 3, BREAKER_SUCCESS, START + 5 * SEC);
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        usec_t now = START + 5 * SEC + cases[i].later;
        struct breaker_slice counts = breaker_counts(&breaker, &policy, now);
        cr_expect_eq(counts.calls, cases[i].calls, "%u: %u", i, counts.calls);
        cr_expect_eq(counts.failures, cases[i].failures, "%u: %u", i, counts.failures);
    }
}
