/*
 * admit: reserves what the request needs in every quota that applies to it, all or none.
 *
 * It is entered before the body is read and, where a quota needs the body, once more behind it. A
 * quota with `wait` holds the request in a line for room; only the head of a line asks again.
 */
#include "auth/inbound/tenant.h"
#include "config/snapshot.h"
#include "gateway/client/connection.h"
#include "gateway/exchange/entry.h"
#include "gateway/exchange/metering.h"
#include "gateway/exchange/quota_counts.h"
#include "gateway/exchange/steps.h"
#include "gateway/exchange/wait_line.h"
#include "limiter/each_values.h"
#include "limiter/limit.h"
#include "limiter/reservation.h"
#include "limiter/store.h"
#include "routes/profile.h"

#include <assert.h>

/* How often the head of a line asks where room may come unseen: in another gateway. */
#define POLL_SHARED (20 * MSEC)
/* And where every release in this process wakes it; in case a window or a bucket was early. */
#define POLL_OWN (250 * MSEC)
/* An ask whose answer got lost is called off; the exchange may take this much longer than its
 * total. */
#define RESERVATION_GRACE (60 * SEC)

/* The rules that apply to one request. */
struct rules {
    const struct limit *limits[RESERVATION_DEMANDS_MAX];
    unsigned count;
    bool read;    /* one of them needs what is in the body */
    bool whole;   /* or must know its length, and no field says it */
    bool metered; /* one of them counts what is known at the end only, or names a model */
};

static bool has_body(const struct exchange *exchange)
{
    return exchange->request->framing != HTTP1_NO_BODY;
}

/* Taken on the way already, by the route before: one that counts requests or slots of any route. */
static bool is_taken(const struct exchange *exchange, const struct limit *limit)
{
    bool counts_request = limit->unit == LIMIT_REQUESTS || limit->unit == LIMIT_CONCURRENCY;
    if (!counts_request || limit->each == EACH_ROUTE) {
        return false;
    }
    for (unsigned i = 0; i < exchange->earlier_count; i++) {
        const struct reservation *reservation = exchange->earlier[i];
        for (unsigned k = 0; k < reservation->count; k++) {
            if (reservation->demands[k].limit == limit) {
                return true;
            }
        }
    }
    return false;
}

/* Each call of the route costs the same, whatever is in it. */
static bool costs_by_request(const struct exchange *exchange, const struct limit *limit)
{
    return limit->unit == LIMIT_COST && limit->model.len == 0 && exchange->route->priced_by_request;
}

static bool reads_body(const struct exchange *exchange, const struct limit *limit)
{
    return limit_needs_body(limit) && !costs_by_request(exchange, limit);
}

/* Tokens and cost are of calls that providers count so; a request without a body is none. */
static bool concerns(const struct exchange *exchange, const struct limit *limit)
{
    if (limit->route_index >= 0 && (unsigned)limit->route_index != exchange->route->index) {
        return false;
    }
    if (limit->unit == LIMIT_COST && exchange->route->prices == NULL) {
        return false;
    }
    return !reads_body(exchange, limit) ||
           (has_body(exchange) && exchange->route->profile->call_count > 0);
}

static void collect_set(const struct exchange *exchange, const struct limit_set *set,
                        struct rules *rules)
{
    for (unsigned i = 0; set != NULL && i < set->count; i++) {
        const struct limit *limit = set->limits[i];
        if (concerns(exchange, limit) && !is_taken(exchange, limit)) {
            assert(rules->count < RESERVATION_DEMANDS_MAX); /* config/link has counted them */
            rules->limits[rules->count++] = limit;
            bool bytes = limit->unit == LIMIT_BYTES;
            rules->read = rules->read || reads_body(exchange, limit);
            rules->whole = rules->whole || (bytes && exchange->request->framing == HTTP1_CHUNKED);
            rules->metered = rules->metered || limit_needs_body(limit) || bytes;
        }
    }
}

static void collect(const struct exchange *exchange, struct rules *rules)
{
    const struct limit_set *over_tenants = exchange->snapshot->route_limits;
    rules->count = 0;
    rules->read = false;
    rules->whole = false;
    rules->metered = false;
    collect_set(exchange, exchange->tenant->limits, rules);
    collect_set(exchange, over_tenants == NULL ? NULL : &over_tenants[exchange->route->index],
                rules);
}

