/* What Redis does of its own: deadlines, gateways that die, data that is lost; hand-overs, changes
 * by hand, and the audit. */
#include "dice.h"
#include "script_fixture.h"

TestSuite(redis_deadlines, .init = begin, .fini = end, .timeout = 110);

static struct limit over_tenants(struct limit limit, const char *name)
{
    limit.tenant = NULL;
    limit.key = slice_from(arena_print(&arena, "{%s}:v2:q:%s", store_name, name));
    return limit;
}

/* In milliseconds of the server's own clock. */
static int64_t ttl_of(const char *key)
{
    (void)command("PTTL %s", key);
    cr_assert_eq(last_reply->type, REDIS_REPLY_INTEGER);
    return last_reply->integer;
}

/* ---- deadlines ---- */

Test(redis_deadlines, an_overdue_reservation_is_charged_in_full_and_its_slot_given_back)
{
    struct limit tokens = daily(LIMIT_TOKENS, 1000);
    struct limit held = slots(1);
    struct reservation *lost = reserve(2, &tokens, &held);
    lost->demands[0].fixed = 300;
    cr_expect(ask(lost));
    pass(60 * 1000 - 1);
    beat(NULL, 0);
    cr_expect_not(use(&held, 1));
    pass(1);
    cr_expect(use(&tokens, 1)); /* any admission of that tenant looks after it */
    cr_expect_eq(entry_of(&tokens).settled, 301);
    cr_expect_eq(entry_of(&tokens).open, 0);
    cr_expect_eq(entry_of(&held).open, 0);
    cr_expect(use(&held, 1));
    reservation_free(lost);
}

Test(redis_deadlines, a_late_settlement_replaces_the_full_charge_once)
{
    struct limit tokens = daily(LIMIT_TOKENS, 1000);
    struct limit rate = rate_of(LIMIT_TOKENS, 1000, HOUR);
    struct limit held = slots(3);
    struct reservation *late = reserve(3, &tokens, &rate, &held);
    struct reservation *other = reserve(1, &held);
    late->demands[0].fixed = 300;
    late->demands[1].fixed = 300;
    late->demands[1].used = 350;
    cr_expect(ask(late));
    pass(60 * 1000);
    beat((const char *const[]){"shop"}, 1);
    cr_expect(ask(other));
    cr_expect_eq(entry_of(&tokens).settled, 300);
    cr_expect_str_eq(settle(late, 120), "L");
    cr_expect_str_eq(settle(late, 120), "N");
    cr_expect_eq(entry_of(&tokens).settled, 120);
    cr_expect_eq(entry_of(&tokens).refunded, 180);
    cr_expect_eq(entry_of(&rate).settled, 350);
    cr_expect_eq(entry_of(&held).used, 1, "the other's slot is not freed with it");
    reservation_free(late);
    reservation_free(other);
}

Test(redis_deadlines, a_late_call_off_gives_all_back)
{
    struct limit tokens = daily(LIMIT_TOKENS, 1000);
    struct limit requests = rate_of(LIMIT_REQUESTS, 1, HOUR);
    struct reservation *late = reserve(2, &tokens, &requests);
    cr_expect(ask(late));
    pass(60 * 1000);
    beat((const char *const[]){"shop"}, 1);
    cr_expect_str_eq(call_off(late), "G");
    cr_expect_eq(entry_of(&tokens).used, 0);
    cr_expect_eq(entry_of(&requests).used, 0);
    cr_expect_str_eq(settle(late, 1), "N");
    reservation_free(late);
}

