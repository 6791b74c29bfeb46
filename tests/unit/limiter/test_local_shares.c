/* local_shares: how far a gateway goes alone, and what it hands over afterwards. Clocks are
 * variables. */
#include "base/memory.h"
#include "limiter/local_shares_state.h"
#include "limiter/zone.h"

#include <inttypes.h>
#include <stdio.h>

#include <criterion/criterion.h>

#define DAY   (86400 * SEC)
#define START (20000 * DAY + DAY / 2) /* a noon in UTC */

static usec_t now;
static usec_t wall;
static struct local_shares *shares;
static struct arena arena;
static const struct zone *utc;

static usec_t read_now(void)
{
    return now;
}

static usec_t read_wall(void)
{
    return wall;
}

static void begin(void)
{
    static const struct limiter_clock clock = {read_now, read_wall};
    now = 1000 * SEC;
    wall = START;
    shares = local_shares_new(&clock, 4);
    cr_assert_eq(zone_load(&arena, "UTC", &utc, NULL), STATUS_OK);
}

static void end(void)
{
    local_shares_free(shares);
    arena_fini(&arena);
}

TestSuite(local_shares, .init = begin, .fini = end, .timeout = 60);

static void pass(usec_t span)
{
    now += span;
    wall += span;
}

static struct limit rate_of(enum limit_unit unit, uint64_t amount, usec_t period)
{
    return (struct limit){.key = SLICE("a rate"),
                          .tenant = "acme",
                          .unit = unit,
                          .span = LIMIT_RATE,
                          .amount = amount,
                          .burst = amount,
                          .period = period};
}

static struct limit daily(enum limit_unit unit, uint64_t amount)
{
    return (struct limit){.key = SLICE("a day"),
                          .tenant = "acme",
                          .unit = unit,
                          .span = LIMIT_DAYS,
                          .days = 1,
                          .amount = amount,
                          .zone = utc};
}

static struct limit slots(uint64_t amount)
{
    return (struct limit){.key = SLICE("slots"),
                          .tenant = "acme",
                          .unit = LIMIT_CONCURRENCY,
                          .span = LIMIT_HELD,
                          .amount = amount};
}

static void add(struct reservation *reservation, unsigned index, const struct limit *limit,
                uint64_t fixed)
{
    struct demand *demand = &reservation->demands[index];
    demand->limit = limit;
    demand->fixed = fixed;
    demand->key = reservation_keep_key(reservation, limit->key);
}

static struct reservation *reserve(const struct limit *limit, uint64_t fixed)
{
    struct reservation *reservation = reservation_new(1, LIMIT_KEY_MAX);
    reservation->tenant = "acme";
    add(reservation, 0, limit, fixed);
    return reservation;
}

static struct reservation *reserve_two(const struct limit *first, const struct limit *second)
{
    struct reservation *reservation = reservation_new(2, LIMIT_KEY_MAX);
    reservation->tenant = "acme";
    add(reservation, 0, first, 1);
    add(reservation, 1, second, 1);
    return reservation;
}

/* The store answered: so much is left, and (a budget) its window ends after `reset`. */
static void hear(const struct limit *limit, uint64_t left, unsigned gateways, usec_t reset)
{
    struct reservation *reservation = reserve(limit, 1);
    reservation->state = RESERVATION_REFUSED;
    reservation->demands[0].left = left;
    reservation->demands[0].reset_after = reset;
    local_shares_note_gateways(shares, gateways);
    local_shares_note(shares, reservation);
    reservation_free(reservation);
}

/* The store admitted it: these slots are this gateway's. */
static struct reservation *held_by_store(const struct limit *limit, uint64_t left)
{
    struct reservation *reservation = reserve(limit, 1);
    reservation->state = RESERVATION_HELD;
    reservation->basis = BASIS_STORE;
    reservation->demands[0].granted = 1;
    reservation->demands[0].last_taken = 1;
    reservation->demands[0].left = left;
    local_shares_note(shares, reservation);
    return reservation;
}

static bool ask(struct reservation *reservation)
{
    local_shares_ask(shares, reservation);
    cr_assert(reservation->state == RESERVATION_HELD || reservation->state == RESERVATION_REFUSED);
    return reservation->state == RESERVATION_HELD;
}

