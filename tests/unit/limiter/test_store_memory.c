/* Admission, concurrency, windows and rates, settlement. See test_store_memory_output.c, too. */
#include "store_fixture.h"

TestSuite(store_memory, .init = begin, .fini = end);

Test(store_memory, a_window_admits_its_amount_exactly)
{
    struct limit limit = daily(LIMIT_REQUESTS, 3);
    for (unsigned i = 0; i < 3; i++) {
        cr_expect(use(&limit, 1));
    }
    cr_expect_not(use(&limit, 1));
    cr_expect_eq(entry_of(&limit).used, 3);
}

Test(store_memory, a_rate_admits_its_burst_and_then_what_drains)
{
    struct limit limit = rate_of(LIMIT_REQUESTS, 60, 60 * SEC);
    limit.burst = 2;
    cr_expect(use(&limit, 1));
    cr_expect(use(&limit, 1));
    cr_expect_not(use(&limit, 1));
    now += SEC - MSEC;
    cr_expect_not(use(&limit, 1));
    now += MSEC;
    cr_expect(use(&limit, 1));
    cr_expect_not(use(&limit, 1));
}

Test(store_memory, a_refused_reservation_takes_nothing_of_any_limit)
{
    struct limit requests = rate_of(LIMIT_REQUESTS, 100, 60 * SEC);
    struct limit tokens = daily(LIMIT_TOKENS, 50);
    struct limit held = slots(5);
    struct reservation *reservation = reserve(3, &requests, &tokens, &held);
    reservation->demands[1].fixed = 51;
    cr_expect_not(ask(reservation));
    cr_expect_eq(entry_of(&requests).taken, 0);
    cr_expect_eq(entry_of(&requests).used, 0);
    cr_expect_eq(entry_of(&tokens).taken, 0);
    cr_expect_eq(entry_of(&held).taken, 0);
    for (unsigned i = 0; i < 3; i++) {
        cr_expect_eq(reservation->demands[i].granted, 0);
        cr_expect_eq(reservation->demands[i].refused, i == 1);
    }
    settle(reservation, 0);
    cr_expect_eq(entry_of(&tokens).taken, 0);
}

Test(store_memory, every_demand_has_its_answer_where_another_is_refused)
{
    struct limit requests = rate_of(LIMIT_REQUESTS, 60, 60 * SEC);
    struct limit tokens = daily(LIMIT_TOKENS, 50);
    struct limit held = slots(5);
    cr_assert(use(&requests, 1));
    cr_assert(use(&tokens, 20));
    wall += HOUR;
    struct reservation *reservation = reserve(3, &requests, &tokens, &held);
    const struct demand *demands = reservation->demands;
    reservation->demands[1].fixed = 31;
    cr_expect_not(ask(reservation));
    cr_expect_eq(demands[0].left, 59);
    cr_expect_eq(demands[0].whole, 60);
    cr_expect_eq(demands[0].room_after, 0);
    cr_expect_eq(demands[0].reset_after, SEC);
    cr_expect_eq(demands[1].left, 30);
    cr_expect_eq(demands[1].whole, 50);
    cr_expect_eq(demands[1].room_after, 23 * HOUR);
    cr_expect_eq(demands[1].reset_after, 23 * HOUR);
    cr_expect_eq(demands[2].left, 5);
    cr_expect_eq(demands[2].whole, 5);
    cr_expect_eq(demands[2].reset_after, 0);
    settle(reservation, 0);
}

Test(store_memory, an_admitted_one_hears_what_is_left_after_it)
{
    struct limit requests = rate_of(LIMIT_REQUESTS, 60, 60 * SEC);
    requests.burst = 10;
    struct limit tokens = daily(LIMIT_TOKENS, 50);
    struct reservation *reservation = reserve(2, &requests, &tokens);
    reservation->demands[1].fixed = 20;
    cr_expect(ask(reservation));
    cr_expect_eq(reservation->demands[0].left, 9);
    cr_expect_eq(reservation->demands[0].whole, 10);
    cr_expect_eq(reservation->demands[0].reset_after, SEC);
    cr_expect_eq(reservation->demands[1].left, 30);
    cr_expect_eq(reservation->demands[1].granted, 20);
    cr_expect_eq(reservation->demands[1].reset_after, DAY);
    settle(reservation, 0);
}