Test(redis_deadlines, each_call_charges_some_of_what_is_overdue)
{
    struct limit limit = daily(LIMIT_TOKENS, 1000);
    for (unsigned i = 0; i < 30; i++) {
        struct reservation *lost = reserve(1, &limit);
        cr_expect(ask(lost));
        reservation_free(lost);
    }
    pass(60 * 1000);
    struct reservation *reservation = reserve(1, &limit);
    cr_expect(ask(reservation));
    cr_expect_str_eq(command("ZCARD {%s:shop}:v2:open", store_name), "27"); /* 30 - 4 + 1 */
    beat((const char *const[]){"other", "shop"}, 2);
    cr_expect_str_eq(command("ZCARD {%s:shop}:v2:open", store_name), "11");
    cr_expect_eq(entry_of(&limit).settled, 30, "an audit charges the rest");
    cr_expect_eq(entry_of(&limit).open, 1);
    reservation_free(reservation);
}

Test(redis_deadlines, a_beat_charges_what_is_over_tenants_whoever_they_were)
{
    struct limit common = over_tenants(daily(LIMIT_TOKENS, 1000), "common");
    struct reservation *lost = reserve_amount(&common, 300);
    lost->tenant = "gone";
    cr_expect(ask(lost));
    pass(60 * 1000);
    beat(NULL, 0);
    cr_expect_str_eq(command("ZCARD {%s}:v2:open", store_name), "0");
    struct store_entry entry = read_entry(&common);
    cr_expect_eq(entry.settled, 300);
    cr_expect_eq(entry.reserved, 0);
    reservation_free(lost);
}

Test(redis_deadlines, an_admission_takes_what_is_overdue_out_of_both_indexes)
{
    struct limit common = over_tenants(daily(LIMIT_TOKENS, 1000), "common");
    struct reservation *lost = reserve_amount(&common, 300);
    cr_expect(ask(lost));
    pass(60 * 1000);
    cr_expect(use(&common, 1));
    cr_expect_str_eq(command("ZCARD {%s}:v2:open", store_name), "0");
    cr_expect_str_eq(command("ZCARD {%s:shop}:v2:open", store_name), "0");
    reservation_free(lost);
}

Test(redis_deadlines, an_extension_renews_the_deadline)
{
    struct limit limit = daily(LIMIT_TOKENS, 1000);
    struct reservation *reservation = reserve_amount(&limit, 300);
    cr_expect(ask(reservation));
    pass(50 * 1000);
    cr_expect(extend(reservation));
    pass(59 * 1000);
    cr_expect_eq(entry_of(&limit).open, 600);
    pass(1000);
    cr_expect_eq(entry_of(&limit).open, 0);
    cr_expect_not(extend(reservation));
    reservation_free(reservation);
}

Test(redis_deadlines, no_key_goes_before_a_deadline_that_needs_it)
{
    struct limit limits[] = {daily(LIMIT_TOKENS, 1000), rate_of(LIMIT_TOKENS, 1000, 60000),
                             slots(9)};
    struct reservation *lasting = reserve(3, &limits[0], &limits[1], &limits[2]);
    struct reservation *brief = reserve(3, &limits[0], &limits[1], &limits[2]);
    lasting->lifetime = 20 * DAY * MSEC;
    cr_expect(ask(lasting));
    cr_expect(ask(brief));
    cr_expect_str_eq(settle(brief, 1), "S");
    for (unsigned i = 0; i < 3; i++) {
        cr_expect_gt(ttl_of(limits[i].key.ptr), 21 * DAY - HOUR, "%u", i);
    }
    cr_expect_gt(ttl_of(arena_print(&arena, "{%s:shop}:v2:open", store_name)), 20 * DAY);
    cr_expect_gt(ttl_of(arena_print(&arena, "{%s:shop}:v2:r:%s", store_name, lasting->id)),
                 20 * DAY);
    lasting->lifetime = 40 * DAY * MSEC;
    cr_expect(extend(lasting));
    for (unsigned i = 0; i < 3; i++) { /* that of slots, too, which it does not take of */
        cr_expect_gt(ttl_of(limits[i].key.ptr), 41 * DAY - HOUR, "%u", i);
    }
    reservation_free(lasting);
    reservation_free(brief);
}

