#include "gateway/upstream/credential_pool.h"
#include "pool_asks.h"

TestSuite(credential_pool, .init = begin, .fini = end);

/* How often each is chosen in 3000 asks. */
struct shares {
    unsigned of[FIXTURE_KEYS];
};

static struct shares draw(struct pool_ask ask)
{
    struct shares shares = {0};
    for (unsigned i = 0; i < 3000; i++) {
        ask.random = dice();
        struct pool_choice choice = choose(&ask);
        shares.of[choice.index]++;
        credential_pool_note(&ask, &choice, &went_well, NULL, MSEC);
    }
    return shares;
}

static void expect_about(unsigned count, unsigned wanted)
{
    cr_expect(count > wanted * 9 / 10 && count < wanted * 11 / 10, "%u, not %u", count, wanted);
}

Test(credential_pool, a_route_without_credentials_gets_none)
{
    struct pool_choice choice;
    struct pool_ask ask = ask_at(START);
    route->credential_count = 0;
    credential_pool_choose(&ask, &choice);
    cr_expect_eq(choice.credential, NULL);
    credential_pool_note(&ask, &choice, &throttled, NULL, 0);
}

/* ---- chosen by what ---- */

Test(credential_pool, by_weight)
{
    route->credentials[0].weight = 1;
    route->credentials[1].weight = 2;
    route->credentials[2].weight = 3;
    struct shares shares = draw(ask_at(START));
    expect_about(shares.of[0], 500);
    expect_about(shares.of[1], 1000);
    expect_about(shares.of[2], 1500);
}

Test(credential_pool, by_health)
{
    route->breaker.min_requests = 1000000;
    for (unsigned i = 0; i < 100; i++) {
        struct pool_ask ask = ask_at(START);
        ask.tried = 6; /* the first is chosen */
        struct pool_choice choice = choose(&ask);
        cr_assert_eq(choice.index, 0);
        credential_pool_note(&ask, &choice, i % 2 == 0 ? &failed : &went_well, NULL, MSEC);
    }
    route->breaker.off = true; /* what follows is not counted */
    struct shares shares = draw(ask_at(START));
    expect_about(shares.of[0], 600);
    expect_about(shares.of[1], 1200);
}

Test(credential_pool, by_what_is_left_of_their_limits)
{
    const struct advice half = {
        .retry_after = -1, .has_limit = true, .limit = 100, .remaining = 50, .reset_after = -1};
    note(0, ask_at(START), went_well, &half);
    struct shares shares = draw(ask_at(START));
    expect_about(shares.of[0], 600);
    expect_about(shares.of[2], 1200);
    shares = draw(ask_at(START + 61 * SEC)); /* heard too long ago */
    expect_about(shares.of[0], 1000);
}

/* Absurd numbers of a provider. */
Test(credential_pool, limits_of_any_size_are_no_trouble)
{
    static const struct {
        uint64_t limit, remaining;
        unsigned first; /* of 3000 */
    } cases[] = {
        {UINT64_MAX, UINT64_MAX, 1000},
        {UINT64_MAX, UINT64_MAX / 2, 600},
        {0, 0, 1000},
        {0, UINT64_MAX, 1000},
        {1, UINT64_MAX, 1000},
        {1, 1, 1000},
    };
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        struct advice advice = {.retry_after = -1,
                                .has_limit = true,
                                .limit = cases[i].limit,
                                .remaining = cases[i].remaining,
                                .reset_after = -1};
        note(0, ask_at(START), went_well, &advice);
        expect_about(draw(ask_at(START)).of[0], cases[i].first);
    }
}

Test(credential_pool, one_that_was_tried_is_taken_last)
{
    struct pool_ask ask = ask_at(START);
    ask.tried = 5;
    for (unsigned i = 0; i < 20; i++) {
        ask.random = dice();
        cr_expect_eq(choose(&ask).index, 1);
    }
    ask.tried = 7;
    struct shares shares = draw(ask);
    expect_about(shares.of[0], 1000);
    cr_expect_not(choose(&ask).cooling);
}

Test(credential_pool, a_given_account_is_kept)
{
    static const uint64_t accounts[] = {0, 1, 2, 3, 7, UINT64_MAX};
    own_accounts();
    for (unsigned i = 0; i < COUNT_OF(accounts); i++) {
        struct pool_ask ask = ask_at(START);
        ask.pinned = true;
        ask.account = accounts[i];
        ask.tried = 1U << (accounts[i] % 3);
        cr_expect_eq(choose(&ask).index, accounts[i] % 3);
    }
}

/* ---- cooling ---- */

struct cooling_case {
    usec_t retry_after;
    usec_t cools; /* for so long */
};

