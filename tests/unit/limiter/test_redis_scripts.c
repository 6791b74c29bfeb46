/* What Redis decides, charges and gives back, each step once. */
#include "script_fixture.h"

TestSuite(redis_scripts, .init = begin, .fini = end, .timeout = 60);

Test(redis_scripts, what_is_admitted_counts_until_it_is_settled_to_what_was_used)
{
    struct limit limit = daily(LIMIT_TOKENS, 1000);
    struct reservation *reservation = reserve_amount(&limit, 300);
    cr_expect(ask(reservation));
    cr_expect_eq(reservation->demands[0].granted, 300);
    cr_expect_eq(reservation->demands[0].left, 700);
    cr_expect_eq(reservation->demands[0].whole, 1000);
    cr_expect_eq(reservation->demands[0].reset_after, DAY * MSEC);
    struct store_entry entry = entry_of(&limit);
    cr_expect_eq(entry.used, 300);
    cr_expect_eq(entry.open, 300);
    cr_expect_str_eq(settle(reservation, 120), "S");
    entry = entry_of(&limit);
    cr_expect_eq(entry.used, 120);
    cr_expect_eq(entry.settled, 120);
    cr_expect_eq(entry.refunded, 180);
    cr_expect_eq(entry.open, 0);
    reservation_free(reservation);
}

Test(redis_scripts, all_rules_admit_or_nothing_is_taken)
{
    struct limit wide = daily(LIMIT_TOKENS, 1000);
    struct limit narrow = slots(1);
    struct reservation *first = reserve(2, &wide, &narrow);
    struct reservation *second = reserve(2, &wide, &narrow);
    cr_expect(ask(first));
    cr_expect_not(ask(second));
    cr_expect_not(second->demands[0].refused);
    cr_expect(second->demands[1].refused);
    cr_expect_eq(second->demands[0].left, 999);
    cr_expect_eq(second->demands[0].granted, 0);
    cr_expect_eq(entry_of(&wide).taken, 1);
    cr_expect_eq(entry_of(&narrow).used, 1);
    reservation_free(first);
    reservation_free(second);
}

Test(redis_scripts, money_above_a_hundred_thousand_dollars_is_exact_to_the_nano)
{
    const uint64_t dollars = UINT64_C(1000000000);
    struct limit month = daily(LIMIT_COST, 3000000 * dollars + 3);
    struct limit rate = rate_of(LIMIT_COST, 3000000 * dollars + 3, HOUR);
    month.span = LIMIT_MONTH;
    struct reservation *first = reserve(2, &month, &rate);
    first->demands[0].fixed = 1234567 * dollars + 890123457;
    first->demands[1].fixed = 1234567 * dollars + 890123457;
    cr_expect(ask(first));
    cr_expect_eq(first->demands[0].left, 1765432 * dollars + 109876546);
    cr_expect_eq(first->demands[1].left, 1765432 * dollars + 109876546);
    struct reservation *rest = reserve_amount(&month, 1765432 * dollars + 109876547);
    cr_expect_not(ask(rest));
    rest->demands[0].fixed--;
    rest->step++;
    cr_expect(ask(rest));
    cr_expect_eq(rest->demands[0].left, 0);
    first->demands[1].used = 123456 * dollars + 1;
    (void)settle(first, 123456 * dollars + 1);
    cr_expect_eq(entry_of(&month).settled, 123456 * dollars + 1);
    cr_expect_eq(entry_of(&month).refunded, 1111111 * dollars + 890123456);
    cr_expect_eq(entry_of(&rate).used, 123456 * dollars + 1);
    reservation_free(first);
    reservation_free(rest);
}

Test(redis_scripts, the_step_that_reaches_a_mark_is_the_one_that_crosses_it)
{
    static const bool crossed[] = {false, false, false, false, true, false, false, true, false};
    struct limit limits[] = {daily(LIMIT_TOKENS, 7), rate_of(LIMIT_TOKENS, 7, 60000)};
    for (unsigned i = 0; i < 2; i++) {
        limits[i].action = LIMIT_WARN;
        limits[i].warn_percent = 60; /* 4.2: the fifth */
        for (unsigned j = 0; j < sizeof(crossed); j++) {
            struct reservation *reservation = reserve(1, &limits[i]);
            cr_expect(ask(reservation));
            cr_expect_eq(reservation->demands[0].crossed, crossed[j], "%u: %u", i, j);
            cr_expect_eq(reservation->demands[0].over, j >= 7, "%u: %u", i, j);
            reservation_free(reservation);
        }
    }
}