static void settle(struct reservation *take_reservation, uint64_t used)
{
    take_reservation->demands[0].used = used;
    local_shares_settle(shares, take_reservation);
    reservation_free(take_reservation);
}

/* Asks for 1 again and again: how often it was admitted. */
static unsigned admitted(const struct limit *limit, unsigned most)
{
    unsigned count = 0;
    for (unsigned i = 0; i < most; i++) {
        struct reservation *reservation = reserve(limit, 1);
        count += ask(reservation);
        reservation_free(reservation);
    }
    return count;
}

/* The sum of what is handed over, taken out. */
static int64_t handed_over(void)
{
    static struct local_debt debts[8];
    int64_t sum = 0;
    unsigned count;
    while ((count = local_shares_take(shares, debts, 8)) > 0) {
        for (unsigned i = 0; i < count; i++) {
            sum += debts[i].hand_over.amount;
        }
    }
    cr_assert_not(local_shares_have_debts(shares));
    return sum;
}

/* ---- how far ---- */

Test(local_shares, a_budget_goes_on_with_its_part_of_what_was_left)
{
    struct limit limit = daily(LIMIT_REQUESTS, 100);
    hear(&limit, 62, 3, 12 * 3600 * SEC);
    cr_assert_eq(admitted(&limit, 100), 20);
}

Test(local_shares, a_budget_that_was_never_heard_of_is_unavailable)
{
    struct limit limit = daily(LIMIT_REQUESTS, 100);
    struct reservation *reservation = reserve(&limit, 1);
    local_shares_ask(shares, reservation);
    cr_assert_eq(reservation->state, RESERVATION_UNAVAILABLE);
    cr_assert_eq(reservation->demands[0].granted, 0);
    limit.action = LIMIT_WARN; /* never refuses */
    cr_assert(ask(reservation));
    cr_assert(reservation->demands[0].over);
    reservation_free(reservation);
}

Test(local_shares, a_rate_that_was_never_heard_of_is_divided_by_the_config)
{
    struct limit limit = rate_of(LIMIT_REQUESTS, 100, 60 * SEC);
    cr_assert_eq(admitted(&limit, 100), 25);
    pass(60 * SEC);
    cr_assert_eq(admitted(&limit, 100), 25);
}

Test(local_shares, a_rate_refills_with_its_part_and_without_a_rest)
{
    struct limit limit = rate_of(LIMIT_REQUESTS, 10, 60 * SEC); /* three share 10 a minute */
    hear(&limit, 7, 3, 18 * SEC);
    cr_assert_eq(admitted(&limit, 100), 2);
    unsigned count = 0;
    for (unsigned second = 0; second < 1800; second++) {
        pass(SEC);
        count += admitted(&limit, 100);
    }
    cr_assert_eq(count, 100); /* 30 minutes of 10/3 */
}

Test(local_shares, a_rate_has_refilled_since_it_was_heard_of)
{
    struct limit limit = rate_of(LIMIT_REQUESTS, 60, 60 * SEC);
    hear(&limit, 0, 2, 60 * SEC);
    pass(20 * SEC);
    cr_assert_eq(admitted(&limit, 100), 10);
}

Test(local_shares, each_window_that_begins_meanwhile_is_divided)
{
    struct limit limit = daily(LIMIT_REQUESTS, 100);
    hear(&limit, 10, 2, DAY / 2);
    cr_assert_eq(admitted(&limit, 200), 5);
    pass(DAY / 2 - SEC);
    cr_assert_eq(admitted(&limit, 200), 0);
    pass(SEC);
    cr_assert_eq(admitted(&limit, 200), 50);
    pass(DAY);
    cr_assert_eq(admitted(&limit, 200), 50);
}

Test(local_shares, an_idle_budget_whose_window_is_over_begins_the_new_one)
{
    struct limit limit = daily(LIMIT_REQUESTS, 100);
    hear(&limit, 0, 2, DAY / 2);
    pass(DAY);
    cr_assert_eq(admitted(&limit, 200), 50);
}

