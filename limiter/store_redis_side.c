/* store_redis_side: a worker's link to the store: when it is there, when it is not, and asking. */
#include "base/digest.h"
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

static void send_written(struct store_redis_side *side)
{
    side->unsent = 0;
    side->sent_at = side->store->settings.clock.now();
    redis_link_flush(side->link);
}

static void go_away(struct store_redis_side *side, const char *why, enum loss loss)
{
    usec_t now = side->store->settings.clock.now();
    bool was_up = side->state == SIDE_UP;
    side->state = SIDE_AWAY;
    atomic_store_explicit(&side->counts.up, false, memory_order_relaxed);
    if (was_up) {
        count_up(&side->counts.failures);
    }
    timer_stop(&side->beat);
    flight_lost(side, loss);
    side->unsent = 0;
    if (was_up && now - side->up_since >= STEADY_AFTER) {
        side->backoff = BACKOFF_MIN;
    }
    timer_set(side->timers, &side->retry, now + jittered(side->backoff));
    side->backoff = side->backoff * 2 < BACKOFF_MAX ? side->backoff * 2 : BACKOFF_MAX;
    store_redis_note_away(side->store, why, was_up);
}

static void fail(struct store_redis_side *side, const char *why, enum loss loss)
{
    redis_link_close(side->link);
    go_away(side, why, loss);
}

/* If this thread itself was held up, the answers may be here already and not be read yet: a little
 * time for that, once. */
static bool is_late_itself(struct store_redis_side *side, usec_t now)
{
    usec_t half = side->store->settings.timeout / 2;
    if (side->lenient_until == 0 && now - side->flight.first->due > half) {
        side->lenient_until = now + half;
    }
    return now < side->lenient_until;
}

static void on_patience(struct timer *timer)
{
    struct store_redis_side *side = SIDE_OF(timer, patience);
    usec_t now = side->store->settings.clock.now();
    if (is_late_itself(side, now)) {
        timer_set(side->timers, &side->patience, now + MSEC);
        return;
    }
    usec_t patience = side->state == SIDE_UP ? side->store->settings.timeout : GREETING_TIMEOUT;
    (void)snprintf(side->why, sizeof(side->why),
                   "%.250s: no answer within %lld ms; is it overloaded or stopped?",
                   side->store->address.url_shown, (long long)(patience / MSEC));
    fail(side, side->why, LOSS_OF_TIME);
}

static void on_retry(struct timer *timer)
{
    struct store_redis_side *side = SIDE_OF(timer, retry);
    redis_link_open(side->link);
}

static void on_down(void *ctx, const char *why)
{
    go_away(ctx, why, LOSS_OF_LINK);
}

/* ---- greeting ---- */

bool side_write_beat(struct store_redis_side *side)
{
    const char *names[TENANTS_A_BEAT];
    unsigned count = 0;
    store_redis_refresh(side);
    for (; count < TENANTS_A_BEAT && count < side->tenant_count; count++) {
        side->next_tenant = (side->next_tenant + 1) % side->tenant_count;
        names[count] = side->tenants[side->next_tenant];
    }
    if (redis_write_beat(&side->ns, names, count, redis_link_output(side->link)) != STATUS_OK) {
        return false;
    }
    struct operation *beat = operation_new(OPERATION_BEAT, NULL);
    beat->incarnation = side->incarnation;
    flight_expect(side, beat);
    return true;
}

static bool ask_policy(struct store_redis_side *side)
{
    static const struct slice commands =
        SLICE_INIT("*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$16\r\nmaxmemory-policy\r\n"
                   "*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$9\r\nmaxmemory\r\n");
    side->policy[0] = '\0';
    if (buffer_append(redis_link_output(side->link), commands) != STATUS_OK) {
        return false;
    }
    flight_expect(side, operation_new(OPERATION_POLICY, NULL));
    flight_expect(side, operation_new(OPERATION_POLICY, NULL));
    return true;
}

static void on_up(void *ctx)
{
    struct store_redis_side *side = ctx;
    side->state = SIDE_GREETING;
    if (!flight_load(side) || !ask_policy(side) || !side_write_beat(side)) {
        fail(side, "the scripts are larger than the link's buffer", LOSS_OF_LINK);
        return;
    }
    flight_send_kept(side);
    send_written(side);
}

static usec_t beat_every(const struct store_redis_side *side)
{
    return store_redis_is_filling(side->store) ? BEAT_FILLING : BEAT_EVERY;
}

static void greeting_over(struct store_redis_side *side)
{
    usec_t now = side->store->settings.clock.now();
    side->state = SIDE_UP;
    side->up_since = now;
    atomic_store_explicit(&side->counts.up, true, memory_order_relaxed);
    timer_set(side->timers, &side->beat, now + beat_every(side));
    store_redis_note_up(side->store);
}

/* It keeps this gateway's slots, and an idle link that is dead is noticed by it. */
static void on_beat_due(struct timer *timer)
{
    struct store_redis_side *side = SIDE_OF(timer, beat);
    if (side_write_beat(side)) { /* else so much is written that its answers are awaited anyway */
        send_written(side);
    }
    timer_set(side->timers, &side->beat, side->store->settings.clock.now() + beat_every(side));
}