Test(redis_scripts, what_is_above_the_whole_limit_never_fits)
{
    struct limit limits[] = {daily(LIMIT_TOKENS, 10), rate_of(LIMIT_TOKENS, 10, 60000), slots(10)};
    for (unsigned i = 0; i < 3; i++) {
        struct reservation *reservation = reserve_amount(&limits[i], 11);
        cr_expect_not(ask(reservation), "%u", i);
        cr_expect_eq(reservation->demands[0].room_after, -1, "%u", i);
        reservation_free(reservation);
    }
}

Test(redis_scripts, another_window_begins_when_the_server_says_so)
{
    struct limit limit = daily(LIMIT_REQUESTS, 2);
    cr_expect(use(&limit, 2));
    cr_expect_not(use(&limit, 1));
    pass(DAY - 1);
    cr_expect_not(use(&limit, 1));
    pass(1);
    ns.wall_ms -= 1000; /* this gateway's clock is behind: it names the window before */
    cr_expect(use(&limit, 2));
    cr_expect_not(use(&limit, 1));
}

Test(redis_scripts, a_clock_that_is_off_by_more_changes_nothing)
{
    static const int64_t off[] = {-3 * DAY, 2 * DAY};
    struct limit limit = daily(LIMIT_REQUESTS, 2);
    struct reservation *reservation = reserve(1, &limit);
    for (unsigned i = 0; i < 2; i++) {
        ns.wall_ms = now_ms + off[i];
        cr_expect_not(ask(reservation));
        cr_expect(answer.clock_off);
        cr_expect_eq(answer.server_ms, now_ms);
        cr_expect_str_eq(command("EXISTS %s", limit.key.ptr), "0");
    }
    ns.wall_ms = answer.server_ms;
    cr_expect(ask(reservation));
    cr_expect_not(answer.clock_off);
    reservation_free(reservation);
}

Test(redis_scripts, a_window_runs_to_its_end_in_another_zone_too)
{
    struct limit limit = daily(LIMIT_REQUESTS, 2);
    const struct zone *berlin;
    cr_assert_eq(zone_load(&arena, "Europe/Berlin", &berlin, NULL), STATUS_OK);
    set_time(START + 20 * HOUR);
    cr_expect(use(&limit, 2));
    limit.zone = berlin; /* where another day begins at 23:00 */
    set_time(START + 23 * HOUR + 1);
    cr_expect_not(use(&limit, 1));
    set_time(START + 24 * HOUR);
    cr_expect(use(&limit, 1));
}

Test(redis_scripts, a_clock_that_is_set_back_goes_on_in_the_window_that_has_begun)
{
    struct limit limit = daily(LIMIT_REQUESTS, 2);
    set_time(START + 10 * DAY);
    cr_expect(use(&limit, 2));
    set_time(START + 10 * DAY - 1000);
    cr_expect_not(use(&limit, 1));
    set_time(START); /* it was far ahead: that is no window to wait for */
    cr_expect(use(&limit, 2));
    cr_expect_not(use(&limit, 1));
}

/* ---- again ---- */

Test(redis_scripts, an_ask_that_comes_twice_takes_once_and_is_answered_alike)
{
    struct limit tokens = daily(LIMIT_TOKENS, 100);
    struct limit warns = rate_of(LIMIT_TOKENS, 50, 60000);
    struct limit held = slots(3);
    warns.action = LIMIT_WARN;
    struct reservation *reservation = reserve(3, &tokens, &warns, &held);
    reservation->output_want = 1000;
    reservation->output_share = 1;
    reservation->demands[0].per_output = 1;
    reservation->demands[1].fixed = 60;
    for (unsigned i = 0; i < 3; i++) {
        cr_expect(ask(reservation));
        cr_expect_eq(reservation->output_granted, 99, "%u", i);
        cr_expect_eq(reservation->demands[0].granted, 100, "%u", i);
        cr_expect(reservation->demands[1].over && reservation->demands[1].crossed, "%u", i);
        cr_expect_eq(reservation->demands[2].granted, 1, "%u", i);
        cr_expect_eq(entry_of(&tokens).taken, 100);
        cr_expect_eq(entry_of(&warns).taken, 60);
        cr_expect_eq(entry_of(&held).used, 1);
    }
    reservation_free(reservation);
}