/* Leaves out the rules whose model pattern does not fit. */
static void keep_of_model(const struct exchange *exchange, struct rules *rules)
{
    struct slice model = metering_model(exchange->metering);
    unsigned kept = 0;
    for (unsigned i = 0; i < rules->count; i++) {
        const struct limit *limit = rules->limits[i];
        if (limit->model.len == 0 || limit_model_matches(limit->model, model)) {
            rules->limits[kept++] = limit;
        }
    }
    rules->count = kept;
}

static bool names_model(const struct rules *rules)
{
    for (unsigned i = 0; i < rules->count; i++) {
        if (rules->limits[i]->model.len > 0) {
            return true;
        }
    }
    return false;
}

/* ---- keys ---- */

static struct slice header_value(const struct exchange *exchange, const struct limit *limit)
{
    const struct http1_request *request = exchange->request;
    for (unsigned i = 0; i < request->field_count; i++) {
        const struct http1_field *field = &request->fields[i];
        if (http1_field_is(field, limit->header, limit->header_hash)) {
            return field->value;
        }
    }
    return slice_make("", 0);
}

/* Values that peers choose are bounded: what is too many shares one count. */
static struct slice bounded(const struct exchange *exchange, const struct limit *limit,
                            struct slice value)
{
    struct exchange_side *side = exchange->side;
    return each_values_admit(side->quota.values, limit, value, side->loop->now)
               ? value
               : SLICE("__other__");
}

static struct slice each_value(const struct exchange *exchange, const struct limit *limit)
{
    switch (limit->each) {
    case EACH_NOTHING:
    case EACH_TENANT:
        break;
    case EACH_ROUTE:
        return slice_from(exchange->route->name);
    case EACH_IP:
        return bounded(exchange, limit, slice_from(connection_source(exchange->connection)));
    case EACH_HEADER:
        return bounded(exchange, limit, header_value(exchange, limit));
    }
    return slice_make("", 0);
}

/* ---- the reservation ---- */

static void release_snapshot(void *owner)
{
    snapshot_unref(owner);
}

static void fill_demand(const struct exchange *exchange, const struct limit *limit,
                        struct demand *demand)
{
    demand->limit = limit;
    demand->key_hash = limit->each == EACH_NOTHING ? limit->key_hash : 0;
    switch (limit->unit) {
    case LIMIT_REQUESTS:
    case LIMIT_CONCURRENCY:
        demand->fixed = 1;
        break;
    case LIMIT_TOKENS:
    case LIMIT_COST:
    case LIMIT_BYTES:
        metering_demand(exchange, demand);
        break;
    case LIMIT_UNITS:
        break;
    }
}

/* The keys that are made for this request; a rule without `each` has one for good. */
struct made_keys {
    char text[RESERVATION_DEMANDS_MAX][LIMIT_KEY_MAX];
    size_t len[RESERVATION_DEMANDS_MAX]; /* 0: the rule's own */
};

static size_t make_keys(const struct exchange *exchange, const struct rules *rules,
                        struct made_keys *keys)
{
    size_t total = 0;
    for (unsigned i = 0; i < rules->count; i++) {
        const struct limit *limit = rules->limits[i];
        keys->len[i] =
            limit->each == EACH_NOTHING
                ? 0
                : limit_key_write(limit, exchange->side->quota.store_name, exchange->tenant->name,
                                  each_value(exchange, limit), keys->text[i]);
        total += keys->len[i];
    }
    return total;
}

/* The exchange's. On routes of its fallback the first digit is a letter that no digit is: stores
 * know a reservation by its id, and those of the routes before are open still. */
static void write_id(const struct exchange *exchange, char out[RESERVATION_ID_LEN + 1])
{
    memcpy(out, exchange->id, RESERVATION_ID_LEN + 1);
    if (fallback_asked(exchange)) {
        out[0] = (char)('f' + exchange->way.next_fallback);
    }
}

