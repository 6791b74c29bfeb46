/* What one target gets, and when: as much at once as its concurrency, rate and circuit allow. */
#include "base/digest.h"
#include "base/memory.h"
#include "config/snapshot.h"
#include "gateway/observe/audit_log.h"
#include "gateway/observe/log.h"
#include "gateway/webhook/delivery_schedule.h"
#include "gateway/webhook/delivery_state.h"

#include <stddef.h>

enum { LINES_MAX = 20 }; /* of the log, of one target, in LINES_WHILE */

#define LINES_WHILE   (60 * SEC)
#define LOOK_AGAIN    SEC        /* whether the queue can be written */
#define TIMER_LONGEST (60 * SEC) /* the clock on the wall may be set */

static void wake_after(struct delivery_target *target, usec_t after)
{
    loop_timer(&target->delivery->loop, &target->timer,
               after < TIMER_LONGEST ? after : TIMER_LONGEST);
}

/* ---- the log ---- */

bool delivery_target_may_tell(struct delivery_target *target)
{
    usec_t now = target->delivery->loop.now;
    if (target->told_since == 0 || now - target->told_since > LINES_WHILE) {
        if (target->untold > 0) {
            log_warn("hook %s, target %s: %u more lines were left out", target->hook_name,
                     target->name, target->untold);
        }
        target->told_since = now;
        target->told = 0;
        target->untold = 0;
    }
    bool may = target->told < LINES_MAX;
    target->told += may ? 1 : 0;
    target->untold += may ? 0 : 1;
    return may;
}

/* ---- the circuit ---- */

/* Said when it opens and when it is closed again; not each time that a probe fails. */
static void show_breaker(struct delivery_target *target)
{
    const struct audit_event event = {.kind = AUDIT_CIRCUIT};
    enum breaker_state state = target->breaker.state;
    atomic_store(&target->shown, (int)state);
    if (state == BREAKER_OPEN && !target->open_told) {
        target->open_told = true;
        audit(LOG_LEVEL_INFO, &event, "breaker: hook %s, target %s: open: it gets nothing for now",
              target->hook_name, target->name);
    } else if (state == BREAKER_CLOSED && target->open_told) {
        target->open_told = false;
        audit(LOG_LEVEL_INFO, &event, "breaker: hook %s, target %s: closed", target->hook_name,
              target->name);
    }
}

void delivery_target_report(struct delivery_target *target, struct breaker_permit *permit,
                            enum breaker_outcome outcome, usec_t took)
{
    static const struct breaker_policy off = {.off = true};
    const struct breaker_policy *policy = target->config == NULL ? &off : &target->config->breaker;
    (void)breaker_report(&target->breaker, policy, permit, outcome, took,
                         target->delivery->loop.now, random_number());
    show_breaker(target);
}

/* ---- the rate ---- */

/* In the whole milliseconds that buckets count; a shorter period is one of them. */
static struct bucket_rate rate_of(const struct hook_target *config)
{
    usec_t period = config->rate.period / MSEC;
    return (struct bucket_rate){.amount = config->rate.count,
                                .burst = config->rate.count,
                                .period_ms = period > 0 ? (uint64_t)period : 1};
}

/* Attempts that may begin now; *ret_after: if none, when one may. */
static unsigned rate_left(struct delivery_target *target, usec_t *ret_after)
{
    *ret_after = 0;
    if (target->config->rate.count == 0) {
        return UINT32_MAX;
    }
    struct bucket_rate rate = rate_of(target->config);
    bucket_advance(&target->bucket, &rate, target->delivery->loop.now / MSEC);
    uint64_t left = bucket_left(&target->bucket, &rate);
    if (left == 0) {
        *ret_after = bucket_wait_ms(&target->bucket, &rate, 1) * MSEC;
    }
    return (unsigned)left;
}

/* ---- what is ready ---- */

static void put_ready(struct delivery_target *target, struct queue_delivery *delivery)
{
    delivery->next = NULL;
    *target->last = delivery;
    target->last = &delivery->next;
    target->ready_count++;
    target->held_bytes += delivery_bytes(delivery);
}