Test(redis_scripts, an_extension_that_comes_twice_takes_once)
{
    struct limit tokens = daily(LIMIT_TOKENS, 100);
    struct limit held = slots(3);
    struct reservation *reservation = reserve(2, &tokens, &held);
    cr_expect(ask(reservation));
    reservation->demands[0].fixed = 30;
    cr_expect(extend(reservation));
    cr_expect_eq(reservation->demands[0].granted, 31);
    reservation->step--; /* said again */
    cr_expect(extend(reservation));
    cr_expect_eq(reservation->demands[0].last_taken, 30);
    cr_expect_eq(reservation->demands[1].granted, 1, "a slot is not given twice");
    cr_expect_eq(entry_of(&tokens).taken, 31);
    reservation->step = 1;
    cr_expect(ask(reservation), "that was granted, too");
    cr_expect_eq(reservation->demands[0].granted, 0, "but nothing is by an older step");
    cr_expect_eq(entry_of(&tokens).taken, 31);
    reservation_free(reservation);
}

Test(redis_scripts, a_settlement_that_comes_twice_counts_once)
{
    struct limit tokens = rate_of(LIMIT_TOKENS, 100, 60000);
    struct limit held = slots(3);
    struct reservation *reservation = reserve(2, &tokens, &held);
    struct reservation *other = reserve(1, &held);
    cr_expect(ask(reservation));
    cr_expect(ask(other));
    cr_expect_str_eq(settle(reservation, 71), "S");
    cr_expect_str_eq(settle(reservation, 71), "N");
    cr_expect_eq(entry_of(&tokens).used, 71);
    cr_expect_eq(entry_of(&tokens).settled, 71);
    cr_expect_eq(entry_of(&held).used, 1, "the other's");
    reservation_free(reservation);
    reservation_free(other);
}

Test(redis_scripts, what_needs_no_settlement_has_none)
{
    struct limit limit = rate_of(LIMIT_REQUESTS, 10, 60000);
    struct reservation *reservation = reserve(1, &limit);
    cr_expect(ask(reservation));
    cr_expect_eq(entry_of(&limit).settled, 1);
    cr_expect_eq(entry_of(&limit).open, 0);
    cr_expect_str_eq(command("EXISTS {%s:shop}:v2:open", store_name), "0");
    cr_expect_str_eq(settle(reservation, 1), "N");
    cr_expect_eq(entry_of(&limit).settled, 1);
    reservation_free(reservation);
}

Test(redis_scripts, who_asks_anew_has_not_heard_of_what_was_admitted_before)
{
    struct limit tokens = daily(LIMIT_TOKENS, 100);
    struct limit requests = rate_of(LIMIT_REQUESTS, 1, 60000);
    struct limit held = slots(1);
    struct reservation *reservation = reserve(3, &tokens, &requests, &held);
    cr_expect(ask(reservation));
    reservation->step++;
    cr_expect(ask(reservation));
    cr_expect_eq(entry_of(&tokens).open, 1);
    cr_expect_eq(entry_of(&held).used, 1);
    cr_expect_eq(entry_of(&requests).used, 1);
    reservation->step--;
    cr_expect_not(ask(reservation), "the first one is off for good");
    cr_expect_str_eq(settle(reservation, 1), "S");
    cr_expect_not(ask(reservation));
    cr_expect_eq(entry_of(&tokens).used, 1);
    reservation_free(reservation);
}

Test(redis_scripts, who_asks_anew_by_a_clock_that_is_off_keeps_what_it_has)
{
    struct limit tokens = daily(LIMIT_TOKENS, 100);
    struct reservation *reservation = reserve(1, &tokens);
    cr_expect(ask(reservation));
    reservation->step++;
    ns.wall_ms = now_ms + 2 * DAY;
    cr_expect_not(ask(reservation));
    cr_expect(answer.clock_off);
    cr_expect_eq(entry_of(&tokens).refunded, 0);
    cr_expect_eq(entry_of(&tokens).open, 1);
    ns.wall_ms = now_ms;
    cr_expect(ask(reservation));
    cr_expect_eq(entry_of(&tokens).refunded, 1);
    cr_expect_eq(entry_of(&tokens).open, 1);
    reservation->step--;
    cr_expect_not(ask(reservation), "the first one is off for good");
    reservation_free(reservation);
}

/* ---- extensions ---- */

Test(redis_scripts, an_extension_in_doubt_is_settled_as_it_was_taken)
{
    struct limit limit = rate_of(LIMIT_TOKENS, 100, 60000);
    struct reservation *reservation = reserve_amount(&limit, 10);
    struct reservation *in_doubt = reserve_amount(&limit, 50);
    cr_expect(ask(reservation));
    memcpy(in_doubt->id, reservation->id, sizeof(in_doubt->id));
    cr_expect(extend(in_doubt)); /* the gateway does not hear of it */
    cr_expect_eq(entry_of(&limit).used, 60);
    cr_expect_str_eq(settle(reservation, 10), "S");
    cr_expect_eq(entry_of(&limit).used, 10);
    cr_expect_eq(entry_of(&limit).refunded, 50);
    reservation_free(reservation);
    reservation_free(in_doubt);
}