Test(credential_pool, a_429_cools_as_long_as_it_says_within_bounds)
{
    static const struct cooling_case cases[] = {
        {-1, 30 * SEC},
        {1, 1},
        {5 * SEC, 5 * SEC},
        {40 * SEC, 40 * SEC},
        {86400 * SEC, COOLING_LONGEST},
        {ADVICE_LONGEST, COOLING_LONGEST},
    };
    usec_t now = START;
    own_accounts();
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        const struct advice advice = {.retry_after = cases[i].retry_after, .throttled = true};
        now += 86400 * SEC;
        note(0, ask_at(now), throttled, &advice);
        struct pool_ask ask = ask_at(now + cases[i].cools - 1);
        ask.pinned = true;
        struct pool_choice choice = choose(&ask);
        cr_expect_eq(choice.cooling, true, "%u", i);
        cr_expect_eq(choice.free_after, 1, "%u", i);
        ask.now++;
        cr_expect_not(choose(&ask).cooling, "%u", i);
    }
}

Test(credential_pool, without_an_answer_the_shortest_is_meant)
{
    join(1);
    note(0, ask_at(START), throttled, NULL);
    struct pool_ask ask = ask_at(START);
    cr_expect_eq(choose(&ask).free_after, COOLING_SHORTEST);
}

Test(credential_pool, a_later_429_does_not_shorten_it)
{
    const struct advice longer = {.retry_after = 100 * SEC};
    const struct advice shorter = {.retry_after = SEC};
    join(1);
    note(0, ask_at(START), throttled, &longer);
    note(0, ask_at(START), throttled, &shorter);
    struct pool_ask ask = ask_at(START);
    struct pool_choice choice = choose(&ask);
    cr_expect(choice.cooling);
    cr_expect_eq(choice.free_after, 100 * SEC);
}

Test(credential_pool, one_that_cools_is_not_taken_while_another_is_free)
{
    own_accounts();
    note(0, ask_at(START), throttled, NULL);
    note(2, ask_at(START), throttled, NULL);
    struct shares shares = draw(ask_at(START + SEC));
    cr_expect_eq(shares.of[1], 3000);
    struct pool_ask ask = ask_at(START);
    ask.tried = 2; /* it would hear the same 429: rather the one that was tried */
    cr_expect_eq(choose(&ask).index, 1);
}

Test(credential_pool, of_those_that_all_cool_the_one_that_is_free_first_is_taken)
{
    static const usec_t after[] = {50 * SEC, 20 * SEC, 40 * SEC};
    own_accounts();
    for (unsigned i = 0; i < 3; i++) {
        const struct advice advice = {.retry_after = after[i]};
        note(i, ask_at(START), throttled, &advice);
    }
    struct pool_ask ask = ask_at(START + 5 * SEC);
    struct pool_choice choice = choose(&ask);
    cr_expect_eq(choice.index, 1);
    cr_expect(choice.cooling);
    cr_expect_eq(choice.free_after, 15 * SEC);
}

Test(credential_pool, a_429_cools_all_of_its_account)
{
    own_accounts();
    route->credentials[2].account = route->credentials[0].account;
    route->credentials[2].account_index = 0;
    note(0, ask_at(START), throttled, NULL);
    cr_expect_eq(draw(ask_at(START)).of[1], 3000);
}

Test(credential_pool, without_accounts_each_cools_alone)
{
    join(3);
    note(0, ask_at(START), throttled, NULL);
    struct shares draws = draw(ask_at(START));
    cr_expect_eq(draws.of[0], 0);
    cr_expect_gt(draws.of[1], 0);
    cr_expect_gt(draws.of[2], 0);
}

Test(credential_pool, it_cools_in_its_domain_alone)
{
    struct pool_ask ask = ask_at(START);
    join(1);
    ask.domain = SLICE("gpt-4o");
    note(0, ask, throttled, NULL);
    cr_expect(choose(&ask).cooling);
    ask.domain = SLICE("gpt-4o-mini");
    cr_expect_not(choose(&ask).cooling);
    ask.domain = SLICE("");
    cr_expect_not(choose(&ask).cooling);
    note(0, ask, throttled, NULL); /* and in the empty one for all */
    ask.domain = SLICE("gpt-4o-mini");
    cr_expect(choose(&ask).cooling);
}

Test(credential_pool, new_domains_do_not_push_out_one_that_cools)
{
    struct pool_ask ask = ask_at(START);
    const struct advice longer = {.retry_after = 1000 * SEC};
    const struct advice limit = {
        .retry_after = -1, .has_limit = true, .limit = 9, .remaining = 9, .reset_after = -1};
    join(1);
    ask.domain = SLICE("real");
    note(0, ask, throttled, &longer);
    for (unsigned i = 0; i < 100; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "made-up-%u", i);
        ask.domain = slice_from(name);
        ask.now++;
        note(0, ask, went_well, &limit);
    }
    ask.domain = SLICE("real");
    cr_expect(choose(&ask).cooling);
}

Test(credential_pool, of_domains_that_all_cool_the_least_recently_used_goes)
{
    struct pool_ask ask = ask_at(START);
    char name[16];
    join(1);
    for (unsigned i = 0; i < 20; i++) {
        (void)snprintf(name, sizeof(name), "model-%u", i);
        ask.domain = slice_from(name);
        ask.now++;
        note(0, ask, throttled, NULL);
    }
    for (unsigned i = 0; i < 20; i++) {
        (void)snprintf(name, sizeof(name), "model-%u", i);
        ask.domain = slice_from(name);
        cr_expect_eq(choose(&ask).cooling, i >= 5, "%u", i);
    }
}

