/* store_redis_side: a worker's link to the store: when it is there, when it is not, and asking. */
#include "base/digest.h"
#include "base/encode.h"
#include "base/memory.h"
#include "base/waiter.h"
#include "limiter/store_redis_state.h"

#include <assert.h>
#include <stdio.h>

#define SIDE_OF(ptr, member)                                                                       \
    ((struct store_redis_side *)((char *)(ptr)-offsetof(struct store_redis_side, member)))

/* ---- away ---- */

/* Half of it at least, so that many gateways do not come at once. */
static usec_t jittered(usec_t span)
{
    uint32_t random;
    random_bytes(&random, sizeof(random));
    return span / 2 + (usec_t)(random % (uint32_t)(span / 2 + 1));
}

static void go_away(struct store_redis_side *side, const char *why)
{
    bool was_up = side->state == SIDE_UP;
    side->state = SIDE_AWAY;
    side->counts.up = false;
    side->counts.failures += was_up;
    timer_stop(&side->beat);
    flight_lost(side);
    timer_set(side->timers, &side->retry,
              side->store->settings.clock.now() + jittered(side->backoff));
    side->backoff = side->backoff * 2 < BACKOFF_MAX ? side->backoff * 2 : BACKOFF_MAX;
    store_redis_note_away(side->store, why, was_up);
}

void side_fail(struct store_redis_side *side, const char *why)
{
    redis_link_close(side->link);
    go_away(side, why);
}

static void on_patience(struct timer *timer)
{
    struct store_redis_side *side = SIDE_OF(timer, patience);
    char why[300];
    (void)snprintf(why, sizeof(why), "%s does not answer in time", side->store->address.url_shown);
    side_fail(side, why);
}

static void on_retry(struct timer *timer)
{
    struct store_redis_side *side = SIDE_OF(timer, retry);
    redis_link_open(side->link);
}

static void on_down(void *ctx, const char *why)
{
    go_away(ctx, why);
}

/* ---- greeting ---- */

/* An operation whose command was just written by the caller. */
static void expect(struct store_redis_side *side, enum operation_kind kind)
{
    struct operation *operation = operation_new(kind, NULL);
    if (!flight_send(side, operation)) {
        operation_free(operation); /* not reached: it writes nothing itself */
    }
}

void side_write_beat(struct store_redis_side *side)
{
    const char *names[TENANTS_A_BEAT];
    unsigned count = 0;
    store_redis_refresh(side);
    for (; count < TENANTS_A_BEAT && count < side->tenant_count; count++) {
        side->next_tenant = (side->next_tenant + 1) % side->tenant_count;
        names[count] = side->tenants[side->next_tenant];
    }
    if (redis_write_beat(&side->ns, names, count, redis_link_output(side->link)) == STATUS_OK) {
        expect(side, OPERATION_BEAT);
    }
}

static void say_what_was_left(struct store_redis_side *side)
{
    for (unsigned left = side->again.count; left > 0; left--) {
        struct operation *operation = operations_pop(&side->again);
        if (!flight_send(side, operation)) {
            operations_push(&side->again, operation);
        }
    }
}

static void on_up(void *ctx)
{
    struct store_redis_side *side = ctx;
    struct buffer *out = redis_link_output(side->link);
    side->state = SIDE_GREETING;
    if (redis_scripts_load(side->store->scripts, out) != STATUS_OK ||
        buffer_append(out,
                      SLICE("*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$16\r\nmaxmemory-policy\r\n")) !=
            STATUS_OK) {
        side_fail(side, "the link's buffer is full");
        return;
    }
    for (unsigned i = 0; i < SCRIPTS; i++) {
        expect(side, OPERATION_LOAD);
    }
    expect(side, OPERATION_POLICY);
    side_write_beat(side);
    say_what_was_left(side);
    redis_link_flush(side->link);
}

void side_greeting_over(struct store_redis_side *side)
{
    side->state = SIDE_UP;
    side->counts.up = true;
    side->backoff = BACKOFF_MIN;
    timer_set(side->timers, &side->beat, side->store->settings.clock.now() + BEAT_EVERY);
    store_redis_note_up(side->store);
}

static void on_beat_due(struct timer *timer)
{
    struct store_redis_side *side = SIDE_OF(timer, beat);
    side_write_beat(side);
    redis_link_flush(side->link);
    timer_set(side->timers, &side->beat, side->store->settings.clock.now() + BEAT_EVERY);
}

static void on_reply(void *ctx, const struct redis_reply *reply)
{
    struct store_redis_side *side = ctx;
    char why[300];
    if (!flight_reply(side, reply, why, sizeof(why))) {
        side_fail(side, why);
    } else if (side->state == SIDE_GREETING && side->flight.count == 0) {
        side_greeting_over(side);
    }
}

/* ---- the store's operations ---- */

static bool anything_settles(const struct reservation *reservation)
{
    for (unsigned i = 0; i < reservation->count; i++) {
        if (limit_settles(reservation->demands[i].limit)) {
            return true;
        }
    }
    return false;
}

static void send_step(struct store_redis_side *side, struct reservation *reservation,
                      enum operation_kind kind)
{
    struct operation *operation = operation_new(kind, reservation);
    reservation->extending = kind == OPERATION_EXTEND;
    reservation->state = RESERVATION_ASKED;
    reservation->store_data = operation;
    if (!flight_send(side, operation)) {
        operation_free(operation);
        reservation->store_data = NULL;
        reservation->extending = false;
        if (kind == OPERATION_EXTEND) {
            local_shares_extend(side->store->shares, reservation);
        } else {
            side_decide_alone(side, reservation);
        }
    }
}

