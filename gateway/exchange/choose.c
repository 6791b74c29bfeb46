/*
 * choose: where the next attempt goes: the route's circuit must let it through, a credential of the
 * pool is taken, and its pace is kept; else another route of the fallback, or a refusal.
 */
#include "auth/secrets/secret_store.h"
#include "base/memory.h"
#include "gateway/exchange/metering.h"
#include "gateway/exchange/steps.h"
#include "gateway/upstream/standing.h"
#include "routes/profile.h"

/* ---- what it is counted as ---- */

/* "ttl=20261127T120000Z; attempt=2; max=3" */
static bool is_aws_retry(struct slice value)
{
    const struct slice mark = SLICE("attempt=");
    while (value.len > 0 && !slice_starts_with(value, mark)) {
        value = slice_skip(value, 1);
    }
    value = slice_skip(value, mark.len);
    uint64_t attempt = 0;
    return slice_number(slice_trim(slice_make(value.ptr, slice_find(value, ';'))), 1000,
                        &attempt) &&
           attempt > 1;
}

/* The SDKs of OpenAI, Anthropic and AWS say which of their own retries a request is. */
static bool is_callers_retry(const struct exchange *exchange)
{
    static const struct slice name = SLICE_INIT("x-stainless-retry-count");
    static const struct slice aws_name = SLICE_INIT("amz-sdk-request");
    const struct http1_request *request = exchange->request;
    for (unsigned i = 0; i < request->field_count; i++) {
        const struct http1_field *field = &request->fields[i];
        if (field->name.len == name.len && slice_equal_nocase(field->name, name)) {
            return field->value.len > 0 && !slice_equal(field->value, SLICE("0"));
        }
        if (field->name.len == aws_name.len && slice_equal_nocase(field->name, aws_name)) {
            return is_aws_retry(field->value);
        }
    }
    return false;
}

static void count_first(const struct exchange *exchange)
{
    const struct route *route = exchange->route;
    usec_t now = exchange->side->loop->now;
    if (is_callers_retry(exchange)) {
        route_standing_charge_retry(route->standing, now);
    } else {
        route_standing_first(route->standing, route->retry.budget, now);
    }
}

/* ---- refusals ---- */

static enum step_result circuit_refuses(struct exchange *exchange)
{
    enum step_result result;
    if (fallback_go(exchange, &result)) {
        return result;
    }
    exchange->way.refused = true;
    return exchange_fail(exchange, ENDED_BY_GATEWAY, PROBLEM_CIRCUIT_OPEN,
                         "the circuit of route \"%s\" is open for another %lld ms: its upstream "
                         "has failed too often",
                         exchange->route->name, (long long)(exchange->way.circuit_for / MSEC));
}

static enum step_result no_credential(struct exchange *exchange)
{
    const struct route *route = exchange->route;
    enum step_result result;
    way_give_back(exchange);
    if (fallback_go(exchange, &result)) {
        return result;
    }
    return exchange_fail(exchange, ENDED_BY_GATEWAY, PROBLEM_CREDENTIAL_UNAVAILABLE,
                         "the secret \"%s\" of route \"%s\" cannot be read: see secrets in the "
                         "config",
                         route->credentials[0].secret_name, route->name);
}

/* ---- the credential ---- */

/* Those that cannot be read are passed over. False: none can. */
static bool take_credential(struct exchange *exchange)
{
    struct way *way = &exchange->way;
    credential_unref(TAKE(exchange->credential));
    for (unsigned i = 0; i < exchange->route->credential_count; i++) {
        struct pool_ask ask;
        way_ask(exchange, &ask);
        if (!way->chosen) {
            credential_pool_choose(&ask, &way->choice);
        }
        way->chosen = false;
        way->tried |= UINT32_C(1) << way->choice.index;
        exchange->credential = credential_acquire(way->choice.credential->slot);
        if (exchange->credential != NULL) {
            return true;
        }
        way_give_back(exchange);
    }
    return exchange->route->credential_count == 0;
}

/* Is there something better than a credential that cools? */
static bool elsewhere(struct exchange *exchange, enum step_result *ret)
{
    const struct way *way = &exchange->way;
    bool cools =
        exchange->route->credential_count > 0 && way->choice.cooling && way->choice.free_after > 0;
    return cools && way->next_fallback < way->asked->fallback_count && fallback_go(exchange, ret);
}

/* ---- the step ---- */

static enum step_result go_on(struct exchange *exchange)
{
    return exchange_go(exchange, exchange->route->token == NULL ? EXCHANGE_PREPARE : EXCHANGE_MINT);
}

enum step_result choose_begin(struct exchange *exchange)
{
    struct way *way = &exchange->way;
    const struct route *route = exchange->route;
    enum step_result result;
    metering_watch(exchange);
    if (!route_standing_admit(route->standing, &route->breaker, exchange->side->loop->now,
                              &way->permit, &way->circuit_for)) {
        return circuit_refuses(exchange);
    }
    if (!take_credential(exchange)) {
        return no_credential(exchange);
    }
    if (elsewhere(exchange, &result)) {
        return result;
    }
    if (way->made == 0) {
        count_first(exchange);
    }
    usec_t pace = route->credential_count == 0 ? 0 : way->choice.pace;
    if (pace > 0) {
        way->until = exchange->side->loop->now + pace;
        loop_timer(exchange->side->loop, &exchange->room, pace);
        if (exchange->total.due == 0) {
            exchange_limit_time(exchange);
        }
        return STEP_WAIT;
    }
    return go_on(exchange);
}

enum step_result choose_resume(struct exchange *exchange)
{
    return exchange->side->loop->now >= exchange->way.until ? go_on(exchange) : STEP_WAIT;
}
