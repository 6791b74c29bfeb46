/* Output that is cut down, extensions, warnings, changes by hand, and the audit. */
#include "store_fixture.h"

TestSuite(store_memory_output, .init = begin, .fini = end);

/* `fixed` and so many tokens of output, at `per_output` each. */
static struct reservation *reserve_output(const struct limit *limit, uint64_t fixed,
                                          uint64_t per_output, uint64_t want, unsigned share)
{
    struct reservation *reservation = reserve_amount(limit, fixed);
    reservation->demands[0].per_output = per_output;
    reservation->output_want = want;
    reservation->output_share = share;
    return reservation;
}

Test(store_memory_output, output_is_granted_by_its_share_of_what_is_left)
{
    static const struct {
        unsigned share;
        uint64_t fixed, per_output, want, granted; /* 0: refused */
    } rows[] = {
        {0, 10, 1, 90, 90},   {0, 10, 1, 91, 0},  {1, 10, 1, 90, 90},  {1, 10, 1, 91, 90},
        {1, 10, 1, 1, 1},     {1, 99, 1, 500, 1}, {1, 100, 1, 500, 0}, {1, 0, 3, 500, 33},
        {1, 99, 2, 500, 0},   {4, 0, 1, 500, 25}, {4, 0, 1, 20, 20},   {4, 20, 1, 500, 20},
        {4, 0, 3, 500, 8},    {4, 96, 1, 500, 1}, {4, 97, 1, 500, 0},  {4, 97, 1, 1, 0},
        {4, 10, 0, 500, 500},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct limit limit = daily(LIMIT_TOKENS, 100);
        struct reservation *reservation =
            reserve_output(&limit, rows[i].fixed, rows[i].per_output, rows[i].want, rows[i].share);
        cr_expect_eq(ask(reservation), rows[i].granted > 0, "row %u", i);
        cr_expect_eq(reservation->output_granted, rows[i].granted, "row %u", i);
        cr_expect_eq(reservation->demands[0].refused, rows[i].granted == 0, "row %u", i);
        uint64_t amount =
            rows[i].granted == 0 ? 0 : rows[i].fixed + rows[i].granted * rows[i].per_output;
        cr_expect_eq(reservation->demands[0].granted, amount, "row %u", i);
        cr_expect_eq(entry_of(&limit).used, amount, "row %u", i);
        settle(reservation, 0);
    }
}

Test(store_memory_output, no_output_wanted_is_no_reason_to_refuse)
{
    struct limit limit = daily(LIMIT_TOKENS, 100);
    for (unsigned share = 0; share <= 4; share += 4) {
        struct reservation *reservation = reserve_output(&limit, 100, 1, 0, share);
        cr_expect(ask(reservation));
        cr_expect_eq(reservation->output_granted, 0);
        cr_expect_eq(reservation->demands[0].granted, 100);
        settle(reservation, 0);
    }
}

Test(store_memory_output, the_tightest_limit_decides_the_output_of_all)
{
    struct limit tokens = rate_of(LIMIT_TOKENS, 1000, 60 * SEC);
    struct limit cost = daily(LIMIT_COST, 5000);
    struct limit requests = daily(LIMIT_REQUESTS, 9);
    requests.key = SLICE("requests");
    struct reservation *reservation = reserve(3, &tokens, &cost, &requests);
    reservation->demands[0].per_output = 1;
    reservation->demands[1].fixed = 1000;
    reservation->demands[1].per_output = 10;
    reservation->output_want = 800;
    reservation->output_share = 1;
    cr_expect(ask(reservation));
    cr_expect_eq(reservation->output_granted, 400);
    cr_expect_eq(reservation->demands[0].granted, 401);
    cr_expect_eq(reservation->demands[1].granted, 5000);
    cr_expect_eq(reservation->demands[2].granted, 1);
    settle(reservation, 0);
}