Test(redis_deadlines, a_window_s_key_outlives_the_window)
{
    struct limit limit = daily(LIMIT_TOKENS, 1000);
    limit.span = LIMIT_MONTH; /* START is the 4th of October 2024 */
    cr_expect(use(&limit, 1));
    cr_expect_gt(ttl_of(limit.key.ptr), 28 * DAY);
    cr_expect_lt(ttl_of(limit.key.ptr), 31 * DAY);
}

/* When its state says that it may go. */
static int64_t keep_of(const char *key)
{
    double keep;
    (void)command("GET %s", key);
    cr_assert_geq(last_reply->len, 5 * sizeof(keep));
    memcpy(&keep, last_reply->str + 4 * sizeof(keep), sizeof(keep));
    return (int64_t)keep;
}

Test(redis_deadlines, a_key_that_is_used_has_a_day_before_it_and_its_expiry_is_seldom_set)
{
    struct limit limits[] = {rate_of(LIMIT_REQUESTS, 1000, 60000),
                             rate_of(LIMIT_TOKENS, 1000, 1000), daily(LIMIT_TOKENS, 1000),
                             slots(9)};
    for (unsigned i = 0; i < 4; i++) {
        const char *key = limits[i].key.ptr;
        for (unsigned minutes = 0; minutes < 300; minutes += 7) {
            cr_expect(use(&limits[i], 1));
            cr_expect_geq(keep_of(key), now_ms + DAY, "%u: %u", i, minutes);
            cr_expect_gt(ttl_of(key), DAY - 60000, "%u: %u", i, minutes);
            pass(7 * 60000);
        }
        cr_expect(use(&limits[i], 1));
        (void)command("PEXPIRE %s 5000000", key);
        cr_expect(use(&limits[i], 1));
        bool varies = limits[i].span == LIMIT_HELD; /* in length: it is set as a whole */
        cr_expect(varies || ttl_of(key) <= 5000000, "%u", i);
        pass(DAY);
        cr_expect(use(&limits[i], 1));
        cr_expect_gt(ttl_of(key), DAY - 60000, "%u", i);
    }
}

/* ---- gateways ---- */

static void become(const char *gateway, bool has_beaten)
{
    memcpy(ns.gateway, gateway, sizeof(ns.gateway));
    ns.has_beaten = has_beaten;
}

static const char A[] = "aaaaaaaaaaaaaaaa";
static const char B[] = "bbbbbbbbbbbbbbbb";

Test(redis_deadlines, beats_count_the_gateways_that_are_alive)
{
    beat(NULL, 0);
    cr_expect_eq(answer.gateways, 1);
    become(B, false);
    beat(NULL, 0);
    cr_expect_eq(answer.gateways, 2);
    pass(30 * 1000);
    become(B, true);
    beat(NULL, 0);
    cr_expect_eq(answer.gateways, 2);
    pass(1);
    beat(NULL, 0);
    cr_expect_eq(answer.gateways, 1);
    cr_expect_not(answer.declared_dead);
    become(A, true);
    beat(NULL, 0);
    cr_expect(answer.declared_dead);
    cr_expect_eq(answer.gateways, 1);
    become("dddddddddddddddd", false);
    beat(NULL, 0);
    cr_expect_not(answer.declared_dead);
    cr_expect_eq(answer.gateways, 2);
}

Test(redis_deadlines, slots_of_a_gateway_that_is_dead_do_not_count)
{
    struct limit limit = slots(2);
    struct reservation *held[] = {reserve(1, &limit), reserve(1, &limit), reserve(1, &limit)};
    beat(NULL, 0);
    cr_expect(ask(held[0]));
    become(B, false);
    beat(NULL, 0);
    cr_expect(ask(held[1]));
    cr_expect_not(ask(held[2]));
    pass(30 * 1000);
    become(B, true);
    beat(NULL, 0);
    cr_expect_not(ask(held[2]));
    pass(1);
    cr_expect_eq(read_entry(&limit).used, 1);
    held[2]->step++;
    cr_expect(ask(held[2]));
    cr_expect_eq(read_entry(&limit).used, 2);
    cr_expect_eq(entry_of(&limit).open, 3, "the totals go by the records");
    pass(60 * 1000);
    cr_expect_eq(entry_of(&limit).open, 0);
    for (unsigned i = 0; i < 3; i++) {
        reservation_free(held[i]);
    }
}