/* Its bytes are held until delivery_target_ended(). */
static struct queue_delivery *take_ready(struct delivery_target *target)
{
    struct queue_delivery *delivery = target->ready;
    target->ready = delivery->next;
    if (target->ready == NULL) {
        target->last = &target->ready;
    }
    target->ready_count--;
    delivery->next = NULL;
    return delivery;
}

static void return_one(struct delivery_target *target, struct queue_delivery *delivery, usec_t due)
{
    target->held_bytes -= delivery_bytes(delivery);
    delivery_give_back(target->delivery, delivery, due);
}

static void return_ready(struct delivery_target *target)
{
    while (target->ready != NULL) {
        return_one(target, take_ready(target), clock_wall());
        target->news = true;
    }
}

/* ---- beginning ---- */

static unsigned in_flight(const struct delivery_target *target)
{
    return atomic_load(&target->in_flight);
}

/* Too early for its first attempt? Then it is given back. */
static bool is_too_early(struct delivery_target *target)
{
    usec_t due;
    usec_t wall = clock_wall();
    if (delivery_may_begin(target->config, target->ready, wall, random_number(), &due)) {
        return false;
    }
    return_one(target, take_ready(target), due);
    if (target->next_due == 0 || due < target->next_due) {
        target->next_due = due;
    }
    return true;
}

/* False: the next one has to wait. */
static bool begin_one(struct delivery_target *target)
{
    struct breaker_permit permit;
    usec_t after;
    if (is_too_early(target)) {
        return true;
    }
    if (rate_left(target, &after) == 0) {
        wake_after(target, after);
        return false;
    }
    bool admitted = breaker_admit(&target->breaker, &target->config->breaker,
                                  target->delivery->loop.now, &permit, &after);
    show_breaker(target);
    if (!admitted) {
        return false; /* a probe's end wakes it, or ask() sets the timer */
    }
    if (target->config->rate.count > 0) {
        (void)bucket_take(&target->bucket, 1);
    }
    delivery_attempt_begin(target, take_ready(target), &permit);
    return true;
}

static void begin_all(struct delivery_target *target)
{
    while (target->ready != NULL && in_flight(target) < target->config->concurrency &&
           begin_one(target)) {
        if (loop_used_up(&target->delivery->loop)) {
            wake(&target->waiter);
            return;
        }
    }
}

/* ---- asking ---- */

/* How many may be ready at most. */
static unsigned ahead(const struct delivery_target *target)
{
    unsigned wanted = 2 * target->config->concurrency;
    return wanted < DELIVERY_AHEAD_MIN   ? DELIVERY_AHEAD_MIN
           : wanted > DELIVERY_AHEAD_MAX ? DELIVERY_AHEAD_MAX
                                         : wanted;
}

static size_t share(const struct delivery_target *target)
{
    unsigned count = target->delivery->target_count;
    size_t part = DELIVERY_ALL_BYTES / (count == 0 ? 1 : count);
    return part < DELIVERY_SHARE_BYTES ? part : DELIVERY_SHARE_BYTES;
}

/* Of deliveries, how many more may be ready; 0: not now, and what changes that wakes it. */
static unsigned room(struct delivery_target *target)
{
    const struct breaker_policy *policy = &target->config->breaker;
    usec_t now = target->delivery->loop.now;
    unsigned most = ahead(target);
    usec_t after;
    if (target->taking || target->ready_count > most / 2 || target->held_bytes >= share(target)) {
        return 0;
    }
    if (!breaker_would_admit(&target->breaker, policy, now)) {
        if (target->breaker.state == BREAKER_OPEN) {
            wake_after(target, target->breaker.open_until - now);
        }
        return 0;
    }
    unsigned left = rate_left(target, &after);
    if (left <= target->ready_count) {
        if (left == 0) {
            wake_after(target, after);
        }
        return 0;
    }
    left -= target->ready_count;
    most = target->breaker.state == BREAKER_CLOSED ? most - target->ready_count : 1;
    return left < most ? left : most;
}