Test(store_memory_output, a_refused_share_says_when_one_token_of_it_fits)
{
    struct limit limit = rate_of(LIMIT_TOKENS, 100, 10 * SEC); /* 10 a second */
    cr_assert(use(&limit, 97));
    struct reservation *reservation = reserve_output(&limit, 0, 1, 50, 4);
    cr_expect_not(ask(reservation));
    cr_expect_eq(reservation->demands[0].room_after, 100 * MSEC);
    now += 100 * MSEC;
    cr_expect(ask(reservation));
    cr_expect_eq(reservation->output_granted, 1);
    settle(reservation, 1);
}

Test(store_memory_output, an_extension_takes_more_of_what_settles_and_of_nothing_else)
{
    struct limit tokens = daily(LIMIT_TOKENS, 1000);
    struct limit requests = rate_of(LIMIT_REQUESTS, 10, 60 * SEC);
    struct limit held = slots(3);
    struct reservation *reservation = reserve(3, &tokens, &requests, &held);
    reservation->demands[0].fixed = 100;
    reservation->demands[0].per_output = 1;
    reservation->output_want = 200;
    reservation->output_share = 1;
    cr_assert(ask(reservation));
    reservation->demands[0].fixed = 0;
    reservation->output_want = 400;
    cr_expect(extend(reservation));
    cr_expect_eq(reservation->output_granted, 600);
    cr_expect_eq(reservation->demands[0].granted, 700);
    cr_expect_eq(reservation->demands[0].left, 300);
    cr_expect_eq(entry_of(&tokens).open, 700);
    cr_expect_eq(entry_of(&requests).used, 1);
    cr_expect_eq(entry_of(&requests).settled, 1, "at once, beside others that are open");
    cr_expect_eq(entry_of(&held).used, 1);
    cr_expect(extend(reservation), "cut down to what is left");
    cr_expect_eq(reservation->output_granted, 900);
    cr_expect_eq(entry_of(&tokens).used, 1000);
    settle(reservation, 650);
    cr_expect_eq(entry_of(&tokens).used, 650);
    cr_expect_eq(entry_of(&held).used, 0);
}

Test(store_memory_output, a_refused_extension_changes_nothing_and_may_be_asked_again)
{
    struct limit tokens = rate_of(LIMIT_TOKENS, 1000, 10 * SEC);
    struct limit bytes = daily(LIMIT_BYTES, 5000);
    struct reservation *reservation = reserve(2, &bytes, &tokens);
    reservation->demands[1].fixed = 1000;
    cr_assert(ask(reservation));
    reservation->demands[0].fixed = 500;
    reservation->demands[1].fixed = 0;
    reservation->demands[1].per_output = 1;
    reservation->output_want = 100;
    reservation->output_share = 1;
    cr_expect_not(extend(reservation));
    cr_expect(reservation->demands[1].refused);
    cr_expect_eq(reservation_refusal(reservation), &reservation->demands[1]);
    cr_expect_eq(reservation->demands[1].granted, 1000);
    cr_expect_eq(reservation->demands[0].granted, 1);
    cr_expect_eq(reservation->output_granted, 0);
    cr_expect_eq(entry_of(&bytes).used, 1);
    now += SEC;
    cr_expect(extend(reservation));
    cr_expect_eq(reservation->output_granted, 100);
    cr_expect_null(reservation_refusal(reservation));
    cr_expect_eq(entry_of(&bytes).used, 501);
    settle(reservation, 501);
}

Test(store_memory_output, a_limit_that_only_warns_neither_refuses_nor_cuts)
{
    struct limit warn = daily(LIMIT_TOKENS, 100);
    warn.action = LIMIT_WARN;
    struct reservation *within = reserve_output(&warn, 0, 1, 100, 4);
    cr_expect(ask(within));
    cr_expect_eq(within->output_granted, 100);
    cr_expect_not(within->demands[0].over);
    struct reservation *over = reserve_output(&warn, 10, 1, 500, 1);
    cr_expect(ask(over));
    cr_expect(over->demands[0].over);
    cr_expect_eq(over->demands[0].granted, 510);
    cr_expect_eq(over->demands[0].left, 0);
    cr_expect_eq(entry_of(&warn).used, 610);
    settle(over, 510);
    settle(within, 100);
    cr_expect_eq(entry_of(&warn).used, 610);
}

