/* A store that has lost its data, and gateways that fill it in again. */
#include "tests/unit/limiter/store_redis_rig.h"

static const struct limit *limit;

static void setup(void)
{
    rig_begin();
    rig.stores[1] = rig_new_store(RIG_TIMEOUT);
    rig_add_side(1, rig.stores[1]);
    rig_until(rig_is_up(1));
    store_redis_set_ledger(rig.stores[0], "00000000000000a0");
    store_redis_set_ledger(rig.stores[1], "00000000000000b1");
    limit = rig_daily(LIMIT_REQUESTS, 100, STORE_DENY);
    rig_ahead += BEAT_EVERY; /* each hears of the other */
    rig_until(rig.stores[0]->gateways == 2 && rig.stores[1]->gateways == 2);
}

TestSuite(store_redis_filling, .init = setup, .fini = rig_end);

/* Who decides an ask of that side now. */
static enum reservation_state ask(unsigned side)
{
    struct rig_request request;
    (void)rig_ask(&request, side, limit, 1);
    rig_until(request.reservation->state != RESERVATION_ASKED);
    enum reservation_state state = request.reservation->state;
    rig_settle(&request, 1);
    return state;
}

static const char *epoch_of(unsigned store)
{
    static char epoch[17];
    cr_assert(store_redis_epoch(rig.stores[store], epoch));
    return epoch;
}

static struct hand_in hand_in_of(uint64_t amount)
{
    int64_t day_ms = 86400000;
    int64_t start_ms = rig_wall() / MSEC / day_ms * day_ms;
    struct hand_in hand_in = {
        .key = limit->key, .amount = amount, .start_ms = start_ms, .end_ms = start_ms + day_ms};
    memcpy(hand_in.epoch, epoch_of(0), sizeof(hand_in.epoch));
    return hand_in;
}

static void hand_in(unsigned store, const struct hand_in *hand_in)
{
    store_redis_hand_in(rig.stores[store], hand_in);
    rig_until(!store_redis_is_handing_in(rig.stores[store]));
}

static void lose_data(void)
{
    char before[17];
    memcpy(before, epoch_of(0), sizeof(before));
    (void)rig_cli("FLUSHALL");
    cr_expect_eq(ask(0), RESERVATION_UNAVAILABLE, "not one is admitted against an empty count");
    cr_expect_eq(ask(1), RESERVATION_UNAVAILABLE);
    cr_expect_str_neq(epoch_of(0), before);
}

Test(store_redis_filling, windows_wait_until_all_have_handed_in)
{
    cr_expect_eq(ask(0), RESERVATION_HELD);
    lose_data();
    store_redis_handed_in(rig.stores[0], epoch_of(0));
    rig_ahead += BEAT_EVERY;
    rig_until(strcmp(rig_cli("HGET", "{shop}:v2:refill", "by:00000000000000a0"), "1") == 0);
    rig_ahead += BEAT_EVERY;
    rig_turns(50);
    cr_expect_eq(ask(0), RESERVATION_UNAVAILABLE, "the other one has not");
    store_redis_handed_in(rig.stores[1], epoch_of(1));
    rig_ahead += BEAT_EVERY;
    rig_until(!store_redis_is_filling(rig.stores[0]) && !store_redis_is_filling(rig.stores[1]));
    cr_expect_eq(ask(0), RESERVATION_HELD);
    cr_expect_eq(ask(1), RESERVATION_HELD);
    cr_expect_eq(rig.news[STORE_LOST_DATA], 2, "each says so once");
}

Test(store_redis_filling, one_that_does_not_is_waited_for_a_minute)
{
    lose_data();
    store_redis_handed_in(rig.stores[0], epoch_of(0));
    rig_ahead += FILL_PATIENCE - BEAT_EVERY;
    cr_expect_eq(ask(0), RESERVATION_UNAVAILABLE);
    rig_ahead += 2 * BEAT_EVERY;
    cr_expect_eq(ask(0), RESERVATION_HELD);
}

Test(store_redis_filling, rates_do_not_wait)
{
    const struct limit *rate = rig_limit((struct limit){.unit = LIMIT_REQUESTS,
                                                        .span = LIMIT_RATE,
                                                        .amount = 10,
                                                        .burst = 10,
                                                        .period = 60 * SEC,
                                                        .on_failure = STORE_DENY});
    struct rig_request request;
    lose_data();
    cr_expect(rig_get(&request, 0, rate, 1));
    rig_settle(&request, 1);
}

Test(store_redis_filling, a_gateway_that_starts_meanwhile_waits_too)
{
    lose_data();
    rig_ahead += BEAT_EVERY;
    rig_until(strcmp(rig_cli("HGET", "{shop}:v2:refill", "needed"), "2") == 0);
    rig.stores[2] = rig_new_store(RIG_TIMEOUT);
    rig_add_side(2, rig.stores[2]);
    rig_until(rig_is_up(2));
    cr_expect_eq(ask(2), RESERVATION_UNAVAILABLE);
}