static void ask(void *ctx, struct reservation *reservation)
{
    struct store_redis_side *side = ctx;
    reservation->output_granted = 0;
    for (unsigned i = 0; i < reservation->count; i++) {
        reservation->demands[i].granted = 0;
        reservation->demands[i].over = false;
    }
    if (side->state == SIDE_UP) {
        send_step(side, reservation, OPERATION_ASK);
    } else {
        side_decide_alone(side, reservation);
    }
}

static void extend(void *ctx, struct reservation *reservation)
{
    struct store_redis_side *side = ctx;
    if (side->state == SIDE_UP && reservation->basis == BASIS_STORE) {
        send_step(side, reservation, OPERATION_EXTEND);
    } else {
        local_shares_extend(side->store->shares, reservation);
    }
}

static void settle_held(struct store_redis_side *side, struct reservation *reservation)
{
    local_shares_settle(side->store->shares, reservation);
    if (reservation->basis != BASIS_STORE || !anything_settles(reservation)) {
        reservation_free(reservation);
        return;
    }
    struct operation *operation = operation_new(OPERATION_SETTLE, reservation);
    if (side->state == SIDE_AWAY || !flight_send(side, operation)) {
        flight_keep(side, operation);
    }
}

static void settle(void *ctx, struct reservation *take_reservation)
{
    struct store_redis_side *side = ctx;
    struct reservation *reservation = take_reservation;
    struct operation *operation = reservation->store_data;
    reservation->waiter = NULL;
    if (reservation->state == RESERVATION_ASKED && reservation->extending) {
        operation->reservation = NULL; /* the store has its record, and takes commands in order */
        settle_held(side, reservation);
    } else if (reservation->state == RESERVATION_ASKED) {
        operation->orphan = true; /* called off when its answer is there */
    } else if (reservation->state == RESERVATION_HELD) {
        settle_held(side, reservation);
    } else {
        reservation_free(reservation);
    }
}

static void hand_over(struct store_redis_side *side)
{
    struct local_debt *debts = NULL;
    for (;;) {
        debts = memory_alloc(sizeof(*debts));
        if (local_shares_take(side->store->shares, debts, 1) == 0) {
            break;
        }
        debts->hand_over.limit = &debts->limit;
        struct operation *operation = operation_new(OPERATION_HAND_OVER, NULL);
        operation->debt = debts;
        if (!flight_send(side, operation)) {
            flight_keep(side, operation);
            return;
        }
    }
    memory_free(debts);
}

static void turn_end(void *ctx)
{
    struct store_redis_side *side = ctx;
    if (side->state == SIDE_UP && local_shares_have_debts(side->store->shares)) {
        hand_over(side);
    }
    if (side->state != SIDE_AWAY) {
        redis_link_flush(side->link);
    }
}

struct store_side store_redis_side(struct store_redis_side *side)
{
    static const struct store_ops ops = {
        .ask = ask, .extend = extend, .settle = settle, .turn_end = turn_end};
    return (struct store_side){.ops = &ops, .side = side};
}

/* ---- life ---- */

struct store_redis_side *store_redis_side_new(struct store_redis *store, struct event_base *base,
                                              struct timer_queue *timers)
{
    static const struct redis_link_ops ops = {.up = on_up, .reply = on_reply, .down = on_down};
    struct store_redis_side *side = MEMORY_NEW(struct store_redis_side);
    side->store = store;
    side->timers = timers;
    side->backoff = BACKOFF_MIN;
    side->ns.scripts = store->scripts;
    side->ns.store = store->name;
    unsigned char random[8];
    random_bytes(random, sizeof(random));
    encode_hex(slice_make((const char *)random, sizeof(random)), side->ns.candidate);
    timer_init(&side->patience, on_patience);
    timer_init(&side->retry, on_retry);
    timer_init(&side->beat, on_beat_due);
    side->link = redis_link_new(&(struct redis_link_settings){
        .base = base,
        .timers = timers,
        .now = store->settings.clock.now,
        .address = &store->address,
        .tls = store->tls,
        .connect_timeout = 2 * SEC,
        .ops = &ops,
        .ctx = side,
    });
    store_redis_refresh(side);
    redis_link_open(side->link);
    return side;
}

void store_redis_side_free(struct store_redis_side *side)
{
    if (side == NULL) {
        return;
    }
    if (side->state != SIDE_AWAY) {
        redis_link_flush(side->link);
    }
    redis_link_free(side->link);
    timer_cancel(side->timers, &side->patience);
    timer_cancel(side->timers, &side->retry);
    timer_cancel(side->timers, &side->beat);
    flight_free(side);
    memory_free(side);
}

void store_redis_set_tenants(struct store_redis_side *side, const char *const *tenants,
                             unsigned count)
{
    side->tenants = tenants;
    side->tenant_count = count;
    side->next_tenant = 0;
}

struct store_redis_counts store_redis_counts(const struct store_redis_side *side)
{
    struct store_redis_counts counts = side->counts;
    counts.waiting = side->flight.count;
    counts.pending = side->again.count + side->flight.count;
    return counts;
}