/* Takes `amount`, and returns whether that crossed a mark. */
static bool crosses(const struct limit *limit, uint64_t amount)
{
    struct reservation *reservation = reserve_amount(limit, amount);
    cr_assert(ask(reservation));
    bool crossed = reservation->demands[0].crossed;
    settle(reservation, amount);
    return crossed;
}

Test(store_memory_output, the_mark_to_warn_at_is_crossed_once)
{
    struct limit limit = daily(LIMIT_TOKENS, 10);
    limit.warn_percent = 85; /* 8.5 */
    cr_expect_not(crosses(&limit, 8));
    cr_expect(crosses(&limit, 1));
    cr_expect_not(crosses(&limit, 1));

    struct limit other = daily(LIMIT_TOKENS, 100);
    other.key = SLICE("another");
    other.warn_percent = 80;
    cr_expect_not(crosses(&other, 79));
    cr_expect(crosses(&other, 1));
    cr_expect_not(crosses(&other, 20));
}

Test(store_memory_output, a_warning_limit_tells_when_it_is_passed_and_not_again)
{
    struct limit warn = daily(LIMIT_TOKENS, 100);
    warn.action = LIMIT_WARN;
    cr_expect_not(crosses(&warn, 100));
    cr_expect(crosses(&warn, 1));
    cr_expect_not(crosses(&warn, 50));
    wall += DAY;
    cr_expect(crosses(&warn, 101));
}

Test(store_memory_output, a_reset_forgets_what_is_settled_and_no_more)
{
    struct limit limits[] = {daily(LIMIT_TOKENS, 100), rate_of(LIMIT_TOKENS, 100, 60 * SEC)};
    for (unsigned i = 0; i < 2; i++) {
        const struct limit *limit = &limits[i];
        cr_assert(use(limit, 60));
        struct reservation *open = reserve_amount(limit, 30);
        cr_assert(ask(open));
        cr_expect(store_memory_reset(store, limit, limit->key));
        cr_expect_eq(entry_of(limit).used, 30);
        cr_expect_eq(entry_of(limit).reserved, 30);
        cr_expect(use(limit, 70));
        cr_expect_not(use(limit, 1));
        settle(open, 10);
        cr_expect_eq(entry_of(limit).used, 80);
        cr_expect(use(limit, 20));
        cr_expect_not(use(limit, 1));
    }
}

Test(store_memory_output, a_raise_gives_more_room_in_the_window_that_runs)
{
    struct limit limit = daily(LIMIT_TOKENS, 100);
    struct reservation *open = reserve_amount(&limit, 60);
    cr_assert(ask(open));
    cr_assert(use(&limit, 40));
    cr_expect(store_memory_raise(store, &limit, limit.key, 50));
    cr_expect_eq(entry_of(&limit).used, 50);
    cr_expect(use(&limit, 50));
    cr_expect_not(use(&limit, 1));
    cr_expect(store_memory_raise(store, &limit, limit.key, 500));
    settle(open, 0); /* 90 have been used by now, 550 more were given */
    cr_expect_eq(entry_of(&limit).used, 0);
    cr_expect(use(&limit, 560));
    cr_expect_not(use(&limit, 1));
    wall += DAY;
    cr_expect_not(use(&limit, 101));
}

