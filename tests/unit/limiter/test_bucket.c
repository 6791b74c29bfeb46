#include "limiter/bucket.h"
#include "tests/unit/limiter/dice.h"

#include <criterion/criterion.h>

__extension__ typedef __int128 int128;

static const struct bucket_rate ten_a_second = {.amount = 10, .burst = 10, .period_ms = 1000};

/* For claims in long loops: passing is free of charge. */
static void require(bool claim, const char *what, uint64_t seed)
{
    if (!claim) {
        cr_assert_fail("%s (seed %lu)", what, seed);
    }
}

/* ---- single steps ---- */

Test(bucket, a_new_one_has_its_burst_at_once)
{
    struct bucket bucket = {0};
    bucket_advance(&bucket, &ten_a_second, 5000);
    cr_expect_eq(bucket_left(&bucket, &ten_a_second), 10U);
    cr_expect_eq(bucket_wait_ms(&bucket, &ten_a_second, 10), 0);
    cr_expect_eq(bucket_full_ms(&bucket, &ten_a_second), 0);
}

Test(bucket, it_refills_evenly)
{
    struct bucket bucket = {0};
    bucket_advance(&bucket, &ten_a_second, 5000);
    (void)bucket_take(&bucket, 10);
    cr_expect_eq(bucket_left(&bucket, &ten_a_second), 0U);
    bucket_advance(&bucket, &ten_a_second, 5099);
    cr_expect_eq(bucket_left(&bucket, &ten_a_second), 0U);
    bucket_advance(&bucket, &ten_a_second, 5100);
    cr_expect_eq(bucket_left(&bucket, &ten_a_second), 1U);
    bucket_advance(&bucket, &ten_a_second, 5999);
    cr_expect_eq(bucket_left(&bucket, &ten_a_second), 9U);
    bucket_advance(&bucket, &ten_a_second, 60000);
    cr_expect_eq(bucket_left(&bucket, &ten_a_second), 10U);
}

Test(bucket, parts_of_a_unit_are_carried_from_step_to_step)
{
    const struct bucket_rate rate = {.amount = 7, .burst = 7, .period_ms = 1000};
    struct bucket bucket = {.at_ms = 1};
    (void)bucket_take(&bucket, 7);
    for (int64_t ms = 2; ms <= 1000; ms++) {
        bucket_advance(&bucket, &rate, ms);
        cr_assert_lt(bucket.fraction, rate.period_ms);
    }
    cr_expect_eq(bucket.debt, 1U);
    cr_expect_eq(bucket.fraction, 993U);
    bucket_advance(&bucket, &rate, 1001);
    cr_expect_eq(bucket.debt, 0U);
}

Test(bucket, an_empty_debt_saves_no_part_of_a_unit)
{
    const struct bucket_rate rate = {.amount = 3, .burst = 3, .period_ms = 1000};
    struct bucket bucket = {.at_ms = 1};
    (void)bucket_take(&bucket, 1);
    bucket_advance(&bucket, &rate, 501); /* one and a half */
    cr_expect_eq(bucket.fraction, 0U);
    (void)bucket_take(&bucket, 3);
    bucket_advance(&bucket, &rate, 501 + 333);
    cr_expect_eq(bucket_left(&bucket, &rate), 0U);
}

Test(bucket, a_clock_that_goes_back_changes_nothing)
{
    struct bucket bucket = {.at_ms = 5000};
    (void)bucket_take(&bucket, 10);
    bucket_advance(&bucket, &ten_a_second, 5250);
    struct bucket before = bucket;
    bucket_advance(&bucket, &ten_a_second, 100);
    bucket_advance(&bucket, &ten_a_second, 5250);
    cr_expect_eq(bucket.debt, before.debt);
    cr_expect_eq(bucket.fraction, before.fraction);
    cr_expect_eq(bucket.at_ms, 5250);
    bucket_advance(&bucket, &ten_a_second, 5300); /* and the time is not counted twice */
    cr_expect_eq(bucket.debt, 7U);
}

