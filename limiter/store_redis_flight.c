/* store_redis_flight: commands on their way, and what becomes of those that have no answer. */
#include "base/memory.h"
#include "base/waiter.h"
#include "limiter/store_redis_state.h"

#include <string.h>

/* ---- lists ---- */

struct operation *operation_new(enum operation_kind kind, struct reservation *reservation)
{
    struct operation *operation = MEMORY_NEW(struct operation);
    operation->kind = kind;
    operation->reservation = reservation;
    return operation;
}

static bool is_step(const struct operation *operation)
{
    return operation->kind == OPERATION_ASK || operation->kind == OPERATION_EXTEND;
}

/* Must the store hear of it, however long that takes? */
static bool lasts(const struct operation *operation)
{
    return operation->kind == OPERATION_SETTLE || operation->kind == OPERATION_CALL_OFF ||
           operation->kind == OPERATION_HAND_OVER || operation->kind == OPERATION_HAND_IN;
}

void operation_free(struct operation *operation)
{
    if (!is_step(operation) || operation->orphan) {
        reservation_free(operation->reservation);
    }
    memory_free(operation->debt);
    memory_free(operation->hand_in);
    memory_free(operation);
}

static void push(struct store_redis_side *side, struct operations *list,
                 struct operation *operation)
{
    operation->next = NULL;
    if (list->last != NULL) {
        list->last->next = operation;
    } else {
        list->first = operation;
    }
    list->last = operation;
    list->count++;
    side->counts.waiting += is_step(operation);
    side->counts.pending += lasts(operation);
    side->loading += operation->kind == OPERATION_LOAD;
}

static struct operation *pop(struct store_redis_side *side, struct operations *list)
{
    struct operation *operation = list->first;
    if (operation == NULL) {
        return NULL;
    }
    list->first = operation->next;
    if (list->first == NULL) {
        list->last = NULL;
    }
    list->count--;
    side->counts.waiting -= is_step(operation);
    side->counts.pending -= lasts(operation);
    side->loading -= operation->kind == OPERATION_LOAD;
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
    case OPERATION_HAND_IN:
        return redis_write_hand_in(ns, operation->hand_in, out);
    }
    return STATUS_INVALID;
}

static void set_patience(struct store_redis_side *side)
{
    const struct operation *oldest = side->flight.first;
    if (oldest == NULL || oldest->due > side->lenient_until) {
        side->lenient_until = 0;
    }
    if (oldest != NULL) {
        timer_set(side->timers, &side->patience, oldest->due);
    } else {
        timer_stop(&side->patience);
    }
}

void flight_expect(struct store_redis_side *side, struct operation *operation)
{
    usec_t patience = side->state == SIDE_UP ? side->store->settings.timeout : GREETING_TIMEOUT;
    operation->due = side->store->settings.clock.now() + patience;
    redis_link_expect(side->link, 1);
    push(side, &side->flight, operation);
    side->unsent++;
    if (side->flight.first == operation) {
        set_patience(side);
    }
}

bool flight_send(struct store_redis_side *side, struct operation *operation)
{
    store_redis_refresh(side);
    if (write_command(side, operation) != STATUS_OK) {
        return false;
    }
    flight_expect(side, operation);
    return true;
}

bool flight_load(struct store_redis_side *side)
{
    if (side->loading > 0) {
        return true; /* before all that is written from now on */
    }
    if (redis_scripts_load(side->store->scripts, redis_link_output(side->link)) != STATUS_OK) {
        return false;
    }
    for (unsigned i = 0; i < SCRIPTS; i++) {
        flight_expect(side, operation_new(OPERATION_LOAD, NULL));
    }
    return true;
}

struct operation *flight_pop(struct store_redis_side *side)
{
    struct operation *operation = pop(side, &side->flight);
    set_patience(side);
    return operation;
}

