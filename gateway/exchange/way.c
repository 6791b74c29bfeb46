/* way: what the steps that lead upstream share. */
#include "gateway/exchange/way.h"

#include "auth/inbound/tenant.h"
#include "base/memory.h"
#include "gateway/exchange/idempotency_use.h"
#include "gateway/exchange/metering.h"
#include "gateway/exchange/steps.h"
#include "gateway/upstream/standing.h"
#include "routes/allow.h"
#include "routes/profile.h"
#include "routes/target.h"

bool way_path(const struct exchange *exchange, char out[CALL_PATH_MAX], struct slice *ret)
{
    if (exchange->rest.len > CALL_PATH_MAX) {
        return false;
    }
    *ret = target_normalize(exchange->rest, out);
    return true;
}

static bool call_repeatable(const struct exchange *exchange)
{
    char normal[CALL_PATH_MAX];
    struct slice path;
    return way_path(exchange, normal, &path) &&
           call_may_repeat(exchange->route->profile, exchange->request->method_text, path);
}

bool way_repeatable(const struct exchange *exchange)
{
    return judge_idempotent(exchange->request->method) || call_repeatable(exchange);
}

bool way_harmless(const struct exchange *exchange)
{
    return exchange->key != NULL || way_repeatable(exchange);
}

bool way_body_held(const struct exchange *exchange)
{
    bool untouched = exchange->facts.request_bytes == exchange->outgoing.len &&
                     !exchange->body_ended; /* but for what is held of it */
    return exchange->body_mode != BODY_STREAMED || untouched;
}

/* ---- the credential's limits ---- */

static struct slice domain_of(const struct exchange *exchange)
{
    const struct profile *profile = exchange->route->profile;
    char normal[CALL_PATH_MAX];
    struct slice path;
    if (profile->domain_count > 0 && way_path(exchange, normal, &path)) {
        for (unsigned i = 0; i < profile->domain_count; i++) {
            const struct allow_rule rule = {.path = profile->domains[i].path};
            if (allow_matches(&rule, exchange->request->method_text, path)) {
                return profile->domains[i].name;
            }
        }
    }
    if (exchange->route->entry != NULL) { /* each host counts for itself */
        return slice_from(exchange->route->entry);
    }
    if (profile->domain_by_model && exchange->metering != NULL) {
        return metering_model(exchange->metering);
    }
    return slice_make("", 0);
}

void way_ask(const struct exchange *exchange, struct pool_ask *ret)
{
    *ret = (struct pool_ask){
        .route = exchange->route,
        .domain = domain_of(exchange),
        .pinned = exchange->key != NULL && exchange->route->account_count > 1,
        .account = exchange->key == NULL ? 0 : exchange->key->hash,
        .tried = exchange->way.tried,
        .now = exchange->side->loop->now,
        .random = exchange_side_random(exchange->side),
    };
}

/* ---- in flight ---- */

bool way_enter(struct exchange *exchange, const struct route *route)
{
    struct way *way = &exchange->way;
    if (!way->tenant_entered) {
        if (!tenant_standing_enter(exchange->tenant->standing, exchange->tenant->max_in_flight)) {
            return false;
        }
        way->tenant_entered = true;
    }
    if (!route_standing_enter(route->standing, route->max_in_flight)) {
        return false;
    }
    way->entered = route;
    return true;
}

enum status way_write_route(const struct exchange *exchange, struct buffer *out)
{
    if (exchange->route == exchange->way.asked) {
        return STATUS_OK;
    }
    return buffer_print(out, "X-Sallyport-Route: %s\r\n", exchange->route->name);
}

/* ---- the end ---- */

void way_out_of_time(struct exchange *exchange)
{
    struct way *way = &exchange->way;
    const struct route *route = exchange->route;
    usec_t total = way->asked->timeouts.total;
    if (exchange->patience == 0 || exchange->patience >= total) {
        route_standing_report(route->standing, &route->breaker, &way->permit, BREAKER_FAILURE,
                              clock_now() - way->began, exchange->side->loop->now,
                              exchange_side_random(exchange->side));
    }
}

void way_give_back(struct exchange *exchange)
{
    static const struct judgement unused = {.outcome = BREAKER_NEUTRAL};
    struct way *way = &exchange->way;
    usec_t now = exchange->side->loop->now;
    if (way->permit.held) {
        route_standing_report(exchange->route->standing, &exchange->route->breaker, &way->permit,
                              BREAKER_NEUTRAL, 0, now, 0);
    }
    if (way->choice.credential != NULL && way->choice.permit.held) {
        struct pool_ask ask;
        way_ask(exchange, &ask);
        credential_pool_note(&ask, &way->choice, &unused, NULL, 0);
    }
    way->chosen = false;
}

void exchange_end_attempt(struct exchange *exchange)
{
    if (exchange->attempt != NULL) {
        exchange_count_attempt(exchange);
        attempt_end(TAKE(exchange->attempt));
        exchange->response = NULL;
    }
    attempt_end(TAKE(exchange->hedge));
}

void way_note_try(struct exchange *exchange, const struct try *it)
{
    struct tries *tries = &exchange->way.tries;
    if (tries->count == tries->size) {
        tries->size = tries->size == 0 ? 4 : 2 * tries->size;
        tries->list = memory_resize(tries->list, tries->size * sizeof(struct try));
    }
    tries->list[tries->count++] = *it;
}

void way_leave(struct exchange *exchange)
{
    struct way *way = &exchange->way;
    if (way->entered != NULL) {
        route_standing_leave(TAKE(way->entered)->standing);
    }
    if (way->before.route != NULL) {
        route_standing_leave(TAKE(way->before.route)->standing);
    }
    if (way->tenant_entered) {
        tenant_standing_leave(exchange->tenant->standing);
        way->tenant_entered = false;
    }
}

void way_fini(struct exchange *exchange)
{
    struct way *way = &exchange->way;
    way_give_back(exchange);
    memory_free(way->tries.list);
    buffer_fini(&way->mapped);
    buffer_fini(&way->before.mapped);
    buffer_fini(&way->mapped_body);
}