Test(redis_deadlines, a_gateway_that_was_held_dead_counts_again_when_it_asks)
{
    struct limit limit = slots(2);
    struct reservation *before = reserve(1, &limit);
    struct reservation *after[] = {reserve(1, &limit), reserve(1, &limit), reserve(1, &limit)};
    before->lifetime = HOUR * MSEC;
    beat(NULL, 0);
    cr_expect(ask(before));
    pass(31 * 1000); /* it was stopped meanwhile, */
    become(B, false);
    beat(NULL, 0);
    cr_expect(use(&limit, 2)); /* its slot was dropped, */
    become(A, true);
    cr_expect(ask(after[0])); /* and it asks before it beats */
    cr_expect(ask(after[1]));
    cr_expect_str_eq(settle(before, 0), "S"); /* which frees none of the new ones */
    become(B, true);
    cr_expect_eq(read_entry(&limit).used, 2);
    cr_expect_not(ask(after[2]));
    for (unsigned i = 0; i < 3; i++) {
        reservation_free(after[i]);
    }
    reservation_free(before);
}

/* ---- data that is lost ---- */

Test(redis_deadlines, lost_data_is_told_once_by_asks_and_beats)
{
    struct limit limit = daily(LIMIT_TOKENS, 1000);
    beat(NULL, 0);
    cr_expect_not(answer.data_lost, "the first contact");
    cr_expect_eq(strlen(answer.epoch), 16);
    memcpy(ns.epoch, answer.epoch, sizeof(ns.epoch));
    cr_expect(use(&limit, 1));
    cr_expect_not(answer.data_lost);
    cr_expect_str_eq(answer.epoch, ns.epoch);
    cr_expect_str_eq(command("PTTL {%s}:v2:epoch", store_name), "-1");
    (void)command("DEL {%s}:v2:epoch", store_name);
    pass(1);
    cr_expect_not(use(&limit, 1), "who asks is told before anything is taken of a window");
    cr_expect(answer.windows_lost);
    cr_expect(answer.data_lost);
    cr_expect_str_neq(answer.epoch, ns.epoch, "another name, though the same gateway made it");
    beat(NULL, 0);
    cr_expect(answer.data_lost, "to who knows the old one");
    memcpy(ns.epoch, answer.epoch, sizeof(ns.epoch));
    beat(NULL, 0);
    cr_expect_not(answer.data_lost);
}

Test(redis_deadlines, what_began_anew_is_not_changed_by_what_was_before)
{
    struct limit limits[] = {daily(LIMIT_TOKENS, 1000), rate_of(LIMIT_TOKENS, 1000, 60000),
                             slots(9)};
    for (unsigned i = 0; i < 3; i++) { /* a key alone is gone, as where memory ran out */
        struct reservation *before = reserve_amount(&limits[i], 5);
        struct reservation *after = reserve_amount(&limits[i], 1);
        cr_expect(ask(before));
        (void)command("DEL %s", limits[i].key.ptr);
        cr_expect(ask(after));
        (void)settle(before, 2);
        cr_expect_eq(entry_of(&limits[i]).open, 1, "%u", i);
        cr_expect_eq(entry_of(&limits[i]).taken, 1, "%u", i);
        reservation_free(before);
        reservation_free(after);
    }
}

/* ---- hand-overs ---- */

static const char *hand_over_until(const struct limit *limit, const char *id, int64_t amount,
                                   int64_t window_start_ms, int64_t window_end_ms)
{
    struct hand_over debt = {.tenant = "shop",
                             .limit = limit,
                             .key = limit->key,
                             .amount = amount,
                             .window_start_ms = window_start_ms,
                             .window_end_ms = window_end_ms};
    (void)snprintf(debt.id, sizeof(debt.id), "%s", id);
    return send_written(redis_write_hand_over(&ns, &debt, &out));
}

