/* store_redis_flight: commands on their way, and what becomes of them. */
#include "base/memory.h"
#include "base/waiter.h"
#include "limiter/store_redis_state.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* ---- lists ---- */

struct operation *operation_new(enum operation_kind kind, struct reservation *reservation)
{
    struct operation *operation = MEMORY_NEW(struct operation);
    operation->kind = kind;
    operation->reservation = reservation;
    return operation;
}

static bool owns_reservation(const struct operation *operation)
{
    bool asks = operation->kind == OPERATION_ASK || operation->kind == OPERATION_EXTEND;
    return !asks || operation->orphan;
}

void operation_free(struct operation *operation)
{
    if (owns_reservation(operation)) {
        reservation_free(operation->reservation);
    }
    memory_free(operation->debt);
    memory_free(operation);
}

void operations_push(struct operations *list, struct operation *operation)
{
    operation->next = NULL;
    if (list->last != NULL) {
        list->last->next = operation;
    } else {
        list->first = operation;
    }
    list->last = operation;
    list->count++;
}

struct operation *operations_pop(struct operations *list)
{
    struct operation *operation = list->first;
    if (operation != NULL) {
        list->first = operation->next;
        if (list->first == NULL) {
            list->last = NULL;
        }
        list->count--;
    }
    return operation;
}

/* ---- sending ---- */

static enum status write_command(struct store_redis_side *side, const struct operation *operation)
{
    struct buffer *out = redis_link_output(side->link);
    const struct redis_namespace *ns = &side->ns;
    switch (operation->kind) {
    case OPERATION_LOAD:
    case OPERATION_POLICY:
    case OPERATION_BEAT:
        return STATUS_OK; /* written by who makes them */
    case OPERATION_ASK:
        return redis_write_ask(ns, operation->reservation, out);
    case OPERATION_EXTEND:
        return redis_write_extend(ns, operation->reservation, out);
    case OPERATION_SETTLE:
        return redis_write_settle(ns, operation->reservation, out);
    case OPERATION_CALL_OFF:
        return redis_write_call_off(ns, operation->reservation, out);
    case OPERATION_HAND_OVER:
        return redis_write_hand_over(ns, &operation->debt->hand_over, out);
    }
    return STATUS_INVALID;
}

bool flight_send(struct store_redis_side *side, struct operation *operation)
{
    store_redis_refresh(side);
    if (write_command(side, operation) != STATUS_OK) {
        return false;
    }
    usec_t patience = side->state == SIDE_UP ? side->store->settings.timeout : GREETING_TIMEOUT;
    operation->due = side->store->settings.clock.now() + patience;
    redis_link_expect(side->link, 1);
    operations_push(&side->flight, operation);
    if (side->flight.first == operation) {
        flight_set_patience(side);
    }
    return true;
}

void flight_set_patience(struct store_redis_side *side)
{
    if (side->flight.first != NULL) {
        timer_set(side->timers, &side->patience, side->flight.first->due);
    } else {
        timer_stop(&side->patience);
    }
}

/* ---- without an answer ---- */

/* What names a step: enough to call it off. */
static struct reservation *copy_name(const struct reservation *reservation)
{
    struct slice tenant = slice_from(reservation->tenant);
    size_t bytes = tenant.len + 1;
    for (unsigned i = 0; i < reservation->count; i++) {
        bytes += reservation->demands[i].key.len;
    }
    struct reservation *copy = reservation_new(reservation->count, bytes);
    memcpy(copy->id, reservation->id, sizeof(copy->id));
    copy->step = reservation->step;
    for (unsigned i = 0; i < reservation->count; i++) {
        copy->demands[i].key = reservation_keep_key(copy, reservation->demands[i].key);
    }
    copy->tenant = reservation_keep_key(copy, slice_make(tenant.ptr, tenant.len + 1)).ptr;
    return copy;
}