Test(store_memory_output, a_raised_rate_is_full_at_most)
{
    struct limit limit = rate_of(LIMIT_TOKENS, 100, 60 * SEC);
    cr_assert(use(&limit, 100));
    cr_expect(store_memory_raise(store, &limit, limit.key, 30));
    cr_expect_eq(entry_of(&limit).used, 70);
    cr_expect(store_memory_raise(store, &limit, limit.key, 500));
    cr_expect_not(use(&limit, 101));
    cr_expect(use(&limit, 100));
}

Test(store_memory_output, slots_that_are_held_cannot_be_given_away_by_hand)
{
    struct limit limit = slots(1);
    struct reservation *reservation = reserve(1, &limit);
    cr_assert(ask(reservation));
    cr_expect(store_memory_reset(store, &limit, limit.key));
    cr_expect(store_memory_raise(store, &limit, limit.key, 5));
    cr_expect_not(use(&limit, 1));
    settle(reservation, 0);
    cr_expect(use(&limit, 1));
    cr_expect_not(use(&limit, 2));
}

enum { LIMITS = 5, OPEN = 40, STEPS = 20000 };

struct play {
    struct limit limits[LIMITS];
    struct reservation *open[OPEN];
    unsigned admitted, refused, extended;
};

static uint64_t any(uint64_t below)
{
    static uint64_t state = 88172645463325252U;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
}

static void ask_any(struct play *play, struct reservation **place)
{
    struct limit *l = play->limits;
    *place = reserve(LIMITS, &l[0], &l[1], &l[2], &l[3], &l[4]);
    for (unsigned i = 0; i < 3; i++) {
        (*place)->demands[i].fixed = any(40);
        (*place)->demands[i].per_output = any(3);
    }
    (*place)->output_want = any(50);
    (*place)->output_share = any(2) == 0 ? 1 : 4;
    play->admitted += ask(*place);
    play->refused += (*place)->state == RESERVATION_REFUSED;
}

static void settle_any(struct reservation **place)
{
    for (unsigned i = 0; i < LIMITS; i++) {
        (*place)->demands[i].used = any((*place)->demands[i].granted + 5);
    }
    side.ops->settle(side.side, TAKE(*place));
}

static void step(struct play *play)
{
    struct reservation **place = &play->open[any(OPEN)];
    const struct limit *limit = &play->limits[any(LIMITS)];
    now += (usec_t)any(300) * MSEC;
    wall += (usec_t)any(60) * SEC;
    if (*place == NULL) {
        ask_any(play, place);
    } else if ((*place)->state == RESERVATION_REFUSED || any(3) > 0) {
        settle_any(place);
    } else {
        play->extended += extend(*place);
    }
    if (any(500) == 0) {
        (void)store_memory_reset(store, limit, limit->key);
    } else if (any(500) == 0) {
        (void)store_memory_raise(store, limit, limit->key, any(300));
    }
    for (unsigned i = 0; i < LIMITS; i++) {
        (void)entry_of(&play->limits[i]); /* checks that it adds up */
    }
}

Test(store_memory_output, it_adds_up_after_whatever_happens)
{
    struct play play = {.limits = {rate_of(LIMIT_TOKENS, 600, 60 * SEC), daily(LIMIT_COST, 3000),
                                   daily(LIMIT_BYTES, 8000), daily(LIMIT_REQUESTS, 2000),
                                   slots(25)}};
    play.limits[2].key = SLICE("bytes");
    play.limits[2].action = LIMIT_WARN;
    play.limits[3].key = SLICE("requests");
    for (unsigned i = 0; i < STEPS; i++) {
        step(&play);
    }
    for (unsigned i = 0; i < OPEN; i++) {
        if (play.open[i] != NULL) {
            settle_any(&play.open[i]);
        }
    }
    cr_expect_gt(play.admitted, 500);
    cr_expect_gt(play.refused, 500);
    cr_expect_gt(play.extended, 100);
    for (unsigned i = 0; i < LIMITS; i++) {
        cr_expect_eq(entry_of(&play.limits[i]).open, 0);
    }
    cr_expect_eq(entry_of(&play.limits[4]).used, 0);
}