Test(bucket, waits_are_the_first_millisecond_that_fits)
{
    for (uint64_t seed = 0; seed < 20000; seed++) {
        struct dice dice = {seed};
        uint64_t amount = 1 + roll(&dice, 5000);
        struct bucket_rate rate = {amount, 1 + roll(&dice, amount), 1000 + roll(&dice, 100000)};
        struct bucket bucket = {.at_ms = 1};
        (void)bucket_take(&bucket, roll(&dice, 2 * rate.burst));
        bucket_advance(&bucket, &rate, 1 + (int64_t)roll(&dice, rate.period_ms));
        uint64_t wanted = 1 + roll(&dice, rate.burst);
        int64_t wait = bucket_wait_ms(&bucket, &rate, wanted);
        int64_t full = bucket_full_ms(&bucket, &rate);
        struct bucket early = bucket;
        bucket_advance(&early, &rate, bucket.at_ms + wait - 1);
        require(wait == 0 || bucket_left(&early, &rate) < wanted, "not earlier", seed);
        struct bucket late = bucket;
        bucket_advance(&late, &rate, bucket.at_ms + wait);
        require(bucket_left(&late, &rate) >= wanted, "then", seed);
        early = bucket;
        bucket_advance(&early, &rate, bucket.at_ms + full - 1);
        require(full == 0 || early.debt > 0, "not full earlier", seed);
        bucket_advance(&late, &rate, bucket.at_ms + full);
        require(late.debt == 0, "full then", seed);
    }
}

Test(bucket, what_is_above_the_burst_never_fits)
{
    const struct bucket_rate rate = {.amount = 10, .burst = 5, .period_ms = 1000};
    struct bucket bucket = {.at_ms = 1};
    cr_expect_eq(bucket_wait_ms(&bucket, &rate, 5), 0);
    cr_expect_eq(bucket_wait_ms(&bucket, &rate, 6), -1);
}

Test(bucket, a_lower_burst_than_the_debt_leaves_nothing_until_it_has_drained)
{
    struct bucket bucket = {.at_ms = 1};
    (void)bucket_take(&bucket, 10);
    const struct bucket_rate lower = {.amount = 5, .burst = 4, .period_ms = 1000};
    bucket_advance(&bucket, &lower, 1001);
    cr_expect_eq(bucket.debt, 5U);
    cr_expect_eq(bucket_left(&bucket, &lower), 0U);
    cr_expect_eq(bucket_wait_ms(&bucket, &lower, 1), 400);
    bucket_advance(&bucket, &lower, 1401);
    cr_expect_eq(bucket_left(&bucket, &lower), 1U);
}

Test(bucket, the_largest_numbers_do_not_overflow)
{
    const struct bucket_rate most = {
        .amount = UINT64_C(9000000000000000),
        .burst = UINT64_C(9000000000000000),
        .period_ms = 3600000,
    };
    const struct bucket_rate least = {.amount = 1, .burst = 1, .period_ms = 3600000};
    struct bucket bucket = {.at_ms = 1};
    for (int i = 0; i < 5000; i++) {
        (void)bucket_take(&bucket, most.amount);
    }
    cr_expect_eq(bucket.debt, BUCKET_DEBT_MAX);
    cr_expect_eq(bucket_wait_ms(&bucket, &least, 1), BUCKET_WAIT_MAX_MS);
    cr_expect_eq(bucket_full_ms(&bucket, &least), BUCKET_WAIT_MAX_MS);
    bucket_advance(&bucket, &most, 1801);
    cr_expect_eq(bucket.debt, BUCKET_DEBT_MAX - UINT64_C(4500000000000));
    bucket_advance(&bucket, &most, INT64_MAX);
    cr_expect_eq(bucket.debt, 0U);
    cr_expect_lt(bucket.drained, BUCKET_POSITIONS);
}

/* ---- giving back ---- */

Test(bucket, what_was_not_used_is_there_again)
{
    struct bucket bucket = {.at_ms = 1};
    uint64_t position = bucket_take(&bucket, 8);
    cr_expect_eq(bucket_give_back(&bucket, position, 8, 5), 5U);
    cr_expect_eq(bucket_left(&bucket, &ten_a_second), 7U);
}

Test(bucket, what_has_drained_is_not_given_back_again)
{
    struct bucket bucket = {.at_ms = 1};
    uint64_t position = bucket_take(&bucket, 8);
    bucket_advance(&bucket, &ten_a_second, 601); /* 6 of the 8 */
    (void)bucket_take(&bucket, 4);
    cr_expect_eq(bucket_give_back(&bucket, position, 8, 8), 2U);
    cr_expect_eq(bucket.debt, 4U);
    bucket_advance(&bucket, &ten_a_second, 701);
    cr_expect_eq(bucket_give_back(&bucket, position, 8, 8), 0U);
}