void flight_keep(struct store_redis_side *side, struct operation *take_operation)
{
    struct operation *operation = take_operation;
    operation->repeated = false;
    operations_push(&side->again, operation);
    if (side->again.count > OPERATIONS_MAX) {
        operation_free(operations_pop(&side->again));
        side->counts.unsettled++;
    }
}

static void count_decision(struct store_redis_side *side, const struct reservation *reservation)
{
    if (reservation->state == RESERVATION_UNAVAILABLE) {
        side->counts.denied++;
    } else if (reservation->basis == BASIS_NONE) {
        side->counts.uncounted++;
    } else {
        side->counts.local++;
    }
}

void side_decide_alone(struct store_redis_side *side, struct reservation *reservation)
{
    local_shares_ask(side->store->shares, reservation);
    count_decision(side, reservation);
}

static void call_off(struct store_redis_side *side, const struct reservation *reservation)
{
    flight_keep(side, operation_new(OPERATION_CALL_OFF, copy_name(reservation)));
}

/* Who asked goes on alone; the store is told to forget the ask. */
static void lose_ask(struct store_redis_side *side, struct operation *operation)
{
    struct reservation *reservation = operation->reservation;
    call_off(side, reservation);
    if (!operation->orphan) {
        side->counts.timeouts++;
        reservation->store_data = NULL;
        side_decide_alone(side, reservation);
        wake(reservation->waiter);
    }
    operation_free(operation);
}

/* Whether it was granted is not known; when it is settled, the store goes by its own record. */
static void lose_extension(struct store_redis_side *side, struct operation *operation)
{
    struct reservation *reservation = operation->reservation;
    if (reservation != NULL) {
        side->counts.timeouts++;
        reservation->store_data = NULL;
        reservation->extending = false;
        local_shares_extend(side->store->shares, reservation);
        wake(reservation->waiter);
    }
    operation_free(operation);
}

void flight_lost(struct store_redis_side *side)
{
    struct operation *operation;
    timer_stop(&side->patience);
    while ((operation = operations_pop(&side->flight)) != NULL) {
        switch (operation->kind) {
        case OPERATION_LOAD:
        case OPERATION_POLICY:
        case OPERATION_BEAT:
            operation_free(operation);
            break;
        case OPERATION_ASK:
            lose_ask(side, operation);
            break;
        case OPERATION_EXTEND:
            lose_extension(side, operation);
            break;
        case OPERATION_SETTLE:
        case OPERATION_CALL_OFF:
        case OPERATION_HAND_OVER:
            flight_keep(side, operation);
            break;
        }
    }
}

void flight_free(struct store_redis_side *side)
{
    struct operation *operation;
    flight_lost(side);
    while ((operation = operations_pop(&side->again)) != NULL) {
        operation_free(operation);
    }
}

/* ---- answers ---- */

/* The server forgot the scripts: they are loaded again, and the command is said once more. */
static bool repeat(struct store_redis_side *side, struct operation *operation, bool load)
{
    if (operation->repeated) {
        return false;
    }
    operation->repeated = true;
    struct buffer *out = redis_link_output(side->link);
    for (unsigned i = 0; load && i < SCRIPTS; i++) {
        redis_link_expect(side->link, 1);
        struct operation *loading = operation_new(OPERATION_LOAD, NULL);
        loading->due = side->store->settings.clock.now() + side->store->settings.timeout;
        operations_push(&side->flight, loading);
    }
    return (!load || redis_scripts_load(side->store->scripts, out) == STATUS_OK) &&
           flight_send(side, operation);
}

static void answer_ask(struct store_redis_side *side, struct operation *operation)
{
    struct reservation *reservation = operation->reservation;
    if (!operation->orphan) {
        reservation->store_data = NULL;
        reservation->basis = BASIS_STORE;
        local_shares_note(side->store->shares, reservation);
        wake(reservation->waiter);
        operation_free(operation);
        return;
    }
    if (reservation->state == RESERVATION_HELD) { /* nobody is there any more to use it */
        operation->kind = OPERATION_CALL_OFF;
        operation->orphan = false;
        if (!flight_send(side, operation)) {
            flight_keep(side, operation);
        }
        return;
    }
    operation_free(operation);
}

