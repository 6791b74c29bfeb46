/*
 * fallback: the request goes to another route of its own route's list: where its tenant is allowed,
 * the body is as that route asks, the profiles know how to translate it, and the circuit is not
 * open. The quotas that differ are asked there; what the routes before hold is settled at the end.
 *
 * Nothing is let go of before the next route has admitted it: till then what its attempt came to
 * can still be answered.
 */
#include "auth/inbound/tenant.h"
#include "base/memory.h"
#include "gateway/exchange/call_body.h"
#include "gateway/exchange/inspect.h"
#include "gateway/exchange/metering.h"
#include "gateway/exchange/steps.h"
#include "gateway/exchange/validate.h"
#include "gateway/upstream/standing.h"
#include "limiter/reservation.h"
#include "limiter/store.h"
#include "routes/allow.h"
#include "routes/mapping.h"
#include "routes/target.h"

#include <assert.h>

enum { TARGET_MAX_BYTES = 64 * 1024 };

/* ---- may it go there ---- */

static bool allowed(const struct exchange *exchange, const struct route *to, struct slice rest)
{
    char normal[CALL_PATH_MAX];
    const struct allow_rule *rules = tenant_rules(exchange->tenant, to->index);
    return rules != NULL && rest.len <= sizeof(normal) &&
           allow_any(rules, exchange->request->method_text, target_normalize(rest, normal));
}

/* ---- moving ---- */

/* What the route so far holds stays reserved until the end: its requests and slots count for the
 * next one, too. */
static void leave_quotas(struct exchange *exchange)
{
    struct way_before *before = &exchange->way.before;
    before->reserved = exchange->reservation != NULL;
    if (exchange->metering != NULL) {
        metering_leave(exchange);
        before->metering = TAKE(exchange->metering);
    }
    if (!before->reserved) {
        return;
    }
    exchange->reservation->waiter = NULL;
    exchange->earlier[exchange->earlier_count++] = TAKE(exchange->reservation);
}

/* With the route's own path in front, as every request has it. */
static void take_target(struct exchange *exchange, const struct route *to, struct slice rest,
                        struct slice query)
{
    struct buffer *mapped = &exchange->way.mapped;
    buffer_init(mapped, to->path.len + rest.len + query.len);
    enum status status = buffer_append(mapped, to->path);
    status = status == STATUS_OK ? buffer_append(mapped, rest) : status;
    status = status == STATUS_OK ? buffer_append(mapped, query) : status;
    assert(status == STATUS_OK); /* it has room for just that */
    struct slice whole = buffer_bytes(mapped);
    exchange->path = slice_make(whole.ptr, to->path.len + rest.len);
    exchange->query = slice_make(query.len > 0 ? whole.ptr + exchange->path.len : NULL, query.len);
    exchange->rest = slice_skip(exchange->path, to->path.len);
}

static void leave(struct exchange *exchange)
{
    struct way *way = &exchange->way;
    way_give_back(exchange);
    way->before = (struct way_before){
        .route = exchange->route,
        .path = exchange->path,
        .query = exchange->query,
        .rest = exchange->rest,
        .mapped = way->mapped,
        .made = way->made,
        .tried = way->tried,
    };
    way->mapped = (struct buffer){0};
    leave_quotas(exchange);
}

static bool move_to(struct exchange *exchange, const struct route *to)
{
    struct way *way = &exchange->way;
    struct buffer path CLEANUP(buffer_fini);
    struct buffer query CLEANUP(buffer_fini);
    buffer_init(&path, TARGET_MAX_BYTES);
    buffer_init(&query, TARGET_MAX_BYTES);
    if (mapping_path(way->asked, to, way->rest, way->query, &path, &query) != STATUS_OK ||
        !allowed(exchange, to, buffer_bytes(&path)) ||
        !inspect_allows(exchange, to, buffer_bytes(&path)) ||
        !validate_allows(exchange, to, buffer_bytes(&path)) ||
        !route_standing_would_admit(to->standing, &to->breaker, exchange->side->loop->now) ||
        !way_enter(exchange, to)) {
        return false;
    }
    if (!call_body_take(exchange, to)) {
        route_standing_leave(to->standing);
        way->entered = exchange->route;
        return false;
    }
    leave(exchange);
    take_target(exchange, to, buffer_bytes(&path), buffer_bytes(&query));
    exchange->route = to;
    way->choice = (struct pool_choice){0};
    way->tried = 0;
    way->made = 0;
    return true;
}

