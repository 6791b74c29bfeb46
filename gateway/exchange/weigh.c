/*
 * weigh: what an attempt's end, or its answer's head, leads to. The judge says whether the request
 * may be tried again; circuit, budget and pool have their say; then it is the next attempt, another
 * route, the answer as it is, or an error.
 */
#include "auth/secrets/secret_store.h"
#include "gateway/exchange/metering.h"
#include "gateway/exchange/mint.h"
#include "gateway/exchange/sign.h"
#include "gateway/exchange/steps.h"
#include "gateway/observe/families.h"
#include "gateway/observe/metrics.h"
#include "gateway/upstream/standing.h"
#include "routes/profile.h"

/* ---- the verdict ---- */

static usec_t time_left(const struct exchange *exchange)
{
    usec_t now = exchange->side->loop->now;
    return exchange->total.due > now ? exchange->total.due - now : 0;
}

static struct judgement ask_judge(const struct exchange *exchange,
                                  const struct http1_response *response, struct advice *advice)
{
    const struct attempt_failure *failure = attempt_failure(exchange->attempt);
    bool failed = response == NULL || response->status >= 400;
    const struct judge_case it = {
        .policy = &exchange->route->retry,
        .fault = response == NULL ? failure->fault : ATTEMPT_OK,
        .status = response == NULL ? 0 : response->status,
        .advice = response == NULL ? NULL : advice,
        .sent = attempt_facts(exchange->attempt)->sent_bytes > 0,
        .lasting = failure->lasting,
        .harmless = !failed || way_harmless(exchange),
        .body_held = way_body_held(exchange),
        .made = exchange->way.made,
        .time_left = time_left(exchange),
        .random = exchange_side_random(exchange->side),
    };
    if (response != NULL) {
        advice_read(&exchange->route->profile->advice, response, clock_wall(), advice);
        /* It may have been the end user's token that was refused. */
        advice->key_refused = advice->key_refused && exchange->user_token.len == 0;
    }
    return judge(&it);
}

/* What it tells of the upstream and the credential. */
static void report(struct exchange *exchange, const struct judgement *judgement,
                   const struct advice *advice, usec_t took)
{
    struct way *way = &exchange->way;
    const struct route *route = exchange->route;
    enum breaker_outcome outcome = judgement->outcome;
    if (exchange->made_route != NULL && outcome == BREAKER_CONNECT_FAILURE) {
        outcome = BREAKER_NEUTRAL; /* the name was the caller's: there may be no such host */
    }
    route_standing_report(route->standing, &route->breaker, &way->permit, outcome, took,
                          exchange->side->loop->now, exchange_side_random(exchange->side));
    if (route->credential_count > 0) {
        struct pool_ask ask;
        way_ask(exchange, &ask);
        credential_pool_note(&ask, &way->choice, judgement, advice, took);
    }
}

/* ---- what else has a say ---- */

/* A refused key, or one that cools, does not keep the request from another one of the pool. */
static bool take_other_credential(struct exchange *exchange, const struct judgement *judgement)
{
    struct way *way = &exchange->way;
    struct pool_ask ask;
    if ((!judgement->throttled && !judgement->key_refused) || !way_body_held(exchange) ||
        exchange->route->credential_count < 2 || way->made >= exchange->route->retry.attempts) {
        return false;
    }
    way_ask(exchange, &ask);
    credential_pool_choose(&ask, &way->choice);
    way->chosen = !way->choice.cooling && !way->choice.benched &&
                  (way->tried & (UINT32_C(1) << way->choice.index)) == 0;
    if (!way->chosen) {
        way_give_back(exchange);
    }
    return way->chosen;
}

static enum judge_reason permitted(struct exchange *exchange)
{
    const struct route *route = exchange->route;
    usec_t now = exchange->side->loop->now;
    if (!route_standing_would_admit(route->standing, &route->breaker, now)) {
        return JUDGE_CIRCUIT;
    }
    return route_standing_take_retry(route->standing, now) ? JUDGE_AGAIN : JUDGE_BUDGET;
}

static void decide(struct exchange *exchange, struct judgement *judgement)
{
    if (take_other_credential(exchange, judgement)) {
        judgement->reason = JUDGE_AGAIN;
        judgement->wait = 0;
    }
    if (judgement->reason == JUDGE_AGAIN) {
        judgement->reason = permitted(exchange);
        if (judgement->reason != JUDGE_AGAIN) {
            way_give_back(exchange);
        }
    }
    bool ours = judgement->spent || judgement->reason == JUDGE_BUDGET;
    exchange->way.spent = ours && exchange->route->retry.attempts > 1;
}

/* ---- what is said of it ---- */

/* What the attempt came to; the reason is still to be found. */
static struct try look_back(const struct exchange *exchange, const struct http1_response *response)
{
    const struct attempt_failure *failure = attempt_failure(exchange->attempt);
    const struct route_credential *credential = exchange->way.choice.credential;
    return (struct try){
        .route = exchange->route,
        .credential = exchange->credential == NULL ? NULL : credential->secret_name,
        .status = response == NULL ? 0 : response->status,
        .fault = failure->fault,
        .sent = attempt_facts(exchange->attempt)->sent_bytes > 0,
        .took = clock_now() - exchange->way.began,
    };
}

