#include "gateway/upstream/credential_pool.h"

#include "gateway/upstream/standing_state.h"
#include "routes/advice.h"
#include "routes/route.h"

#include <assert.h>
#include <string.h>

/* What is known of each credential when a request asks. */
struct candidate {
    uint64_t score; /* its part of the requests */
    usec_t free_at; /* it may be taken from then on; `now` or less: now */
    usec_t benched_until;
    bool of_account;    /* where the request's account is given: of that */
    bool tried, passed; /* by the request; over by this choice, for another was faster */
};

struct choice_state {
    const struct pool_ask *ask;
    uint64_t hash; /* of the domain */
    struct candidate candidates[ROUTE_CREDENTIALS_MAX];
};

/* ---- looking at one ---- */

/* In thousandths: how much of what it did lately went well, by its own circuit's window. */
static uint64_t health_of(const struct key_standing *key, const struct breaker_policy *policy,
                          usec_t now)
{
    struct breaker_slice counts = breaker_counts(&key->breaker, policy, now);
    return counts.failures >= counts.calls
               ? (counts.calls == 0 ? 1000 : 1000 / (counts.calls + 1))
               : (uint64_t)(counts.calls - counts.failures) * 1000 / counts.calls;
}

static usec_t later(usec_t a, usec_t b)
{
    return a > b ? a : b;
}

/* Under the lock of `key`. */
static void look_at(const struct choice_state *state, struct key_standing *key, unsigned weight,
                    struct candidate *ret)
{
    const struct route *route = state->ask->route;
    usec_t now = state->ask->now;
    ret->free_at = key_cools_until(key, state->hash);
    if (route->credential_count < 2) {
        return;
    }
    ret->benched_until = key->benched_until;
    if (!breaker_would_admit(&key->breaker, &route->breaker, now)) {
        usec_t probes_at = key->breaker.state == BREAKER_OPEN ? key->breaker.open_until : 0;
        ret->free_at = later(ret->free_at, later(probes_at, now + 1));
    }
    uint64_t score = (uint64_t)weight * health_of(key, &route->breaker, now) *
                     key_share_left(key, state->hash, now);
    ret->score = score > 0 ? score : 1;
}

/* Where all are benched, none is: one of them has to find out whether that is still true. */
static bool bench(struct choice_state *state)
{
    bool all = true;
    for (unsigned i = 0; i < state->ask->route->credential_count; i++) {
        const struct candidate *it = &state->candidates[i];
        all = all && (!it->of_account || it->benched_until > state->ask->now);
    }
    for (unsigned i = 0; !all && i < state->ask->route->credential_count; i++) {
        struct candidate *it = &state->candidates[i];
        it->free_at = later(it->free_at, it->benched_until);
    }
    return all;
}

static void look_at_all(struct choice_state *state)
{
    const struct pool_ask *ask = state->ask;
    const struct route *route = ask->route;
    uint64_t account = route->account_count > 0 ? ask->account % route->account_count : 0;
    for (unsigned i = 0; i < route->credential_count; i++) {
        const struct route_credential *credential = &route->credentials[i];
        struct candidate *candidate = &state->candidates[i];
        *candidate = (struct candidate){
            .of_account = !ask->pinned || credential->account_index == account,
            .tried = (ask->tried & (1U << i)) != 0,
        };
        if (candidate->of_account) {
            struct key_standing *key = credential->standing;
            (void)pthread_mutex_lock(&key->lock);
            look_at(state, key, credential->weight, candidate);
            (void)pthread_mutex_unlock(&key->lock);
        }
    }
}

/* ---- choosing ---- */

enum { NOBODY = ROUTE_CREDENTIALS_MAX };

/* By score, of those that are free now. */
static unsigned draw(const struct choice_state *state, bool tried, uint64_t random)
{
    const struct pool_ask *ask = state->ask;
    uint64_t total = 0;
    bool may[ROUTE_CREDENTIALS_MAX];
    for (unsigned i = 0; i < ask->route->credential_count; i++) {
        const struct candidate *it = &state->candidates[i];
        may[i] = it->of_account && !it->passed && it->tried == tried && it->free_at <= ask->now;
        total += may[i] ? it->score : 0;
    }
    uint64_t drawn = total > 0 ? random % total : 0;
    for (unsigned i = 0; total > 0 && i < ask->route->credential_count; i++) {
        if (may[i] && drawn < state->candidates[i].score) {
            return i;
        }
        drawn -= may[i] ? state->candidates[i].score : 0;
    }
    return NOBODY;
}

static unsigned free_first(const struct choice_state *state)
{
    unsigned best = NOBODY;
    for (unsigned i = 0; i < state->ask->route->credential_count; i++) {
        const struct candidate *it = &state->candidates[i];
        if (!it->of_account) {
            continue;
        }
        const struct candidate *than = best == NOBODY ? NULL : &state->candidates[best];
        if (than == NULL || it->free_at < than->free_at ||
            (it->free_at == than->free_at && than->tried && !it->tried)) {
            best = i;
        }
    }
    return best;
}