Test(store_memory, a_refused_rate_says_when_it_fits_to_the_millisecond)
{
    struct limit limit = rate_of(LIMIT_TOKENS, 1000, 60 * SEC);
    cr_assert(use(&limit, 990));
    struct reservation *reservation = reserve_amount(&limit, 77);
    cr_assert_not(ask(reservation));
    usec_t after = reservation->demands[0].room_after;
    cr_expect_eq(after, 4020 * MSEC);
    now += after - MSEC;
    cr_expect_not(ask(reservation));
    cr_expect_eq(reservation->demands[0].room_after, MSEC);
    now += MSEC;
    cr_expect(ask(reservation), "the same reservation may be asked again");
    cr_expect_not(reservation->demands[0].refused);
    cr_expect_eq(reservation->demands[0].granted, 77);
    settle(reservation, 77);
}

Test(store_memory, more_than_a_whole_limit_never_fits)
{
    struct limit limits[] = {rate_of(LIMIT_TOKENS, 100, 60 * SEC), daily(LIMIT_TOKENS, 10),
                             slots(10)};
    limits[0].burst = 10;
    for (unsigned i = 0; i < 3; i++) {
        struct reservation *reservation = reserve_amount(&limits[i], 11);
        cr_expect_not(ask(reservation));
        cr_expect_eq(reservation->demands[0].room_after, -1, "limit %u", i);
        settle(reservation, 0);
        cr_expect(use(&limits[i], 10));
    }
    struct reservation *reservation = reserve_amount(&limits[1], LIMIT_AMOUNT_MAX);
    reservation->demands[0].per_output = LIMIT_AMOUNT_MAX;
    reservation->output_want = UINT64_MAX;
    cr_expect_not(ask(reservation), "whatever overflows");
    cr_expect_eq(reservation->demands[0].room_after, -1);
    settle(reservation, 0);
}

Test(store_memory, slots_are_held_until_the_request_is_settled)
{
    struct limit limit = slots(2);
    struct reservation *first = reserve(1, &limit);
    struct reservation *second = reserve(1, &limit);
    struct reservation *third = reserve(1, &limit);
    cr_expect(ask(first));
    cr_expect(ask(second));
    cr_expect_not(ask(third));
    cr_expect_eq(third->demands[0].room_after, 0, "any time");
    cr_expect_eq(entry_of(&limit).used, 2);
    settle(first, 1); /* `used` has no meaning for slots */
    cr_expect_eq(entry_of(&limit).used, 1);
    cr_expect_eq(entry_of(&limit).refunded, 1);
    cr_expect(ask(third));
    settle(second, 0);
    settle(third, 7);
    cr_expect_eq(entry_of(&limit).used, 0);
    cr_expect_eq(entry_of(&limit).settled, 0);
}

Test(store_memory, requests_are_charged_at_once)
{
    struct limit limit = daily(LIMIT_REQUESTS, 10);
    struct reservation *reservation = reserve(1, &limit);
    cr_assert(ask(reservation));
    cr_expect_eq(entry_of(&limit).settled, 1);
    cr_expect_eq(entry_of(&limit).open, 0);
    settle(reservation, 0);
    cr_expect_eq(entry_of(&limit).used, 1);
    cr_expect_eq(entry_of(&limit).settled, 1);
}

Test(store_memory, what_was_not_used_is_given_back)
{
    struct limit limit = daily(LIMIT_TOKENS, 100);
    struct reservation *reservation = reserve_amount(&limit, 80);
    cr_assert(ask(reservation));
    cr_expect_eq(entry_of(&limit).used, 80);
    cr_expect_eq(entry_of(&limit).reserved, 80);
    settle(reservation, 30);
    struct store_entry entry = entry_of(&limit);
    cr_expect_eq(entry.used, 30);
    cr_expect_eq(entry.taken, 80);
    cr_expect_eq(entry.settled, 30);
    cr_expect_eq(entry.refunded, 50);
    cr_expect_eq(entry.reserved, 0);
    cr_expect_not(use(&limit, 71));
    cr_expect(use(&limit, 70));
}