static void note(struct exchange *exchange, const struct judgement *judgement, struct try it)
{
    if (judgement->reason == JUDGE_DONE && exchange->way.tries.count == 0) {
        return;
    }
    it.then = judgement->reason;
    it.wait = judgement->wait;
    way_note_try(exchange, &it);
    char cause[TRIES_CAUSE_MAX];
    if (judgement->reason == JUDGE_AGAIN) {
        const char *const labels[] = {exchange->route->name, tries_cause(&it, cause)};
        metrics_count(exchange->side->metrics, FAMILY_retries_total, labels, 1);
    } else if (judgement->reason != JUDGE_DONE) {
        const char *const labels[] = {exchange->route->name, judge_reason_text(judgement->reason)};
        metrics_count(exchange->side->metrics, FAMILY_retries_withheld_total, labels, 1);
    }
}

/* ---- where it goes ---- */

enum problem_code weigh_problem(enum attempt_fault fault)
{
    switch (fault) {
    case ATTEMPT_OK:
    case ATTEMPT_UNREACHABLE:
    case ATTEMPT_BROKEN_OFF:
        break;
    case ATTEMPT_EGRESS_REFUSED:
        return PROBLEM_EGRESS_REFUSED;
    case ATTEMPT_TIMEOUT_CONNECT:
    case ATTEMPT_TIMEOUT_FIRST_BYTE:
    case ATTEMPT_TIMEOUT_IDLE:
        return PROBLEM_UPSTREAM_TIMEOUT;
    case ATTEMPT_INVALID:
        return PROBLEM_UPSTREAM_INVALID_RESPONSE;
    }
    return PROBLEM_UPSTREAM_UNREACHABLE;
}

enum step_result weigh_final(struct exchange *exchange)
{
    const struct attempt_failure *failure = attempt_failure(exchange->attempt);
    if (exchange->response == NULL) {
        return exchange_fail(exchange, ENDED_BY_UPSTREAM, weigh_problem(failure->fault), "%s",
                             failure->message);
    }
    return exchange_go(exchange, EXCHANGE_DELIVER);
}

/* Another route may have it where this one gives it up for a reason of its own. */
static bool may_go_elsewhere(const struct judgement *judgement)
{
    bool failed = judgement->outcome == BREAKER_FAILURE ||
                  judgement->outcome == BREAKER_CONNECT_FAILURE || judgement->throttled;
    switch (judgement->reason) {
    case JUDGE_ATTEMPTS:
    case JUDGE_BUDGET:
    case JUDGE_CIRCUIT:
    case JUDGE_TOO_LONG:
        return failed;
    case JUDGE_DONE:
    case JUDGE_AGAIN:
    case JUDGE_STATUS:
    case JUDGE_MAY_HAVE_RUN:
    case JUDGE_BODY_GONE:
    case JUDGE_TOLD_NOT_TO:
    case JUDGE_DEADLINE:
    case JUDGE_QUOTA:
    case JUDGE_REASONS:
        break;
    }
    return false;
}

/* It may be for "stream_options" that the provider has refused it, which its caller has not
 * written: that is no reason to fail, and no retry of the caller's own request. */
static bool refuses_edit(struct exchange *exchange)
{
    unsigned status = exchange->facts.upstream_status;
    return (status == 400 || status == 422) && metering_take_back(exchange);
}

/* A 401: the token is had anew, or the secret read again. */
static void look_at_credential(struct exchange *exchange, const struct http1_response *response,
                               struct judgement *judgement)
{
    const struct route *route = exchange->route;
    if (exchange->facts.upstream_status != 401 || route->credential_count == 0) {
        return;
    }
    if (route->token == NULL) {
        secret_slot_suspect(exchange->way.choice.credential->slot);
    } else if (mint_refused(exchange, response, judgement)) {
        judgement->reason = JUDGE_AGAIN;
        judgement->wait = 0;
    }
}

enum step_result weigh(struct exchange *exchange, const struct http1_response *response)
{
    struct advice advice;
    enum step_result result;
    struct try it = look_back(exchange, response);
    struct judgement judgement = ask_judge(exchange, response, &advice);
    exchange->response = response;
    exchange->facts.upstream_status = response == NULL ? 0 : response->status;
    exchange->facts.reused = attempt_facts(exchange->attempt)->reused;
    exchange->way.executed |= judgement.executed;
    report(exchange, &judgement, response == NULL ? NULL : &advice, it.took);
    look_at_credential(exchange, response, &judgement);
    if (refuses_edit(exchange) || (response != NULL && sign_learns_time(exchange, response))) {
        judgement.reason = JUDGE_AGAIN;
        judgement.wait = 0;
    } else {
        decide(exchange, &judgement);
    }
    note(exchange, &judgement, it);
    if (judgement.reason == JUDGE_AGAIN) {
        exchange->way.until = exchange->side->loop->now + judgement.wait;
        return exchange_go(exchange, EXCHANGE_BACK_OFF);
    }
    if (may_go_elsewhere(&judgement) && fallback_go(exchange, &result)) {
        return result;
    }
    return weigh_final(exchange);
}