static const char *hand_over(const struct limit *limit, const char *id, int64_t amount,
                             int64_t window_start_ms)
{
    return hand_over_until(limit, id, amount, window_start_ms, window_start_ms + DAY);
}

Test(redis_deadlines, what_was_counted_alone_is_handed_over_once)
{
    struct limit limits[] = {daily(LIMIT_TOKENS, 1000), rate_of(LIMIT_TOKENS, 1000, 60000)};
    for (unsigned i = 0; i < 2; i++) {
        const char *ids[] = {i == 0 ? "a0" : "b0", i == 0 ? "a1" : "b1"};
        cr_expect(use(&limits[i], 100));
        cr_expect_str_eq(hand_over(&limits[i], ids[0], 50, START), "H");
        cr_expect_str_eq(hand_over(&limits[i], ids[0], 50, START), "N");
        cr_expect_eq(entry_of(&limits[i]).used, 150, "%u", i);
        cr_expect_eq(entry_of(&limits[i]).settled, 150, "%u", i);
        cr_expect_str_eq(hand_over(&limits[i], ids[1], -20, START), "H");
        cr_expect_str_eq(hand_over(&limits[i], ids[1], -20, START), "N");
        cr_expect_eq(entry_of(&limits[i]).used, 130, "%u", i);
        cr_expect_eq(entry_of(&limits[i]).refunded, 20, "%u", i);
    }
}

Test(redis_deadlines, of_another_window_nothing_is_handed_over)
{
    struct limit limit = daily(LIMIT_TOKENS, 1000);
    cr_expect(use(&limit, 100));
    cr_expect_str_eq(hand_over(&limit, "1", 50, START - DAY), "N");
    cr_expect_eq(entry_of(&limit).used, 100);
    pass(DAY);
    cr_expect_str_eq(hand_over(&limit, "2", 50, START), "H"); /* of the key's window, which is */
    cr_expect_eq(entry_of(&limit).used, 0);                   /* over */
    cr_expect_str_eq(hand_over(&limit, "3", 50, START + DAY), "H");
    cr_expect_eq(entry_of(&limit).used, 50);
}

Test(redis_deadlines, a_hand_over_counts_in_the_window_that_runs_whatever_its_zone)
{
    struct limit limit = daily(LIMIT_TOKENS, 1000);
    cr_expect(use(&limit, 100));
    cr_expect_str_eq(hand_over(&limit, "5", 50, START + 2 * HOUR), "H");
    cr_expect_eq(entry_of(&limit).used, 150);
}

Test(redis_deadlines, a_hand_over_may_be_the_first_that_a_window_hears)
{
    struct limit limit = daily(LIMIT_TOKENS, 1000);
    limit.span = LIMIT_MONTH;
    const int64_t month = START - 3 * DAY; /* the 1st of October 2024 */
    limit.zone = NULL;                     /* of a rule that is no more */
    cr_expect_str_eq(hand_over_until(&limit, "4", 50, month, month + 31 * DAY), "H");
    cr_expect_gt(ttl_of(limit.key.ptr), 28 * DAY);
    limit.zone = utc;
    cr_expect_eq(entry_of(&limit).used, 50);
    cr_expect(use(&limit, 100));
    cr_expect_eq(entry_of(&limit).used, 150);
    set_time(month + 31 * DAY);
    cr_expect(use(&limit, 1));
    cr_expect_eq(entry_of(&limit).used, 1);
}

/* The sum of a ledger, in the window of that day. */
static const char *hand_in_sum(const struct limit *limit, uint64_t amount, int64_t start_ms)
{
    struct hand_in sum = {
        .key = limit->key, .amount = amount, .start_ms = start_ms, .end_ms = start_ms + DAY};
    (void)snprintf(sum.epoch, sizeof(sum.epoch), "%s", command("GET {%s}:v2:epoch", store_name));
    return send_written(redis_write_hand_in(&ns, &sum, &out));
}

