/* A pool of three, what asks it, and what becomes of attempts. */
#pragma once

#include "gateway/upstream/credential_pool.h"
#include "gateway/upstream/standing.h"
#include "standing_fixture.h"

#include <criterion/criterion.h>

#define START           (1000 * SEC)
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static struct standings *standings;
static struct fixture_config config;
static struct route *const route = &config.routes[0];

static inline void join(unsigned keys)
{
    fixture_fill(&config, keys);
    standings_join(standings, &config.snapshot);
}

static inline void begin(void)
{
    standings = standings_new();
    join(3);
}

static inline void end(void)
{
    standings_free(standings);
}

/* xorshift64: the same numbers every time. */
static uint64_t dice_state = 88172645463325252U;

static inline uint64_t dice(void)
{
    dice_state ^= dice_state << 13;
    dice_state ^= dice_state >> 7;
    dice_state ^= dice_state << 17;
    return dice_state;
}

static inline struct pool_ask ask_at(usec_t now)
{
    return (struct pool_ask){.route = route, .now = now, .random = dice()};
}

static inline struct pool_choice choose(const struct pool_ask *ask)
{
    struct pool_choice choice;
    credential_pool_choose(ask, &choice);
    cr_assert_neq(choice.credential, NULL);
    cr_assert_eq(choice.credential, &ask->route->credentials[choice.index]);
    return choice;
}

static const struct judgement went_well = {.outcome = BREAKER_SUCCESS};
static const struct judgement failed = {.outcome = BREAKER_FAILURE};
static const struct judgement throttled = {.outcome = BREAKER_NEUTRAL, .throttled = true};
static const struct judgement refused = {.outcome = BREAKER_NEUTRAL, .key_refused = true};

/* A credential's attempt, whichever the pool would have chosen. */
static inline void note(unsigned index, struct pool_ask ask, struct judgement judgement,
                        const struct advice *advice)
{
    struct pool_choice choice = {.credential = &route->credentials[index], .index = index};
    credential_pool_note(&ask, &choice, &judgement, advice, MSEC);
}

static inline void own_accounts(void)
{
    static const char *const names[] = {"x", "y", "z", "w"};
    for (unsigned i = 0; i < route->credential_count; i++) {
        route->credentials[i].account = names[i];
        route->credentials[i].account_index = i;
    }
    route->account_count = route->credential_count;
}