void flight_give_up(struct store_redis_side *side, const struct operation *operation)
{
    if (operation->kind == OPERATION_HAND_IN) {
        store_redis_hand_in_is_lost(side->store);
    } else if (operation->kind == OPERATION_HAND_OVER) {
        store_redis_hand_over_ends(side->store);
    }
}

void flight_keep(struct store_redis_side *side, struct operation *take_operation)
{
    take_operation->repeated = false;
    push(side, &side->again, take_operation);
    if (side->again.count > OPERATIONS_MAX) {
        struct operation *oldest = pop(side, &side->again);
        flight_give_up(side, oldest);
        operation_free(oldest);
        count_up(&side->counts.unsettled);
    }
}

void flight_send_kept(struct store_redis_side *side)
{
    while (side->again.count > 0 && side->flight.count < BACKLOG_AT_ONCE) {
        struct operation *operation = pop(side, &side->again);
        if (!flight_send(side, operation)) {
            flight_keep(side, operation);
            break;
        }
    }
}

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

void flight_call_off(struct store_redis_side *side, const struct reservation *reservation)
{
    flight_keep(side, operation_new(OPERATION_CALL_OFF, copy_name(reservation)));
}

/* ---- without an answer ---- */

static void count_decision(struct store_redis_side *side, const struct reservation *reservation)
{
    if (reservation->state == RESERVATION_UNAVAILABLE) {
        count_up(&side->counts.denied);
    } else if (reservation->basis == BASIS_NONE) {
        count_up(&side->counts.uncounted);
    } else {
        count_up(&side->counts.local);
    }
}

void side_decide_alone(struct store_redis_side *side, struct reservation *reservation)
{
    reservation->store_data = NULL;
    local_shares_ask(side->store->shares, reservation);
    count_decision(side, reservation);
}

void side_extend_alone(struct store_redis_side *side, struct reservation *reservation)
{
    reservation->store_data = NULL;
    reservation->extending = false;
    local_shares_extend(side->store->shares, reservation);
}

/* Who asked goes on alone; the store is told to forget the ask. */
static void lose_ask(struct store_redis_side *side, struct operation *operation, enum loss loss)
{
    struct reservation *reservation = operation->reservation;
    flight_call_off(side, reservation);
    if (!operation->orphan) {
        side_decide_alone(side, reservation);
        if (loss == LOSS_OF_TIME) {
            count_up(&side->counts.timeouts);
        }
        wake(reservation->waiter);
    }
}

/* Whether it was granted is not known; when it is settled, the store goes by its own record. */
static void lose_extension(struct store_redis_side *side, struct operation *operation,
                           enum loss loss)
{
    struct reservation *reservation = operation->reservation;
    if (reservation != NULL) {
        side_extend_alone(side, reservation);
        if (loss == LOSS_OF_TIME) {
            count_up(&side->counts.timeouts);
        }
        wake(reservation->waiter);
    }
}

void flight_lose(struct store_redis_side *side, struct operation *take_operation, enum loss loss)
{
    switch (take_operation->kind) {
    case OPERATION_LOAD:
    case OPERATION_POLICY:
    case OPERATION_BEAT:
        break;
    case OPERATION_ASK:
        lose_ask(side, take_operation, loss);
        break;
    case OPERATION_EXTEND:
        lose_extension(side, take_operation, loss);
        break;
    case OPERATION_SETTLE:
    case OPERATION_CALL_OFF:
    case OPERATION_HAND_OVER:
    case OPERATION_HAND_IN:
        flight_keep(side, take_operation);
        return;
    }
    operation_free(take_operation);
}

void flight_lost(struct store_redis_side *side, enum loss loss)
{
    struct operation *operation;
    while ((operation = flight_pop(side)) != NULL) {
        flight_lose(side, operation, loss);
    }
}

void flight_free(struct store_redis_side *side)
{
    struct operation *operation;
    flight_lost(side, LOSS_OF_LINK);
    while ((operation = pop(side, &side->again)) != NULL) {
        operation_free(operation);
    }
}
