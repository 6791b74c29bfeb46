#include "gateway/exchange/call_body.h"

#include "base/memory.h"
#include "gateway/exchange/exchange.h"
#include "gateway/exchange/idempotency_use.h"
#include "gateway/exchange/inject.h"
#include "gateway/exchange/metering.h"
#include "gateway/exchange/steps.h"
#include "gateway/meter/request_facts.h"
#include "routes/mapping.h"
#include "routes/profile.h"

enum { ADDED_MAX = 512 }; /* a member's name and a model, a limit or a key */

/* Another copy of the body counts against gateway.limits.buffered_bytes. */
static bool hold_copy(struct exchange *exchange)
{
    size_t bytes = exchange->body_slice.len + ADDED_MAX;
    if (!exchange_side_hold(exchange->side, bytes)) {
        return false;
    }
    exchange->held_bytes += bytes;
    return true;
}

static bool key_is_in_body(const struct exchange *exchange)
{
    char normal[CALL_PATH_MAX];
    struct slice path;
    const struct profile *profile = exchange->route->profile;
    return profile->idempotency.member.len > 0 && way_path(exchange, normal, &path) &&
           idempotency_applies(profile, exchange->request->method_text, path);
}

/* Here, or where it may go from here. */
static bool takes_credential(const struct route *route)
{
    bool takes = injections_go_to(&route->injections, INJECT_BODY);
    for (unsigned i = 0; i < route->fallback_count; i++) {
        takes = takes || injections_go_to(&route->fallback[i]->injections, INJECT_BODY);
    }
    return takes;
}

bool call_body_is_edited(const struct exchange *exchange)
{
    return exchange->route->model_count > 0 || key_is_in_body(exchange) ||
           takes_credential(exchange->route);
}

/* ---- the model's name ---- */

/* The name at `to`; false: the body stays as it is. */
static bool find_name(const struct exchange *exchange, const struct route *to,
                      struct request_facts *facts, struct slice *ret)
{
    const struct route *asked = exchange->way.asked;
    struct error err;
    struct slice model;
    if (to != asked && mapping_deployment(asked, exchange->way.rest, &model)) {
        *ret = model;
        (void)mapping_renames(asked, to, model, ret);
        return true;
    }
    if ((asked->model_count == 0 && to->model_count == 0) ||
        request_facts_read(NULL, exchange->body_slice, facts, &err) != STATUS_OK) {
        return false;
    }
    model = slice_from(facts->model);
    return model.len > 0 && mapping_renames(to == asked ? NULL : asked, to, model, ret);
}

/* A body that is not held stays as it is. */
static bool stays_right(const struct exchange *exchange, const struct route *to)
{
    struct slice model;
    return exchange->body_mode == BODY_NONE || to == exchange->way.asked ||
           (to->model_count == 0 &&
            !mapping_deployment(exchange->way.asked, exchange->way.rest, &model));
}

bool call_body_take(struct exchange *exchange, const struct route *to)
{
    struct buffer *mapped_body = &exchange->way.mapped_body;
    struct request_facts facts;
    struct slice name;
    struct error err;
    if (exchange->body_mode != BODY_WHOLE) {
        return stays_right(exchange, to);
    }
    if (!find_name(exchange, to, &facts, &name)) {
        exchange->call_body = exchange->body_slice;
        return true;
    }
    size_t most = exchange->body_slice.len + ADDED_MAX;
    if (mapped_body->max == 0) {
        if (!hold_copy(exchange)) {
            return false;
        }
        buffer_init(mapped_body, most);
    }
    struct buffer body CLEANUP(buffer_fini);
    buffer_init(&body, most);
    if (mapping_body(exchange->body_slice, name, &body, &err) != STATUS_OK) {
        return false;
    }
    struct buffer before = *mapped_body;
    *mapped_body = body;
    body = before;
    exchange->call_body = buffer_bytes(mapped_body);
    return true;
}

/* ---- what is put in ---- */

static bool put_key(struct exchange *exchange)
{
    const struct idempotency_facts *facts = &exchange->route->profile->idempotency;
    if (exchange->keyed.max == 0 && !hold_copy(exchange)) {
        return false;
    }
    buffer_fini(&exchange->keyed);
    buffer_init(&exchange->keyed, exchange->outgoing.len + ADDED_MAX);
    if (idempotency_body_write(exchange->outgoing, facts->member, exchange->key->sent,
                               &exchange->keyed) != STATUS_OK) {
        return false;
    }
    exchange->outgoing = buffer_bytes(&exchange->keyed);
    return true;
}

bool call_body_finish(struct exchange *exchange)
{
    if (exchange->body_mode == BODY_STREAMED) {
        return true;
    }
    bool edited = metering_edits_body(exchange);
    bool keyed = exchange->key != NULL && exchange->body_mode == BODY_WHOLE &&
                 exchange->route->profile->idempotency.header.len == 0;
    if (edited && !exchange->copy_held) {
        exchange->copy_held = hold_copy(exchange);
        if (!exchange->copy_held && !metering_spare_copy(exchange)) {
            return false;
        }
    }
    exchange->outgoing = metering_body(exchange);
    return !keyed || put_key(exchange);
}

enum status call_body_inject(struct exchange *exchange, struct error *err)
{
    struct buffer *injected = &exchange->injected;
    size_t most = exchange->outgoing.len + inject_body_growth(exchange);
    if (!injections_go_to(&exchange->route->injections, INJECT_BODY) ||
        exchange->body_mode != BODY_WHOLE) {
        return STATUS_OK;
    }
    if (most > injected->max) { /* the first time, or a longer secret than before */
        size_t more = most - injected->max;
        if (!exchange_side_hold(exchange->side, more)) {
            return STATUS_TOO_LARGE;
        }
        exchange->held_bytes += more;
    } else {
        most = injected->max;
    }
    buffer_wipe(injected);
    buffer_init(injected, most);
    TRY(inject_write_body(exchange, exchange->outgoing, injected, err));
    exchange->outgoing = buffer_bytes(injected);
    return STATUS_OK;
}