Test(store_memory, a_receipt_above_its_reservation_is_charged_in_full)
{
    struct limit limits[] = {daily(LIMIT_TOKENS, 100), rate_of(LIMIT_TOKENS, 100, 60 * SEC)};
    for (unsigned i = 0; i < 2; i++) {
        struct reservation *reservation = reserve_amount(&limits[i], 80);
        cr_assert(ask(reservation));
        settle(reservation, 130);
        struct store_entry entry = entry_of(&limits[i]);
        cr_expect_eq(entry.used, 130);
        cr_expect_eq(entry.taken, 130);
        cr_expect_eq(entry.settled, 130);
        cr_expect_eq(entry.refunded, 0);
        struct reservation *next = reserve_amount(&limits[i], 1);
        cr_expect_not(ask(next));
        cr_expect_eq(next->demands[0].left, 0);
        settle(next, 0);
    }
}

Test(store_memory, a_rate_gets_back_only_what_time_has_not_given_back)
{
    struct limit limit = rate_of(LIMIT_TOKENS, 1000, 10 * SEC); /* 100 a second */
    struct reservation *reservation = reserve_amount(&limit, 600);
    cr_assert(ask(reservation));
    cr_assert(use(&limit, 300)); /* behind it */
    now += 4 * SEC;              /* 400 of the 600 have drained */
    settle(reservation, 0);
    struct store_entry entry = entry_of(&limit);
    cr_expect_eq(entry.used, 300, "not less: those were used");
    cr_expect_eq(entry.refunded, 600, "the totals say what was charged");
    cr_expect_eq(entry.settled, 300);
}

Test(store_memory, a_rate_drains_by_the_clock_before_anything_is_given_back)
{
    struct limit limit = rate_of(LIMIT_TOKENS, 1000, 10 * SEC);
    struct reservation *reservation = reserve_amount(&limit, 500);
    cr_assert(ask(reservation));
    cr_assert(use(&limit, 500));
    now += 5 * SEC; /* nobody has looked since */
    settle(reservation, 0);
    cr_expect_eq(entry_of(&limit).used, 500);
}

Test(store_memory, a_new_window_begins_at_nothing)
{
    struct limit limit = daily(LIMIT_TOKENS, 100);
    cr_assert(use(&limit, 100));
    wall += DAY - MSEC;
    cr_expect_not(use(&limit, 1));
    wall += MSEC;
    struct store_entry entry = entry_of(&limit);
    cr_expect_eq(entry.used, 0);
    cr_expect_eq(entry.taken, 0);
    cr_expect(use(&limit, 100));
    cr_expect_not(use(&limit, 1));
}

Test(store_memory, an_open_reservation_does_not_count_in_the_next_window)
{
    struct limit limit = daily(LIMIT_TOKENS, 100);
    struct reservation *old[] = {reserve_amount(&limit, 30), reserve_amount(&limit, 30),
                                 reserve_amount(&limit, 30)};
    for (unsigned i = 0; i < 3; i++) {
        cr_assert(ask(old[i]));
    }
    wall += DAY;
    cr_expect_eq(entry_of(&limit).open, 0);
    struct reservation *reservation = reserve_amount(&limit, 60);
    cr_expect(ask(reservation));
    settle(old[1], 0);
    settle(old[2], 30);
    settle(old[0], 500); /* charged to the day it was of */
    struct store_entry entry = entry_of(&limit);
    cr_expect_eq(entry.used, 60);
    cr_expect_eq(entry.taken, 60);
    cr_expect_eq(entry.open, 60);
    settle(reservation, 50);
    cr_expect_eq(entry_of(&limit).used, 50);
}

Test(store_memory, one_that_is_extended_in_the_next_window_counts_there_by_that)
{
    struct limit limit = daily(LIMIT_TOKENS, 100);
    static const struct {
        uint64_t used, charged;
    } rows[] = {{10, 0}, {70, 0}, {80, 10}, {90, 20}, {95, 25}};
    for (unsigned i = 0; i < 5; i++) {
        struct reservation *reservation = reserve_amount(&limit, 70);
        cr_assert(ask(reservation));
        wall += DAY;
        reservation->demands[0].fixed = 20;
        cr_expect(extend(reservation));
        cr_expect_eq(reservation->demands[0].granted, 90);
        cr_expect_eq(entry_of(&limit).open, 20);
        settle(reservation, rows[i].used);
        cr_expect_eq(entry_of(&limit).used, rows[i].charged, "row %u", i);
        wall += DAY;
    }
}