static bool on_verdict(struct store_redis_side *side, struct operation *operation,
                       struct slice text, char *why, size_t size)
{
    struct redis_answer answer;
    struct error err;
    struct reservation *reservation = operation->reservation;
    if (reservation == NULL) { /* an extension that was settled meanwhile */
        operation_free(operation);
        return true;
    }
    enum reservation_state before = reservation->state;
    bool extending = reservation->extending;
    if (redis_read_verdict(text, reservation, &answer, &err) != STATUS_OK) {
        reservation->state = before;
        reservation->extending = extending;
        operations_push(&side->flight, operation); /* to be decided with the others */
        (void)snprintf(why, size, "%s", err.message);
        return false;
    }
    store_redis_learn(side, &answer);
    if (answer.clock_off && !operation->repeated) {
        reservation->state = before;
        reservation->extending = extending;
        if (repeat(side, operation, false)) {
            return true;
        }
    }
    if (operation->kind == OPERATION_EXTEND) {
        reservation->store_data = NULL;
        wake(reservation->waiter);
        operation_free(operation);
        return true;
    }
    answer_ask(side, operation);
    return true;
}

static bool on_beat(struct store_redis_side *side, struct operation *operation, struct slice text,
                    char *why, size_t size)
{
    struct redis_answer answer;
    struct error err;
    operation_free(operation);
    if (redis_read_beat(text, &answer, &err) != STATUS_OK) {
        (void)snprintf(why, size, "%s", err.message);
        return false;
    }
    store_redis_learn(side, &answer);
    local_shares_note_gateways(side->store->shares, answer.gateways);
    if (answer.declared_dead) {
        side_write_beat(side);
    }
    return true;
}

static void on_policy(struct store_redis_side *side, const struct redis_reply *reply)
{
    if (reply->kind == REDIS_LIST && reply->count >= 2 &&
        !slice_equal(reply->items[1].text, SLICE("noeviction"))) {
        store_redis_note_policy(side->store, reply->items[1].text);
    }
}

static bool on_error(struct store_redis_side *side, struct operation *operation, struct slice text,
                     char *why, size_t size)
{
    if (operation->kind == OPERATION_POLICY) { /* not all may ask that */
        operation_free(operation);
        return true;
    }
    if (slice_starts_with(text, SLICE("NOSCRIPT")) && operation->kind != OPERATION_BEAT &&
        repeat(side, operation, true)) {
        return true;
    }
    operations_push(&side->flight, operation); /* without an answer, like those behind it */
    (void)snprintf(why, size, "%s says: %.*s", side->store->address.url_shown,
                   text.len > 120 ? 120 : (int)text.len, text.ptr);
    return false;
}

bool flight_reply(struct store_redis_side *side, const struct redis_reply *reply, char *why,
                  size_t size)
{
    struct operation *operation = operations_pop(&side->flight);
    assert(operation != NULL); /* the link matches replies to what was expected */
    flight_set_patience(side);
    if (reply->kind == REDIS_ERROR) {
        return on_error(side, operation, reply->text, why, size);
    }
    switch (operation->kind) {
    case OPERATION_ASK:
    case OPERATION_EXTEND:
        return on_verdict(side, operation, reply->text, why, size);
    case OPERATION_BEAT:
        return on_beat(side, operation, reply->text, why, size);
    case OPERATION_POLICY:
        on_policy(side, reply);
        break;
    case OPERATION_LOAD:
    case OPERATION_SETTLE:
    case OPERATION_CALL_OFF:
    case OPERATION_HAND_OVER:
        break;
    }
    operation_free(operation);
    return true;
}