Test(bucket, of_a_reservation_no_more_is_given_back_than_it_took)
{
    struct bucket bucket = {.at_ms = 1};
    (void)bucket_take(&bucket, 6);
    uint64_t position = bucket_take(&bucket, 2);
    cr_expect_eq(bucket_give_back(&bucket, position, 2, 7), 2U);
    cr_expect_eq(bucket.debt, 6U);
}

Test(bucket, later_takes_are_not_forgiven_where_an_earlier_one_gave_back)
{
    const struct bucket_rate rate = {.amount = 1000, .burst = 100, .period_ms = 1000};
    struct bucket bucket = {.at_ms = 1};
    uint64_t first = bucket_take(&bucket, 50);
    uint64_t second = bucket_take(&bucket, 50);
    cr_expect_eq(bucket_give_back(&bucket, first, 50, 50), 50U);
    bucket_advance(&bucket, &rate, 51); /* the second has drained by now */
    cr_expect_eq(bucket.debt, 0U);
    (void)bucket_take(&bucket, 50);
    cr_expect_eq(bucket_give_back(&bucket, second, 50, 50), 0U);
    cr_expect_eq(bucket_left(&bucket, &rate), 50U);
}

Test(bucket, part_of_a_unit_that_is_given_back_does_not_pass_on_to_the_next)
{
    const struct bucket_rate rate = {.amount = 1, .burst = 2, .period_ms = 1000};
    struct bucket bucket = {.at_ms = 1};
    uint64_t first = bucket_take(&bucket, 1);
    bucket_advance(&bucket, &rate, 1000);
    (void)bucket_take(&bucket, 1);
    cr_expect_eq(bucket_give_back(&bucket, first, 1, 1), 1U);
    bucket_advance(&bucket, &rate, 1999);
    cr_expect_eq(bucket_left(&bucket, &rate), 1U);
    bucket_advance(&bucket, &rate, 2000);
    cr_expect_eq(bucket_left(&bucket, &rate), 2U);
}

Test(bucket, part_of_a_unit_stays_where_its_unit_was_used)
{
    const struct bucket_rate rate = {.amount = 1, .burst = 5, .period_ms = 1000};
    struct bucket bucket = {.at_ms = 1};
    uint64_t position = bucket_take(&bucket, 3);
    bucket_advance(&bucket, &rate, 1000);
    cr_expect_eq(bucket_give_back(&bucket, position, 3, 2), 2U);
    bucket_advance(&bucket, &rate, 1001);
    cr_expect_eq(bucket_left(&bucket, &rate), 5U);
}

Test(bucket, a_reservation_that_has_drained_whole_leaves_parts_of_others_alone)
{
    struct bucket bucket = {.at_ms = 1};
    uint64_t position = bucket_take(&bucket, 1);
    (void)bucket_take(&bucket, 5);
    bucket_advance(&bucket, &ten_a_second, 151);
    cr_expect_eq(bucket.fraction, 500U);
    cr_expect_eq(bucket_give_back(&bucket, position, 1, 1), 0U);
    cr_expect_eq(bucket.fraction, 500U);
}

Test(bucket, a_position_far_behind_is_not_taken_for_one_ahead)
{
    struct bucket bucket = {.at_ms = 1};
    uint64_t position = bucket_take(&bucket, 10);
    (void)bucket_forgive(&bucket, 10);
    for (int i = 0; i < 6; i++) { /* three quarters of all positions */
        (void)bucket_take(&bucket, BUCKET_POSITIONS / 8);
        (void)bucket_forgive(&bucket, BUCKET_POSITIONS / 8);
    }
    (void)bucket_take(&bucket, 10);
    cr_expect_eq(bucket_give_back(&bucket, position, 10, 10), 0U);
}

Test(bucket, what_was_reserved_one_after_the_other_is_all_given_back)
{
    struct bucket bucket = {.at_ms = 1};
    uint64_t positions[100];
    for (int i = 0; i < 100; i++) {
        positions[i] = bucket_take(&bucket, 1000);
    }
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(bucket_give_back(&bucket, positions[i], 1000, 900), 900U);
    }
    cr_expect_eq(bucket.debt, 10000U);
}

Test(bucket, positions_go_on_where_they_come_round)
{
    for (uint64_t drained = BUCKET_POSITIONS - 20; drained < BUCKET_POSITIONS + 5; drained++) {
        struct bucket bucket = {.drained = drained % BUCKET_POSITIONS, .at_ms = 1};
        uint64_t position = bucket_take(&bucket, 10);
        cr_assert_lt(position, BUCKET_POSITIONS);
        bucket_advance(&bucket, &ten_a_second, 401);
        cr_assert_lt(bucket.drained, BUCKET_POSITIONS);
        cr_assert_eq(bucket_give_back(&bucket, position, 10, 10), 6U);
        (void)bucket_take(&bucket, 9);
        cr_assert_eq(bucket_give_back(&bucket, position, 10, 10), 0U);
    }
}