Test(store_memory, a_clock_that_goes_back_over_the_border_does_not_begin_a_window_twice)
{
    struct limit limit = daily(LIMIT_TOKENS, 100);
    cr_assert(use(&limit, 1));
    wall += DAY;
    cr_assert(use(&limit, 100));
    wall -= SEC;
    struct reservation *reservation = reserve_amount(&limit, 1);
    cr_expect_not(ask(reservation));
    cr_expect_eq(reservation->demands[0].room_after, DAY + SEC);
    settle(reservation, 0);
    wall += SEC;
    cr_expect_not(use(&limit, 1));
    wall += 1000 * DAY; /* it was wrong by years, and is set right again */
    cr_assert(use(&limit, 100));
    wall -= 1000 * DAY;
    cr_expect(use(&limit, 1));
}

Test(store_memory, a_changed_limit_keeps_its_usage)
{
    struct limit before = daily(LIMIT_TOKENS, 100);
    struct limit after = daily(LIMIT_TOKENS, 120);
    struct reservation *reservation = reserve_amount(&before, 60);
    cr_assert(ask(reservation));
    cr_assert(use(&before, 40));
    cr_expect_not(use(&after, 21));
    cr_expect(use(&after, 20));
    after.amount = 50; /* below what is used already */
    cr_expect_not(use(&after, 1));
    settle(reservation, 0); /* still knows its old limit */
    cr_expect_eq(entry_of(&after).used, 60);

    struct limit slow = rate_of(LIMIT_REQUESTS, 60, 60 * SEC);
    struct limit fast = rate_of(LIMIT_REQUESTS, 600, 60 * SEC);
    cr_assert(use(&slow, 60));
    cr_expect_not(use(&fast, 541));
    cr_expect(use(&fast, 540));
}

static void count_release(void *owner)
{
    *(unsigned *)owner += 1;
}

Test(store_memory, settling_frees_in_every_state)
{
    struct limit limit = daily(LIMIT_TOKENS, 10);
    static const enum reservation_state states[] = {RESERVATION_NEW, RESERVATION_UNAVAILABLE};
    unsigned released = 0;
    for (unsigned i = 0; i < 2; i++) {
        struct reservation *reservation = reserve(1, &limit);
        reservation->state = states[i];
        reservation->release = count_release;
        reservation->owner = &released;
        settle(reservation, 5);
        cr_expect_eq(released, i + 1);
    }
    cr_expect_eq(entry_of(&limit).used, 0);
}

Test(store_memory, unknown_keys_are_unknown)
{
    struct limit limit = daily(LIMIT_TOKENS, 10);
    struct store_entry entry;
    cr_expect_not(store_memory_read(store, &limit, limit.key, &entry));
    cr_expect_not(store_memory_reset(store, &limit, limit.key));
    cr_expect_not(store_memory_raise(store, &limit, limit.key, 1));
    cr_assert(use(&limit, 1));
    cr_expect(store_memory_read(store, &limit, limit.key, &entry));
    cr_expect_eq(entry.span, LIMIT_DAYS);
    cr_expect(slice_equal(entry.key, limit.key));
    cr_expect_not(store_memory_read(store, &limit, SLICE("a da"), &entry));
}

Test(store_memory, keys_that_are_full_again_are_forgotten_as_others_come)
{
    enum { MANY = 20000 };
    char key[32];
    struct limit limit = rate_of(LIMIT_REQUESTS, 1, SEC);
    unsigned known = 0;
    for (unsigned i = 0; i < MANY; i++) {
        limit.key = slice_make(key, (size_t)snprintf(key, sizeof(key), "value %u", i));
        cr_assert(use(&limit, 1));
        now += SEC;
    }
    for (unsigned i = 0; i < MANY; i++) {
        struct store_entry entry;
        limit.key = slice_make(key, (size_t)snprintf(key, sizeof(key), "value %u", i));
        known += store_memory_read(store, &limit, limit.key, &entry);
    }
    cr_expect_leq(known, 2000);
}