/* What may have been executed goes nowhere else, unless repeating it is harmless there, too. */
bool fallback_go(struct exchange *exchange, enum step_result *ret)
{
    struct way *way = &exchange->way;
    if (!way_body_held(exchange) || (way->executed && !way_repeatable(exchange))) {
        return false;
    }
    while (way->next_fallback < way->asked->fallback_count) {
        if (move_to(exchange, way->asked->fallback[way->next_fallback++])) {
            *ret = exchange_go(exchange, EXCHANGE_ADMIT);
            return true;
        }
    }
    return false;
}

/* ---- admitted there ---- */

void fallback_carry(struct exchange *exchange)
{
    struct metering *metering = TAKE(exchange->way.before.metering);
    if (metering != NULL) {
        metering_carry(exchange, metering);
        metering_free(metering);
    }
}

static bool counts_there(const struct exchange *exchange, const struct limit *limit)
{
    const struct reservation *reservation = exchange->reservation;
    for (unsigned i = 0; reservation != NULL && i < reservation->count; i++) {
        if (reservation->demands[i].limit == limit) {
            return true;
        }
    }
    return false;
}

/* The bytes of the request and of its answer count once, and the answer is to come. */
static void hand_bytes_on(struct exchange *exchange)
{
    struct reservation *left = exchange->earlier[exchange->earlier_count - 1];
    for (unsigned i = 0; i < left->count; i++) {
        struct demand *demand = &left->demands[i];
        if (demand->limit->unit == LIMIT_BYTES && counts_there(exchange, demand->limit)) {
            demand->used = 0;
        }
    }
}

enum step_result fallback_admitted(struct exchange *exchange)
{
    struct way_before *before = &exchange->way.before;
    exchange_end_attempt(exchange); /* the route before is not answered for any more */
    route_standing_leave(before->route->standing);
    fallback_carry(exchange);
    if (before->reserved) {
        hand_bytes_on(exchange);
    }
    buffer_fini(&before->mapped);
    *before = (struct way_before){0};
    return exchange_go(exchange, EXCHANGE_CHOOSE);
}

/* ---- refused there ---- */

static void go_back_quotas(struct exchange *exchange)
{
    const struct store_side *store = &exchange->side->quota.store;
    struct way_before *before = &exchange->way.before;
    metering_free(TAKE(exchange->metering));
    if (exchange->reservation != NULL) {
        exchange->reservation->waiter = NULL;
        store->ops->settle(store->side, TAKE(exchange->reservation));
    }
    if (before->reserved) {
        exchange->reservation = exchange->earlier[--exchange->earlier_count];
        exchange->reservation->waiter = &exchange->waiter;
    }
    exchange->metering = TAKE(before->metering);
}

static void go_back(struct exchange *exchange)
{
    struct way *way = &exchange->way;
    struct way_before *before = &way->before;
    go_back_quotas(exchange);
    route_standing_leave(exchange->route->standing);
    buffer_fini(&way->mapped);
    way->mapped = before->mapped;
    way->entered = before->route;
    way->made = before->made;
    way->tried = before->tried;
    exchange->route = before->route;
    exchange->path = before->path;
    exchange->query = before->query;
    exchange->rest = before->rest;
    *before = (struct way_before){0};
}

enum step_result fallback_refused(struct exchange *exchange)
{
    enum step_result result;
    go_back(exchange);
    if (fallback_go(exchange, &result)) {
        return result;
    }
    if (exchange->attempt != NULL) {
        return weigh_final(exchange);
    }
    if (!call_body_take(exchange, exchange->route)) {
        return exchange_fail(exchange, ENDED_BY_GATEWAY, PROBLEM_OVERLOADED,
                             "gateway.limits.buffered_bytes is used up: try again later");
    }
    return exchange_go(exchange, EXCHANGE_CHOOSE);
}
