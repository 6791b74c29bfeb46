/*
 * fallback: the request goes to another route of its own route's list: where its tenant is allowed,
 * the profiles know how to translate it, and the circuit is not open. The quotas that differ are
 * asked there; what the routes before hold is settled at the end.
 *
 * Nothing is let go of before the next route has admitted it: till then what its attempt came to
 * can still be answered.
 */
#include "auth/inbound/tenant.h"
#include "base/memory.h"
#include "gateway/exchange/call_body.h"
#include "gateway/exchange/metering.h"
#include "gateway/exchange/steps.h"
#include "gateway/upstream/standing.h"
#include "limiter/reservation.h"
#include "limiter/store.h"
#include "routes/allow.h"
#include "routes/mapping.h"
#include "routes/target.h"

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

/* What the route so far holds stays reserved until the end: its requests and slots count for this
 * one, too. Bytes of the answer are the next one's to count. */
static void leave_quotas(struct exchange *exchange)
{
    struct way *way = &exchange->way;
    way->pushed = exchange->reservation != NULL;
    if (!way->pushed) {
        return;
    }
    if (exchange->metering != NULL) {
        metering_settle(exchange);
        metering_carry(exchange);
        metering_free(TAKE(exchange->metering));
    }
    for (unsigned i = 0; i < exchange->reservation->count; i++) {
        struct demand *demand = &exchange->reservation->demands[i];
        demand->used = demand->limit->unit == LIMIT_BYTES ? 0 : demand->used;
    }
    exchange->reservation->waiter = NULL;
    exchange->earlier[exchange->earlier_count++] = TAKE(exchange->reservation);
}

/* With the route's own path in front, as every request has it. */
static enum status take_target(struct exchange *exchange, const struct route *to, struct slice rest,
                               struct slice query)
{
    struct buffer *mapped = &exchange->way.mapped;
    buffer_fini(mapped);
    buffer_init(mapped, (size_t)2 * TARGET_MAX_BYTES);
    TRY(buffer_append(mapped, to->path));
    TRY(buffer_append(mapped, rest));
    TRY(buffer_append(mapped, query));
    struct slice whole = buffer_bytes(mapped);
    exchange->path = slice_make(whole.ptr, to->path.len + rest.len);
    exchange->query = slice_make(query.len > 0 ? whole.ptr + exchange->path.len : NULL, query.len);
    exchange->rest = slice_skip(exchange->path, to->path.len);
    return STATUS_OK;
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
        !route_standing_would_admit(to->standing, &to->breaker, exchange->side->loop->now) ||
        !call_body_take(exchange, to) || !way_enter(exchange, to)) {
        return false;
    }
    way_give_back(exchange);
    leave_quotas(exchange);
    if (take_target(exchange, to, buffer_bytes(&path), buffer_bytes(&query)) != STATUS_OK) {
        return false;
    }
    way->before = exchange->route;
    exchange->route = to;
    way->choice = (struct pool_choice){0};
    way->tried = 0;
    way->made = 0;
    return true;
}

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

/* ---- refused there ---- */

static void move_back(struct exchange *exchange)
{
    struct exchange_side *side = exchange->side;
    struct way *way = &exchange->way;
    metering_free(TAKE(exchange->metering));
    if (exchange->reservation != NULL) {
        exchange->reservation->waiter = NULL;
        side->quota.store.ops->settle(side->quota.store.side, TAKE(exchange->reservation));
    }
    if (way->pushed) {
        exchange->reservation = exchange->earlier[--exchange->earlier_count];
        way->pushed = false;
    }
    exchange->route = way->before;
    way->before = NULL;
}

enum step_result fallback_refused(struct exchange *exchange)
{
    enum step_result result;
    move_back(exchange);
    if (fallback_go(exchange, &result)) {
        return result;
    }
    if (exchange->attempt != NULL) {
        return weigh_final(exchange);
    }
    exchange->way.refused = true;
    return exchange_fail(exchange, ENDED_BY_GATEWAY, PROBLEM_CIRCUIT_OPEN,
                         "route \"%s\" cannot be used now, and the quotas of its fallback refuse "
                         "the request",
                         exchange->way.asked->name);
}