Test(local_shares, slots_of_its_own_may_be_filled_again)
{
    struct limit limit = slots(10);
    local_shares_note_gateways(shares, 2);
    struct reservation *one = held_by_store(&limit, 1); /* others hold 8 */
    struct reservation *two = held_by_store(&limit, 0);
    cr_assert_eq(admitted(&limit, 5), 0);
    settle(one, 0);
    struct reservation *three = reserve(&limit, 1);
    cr_assert(ask(three));
    cr_assert_eq(admitted(&limit, 5), 0);
    settle(three, 0);
    cr_assert_eq(admitted(&limit, 5), 1);
    settle(two, 0);
}

Test(local_shares, free_slots_are_divided)
{
    struct limit limit = slots(10);
    local_shares_note_gateways(shares, 3);
    struct reservation *own = held_by_store(&limit, 7);
    cr_assert_eq(admitted(&limit, 10), 2);
    settle(own, 0);
}

Test(local_shares, slots_that_were_never_heard_of_are_divided_by_the_config)
{
    struct limit limit = slots(8);
    struct reservation *one = reserve(&limit, 1);
    struct reservation *two = reserve(&limit, 1);
    cr_assert(ask(one));
    cr_assert(ask(two));
    cr_assert_eq(admitted(&limit, 5), 0);
    settle(one, 0);
    cr_assert_eq(admitted(&limit, 5), 1);
    settle(two, 0);
    cr_assert_eq(handed_over(), 0); /* slots are not */
}

Test(local_shares, slots_held_alone_still_count_after_a_contact)
{
    struct limit limit = slots(8);
    hear(&limit, 8, 2, 0);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(admitted(&limit, 1), 1); /* and held */
    }
    hear(&limit, 8, 2, 0);
    cr_assert_eq(admitted(&limit, 10), 1);
}

Test(local_shares, hearing_of_it_again_ends_being_alone)
{
    struct limit limit = daily(LIMIT_REQUESTS, 100);
    hear(&limit, 10, 2, DAY / 2);
    cr_assert_eq(admitted(&limit, 10), 5);
    cr_assert_eq(handed_over(), 5);
    hear(&limit, 20, 2, DAY / 2);
    cr_assert_eq(admitted(&limit, 20), 10);
}

Test(local_shares, what_is_not_handed_over_yet_is_not_left)
{
    struct limit limit = daily(LIMIT_REQUESTS, 100);
    hear(&limit, 20, 2, DAY / 2);
    cr_assert_eq(admitted(&limit, 4), 4);
    hear(&limit, 20, 2, DAY / 2); /* another worker's link, which does not know of the 4 */
    cr_assert_eq(admitted(&limit, 20), 8);
}

Test(local_shares, all_or_none)
{
    struct limit budget = daily(LIMIT_REQUESTS, 100);
    struct limit rate = rate_of(LIMIT_REQUESTS, 4, 60 * SEC); /* 1 each */
    hear(&budget, 50, 1, DAY / 2);
    struct reservation *first = reserve_two(&budget, &rate);
    struct reservation *second = reserve_two(&budget, &rate);
    cr_assert(ask(first));
    cr_assert_not(ask(second));
    cr_assert_not(second->demands[0].refused);
    cr_assert(second->demands[1].refused);
    cr_assert_eq(second->demands[0].granted, 0);
    cr_assert_eq(admitted(&budget, 100), 49);
    reservation_free(first);
    reservation_free(second);
}

Test(local_shares, a_refusal_says_when_there_is_room)
{
    struct limit rate = rate_of(LIMIT_TOKENS, 60, 60 * SEC);
    struct limit budget = daily(LIMIT_TOKENS, 100);
    hear(&rate, 10, 2, 50 * SEC);
    hear(&budget, 10, 2, DAY / 2);
    struct reservation *reservation = reserve(&rate, 15);
    cr_assert_not(ask(reservation));
    cr_assert_eq(reservation->demands[0].room_after, 20 * SEC); /* 10 more at 30 a minute */
    cr_assert_eq(reservation->demands[0].left, 5);
    cr_assert_eq(reservation->demands[0].whole, 60);
    reservation->demands[0].fixed = 40; /* more than this gateway's part ever is */
    cr_assert_not(ask(reservation));
    cr_assert_eq(reservation->demands[0].room_after, 60 * SEC);
    reservation->demands[0].fixed = 61;
    cr_assert_not(ask(reservation));
    cr_assert_eq(reservation->demands[0].room_after, -1);
    reservation_free(reservation);
    reservation = reserve(&budget, 6);
    cr_assert_not(ask(reservation));
    cr_assert_eq(reservation->demands[0].room_after, DAY / 2);
    reservation_free(reservation);
}