Test(store_redis_filling, what_is_handed_in_counts_once_and_may_be_corrected)
{
    lose_data();
    struct hand_in sum = hand_in_of(40);
    hand_in(0, &sum);
    hand_in(0, &sum);
    cr_expect_eq(rig_entry(limit).used, 40U);
    sum.amount = 7;
    hand_in(1, &sum);
    cr_expect_eq(rig_entry(limit).used, 47U, "each ledger has its own");
    sum.amount = 31; /* what was open is settled */
    hand_in(0, &sum);
    cr_expect_eq(rig_entry(limit).used, 38U);
    sum.amount = 0;
    hand_in(0, &sum);
    hand_in(1, &sum);
    cr_expect_eq(rig_entry(limit).used, 0U);
}

Test(store_redis_filling, it_is_for_one_epoch_and_for_windows_that_are_not_over)
{
    lose_data();
    struct hand_in sum = hand_in_of(40);
    memcpy(sum.epoch, "0123456789abcdef", sizeof(sum.epoch));
    hand_in(0, &sum);
    cr_expect_eq(rig_entry(limit).used, 0U);
    sum = hand_in_of(40);
    sum.start_ms -= 86400000;
    sum.end_ms -= 86400000;
    hand_in(0, &sum);
    cr_expect_eq(rig_entry(limit).used, 0U);
}

Test(store_redis_filling, what_was_used_since_is_kept_beside_it)
{
    lose_data();
    store_redis_handed_in(rig.stores[0], epoch_of(0));
    store_redis_handed_in(rig.stores[1], epoch_of(1));
    rig_ahead += BEAT_EVERY;
    rig_until(!store_redis_is_filling(rig.stores[0]) && !store_redis_is_filling(rig.stores[1]));
    cr_expect_eq(ask(0), RESERVATION_HELD);
    struct hand_in sum = hand_in_of(98);
    hand_in(1, &sum);
    cr_expect_eq(rig_entry(limit).used, 99U);
    cr_expect_eq(ask(1), RESERVATION_HELD);
    cr_expect_eq(ask(1), RESERVATION_REFUSED);
}

/* ---- what was charged turned out otherwise ---- */

static struct hand_in correction_of(int64_t sum, int64_t edition)
{
    struct hand_in correction = hand_in_of(0);
    correction.correction = sum;
    correction.since = 1000;
    correction.edition = edition;
    return correction;
}

static void use(uint64_t amount)
{
    struct rig_request request;
    cr_assert(rig_get(&request, 0, limit, amount));
    rig_settle(&request, amount);
}

static void expect_used(uint64_t used)
{
    struct store_entry entry = rig_entry(limit);
    cr_expect_eq(entry.used, used, "%llu", (unsigned long long)entry.used);
    cr_expect(store_entry_adds_up(&entry));
}

Test(store_redis_filling, a_correction_takes_effect_once_whatever_comes_late)
{
    use(50);
    struct hand_in first = correction_of(-30, 1);
    struct hand_in second = correction_of(-20, 2);
    hand_in(0, &first);
    expect_used(20);
    hand_in(0, &first);
    expect_used(20);
    hand_in(0, &second);
    expect_used(30);
    hand_in(0, &first);
    expect_used(30);
    hand_in(0, &second);
    expect_used(30);
    struct hand_in third = correction_of(15, 3);
    hand_in(0, &third);
    expect_used(65);
    hand_in(1, &first); /* each ledger has its own */
    expect_used(35);
}

Test(store_redis_filling, a_ledger_that_begins_anew_goes_on_from_what_was_corrected)
{
    use(50);
    struct hand_in before = correction_of(-30, 7);
    struct hand_in anew = correction_of(5, 1);
    anew.since = 2000;
    hand_in(0, &before);
    hand_in(0, &anew);
    expect_used(25);
    before.edition = 8;
    hand_in(0, &before);
    expect_used(25);
}

Test(store_redis_filling, a_correction_is_for_one_epoch_and_for_windows_that_are_not_over)
{
    use(50);
    struct hand_in other = correction_of(-30, 1);
    memcpy(other.epoch, "0123456789abcdef", sizeof(other.epoch));
    hand_in(0, &other);
    expect_used(50);
    struct hand_in past = correction_of(-30, 1);
    past.start_ms -= 86400000;
    past.end_ms -= 86400000;
    hand_in(0, &past);
    expect_used(50);
    struct hand_in present = correction_of(-30, 1);
    hand_in(0, &present);
    expect_used(20);
}

Test(store_redis_filling, a_correction_may_overtake_the_settlement_that_it_corrects)
{
    struct rig_request request;
    limit = rig_daily(LIMIT_TOKENS, 100, STORE_DENY); /* it settles */
    cr_assert(rig_get(&request, 0, limit, 50));
    struct hand_in correction = correction_of(-30, 1);
    hand_in(0, &correction);
    expect_used(20);
    rig_settle(&request, 50);
    rig_until(rig_entry(limit).reserved == 0);
    expect_used(20);
}

Test(store_redis_filling, what_was_forgiven_by_hand_is_not_given_back_by_a_correction)
{
    struct error err;
    struct store_redis_admin *admin = NULL;
    use(50);
    cr_assert_eq(store_redis_admin_open(rig.stores[0], &admin, &err), STATUS_OK);
    cr_assert_eq(store_redis_admin_reset(admin, limit, limit->key, &err), STATUS_OK);
    store_redis_admin_close(admin);
    struct hand_in correction = correction_of(-30, 1);
    hand_in(0, &correction);
    expect_used(0);
    use(7);
    expect_used(7);
}