/* A change of a credential's circuit is told with the route that saw it. Under its lock. */
static bool note_change(struct key_standing *key, const struct route *route,
                        struct standing_change *change)
{
    change->route = route->standing->name;
    change->secret = key->name;
    return standings_keep(key->standings, change);
}

/* A permit of its circuit, and its place in the pace. False: others were faster, and its circuit
 * has no probe left. */
static bool take(const struct choice_state *state, unsigned index, struct pool_choice *ret)
{
    const struct pool_ask *ask = state->ask;
    const struct route *route = ask->route;
    struct key_standing *key = route->credentials[index].standing;
    struct standing_change change = {0};
    bool admitted = true;
    bool wakes = false;
    usec_t after = 0;
    (void)pthread_mutex_lock(&key->lock);
    if (route->credential_count > 1) {
        admitted =
            circuit_admit(&key->breaker, &route->breaker, ask->now, &ret->permit, &after, &change);
        wakes = note_change(key, route, &change);
    }
    ret->pace = admitted ? key_take_pace(key, state->hash, ask->now) : 0;
    (void)pthread_mutex_unlock(&key->lock);
    if (wakes) {
        standings_wake(key->standings);
    }
    ret->credential = &route->credentials[index];
    ret->index = index;
    return admitted;
}

void credential_pool_choose(const struct pool_ask *ask, struct pool_choice *ret)
{
    const struct route *route = ask->route;
    *ret = (struct pool_choice){0};
    if (route->credential_count == 0) {
        return;
    }
    assert(route->credential_count <= ROUTE_CREDENTIALS_MAX);
    struct choice_state state = {.ask = ask, .hash = key_domain_hash(ask->domain)};
    look_at_all(&state);
    ret->benched = bench(&state);
    if (route->credential_count == 1) {
        state.candidates[0].score = 1;
        state.candidates[0].of_account = true;
    }
    for (unsigned round = 0; round < 2 * route->credential_count; round++) {
        unsigned index = draw(&state, false, ask->random);
        index = index != NOBODY ? index : draw(&state, true, ask->random);
        if (index == NOBODY) {
            break;
        }
        if (take(&state, index, ret)) {
            return;
        }
        state.candidates[index].passed = true;
        state.candidates[index].free_at = later(state.candidates[index].free_at, ask->now + 1);
    }
    unsigned index = free_first(&state);
    assert(index != NOBODY); /* each account has a credential */
    (void)take(&state, index, ret);
    ret->cooling = true;
    ret->free_after = later(state.candidates[index].free_at - ask->now, 0);
}

/* ---- what became of it ---- */

static usec_t cooling_of(const struct advice *advice)
{
    usec_t asked =
        advice != NULL && advice->retry_after >= 0 ? advice->retry_after : COOLING_SHORTEST;
    return asked < COOLING_LONGEST ? asked : COOLING_LONGEST;
}

static void cool(struct key_standing *key, const struct pool_ask *ask, uint64_t hash, usec_t until)
{
    (void)pthread_mutex_lock(&key->lock);
    struct key_domain *domain = key_domain_have(key, ask->domain, hash, ask->now);
    domain->cools_until = later(domain->cools_until, until);
    (void)pthread_mutex_unlock(&key->lock);
}

/* A limit is the account's, where that is said: its other keys would hear the same. */
static void cool_account(const struct pool_ask *ask, const struct route_credential *credential,
                         uint64_t hash, const struct advice *advice)
{
    const struct route *route = ask->route;
    usec_t until = ask->now + cooling_of(advice);
    bool named = credential->account[0] != '\0';
    for (unsigned i = 0; i < route->credential_count; i++) {
        const struct route_credential *other = &route->credentials[i];
        if (other == credential || (named && other->account_index == credential->account_index)) {
            cool(other->standing, ask, hash, until);
        }
    }
}

void credential_pool_note(const struct pool_ask *ask, struct pool_choice *choice,
                          const struct judgement *judgement, const struct advice *advice,
                          usec_t took)
{
    const struct route *route = ask->route;
    if (choice->credential == NULL) {
        return;
    }
    struct key_standing *key = choice->credential->standing;
    struct standing_change change = {0};
    const struct circuit_report report = {judgement->outcome, took, ask->now, ask->random};
    uint64_t hash = key_domain_hash(ask->domain);
    bool several = route->credential_count > 1;
    (void)pthread_mutex_lock(&key->lock);
    if (choice->permit.held) {
        circuit_report(&key->breaker, &route->breaker, &choice->permit, &report, &change);
    }
    bool wakes = note_change(key, route, &change);
    if (judgement->key_refused && several) {
        key->benched_until = later(key->benched_until, ask->now + BENCHED_FOR);
    }
    if (advice != NULL && advice->has_limit) {
        key_note_limit(key_domain_have(key, ask->domain, hash, ask->now), advice, ask->now);
    }
    (void)pthread_mutex_unlock(&key->lock);
    if (wakes) {
        standings_wake(key->standings);
    }
    if (judgement->throttled) {
        cool_account(ask, choice->credential, hash, advice);
    }
}