static void reserve(struct exchange *exchange, const struct rules *rules)
{
    struct made_keys keys; /* 20 KiB that are not touched but where they are made */
    size_t total = make_keys(exchange, rules, &keys);
    struct reservation *reservation = reservation_new(rules->count, total);
    for (unsigned i = 0; i < rules->count; i++) {
        struct demand *demand = &reservation->demands[i];
        fill_demand(exchange, rules->limits[i], demand);
        demand->key =
            keys.len[i] == 0
                ? rules->limits[i]->key
                : reservation_keep_key(reservation, slice_make(keys.text[i], keys.len[i]));
    }
    write_id(exchange, reservation->id);
    reservation->tenant = exchange->tenant->name;
    reservation->lifetime = exchange->route->timeouts.total + RESERVATION_GRACE;
    reservation->waiter = &exchange->waiter;
    reservation->owner = snapshot_ref(exchange->snapshot);
    reservation->release = release_snapshot;
    if (exchange->metering != NULL) {
        metering_want(exchange, reservation);
    }
    exchange->reservation = reservation;
}

/* ---- verdicts ---- */

static enum step_result onward(struct exchange *exchange)
{
    entry_admitted(exchange);
    if (fallback_asked(exchange)) {
        return fallback_admitted(exchange);
    }
    return exchange_go(exchange, exchange->body_received ? EXCHANGE_JOIN : EXCHANGE_RECEIVE);
}

static void leave_line(struct exchange *exchange)
{
    timer_stop(&exchange->room);
    wait_place_leave(TAKE(exchange->place));
}

static enum step_result admitted(struct exchange *exchange)
{
    leave_line(exchange);
    quota_note_warnings(exchange);
    if (exchange->metering != NULL) {
        metering_held(exchange);
    }
    return onward(exchange);
}

/* NULL: the store is away. */
static enum step_result turned_away(struct exchange *exchange, const struct demand *demand)
{
    leave_line(exchange);
    if (fallback_asked(exchange)) {
        return fallback_refused(exchange);
    }
    return exchange_fail_quota(exchange, demand);
}

/* ---- waiting for room ---- */

static usec_t patience_ends(const struct exchange *exchange, const struct demand *demand)
{
    usec_t ends = exchange->waiting_since + demand->limit->wait;
    usec_t total = exchange->route->timeouts.total;
    if (exchange->patience > 0 && exchange->patience < total) {
        total = exchange->patience;
    }
    total += exchange->facts.started;
    return ends < total ? ends : total;
}

/* The head is to ask at room_after, or by and by where nobody can tell when there will be room. */
static void set_room_timer(struct exchange *exchange, const struct demand *demand)
{
    usec_t now = exchange->side->loop->now;
    usec_t ends = patience_ends(exchange, demand);
    usec_t after = ends - now;
    if (wait_place_is_head(exchange->place)) {
        usec_t poll = exchange->side->quota.shared ? POLL_SHARED : POLL_OWN;
        usec_t room = demand->limit->span == LIMIT_HELD || demand->room_after <= 0
                          ? poll
                          : demand->room_after;
        after = room < after ? room : after;
    }
    loop_timer(exchange->side->loop, &exchange->room, after);
}

static enum step_result stand_in_line(struct exchange *exchange, const struct demand *demand)
{
    struct quota_side *quota = &exchange->side->quota;
    bool first = exchange->place == NULL; /* who moves from line to line has just been woken */
    if (exchange->place != NULL && !slice_equal(wait_place_key(exchange->place), demand->key)) {
        leave_line(exchange);
    }
    if (exchange->place == NULL) {
        exchange->place =
            wait_line_join(quota->lines, demand->key, quota->mailbox, &exchange->waiter);
        if (exchange->place == NULL) {
            return turned_away(exchange, demand);
        }
        if (first && wait_place_is_head(exchange->place)) {
            wake(&exchange->waiter); /* what was given back before it stood here told nobody */
        }
    }
    exchange->line_demand = demand;
    set_room_timer(exchange, demand);
    return STEP_WAIT;
}

/* Can it be worth waiting, by what the store said? */
static bool worth_waiting(const struct exchange *exchange, const struct demand *demand)
{
    if (demand->limit->wait == 0 || demand->room_after < 0 || fallback_asked(exchange)) {
        return false; /* nobody waits to go elsewhere */
    }
    usec_t left = patience_ends(exchange, demand) - exchange->side->loop->now;
    return left > 0 && (demand->limit->span == LIMIT_HELD || demand->room_after <= left);
}

static enum step_result refused(struct exchange *exchange)
{
    const struct demand *demand = reservation_refusal(exchange->reservation);
    if (demand == NULL) { /* called off before it was asked: the store was away in between */
        return turned_away(exchange, NULL);
    }
    if (exchange->waiting_since == 0) {
        exchange->waiting_since = exchange->side->loop->now;
    }
    return worth_waiting(exchange, demand) ? stand_in_line(exchange, demand)
                                           : turned_away(exchange, demand);
}