Test(local_shares, output_is_cut_down_to_what_is_left)
{
    struct limit limit = daily(LIMIT_COST, 1000);
    hear(&limit, 200, 2, DAY / 2);
    struct reservation *reservation = reserve(&limit, 20);
    reservation->demands[0].per_output = 2;
    reservation->output_want = 1000;
    reservation->output_share = 4;
    cr_assert(ask(reservation));
    cr_assert_eq(reservation->output_granted, 10); /* (100 - 20) / 4 / 2 */
    cr_assert_eq(reservation->demands[0].granted, 40);
    cr_assert_eq(reservation->demands[0].left, 60);
    settle(reservation, 40);
}

/* ---- on_failure ---- */

Test(local_shares, allow_lets_through_uncounted)
{
    struct limit limit = daily(LIMIT_TOKENS, 10);
    limit.on_failure = STORE_ALLOW;
    struct reservation *reservation = reserve(&limit, 100);
    reservation->output_want = 50;
    cr_assert(ask(reservation));
    cr_assert_eq(reservation->basis, BASIS_NONE);
    cr_assert_eq(reservation->output_granted, 50);
    cr_assert_eq(reservation->demands[0].granted, 100);
    settle(reservation, 100);
    cr_assert_eq(handed_over(), 0);
}

Test(local_shares, deny_wins)
{
    struct limit allowed = daily(LIMIT_REQUESTS, 10);
    struct limit denied = rate_of(LIMIT_REQUESTS, 100, SEC);
    allowed.on_failure = STORE_ALLOW;
    denied.on_failure = STORE_DENY;
    struct reservation *reservation = reserve_two(&allowed, &denied);
    local_shares_ask(shares, reservation);
    cr_assert_eq(reservation->state, RESERVATION_UNAVAILABLE);
    reservation_free(reservation);
}

Test(local_shares, allow_beside_local_is_passed_over)
{
    struct limit allowed = daily(LIMIT_REQUESTS, 10);
    struct limit local = rate_of(LIMIT_REQUESTS, 8, 60 * SEC);
    allowed.on_failure = STORE_ALLOW;
    for (unsigned i = 0; i < 3; i++) {
        struct reservation *reservation = reserve_two(&allowed, &local);
        cr_assert_eq(ask(reservation), i < 2);
        cr_assert_eq(reservation->basis, BASIS_LOCAL);
        reservation_free(reservation);
    }
    cr_assert_eq(handed_over(), 2); /* of the rate alone */
}

/* ---- extensions ---- */

static struct reservation *stream(const struct limit *limit)
{
    struct reservation *reservation = reserve(limit, 10);
    reservation->demands[0].per_output = 1;
    reservation->output_want = 5;
    return reservation;
}

static bool extend(struct reservation *reservation, uint64_t output)
{
    reservation->demands[0].fixed = 0;
    reservation->output_want = output;
    local_shares_extend(shares, reservation);
    cr_assert_eq(reservation->state, RESERVATION_HELD);
    return !reservation->extension_refused;
}

Test(local_shares, an_extension_takes_of_the_same_share)
{
    struct limit limit = daily(LIMIT_TOKENS, 100);
    hear(&limit, 40, 2, DAY / 2);
    struct reservation *reservation = stream(&limit);
    cr_assert(ask(reservation));
    cr_assert(extend(reservation, 5));
    cr_assert_eq(reservation->output_granted, 10);
    cr_assert_eq(reservation->demands[0].granted, 20);
    cr_assert_not(extend(reservation, 1));
    cr_assert_eq(reservation->demands[0].granted, 20);
    settle(reservation, 12);
    cr_assert_eq(handed_over(), 12);
    cr_assert_eq(admitted(&limit, 20), 5); /* of the last step 5 is given back at most */
}