/* ---- benches and circuits ---- */

Test(credential_pool, a_refused_key_is_benched_for_a_minute)
{
    note(0, ask_at(START), refused, NULL);
    cr_expect_eq(draw(ask_at(START + BENCHED_FOR - 1)).of[0], 0);
    expect_about(draw(ask_at(START + BENCHED_FOR)).of[0], 1000);
}

Test(credential_pool, the_only_one_is_never_benched)
{
    join(1);
    note(0, ask_at(START), refused, NULL);
    struct pool_ask ask = ask_at(START);
    cr_expect_not(choose(&ask).cooling);
    join(2); /* nor does it count against it later */
    expect_about(draw(ask_at(START)).of[0], 1500);
}

Test(credential_pool, where_all_are_benched_none_is)
{
    for (unsigned i = 0; i < 3; i++) {
        cr_expect_not(choose(&(struct pool_ask){.route = route, .now = START}).benched);
        note(i, ask_at(START), refused, NULL);
    }
    struct pool_ask ask = ask_at(START);
    cr_expect(choose(&ask).benched);
    cr_expect_not(choose(&ask).cooling);
    struct shares shares = draw(ask);
    for (unsigned i = 0; i < 3; i++) {
        expect_about(shares.of[i], 1000);
    }
}

Test(credential_pool, the_last_one_of_the_account_is_never_benched)
{
    own_accounts();
    note(0, ask_at(START), refused, NULL);
    struct pool_ask ask = ask_at(START);
    ask.pinned = true;
    cr_expect(choose(&ask).benched);
    cr_expect_not(choose(&ask).cooling);
    note(0, ask, throttled, NULL);
    cr_expect(choose(&ask).cooling, "a limit is kept all the same");
}

static void fail_connects(unsigned index)
{
    for (unsigned i = 0; i < 3; i++) {
        struct pool_ask ask = ask_at(START);
        ask.tried = ~(1U << index);
        struct pool_choice choice = choose(&ask);
        cr_assert_eq(choice.index, index);
        cr_assert(choice.permit.held);
        const struct judgement lost = {.outcome = BREAKER_CONNECT_FAILURE};
        credential_pool_note(&ask, &choice, &lost, NULL, MSEC);
        cr_expect_not(choice.permit.held);
    }
}

static void expect_of_second(void *ctx, const struct standing_news *news)
{
    ++*(unsigned *)ctx;
    cr_expect_str_eq(news->route, "a");
    cr_expect_str_eq(news->secret, "a1");
}

Test(credential_pool, each_has_a_circuit_of_its_own)
{
    unsigned told = 0;
    unsigned lost;
    route->breaker.open = 100 * SEC;
    route->breaker.max_open = 100 * SEC;
    fail_connects(1);
    cr_expect_eq(draw(ask_at(START + SEC)).of[1], 0);
    standings_news(standings, &told, expect_of_second, &lost);
    cr_expect_eq(told, 1);
    struct pool_ask ask = ask_at(START + 130 * SEC);
    ask.tried = 5;
    struct pool_choice first = choose(&ask);
    struct pool_choice second = choose(&ask);
    cr_expect_eq(first.index, 1);
    cr_expect(first.permit.probe);
    cr_expect(second.permit.probe);
    cr_expect_neq(choose(&ask).index, 1, "two probes are out: no third");
}

Test(credential_pool, of_circuits_that_are_all_open_the_one_that_probes_first_is_taken)
{
    static const usec_t open[] = {50 * SEC, 20 * SEC, 40 * SEC};
    for (unsigned i = 0; i < 3; i++) {
        route->breaker.open = open[i];
        fail_connects(i);
    }
    struct pool_ask ask = ask_at(START + SEC);
    struct pool_choice choice = choose(&ask);
    cr_expect_eq(choice.index, 1);
    cr_expect(choice.cooling);
    cr_expect_not(choice.permit.held);
    cr_expect(choice.free_after >= 15 * SEC && choice.free_after <= 23 * SEC, "±20 %%: %ld",
              (long)choice.free_after);
}

Test(credential_pool, the_only_one_has_no_circuit_but_the_route_s)
{
    join(1);
    for (unsigned i = 0; i < 50; i++) {
        struct pool_ask ask = ask_at(START);
        struct pool_choice choice = choose(&ask);
        cr_expect_not(choice.permit.held);
        credential_pool_note(&ask, &choice, &failed, NULL, MSEC);
        cr_expect_not(choose(&ask).cooling);
    }
}

Test(credential_pool, a_reset_ends_all_of_it)
{
    own_accounts();
    note(0, ask_at(START), throttled, NULL);
    note(1, ask_at(START), refused, NULL);
    fail_connects(2);
    cr_assert_eq(standings_reset(standings, &config.snapshot, "a", START), 1);
    struct shares shares = draw(ask_at(START));
    for (unsigned i = 0; i < 3; i++) {
        expect_about(shares.of[i], 1000);
    }
}