Test(bucket, a_debt_too_large_to_tell_positions_apart_gives_nothing_back)
{
    struct bucket bucket = {.at_ms = 1};
    uint64_t position = bucket_take(&bucket, BUCKET_POSITIONS / 2);
    struct bucket larger = bucket;
    cr_expect_eq(bucket_give_back(&bucket, position, BUCKET_POSITIONS / 2, 7), 7U);
    (void)bucket_take(&larger, 1);
    cr_expect_eq(bucket_give_back(&larger, position, BUCKET_POSITIONS / 2, 7), 0U);
}

Test(bucket, what_is_forgiven_counts_as_drained)
{
    struct bucket bucket = {.at_ms = 1};
    uint64_t position = bucket_take(&bucket, 8);
    cr_expect_eq(bucket_forgive(&bucket, 5), 5U);
    (void)bucket_take(&bucket, 4);
    cr_expect_eq(bucket_give_back(&bucket, position, 8, 8), 3U);
    cr_expect_eq(bucket.debt, 4U);
    cr_expect_eq(bucket_forgive(&bucket, 100), 4U);
    cr_expect_eq(bucket.debt, 0U);
}

Test(bucket, forgiving_all_leaves_no_part_of_a_unit)
{
    const struct bucket_rate rate = {.amount = 1, .burst = 2, .period_ms = 1000};
    struct bucket bucket = {.at_ms = 1};
    (void)bucket_take(&bucket, 2);
    bucket_advance(&bucket, &rate, 1000);
    cr_expect_eq(bucket_forgive(&bucket, 2), 2U);
    cr_expect_eq(bucket.fraction, 0U);
}

/* ---- against exact fractions ---- */

/* The debt in units of 1 / period_ms, so that nothing is ever rounded. */
struct exact {
    int128 debt;
    int64_t at_ms;
};

static void exact_advance(struct exact *exact, const struct bucket_rate *rate, int64_t now_ms)
{
    if (now_ms <= exact->at_ms) {
        return;
    }
    exact->debt -= (int128)(now_ms - exact->at_ms) * (int128)rate->amount;
    exact->debt = exact->debt < 0 ? 0 : exact->debt;
    exact->at_ms = now_ms;
}

static int128 exact_debt(const struct bucket *bucket, const struct bucket_rate *rate)
{
    return (int128)bucket->debt * (int128)rate->period_ms - (int128)bucket->fraction;
}

static struct bucket_rate random_rate(struct dice *dice, uint64_t period_ms)
{
    static const uint64_t sizes[] = {5, 1000, 1000000, UINT64_C(9000000000000000)};
    uint64_t amount = 1 + roll(dice, sizes[roll(dice, 4)]);
    return (struct bucket_rate){amount, 1 + roll(dice, amount), period_ms};
}

Test(bucket, over_long_sequences_it_equals_exact_fractions)
{
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct dice dice = {seed};
        uint64_t period_ms = 1000 * (1 + roll(&dice, 3600));
        struct bucket_rate rate = random_rate(&dice, period_ms);
        struct bucket bucket = {.at_ms = 1};
        struct exact exact = {.at_ms = 1};
        for (int step = 0; step < 2000; step++) {
            int64_t drain_ms = (int64_t)(rate.burst * (int128)period_ms / rate.amount);
            int64_t back = (int64_t)roll(&dice, 50);
            int64_t now = bucket.at_ms + (int64_t)roll(&dice, (uint64_t)drain_ms / 2 + 2) - back;
            bucket_advance(&bucket, &rate, now);
            exact_advance(&exact, &rate, now);
            uint64_t wanted = 1 + roll(&dice, rate.burst);
            bool fits = exact.debt + (int128)wanted * (int128)period_ms <=
                        (int128)rate.burst * (int128)period_ms;
            require(exact_debt(&bucket, &rate) == exact.debt, "the same debt", seed);
            require((wanted <= bucket_left(&bucket, &rate)) == fits, "the same answer", seed);
            if (fits) {
                (void)bucket_take(&bucket, wanted);
                exact.debt += (int128)wanted * (int128)period_ms;
            }
            if (roll(&dice, 200) == 0) { /* a reload, which keeps the period */
                rate = random_rate(&dice, period_ms);
            }
        }
    }
}