Test(local_shares, deny_of_a_rule_that_an_extension_does_not_ask_does_not_refuse_it)
{
    struct limit tokens = daily(LIMIT_TOKENS, 100);
    struct limit requests = daily(LIMIT_REQUESTS, 100);
    requests.key = SLICE("requests");
    requests.on_failure = STORE_DENY;
    hear(&tokens, 40, 1, DAY / 2);
    struct reservation *reservation = reserve_two(&tokens, &requests);
    reservation->basis = BASIS_STORE;
    reservation->demands[0].per_output = 1;
    cr_assert(extend(reservation, 5));
    tokens.on_failure = STORE_DENY;
    cr_assert_not(extend(reservation, 5));
    reservation_free(reservation);
}

Test(local_shares, an_extension_of_what_the_store_holds_is_charged_by_the_store_alone)
{
    struct limit limit = daily(LIMIT_TOKENS, 100);
    hear(&limit, 40, 2, DAY / 2);
    struct reservation *reservation = stream(&limit);
    reservation->basis = BASIS_STORE;
    reservation->demands[0].granted = 15;
    cr_assert(extend(reservation, 10));
    cr_assert_eq(reservation->demands[0].granted, 25);
    cr_assert_eq(handed_over(), 10); /* reserved until it is settled */
    settle(reservation, 18);
    cr_assert_eq(handed_over(), -10);
    cr_assert_eq(admitted(&limit, 50), 17); /* 3 of this gateway's 20 were used */
}

Test(local_shares, more_of_a_rate_is_not_handed_over_where_the_store_has_a_record)
{
    struct limit limit = rate_of(LIMIT_TOKENS, 100, 60 * SEC);
    hear(&limit, 40, 2, 30 * SEC);
    struct reservation *reservation = stream(&limit);
    reservation->basis = BASIS_STORE;
    reservation->demands[0].granted = 15;
    cr_assert(extend(reservation, 10));
    cr_assert_eq(admitted(&limit, 50), 10);
    cr_assert_eq(handed_over(), 10); /* what was admitted alone */
    settle(reservation, 25);
    cr_assert_eq(handed_over(), 0);
}

/* ---- handing over ---- */

Test(local_shares, what_was_taken_alone_is_handed_over_once)
{
    struct limit limit = daily(LIMIT_REQUESTS, 100);
    struct local_debt debts[2];
    hear(&limit, 60, 2, DAY / 2);
    cr_assert_not(local_shares_have_debts(shares));
    cr_assert_eq(admitted(&limit, 7), 7);
    cr_assert(local_shares_have_debts(shares));
    cr_assert_eq(local_shares_take(shares, debts, 2), 1);
    const struct hand_over *hand_over = &debts[0].hand_over;
    cr_assert_eq(hand_over->amount, 7);
    cr_assert_eq(hand_over->window_start_ms, 20000 * (DAY / MSEC));
    cr_assert_str_eq(hand_over->tenant, "acme");
    cr_assert(slice_equal(hand_over->key, SLICE("a day")));
    cr_assert_eq(hand_over->limit->span, LIMIT_DAYS);
    cr_assert_eq(strlen(hand_over->id), 32);
    cr_assert_eq(local_shares_take(shares, debts, 2), 0);
}

Test(local_shares, each_handing_over_has_an_id_of_its_own)
{
    struct limit limit = daily(LIMIT_REQUESTS, 100);
    struct local_debt debts[2];
    hear(&limit, 60, 2, DAY / 2);
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(admitted(&limit, 1), 1);
        cr_assert_eq(local_shares_take(shares, &debts[i], 1), 1);
    }
    cr_assert_str_neq(debts[0].hand_over.id, debts[1].hand_over.id);
}

Test(local_shares, a_key_over_tenants_is_handed_over_without_one)
{
    struct limit limit = daily(LIMIT_REQUESTS, 100);
    struct local_debt debt;
    limit.tenant = NULL;
    hear(&limit, 60, 2, DAY / 2);
    cr_assert_eq(admitted(&limit, 1), 1);
    cr_assert_eq(local_shares_take(shares, &debt, 1), 1);
    cr_assert_null(debt.hand_over.tenant);
}