static void on_reply(void *ctx, const struct redis_reply *reply)
{
    struct store_redis_side *side = ctx;
    if (!flight_reply(side, reply)) {
        fail(side, side->why, LOSS_OF_LINK);
    } else if (side->state == SIDE_GREETING && side->flight.count == 0) {
        greeting_over(side);
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

/* The link may be lost before it is said to be down. */
static bool answers(const struct store_redis_side *side)
{
    return side->state == SIDE_UP && redis_link_is_up(side->link);
}

/* Are some of its windows not filled in again yet? */
static bool must_wait(const struct store_redis_side *side, const struct reservation *reservation)
{
    if (!store_redis_is_filling(side->store)) {
        return false;
    }
    for (unsigned i = 0; i < reservation->count; i++) {
        if (limit_span_is_window(reservation->demands[i].limit->span)) {
            return true;
        }
    }
    return false;
}

/* False: it does not fit, as where the server takes no byte. */
static bool send_step(struct store_redis_side *side, struct reservation *reservation,
                      enum operation_kind kind)
{
    struct operation *operation = operation_new(kind, reservation);
    if (!flight_send(side, operation)) {
        operation_free(operation);
        return false;
    }
    reservation->extending = kind == OPERATION_EXTEND;
    reservation->state = RESERVATION_ASKED;
    reservation->store_data = operation;
    return true;
}

static void ask(void *ctx, struct reservation *reservation)
{
    struct store_redis_side *side = ctx;
    reservation_begin(reservation);
    if (!answers(side) || must_wait(side, reservation) ||
        !send_step(side, reservation, OPERATION_ASK)) {
        side_decide_alone(side, reservation);
    }
}

/* What was admitted alone goes on alone: the store has no record of it. */
static void extend(void *ctx, struct reservation *reservation)
{
    struct store_redis_side *side = ctx;
    if (reservation->basis != BASIS_STORE || !answers(side) ||
        !send_step(side, reservation, OPERATION_EXTEND)) {
        side_extend_alone(side, reservation);
    }
}

static void settle_held(struct store_redis_side *side, struct reservation *reservation)
{
    reservation->store_data = NULL;
    local_shares_settle(side->store->shares, reservation);
    if (reservation->basis != BASIS_STORE || !anything_settles(reservation)) {
        reservation_free(reservation);
        return;
    }
    struct operation *operation = operation_new(OPERATION_SETTLE, reservation);
    if (side->state != SIDE_UP || !flight_send(side, operation)) {
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
    for (unsigned i = 0; i < DEBTS_A_TURN && local_shares_have_debts(side->store->shares); i++) {
        struct operation *operation = operation_new(OPERATION_HAND_OVER, NULL);
        operation->debt = MEMORY_NEW(struct local_debt);
        store_redis_hand_over_begins(side->store);
        if (local_shares_take(side->store->shares, operation->debt, 1) == 0) {
            store_redis_hand_over_ends(side->store);
            operation_free(operation);
            return;
        }
        if (!flight_send(side, operation)) {
            flight_keep(side, operation);
            return;
        }
    }
}

/* What is written soon after a send that has no answer yet goes with the next send: that answer, or
 * whatever else happens first after GATHER, begins a turn. Under load this halves the writes, ours
 * and the server's; one alone never waits. */
static bool is_gathering(const struct store_redis_side *side)
{
    return side->flight.count > side->unsent &&
           side->store->settings.clock.now() - side->sent_at < GATHER;
}

static void hand_in(struct store_redis_side *side)
{
    struct operation *operation;
    while (side->flight.count < BACKLOG_AT_ONCE &&
           (operation = store_redis_next_hand_in(side->store)) != NULL) {
        if (!flight_send(side, operation)) {
            flight_keep(side, operation);
        }
    }
}

static void turn_end(void *ctx)
{
    struct store_redis_side *side = ctx;
    if (side->state == SIDE_UP) {
        flight_send_kept(side);
        hand_over(side);
        hand_in(side);
    }
    if (side->state != SIDE_AWAY && side->unsent > 0 && !is_gathering(side)) {
        send_written(side);
    }
}

struct store_side store_redis_side(struct store_redis_side *side)
{
    static const struct store_ops ops = {
        .ask = ask, .extend = extend, .settle = settle, .turn_end = turn_end};
    return (struct store_side){.ops = &ops, .side = side};
}

/* The keys that it took of are in the store's record. */
void store_redis_settle_left(struct store_redis_side *side, const char *id, const char *tenant,
                             const uint64_t *used, unsigned count)
{
    struct reservation *reservation = reservation_new(count, 0);
    char *name = memory_copy(slice_from(tenant));
    (void)snprintf(reservation->id, sizeof(reservation->id), "%s", id);
    reservation->tenant = name;
    reservation->owner = name;
    reservation->release = memory_free;
    for (unsigned i = 0; i < count; i++) {
        reservation->demands[i].key = slice_make("", 0);
        reservation->demands[i].used = used[i];
    }
    flight_keep(side, operation_new(OPERATION_SETTLE, reservation));
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
    redis_namespace_name(&side->ns, store->name);
    side->ns.windows = &side->windows;
    random_name(side->ns.candidate, STORE_NAME_BYTES);
    timer_init(&side->patience, on_patience);
    timer_init(&side->retry, on_retry);
    timer_init(&side->beat, on_beat_due);
    store_redis_note_side(store);
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
    bool was_up = side->state == SIDE_UP;
    if (was_up) {
        turn_end(side);
        redis_link_drain(side->link, side->store->settings.timeout);
    }
    side->state = SIDE_AWAY;
    redis_link_free(side->link);
    timer_cancel(side->timers, &side->patience);
    timer_cancel(side->timers, &side->retry);
    timer_cancel(side->timers, &side->beat);
    flight_free(side);
    timer_cancel(side->timers, &side->patience);
    store_redis_note_gone(side->store, was_up);
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
    const struct side_counts *counts = &side->counts;
    return (struct store_redis_counts){
        .up = counts->up,
        .waiting = counts->waiting,
        .timeouts = counts->timeouts,
        .failures = counts->failures,
        .local = counts->local,
        .uncounted = counts->uncounted,
        .denied = counts->denied,
        .unsettled = counts->unsettled,
        .pending = counts->pending,
    };
}