/* ---- what passes in any span ---- */

/* All that is asked of one bucket, as it turns out in the end. */
struct request {
    int64_t at_ms;
    uint64_t position, taken;
    uint64_t used; /* what it will settle for */
    bool settled;
};

enum { REQUESTS_MAX = 160 };

struct story {
    struct dice dice;
    struct bucket_rate rate;
    struct bucket bucket;
    struct request requests[REQUESTS_MAX];
    unsigned count;
};

static uint64_t counted(const struct request *request)
{
    return request->settled ? request->used : request->taken;
}

/* The debt if every settled request had been as small as it turned out from the beginning. */
static int128 debt_in_hindsight(const struct story *story, int64_t now_ms)
{
    struct exact exact = {.at_ms = 1};
    for (unsigned i = 0; i < story->count; i++) {
        exact_advance(&exact, &story->rate, story->requests[i].at_ms);
        exact.debt += (int128)counted(&story->requests[i]) * (int128)story->rate.period_ms;
    }
    exact_advance(&exact, &story->rate, now_ms);
    return exact.debt;
}

static void settle_one(struct story *story, unsigned index)
{
    struct request *request = &story->requests[index];
    if (request->settled) {
        return;
    }
    uint64_t unused = request->taken - request->used;
    (void)bucket_give_back(&story->bucket, request->position, request->taken, unused);
    request->settled = true;
}

static void ask_one(struct story *story)
{
    uint64_t left = bucket_left(&story->bucket, &story->rate);
    uint64_t wanted = 1 + roll(&story->dice, story->rate.burst);
    if (roll(&story->dice, 3) == 0 && left > 0) {
        wanted = left; /* greedily */
    }
    if (wanted > left) {
        return;
    }
    uint64_t used = roll(&story->dice, 2) == 0 ? wanted : roll(&story->dice, wanted + 1);
    struct request request = {.at_ms = story->bucket.at_ms, .taken = wanted, .used = used};
    request.position = bucket_take(&story->bucket, wanted);
    story->requests[story->count++] = request;
}

static void expect_bound_in_every_span(const struct story *story, uint64_t seed)
{
    const struct bucket_rate *rate = &story->rate;
    for (unsigned first = 0; first < story->count; first++) {
        int128 sum = 0;
        for (unsigned last = first; last < story->count; last++) {
            sum += counted(&story->requests[last]);
            int64_t span = story->requests[last].at_ms - story->requests[first].at_ms;
            int128 most =
                (int128)rate->burst * (int128)rate->period_ms + (int128)span * (int128)rate->amount;
            require(sum * (int128)rate->period_ms <= most, "within the bound", seed);
        }
    }
}

static void run_story(struct story *story, uint64_t seed, bool settles)
{
    int64_t now_ms = 1;
    while (story->count < REQUESTS_MAX) {
        if (roll(&story->dice, 2) == 0) {
            uint64_t drain_ms = story->rate.burst * story->rate.period_ms / story->rate.amount;
            now_ms += (int64_t)roll(&story->dice, roll(&story->dice, drain_ms + 2) + 2);
            bucket_advance(&story->bucket, &story->rate, now_ms);
        } else if (settles && story->count > 0 && roll(&story->dice, 2) == 0) {
            settle_one(story, (unsigned)roll(&story->dice, story->count));
        } else {
            ask_one(story);
        }
        require(exact_debt(&story->bucket, &story->rate) >= debt_in_hindsight(story, now_ms),
                "no more passes than there is", seed);
    }
    expect_bound_in_every_span(story, seed);
}

static void run_stories(bool settles)
{
    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct story story = {.dice = {seed}, .bucket = {.at_ms = 1}};
        uint64_t amount = 1 + roll(&story.dice, seed % 2 == 0 ? 8 : 100000);
        story.rate = (struct bucket_rate){amount, 1 + roll(&story.dice, amount),
                                          1000 + roll(&story.dice, 3600)};
        story.bucket.drained = BUCKET_POSITIONS - roll(&story.dice, 2 * amount);
        story.bucket.drained %= BUCKET_POSITIONS;
        run_story(&story, seed, settles);
    }
}

Test(bucket, in_no_span_more_is_taken_than_the_burst_and_what_refilled)
{
    run_stories(false);
}

Test(bucket, what_is_given_back_lets_no_more_pass_than_if_it_had_never_been_reserved)
{
    run_stories(true);
}