Test(redis_deadlines, what_is_handed_over_is_a_part_of_what_is_handed_in)
{
    struct limit limit = daily(LIMIT_TOKENS, 1000);
    ns.has_ledger = true;
    cr_expect(use(&limit, 100));
    cr_expect_str_eq(hand_over(&limit, "6", 50, START), "H");
    cr_expect_str_eq(hand_in_sum(&limit, 50, START), "H");
    cr_expect_eq(entry_of(&limit).used, 150);
    cr_expect_str_eq(hand_in_sum(&limit, 30, START), "H");
    cr_expect_eq(entry_of(&limit).used, 130);
    cr_expect_eq(entry_of(&limit).refunded, 20);
    cr_expect_str_eq(hand_over(&limit, "7", -20, START), "H"); /* it is late: the sum has it */
    cr_expect_str_eq(hand_in_sum(&limit, 30, START), "H");
    cr_expect_eq(entry_of(&limit).used, 130);
    cr_expect_str_eq(hand_over(&limit, "8", -500, START), "H"); /* more than there is: not all */
    cr_expect_eq(entry_of(&limit).used, 0);
    cr_expect_str_eq(hand_in_sum(&limit, 30, START), "H");
    cr_expect_eq(entry_of(&limit).used, 130);
    pass(DAY);
    cr_expect(use(&limit, 1));
    cr_expect_str_eq(hand_in_sum(&limit, 5, START + DAY), "H");
    cr_expect_eq(entry_of(&limit).used, 6, "what was said of the day before ended with it");
}

Test(redis_deadlines, what_was_forgiven_is_not_given_back_by_a_lesser_sum)
{
    struct limit limit = daily(LIMIT_TOKENS, 1000);
    ns.has_ledger = true;
    cr_expect(use(&limit, 1));
    cr_expect_str_eq(hand_in_sum(&limit, 50, START), "H");
    (void)send_written(redis_write_change(&ns, REDIS_RESET, &limit, limit.key, 0, &out));
    cr_expect_eq(entry_of(&limit).used, 0);
    cr_expect_str_eq(hand_in_sum(&limit, 20, START), "H");
    cr_expect(use(&limit, 7));
    cr_expect_eq(entry_of(&limit).used, 7);
}

/* ---- by hand ---- */

static const char *change(enum redis_change kind, const struct limit *limit, uint64_t amount)
{
    return send_written(redis_write_change(&ns, kind, limit, limit->key, amount, &out));
}

Test(redis_deadlines, a_reset_forgets_what_is_settled_alone)
{
    struct limit limits[] = {daily(LIMIT_TOKENS, 1000), rate_of(LIMIT_TOKENS, 1000, HOUR)};
    for (unsigned i = 0; i < 2; i++) {
        struct reservation *open = reserve_amount(&limits[i], 300);
        cr_expect(use(&limits[i], 600));
        cr_expect(ask(open));
        cr_expect_str_eq(change(REDIS_RESET, &limits[i], 0), "C");
        cr_expect_eq(entry_of(&limits[i]).used, 300, "%u", i);
        cr_expect_eq(entry_of(&limits[i]).taken, 900, "%u", i);
        reservation_free(open);
    }
}

Test(redis_deadlines, a_raise_gives_room_in_this_window_even_before_it_is_used)
{
    struct limit limit = daily(LIMIT_TOKENS, 1000);
    cr_expect_str_eq(change(REDIS_RESET, &limit, 0), "N");
    cr_expect_str_eq(change(REDIS_RAISE, &limit, 500), "C");
    cr_expect(use(&limit, 1000));
    cr_expect_not(use(&limit, 501));
    cr_expect(use(&limit, 500));
    pass(DAY);
    cr_expect_not(use(&limit, 1001));
    cr_expect_str_eq(change(REDIS_RAISE, &limit, 1), "C");
    cr_expect(use(&limit, 1000));
    struct limit held = slots(1);
    cr_expect_str_eq(change(REDIS_RAISE, &held, 1), "N");
}