static enum step_result verdict(struct exchange *exchange)
{
    switch (exchange->reservation->state) {
    case RESERVATION_NEW:
    case RESERVATION_ASKED:
        return STEP_WAIT;
    case RESERVATION_HELD:
        return admitted(exchange);
    case RESERVATION_REFUSED:
        return refused(exchange);
    case RESERVATION_UNAVAILABLE:
        return turned_away(exchange, NULL);
    }
    return STEP_WAIT;
}

static enum step_result ask(struct exchange *exchange)
{
    struct reservation *reservation = exchange->reservation;
    const struct store_side *store = &exchange->side->quota.store;
    reservation->state = RESERVATION_NEW;
    reservation->step++;
    reservation->asked_at = exchange->side->loop->now;
    entry_asks(exchange);
    store->ops->ask(store->side, reservation);
    exchange->asking = reservation->state == RESERVATION_ASKED;
    return verdict(exchange);
}

/* Nobody overtakes a line: who comes while others wait stands behind them without asking. */
static const struct demand *line_ahead(const struct exchange *exchange)
{
    const struct reservation *reservation = exchange->reservation;
    for (unsigned i = 0; i < reservation->count; i++) {
        const struct demand *demand = &reservation->demands[i];
        if (demand->limit->wait > 0 && wait_line_busy(exchange->side->quota.lines, demand->key)) {
            return demand;
        }
    }
    return NULL;
}

static enum step_result first_ask(struct exchange *exchange)
{
    const struct demand *ahead = line_ahead(exchange);
    if (ahead == NULL) {
        return ask(exchange);
    }
    if (fallback_asked(exchange)) {
        return turned_away(exchange, ahead);
    }
    exchange->waiting_since = exchange->side->loop->now;
    return stand_in_line(exchange, ahead);
}

/* ---- the step ---- */

static enum step_result bad_body(struct exchange *exchange, const struct error *err)
{
    if (fallback_asked(exchange)) {
        return fallback_refused(exchange);
    }
    return exchange_fail(exchange, ENDED_BY_CLIENT, PROBLEM_BAD_REQUEST, "%s", err->message);
}

enum step_result admit_begin(struct exchange *exchange)
{
    struct rules rules;
    struct error err;
    collect(exchange, &rules);
    if (rules.count == 0) {
        return onward(exchange);
    }
    if ((rules.read || rules.whole) && !exchange->body_received) {
        exchange->hold_whole = true;
        exchange->admit_behind = true;
        return exchange_go(exchange, EXCHANGE_RECEIVE);
    }
    if ((rules.read || rules.whole) && exchange->body_mode == BODY_STREAMED) {
        return fallback_refused(exchange); /* the route before did not need it */
    }
    if (rules.metered) {
        enum metering_reading reading = rules.read ? METERING_CONTENT : METERING_LENGTH;
        if (metering_start(exchange, reading, &err) != STATUS_OK) {
            return bad_body(exchange, &err);
        }
        if (names_model(&rules) && !metering_model_known(exchange->metering)) {
            if (fallback_asked(exchange)) {
                return fallback_refused(exchange);
            }
            return exchange_fail(exchange, ENDED_BY_CLIENT, PROBLEM_BAD_REQUEST,
                                 "a quota goes by the model, and the body does not say which: send "
                                 "JSON with a \"model\"");
        }
        keep_of_model(exchange, &rules);
    }
    if (rules.count == 0) { /* none for this model */
        metering_free(TAKE(exchange->metering));
        return onward(exchange);
    }
    reserve(exchange, &rules);
    return first_ask(exchange);
}

enum step_result admit_resume(struct exchange *exchange)
{
    if (exchange->asking) {
        exchange->asking = exchange->reservation->state == RESERVATION_ASKED;
        exchange->facts.store_wait = clock_now() - exchange->reservation->asked_at;
        return verdict(exchange);
    }
    if (patience_ends(exchange, exchange->line_demand) <= exchange->side->loop->now) {
        return turned_away(exchange, exchange->line_demand);
    }
    if (wait_place_is_head(exchange->place)) {
        return ask(exchange);
    }
    set_room_timer(exchange, exchange->line_demand);
    return STEP_WAIT;
}
