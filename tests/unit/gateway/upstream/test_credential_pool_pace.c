/* The pace of a credential that has little left; and what holds whatever happens. */
#include "pool_asks.h"

TestSuite(credential_pool_pace, .init = begin, .fini = end);

static struct advice nearly_used_up(uint64_t remaining, usec_t reset_after)
{
    return (struct advice){.retry_after = -1,
                           .has_limit = true,
                           .limit = 100,
                           .remaining = remaining,
                           .reset_after = reset_after};
}

struct pace_case {
    uint64_t remaining;
    usec_t reset_after;
    usec_t paces[4]; /* of requests that come together */
};

Test(credential_pool_pace, few_that_are_left_are_spread)
{
    static const struct pace_case cases[] = {
        {11, 10 * SEC, {0, 0, 0, 0}}, /* more than a tenth is left */
        {10, -1, {0, 0, 0, 0}},       /* nobody knows until when */
        {10, 0, {0, 0, 0, 0}},        /* it is over */
        {10, 11 * SEC, {0, SEC, 2 * SEC, 3 * SEC}},
        {9, 10 * SEC, {0, SEC, 2 * SEC, 3 * SEC}},
        {4, 10 * SEC, {0, 2 * SEC, 4 * SEC, 5 * SEC}},
        {0, 3600 * SEC, {0, 5 * SEC, 5 * SEC, 5 * SEC}},
        {0, 2 * SEC, {0, 2 * SEC, 4 * SEC, 5 * SEC}},
    };
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        standings_free(standings);
        standings = standings_new();
        join(1);
        struct advice advice = nearly_used_up(cases[i].remaining, cases[i].reset_after);
        note(0, ask_at(START), went_well, &advice);
        for (unsigned k = 0; k < 4; k++) {
            struct pool_ask ask = ask_at(START);
            struct pool_choice choice = choose(&ask);
            cr_expect_not(choice.cooling);
            cr_expect_eq(choice.pace, cases[i].paces[k], "%u, %u: %ld", i, k, (long)choice.pace);
        }
    }
}

Test(credential_pool_pace, after_the_reset_nobody_is_held)
{
    join(1);
    struct advice advice = nearly_used_up(1, 10 * SEC);
    note(0, ask_at(START), went_well, &advice);
    struct pool_ask ask = ask_at(START);
    for (unsigned i = 0; i < 5; i++) {
        (void)choose(&ask);
    }
    ask.now = START + 10 * SEC;
    cr_expect_eq(choose(&ask).pace, 0);
}

Test(credential_pool_pace, the_pace_is_its_domain_s_alone)
{
    join(1);
    struct advice advice = nearly_used_up(1, 10 * SEC);
    struct pool_ask ask = ask_at(START);
    ask.domain = SLICE("gpt-4o");
    note(0, ask, went_well, &advice);
    (void)choose(&ask);
    cr_expect_gt(choose(&ask).pace, 0);
    ask.domain = SLICE("other");
    cr_expect_eq(choose(&ask).pace, 0);
}

/* ---- whatever happens ---- */

static struct judgement any_judgement(uint64_t number)
{
    static const enum breaker_outcome outcomes[] = {BREAKER_SUCCESS, BREAKER_FAILURE,
                                                    BREAKER_CONNECT_FAILURE, BREAKER_NEUTRAL};
    return (struct judgement){.outcome = outcomes[number % 4],
                              .throttled = number % 7 == 0,
                              .key_refused = number % 11 == 0};
}

/* What is told of each, kept apart from the pool. Without circuits: they have tests of their own.
 */
struct model {
    usec_t cools_until[FIXTURE_KEYS][3]; /* by domain; the first is the empty one */
    usec_t benched_until[FIXTURE_KEYS];
};

static bool is_asked_for(const struct pool_ask *ask, unsigned index)
{
    return !ask->pinned || index == ask->account % route->account_count;
}