static void on_taken(struct letter *letter, void *receiver);

static void ask(struct delivery_target *target)
{
    unsigned most = room(target);
    usec_t wall = clock_wall();
    if (most == 0) {
        return;
    }
    if (!target->news && (target->next_due == 0 || target->next_due > wall)) {
        if (target->next_due > wall) {
            wake_after(target, target->next_due - wall);
        }
        return;
    }
    target->news = false;
    target->taking = true;
    target->take = (struct queue_take){
        .letter.run = on_taken,
        .reply = target->delivery->mailbox,
        .hook = target->hook_name,
        .target = target->name,
        .most = most,
        .most_bytes = share(target) - target->held_bytes,
    };
    queue_take(target->delivery->queue, &target->take);
}

static void on_taken(struct letter *letter, void *receiver)
{
    struct queue_take *take =
        (struct queue_take *)((char *)letter - offsetof(struct queue_take, letter));
    struct delivery_target *target =
        (struct delivery_target *)((char *)take - offsetof(struct delivery_target, take));
    (void)receiver;
    target->taking = false;
    target->next_due = take->next_due;
    while (take->first != NULL) {
        struct queue_delivery *delivery = take->first;
        take->first = delivery->next;
        put_ready(target, delivery);
    }
    wake(&target->waiter);
}

/* ---- all of it ---- */

static bool queue_is_written(const struct delivery *delivery)
{
    struct queue_stats stats;
    queue_get_stats(delivery->queue, &stats);
    return stats.writable;
}

static void work(struct delivery_target *target)
{
    const struct delivery *delivery = target->delivery;
    timer_stop(&target->timer);
    if (delivery->draining || target->config == NULL) {
        return_ready(target);
        return;
    }
    /* What would be answered meanwhile could not be noted, and would be sent again. */
    if (!queue_is_written(delivery)) {
        wake_after(target, LOOK_AGAIN);
        return;
    }
    begin_all(target);
    if (target->breaker.state == BREAKER_OPEN) {
        return_ready(target);
    }
    ask(target);
}

static void on_news(struct waiter *waiter)
{
    work((struct delivery_target *)((char *)waiter - offsetof(struct delivery_target, waiter)));
}

static void on_timer(struct timer *timer)
{
    wake(&((struct delivery_target *)((char *)timer - offsetof(struct delivery_target, timer)))
              ->waiter);
}

void delivery_target_wake(struct delivery_target *target)
{
    wake(&target->waiter);
}

void delivery_target_ended(struct delivery_target *target, size_t bytes)
{
    target->held_bytes -= bytes;
    wake(&target->waiter);
}

bool delivery_target_busy(const struct delivery_target *target)
{
    return target->attempts != NULL || target->taking || target->ready != NULL;
}

void delivery_target_set(struct delivery_target *target, struct snapshot *snapshot,
                         const struct hook *hook, const struct hook_target *config)
{
    struct snapshot *old = target->snapshot;
    target->snapshot = config == NULL ? NULL : snapshot_ref(snapshot);
    target->hook = config == NULL ? NULL : hook;
    target->config = config;
    target->news = true; /* of what waits some may be due to what it is now */
    snapshot_unref(old);
    wake(&target->waiter);
}

struct delivery_target *delivery_target_new(struct delivery *delivery, const char *hook,
                                            const char *name)
{
    struct delivery_target *target = MEMORY_NEW(struct delivery_target);
    waiter_init(&target->waiter, &delivery->loop.ready, on_news);
    timer_init(&target->timer, on_timer);
    target->delivery = delivery;
    target->hook_name = memory_copy(slice_from(hook));
    target->name = memory_copy(slice_from(name));
    target->last = &target->ready;
    return target;
}

void delivery_target_free(struct delivery_target *target)
{
    waiter_cancel(&target->waiter);
    timer_cancel(&target->delivery->loop.timers, &target->timer);
    snapshot_unref(target->snapshot);
    memory_free(target->hook_name);
    memory_free(target->name);
    memory_free(target);
}