Test(local_shares, a_settlement_before_handing_over_corrects_it)
{
    struct limit limit = daily(LIMIT_TOKENS, 100);
    hear(&limit, 60, 2, DAY / 2);
    struct reservation *less = reserve(&limit, 10);
    struct reservation *more = reserve(&limit, 10);
    cr_assert(ask(less));
    cr_assert(ask(more));
    settle(less, 3);
    settle(more, 14);
    cr_assert_eq(admitted(&limit, 100), 13);
    cr_assert_eq(handed_over(), 30);
}

Test(local_shares, a_settlement_after_handing_over_is_a_difference)
{
    struct limit limit = daily(LIMIT_TOKENS, 100);
    hear(&limit, 60, 2, DAY / 2);
    struct reservation *less = reserve(&limit, 10);
    struct reservation *more = reserve(&limit, 10);
    cr_assert(ask(less));
    cr_assert(ask(more));
    cr_assert_eq(handed_over(), 20);
    settle(less, 3);
    cr_assert_eq(handed_over(), -7);
    settle(more, 14);
    cr_assert_eq(handed_over(), 4);
}

Test(local_shares, a_settlement_after_its_window_changes_nothing_in_the_next)
{
    struct limit limit = daily(LIMIT_TOKENS, 100);
    hear(&limit, 60, 2, DAY / 2);
    struct reservation *late = reserve(&limit, 20);
    cr_assert(ask(late));
    cr_assert_eq(handed_over(), 20);
    pass(DAY);
    cr_assert_eq(admitted(&limit, 40), 40);
    settle(late, 5);
    cr_assert_eq(handed_over(), 40);
    cr_assert_eq(admitted(&limit, 40), 10);
}

Test(local_shares, what_is_unsent_of_a_window_goes_with_it)
{
    struct limit limit = daily(LIMIT_REQUESTS, 100);
    hear(&limit, 60, 2, DAY / 2);
    cr_assert_eq(admitted(&limit, 20), 20);
    pass(DAY);
    cr_assert_eq(admitted(&limit, 3), 3);
    cr_assert_eq(handed_over(), 3);
}

Test(local_shares, what_a_later_spell_took_is_not_given_back_by_an_earlier_ones_settlement)
{
    struct limit limit = daily(LIMIT_TOKENS, 100);
    hear(&limit, 60, 2, DAY / 2);
    struct reservation *early = reserve(&limit, 20);
    cr_assert(ask(early));
    cr_assert_eq(handed_over(), 20);
    hear(&limit, 40, 2, DAY / 2);
    cr_assert_eq(admitted(&limit, 20), 20);
    settle(early, 0);
    cr_assert_eq(admitted(&limit, 20), 0);
    cr_assert_eq(handed_over(), 0); /* 20 taken, 20 given back */
}

Test(local_shares, a_rate_is_given_back_only_what_has_not_drained)
{
    struct limit limit = rate_of(LIMIT_TOKENS, 60, 60 * SEC);
    hear(&limit, 60, 2, 0);
    struct reservation *early = reserve(&limit, 30);
    cr_assert(ask(early));
    pass(40 * SEC); /* 20 of them have */
    cr_assert_eq(admitted(&limit, 40), 20);
    settle(early, 0);
    cr_assert_eq(admitted(&limit, 40), 10);
}

Test(local_shares, time_passes_before_a_rate_is_given_back)
{
    struct limit limit = rate_of(LIMIT_TOKENS, 60, 60 * SEC);
    hear(&limit, 60, 2, 0);
    struct reservation *reservation = reserve(&limit, 30);
    cr_assert(ask(reservation));
    pass(40 * SEC); /* 20 of them have drained */
    settle(reservation, 0);
    cr_assert_eq(handed_over(), 20);
}

Test(local_shares, a_rate_is_not_given_back_what_has_been_handed_over)
{
    struct limit limit = rate_of(LIMIT_TOKENS, 60, 60 * SEC);
    hear(&limit, 60, 2, 0);
    struct reservation *reservation = reserve(&limit, 25);
    cr_assert(ask(reservation));
    cr_assert_eq(handed_over(), 25);
    cr_assert_eq(admitted(&limit, 4), 4);
    settle(reservation, 10);
    cr_assert_eq(handed_over(), 0); /* the 4 may be among what is given back */
}