static bool all_are_benched(const struct model *model, const struct pool_ask *ask)
{
    bool all = true;
    for (unsigned i = 0; i < route->credential_count; i++) {
        all = all && (!is_asked_for(ask, i) || model->benched_until[i] > ask->now);
    }
    return all;
}

static bool is_free(const struct model *model, unsigned index, unsigned domain, usec_t now)
{
    return model->cools_until[index][0] <= now && model->cools_until[index][domain] <= now;
}

static void learn(struct model *model, unsigned index, unsigned domain, usec_t now,
                  const struct judgement *judgement, const struct advice *advice)
{
    if (judgement->throttled) {
        bool said = advice != NULL && advice->retry_after >= 0;
        usec_t until = now + (said ? advice->retry_after : 30 * SEC);
        if (until > model->cools_until[index][domain]) {
            model->cools_until[index][domain] = until;
        }
    }
    if (judgement->key_refused) {
        model->benched_until[index] = now + 60 * SEC;
    }
}

static void expect_sound(const struct pool_ask *ask, const struct pool_choice *choice,
                         const bool free_ones[FIXTURE_KEYS])
{
    bool untried_free = false;
    bool any_free = false;
    for (unsigned i = 0; i < route->credential_count; i++) {
        bool may = is_asked_for(ask, i);
        any_free = any_free || (may && free_ones[i]);
        untried_free = untried_free || (may && free_ones[i] && (ask->tried & (1U << i)) == 0);
    }
    bool tried = (ask->tried & (1U << choice->index)) != 0;
    cr_assert_not(ask->pinned && choice->index != ask->account % route->account_count);
    cr_assert_eq(choice->cooling, !any_free);
    cr_assert_not(any_free && !free_ones[choice->index], "one that cools, with another free");
    cr_assert_not(untried_free && tried, "a tried one, with another free");
    cr_assert(choice->pace >= 0 && choice->pace <= PACE_LONGEST);
    cr_assert(choice->free_after >= 0);
}

Test(credential_pool_pace, whatever_happens_the_choice_is_sound)
{
    static const struct slice domains[] = {SLICE_INIT(""), SLICE_INIT("one"), SLICE_INIT("two")};
    struct model model = {0};
    usec_t now = START;
    unsigned cooled = 0;
    join(4);
    own_accounts();
    route->breaker.off = true;
    for (unsigned i = 0; i < 20000; i++) {
        now += (usec_t)(dice() % (3 * (uint64_t)SEC));
        unsigned domain = (unsigned)(dice() % 3);
        struct pool_ask ask = ask_at(now);
        ask.domain = domains[domain];
        ask.pinned = dice() % 4 == 0;
        ask.account = dice();
        ask.tried = (uint32_t)(dice() % 16);
        bool free_ones[FIXTURE_KEYS];
        bool benched = all_are_benched(&model, &ask);
        for (unsigned k = 0; k < 4; k++) {
            free_ones[k] =
                is_free(&model, k, domain, now) && (benched || model.benched_until[k] <= now);
        }
        struct pool_choice choice = choose(&ask);
        cr_assert_eq(choice.benched, benched);
        expect_sound(&ask, &choice, free_ones);
        cooled += choice.cooling ? 1 : 0;
        const struct judgement judgement = any_judgement(dice());
        const struct advice advice = {.retry_after = (usec_t)(dice() % (60 * (uint64_t)SEC)) - SEC,
                                      .has_limit = dice() % 2 == 0,
                                      .limit = dice() % 20,
                                      .remaining = dice() % 20,
                                      .reset_after = (usec_t)(dice() % (20 * (uint64_t)SEC)) - 1};
        const struct advice *heard = dice() % 5 == 0 ? NULL : &advice;
        credential_pool_note(&ask, &choice, &judgement, heard, MSEC);
        cr_assert_not(choice.permit.held);
        learn(&model, choice.index, domain, now, &judgement, heard);
    }
    cr_expect(cooled > 1000 && cooled < 15000, "both were seen: %u", cooled);
}