Test(redis_scripts, an_extension_of_what_is_not_open_is_refused)
{
    struct limit limit = daily(LIMIT_TOKENS, 100);
    struct reservation *reservation = reserve_amount(&limit, 10);
    cr_expect_not(extend(reservation));
    cr_expect_eq(entry_of(&limit).taken, 0);
    cr_expect(ask(reservation));
    cr_expect_str_eq(settle(reservation, 10), "S");
    cr_expect_not(extend(reservation));
    cr_expect_eq(entry_of(&limit).taken, 10);
    reservation_free(reservation);
}

Test(redis_scripts, an_extension_over_a_border_is_charged_to_the_window_it_lies_in)
{
    struct limit limit = daily(LIMIT_TOKENS, 100);
    struct reservation *reservation = reserve_amount(&limit, 60);
    reservation->lifetime = 2 * DAY * MSEC;
    cr_expect(ask(reservation));
    pass(DAY);
    cr_expect_eq(entry_of(&limit).used, 0);
    cr_expect(extend(reservation));
    cr_expect_eq(entry_of(&limit).used, 60);
    cr_expect_eq(entry_of(&limit).open, 60);
    cr_expect_str_eq(settle(reservation, 100), "S"); /* of which the day before granted 60 */
    cr_expect_eq(entry_of(&limit).settled, 40);
    reservation_free(reservation);
}

/* ---- call-offs ---- */

Test(redis_scripts, an_ask_is_called_off_after_it_was_taken)
{
    struct limit tokens = daily(LIMIT_TOKENS, 100);
    struct limit requests = rate_of(LIMIT_REQUESTS, 1, 60000);
    struct limit held = slots(1);
    struct reservation *reservation = reserve(3, &tokens, &requests, &held);
    cr_expect(ask(reservation));
    cr_expect_str_eq(call_off(reservation), "G");
    cr_expect_str_eq(call_off(reservation), "T");
    cr_expect_eq(entry_of(&tokens).used, 0);
    cr_expect_eq(entry_of(&tokens).refunded, 1);
    cr_expect_eq(entry_of(&requests).used, 0);
    cr_expect_eq(entry_of(&requests).refunded, 1);
    cr_expect_eq(entry_of(&held).used, 0);
    cr_expect_str_eq(command("ZCARD {%s:shop}:v2:open", store_name), "0");
    cr_expect_not(ask(reservation), "its tombstone refuses it");
    cr_expect_str_eq(settle(reservation, 1), "N");
    cr_expect_eq(entry_of(&tokens).taken, 1);
    reservation_free(reservation);
}

Test(redis_scripts, an_ask_is_called_off_before_it_comes)
{
    struct limit limit = daily(LIMIT_TOKENS, 100);
    struct reservation *reservation = reserve(1, &limit);
    cr_expect_str_eq(call_off(reservation), "T");
    cr_expect_not(ask(reservation));
    cr_expect_eq(reservation->state, RESERVATION_REFUSED);
    cr_expect_not(reservation->demands[0].refused);
    cr_expect_null(reservation_refusal(reservation));
    cr_expect_eq(entry_of(&limit).taken, 0);
    reservation_free(reservation);
}

Test(redis_scripts, a_later_step_is_none_of_a_call_off_s_business)
{
    struct limit limit = daily(LIMIT_TOKENS, 100);
    struct reservation *reservation = reserve(1, &limit);
    cr_expect_str_eq(call_off(reservation), "T");
    reservation->step = 2;
    cr_expect(ask(reservation));
    reservation->step = 1;
    cr_expect_str_eq(call_off(reservation), "N", "said again, on another connection");
    cr_expect_eq(entry_of(&limit).open, 1);
    cr_expect_str_eq(settle(reservation, 1), "S");
    cr_expect_not(ask(reservation), "what was called off comes last of all");
    cr_expect_eq(entry_of(&limit).taken, 1);
    reservation->step = 2;
    cr_expect_str_eq(call_off(reservation), "T");
    reservation->step = 1;
    cr_expect_str_eq(call_off(reservation), "T");
    reservation->step = 2;
    cr_expect_not(ask(reservation), "a tombstone of a later step stays");
    reservation_free(reservation);
}