Test(local_shares, a_rate_is_charged_what_was_used_beyond_what_was_reserved)
{
    struct limit limit = rate_of(LIMIT_TOKENS, 60, 60 * SEC);
    hear(&limit, 60, 2, 0);
    struct reservation *reservation = reserve(&limit, 20);
    cr_assert(ask(reservation));
    settle(reservation, 25);
    cr_assert_eq(admitted(&limit, 40), 5);
    cr_assert_eq(handed_over(), 30);
}

Test(local_shares, a_bucket_of_a_later_spell_is_not_given_back_what_an_earlier_one_took)
{
    struct limit limit = rate_of(LIMIT_TOKENS, 60, 60 * SEC);
    hear(&limit, 60, 2, 0);
    struct reservation *early = reserve(&limit, 30);
    cr_assert(ask(early));
    cr_assert_eq(handed_over(), 30);
    hear(&limit, 20, 2, 40 * SEC);
    cr_assert_eq(admitted(&limit, 40), 10);
    settle(early, 0);
    cr_assert_eq(admitted(&limit, 40), 0);
}

/* ---- what is known ---- */

Test(local_shares, the_bound_is_what_may_still_be_admitted_while_it_is_away)
{
    struct limit limit = daily(LIMIT_REQUESTS, 100);
    struct local_view view;
    cr_assert_not(local_shares_view(shares, limit.key, &view));
    hear(&limit, 60, 2, DAY / 2);
    cr_assert(local_shares_view(shares, limit.key, &view));
    cr_assert_eq(view.left, 60);
    cr_assert_eq(view.bound, 0);
    local_shares_set_away(shares, true);
    cr_assert(local_shares_view(shares, limit.key, &view));
    cr_assert_eq(view.bound, 30);
    cr_assert_eq(admitted(&limit, 12), 12);
    cr_assert(local_shares_view(shares, limit.key, &view));
    cr_assert_eq(view.bound, 18);
    pass(DAY);
    cr_assert(local_shares_view(shares, limit.key, &view));
    cr_assert_eq(view.bound, 50);
    cr_assert_eq(admitted(&limit, 100), 50); /* looking took nothing and began nothing */
}

Test(local_shares, windows_go_by_the_servers_clock)
{
    struct limit limit = daily(LIMIT_REQUESTS, 100);
    struct local_debt debt;
    local_shares_set_offset(shares, DAY / MSEC);
    hear(&limit, 60, 2, DAY / 2);
    cr_assert_eq(admitted(&limit, 1), 1);
    cr_assert_eq(local_shares_take(shares, &debt, 1), 1);
    cr_assert_eq(debt.hand_over.window_start_ms, 20001 * (DAY / MSEC));
}

static size_t share_count(void)
{
    size_t count = 0;
    for (unsigned i = 0; i < SHARE_STRIPES; i++) {
        count += shares->stripes[i].count;
    }
    return count;
}

Test(local_shares, keys_that_are_full_again_are_forgotten_where_there_are_many)
{
    struct limit limit = rate_of(LIMIT_REQUESTS, 10, SEC);
    char key[32];
    limit.each = EACH_IP;
    for (unsigned i = 0; i < 400000; i++) {
        int len = snprintf(key, sizeof(key), "each %u", i);
        limit.key = slice_make(key, (size_t)len);
        hear(&limit, 9, 2, SEC);
        pass(MSEC); /* 1,000 live ones */
    }
    cr_assert_lt(share_count(), 150000);
}

Test(local_shares, a_key_with_something_to_hand_over_is_not_forgotten)
{
    struct limit limit = rate_of(LIMIT_REQUESTS, 10, SEC);
    char key[32];
    cr_assert_eq(admitted(&limit, 1), 1);
    for (unsigned i = 0; i < 200000; i++) {
        int len = snprintf(key, sizeof(key), "each %u", i);
        struct limit other = limit;
        other.key = slice_make(key, (size_t)len);
        hear(&other, 9, 2, SEC);
        pass(10 * SEC);
    }
    cr_assert_eq(handed_over(), 1);
}
