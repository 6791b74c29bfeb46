/*
 * delivery_state: what delivery.c, delivery_target.c and delivery_attempt.c share. The thread's
 * own, but for what says otherwise.
 */
#pragma once

#include "base/timer.h"
#include "base/waiter.h"
#include "gateway/loop/loop.h"
#include "gateway/loop/mailbox.h"
#include "gateway/webhook/delivery.h"
#include "gateway/webhook/queue.h"
#include "limiter/bucket.h"
#include "routes/breaker.h"
#include "routes/egress.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct delivery_attempt;
struct hook;
struct hook_target;
struct upstream_side;
struct webhook_scheme;
struct webhook_schemes;

enum {
    DELIVERY_SHARE_BYTES = 8 * 1024 * 1024, /* that a target holds at most, but for its last one */
    DELIVERY_ALL_BYTES = 64 * 1024 * 1024,  /* that all hold: what a target may shrinks with it */
    DELIVERY_AHEAD_MIN = 16,                /* deliveries that are held ready, by a target */
    DELIVERY_AHEAD_MAX = 256,
    DELIVERY_NETWORKS = 2,
};

/*
 * One target, by the names of hook and target, kept over reloads.
 *
 * What it has of the queue is ready, or under way in an attempt. It asks for more while less than
 * half of what it may hold ready is there, its circuit would let one through, its rate has room,
 * and something is said to be due.
 */
struct delivery_target {
    struct delivery_target *next;
    struct waiter waiter; /* something may be possible: see delivery_target_work() */
    struct timer timer;   /* the next time that something may be */
    struct delivery *delivery;
    char *hook_name, *name;           /* owned */
    struct snapshot *snapshot;        /* ref; that the next two are of */
    const struct hook *hook;          /* NULL: a reload took it away */
    const struct hook_target *config; /* likewise */

    struct queue_take take;
    bool taking;                  /* it is with the queue */
    bool news;                    /* something may be due that was not asked for yet */
    usec_t next_due;              /* since 1970; 0: nothing is known to come */
    struct queue_delivery *ready; /* owned; in the order in which they are due */
    struct queue_delivery **last; /* where the next one is hung */
    unsigned ready_count;
    size_t held_bytes; /* of those ready and those under way */

    struct delivery_attempt *attempts; /* owned; under way */
    atomic_uint in_flight;             /* their count; read by any thread */
    struct bucket bucket;
    struct breaker breaker;
    atomic_int shown; /* enum breaker_state; for any thread */
    bool open_told;   /* that the circuit is open */

    usec_t told_since; /* lines of the log in this while */
    unsigned told, untold;
};

struct delivery {
    struct loop loop;
    pthread_t thread;
    struct mailbox *mailbox;       /* owned */
    struct queue *queue;           /* borrowed */
    struct metrics_block *metrics; /* borrowed */
    struct upstream_side *upstreams;
    struct webhook_schemes *schemes;     /* owned */
    const struct webhook_scheme *scheme; /* of Standard Webhooks */
    struct egress_network networks[DELIVERY_NETWORKS];
    struct egress_policy egress; /* whatever is written in the config */
    pthread_mutex_t lock;        /* of the list, and of which names are in it */
    struct delivery_target *targets;
    unsigned target_count; /* of the config in force */
    struct timer patience;
    bool draining; /* no attempt begins */
    bool ending;   /* the loop ends as soon as nothing is under way, nor with the queue */
    void (*drained)(void *ctx); /* NULL: nobody waits for it, or it was told */
    void *drained_ctx;
    struct letter due_letter;
    atomic_bool due_posted; /* any thread */
};

/* ---- delivery_target.c ---- */

struct delivery_target *delivery_target_new(struct delivery *delivery, const char *hook,
                                            const char *name);
/* With nothing under way, nor with the queue. */
void delivery_target_free(struct delivery_target *target);
bool delivery_target_busy(const struct delivery_target *target);
/* From now on by this config; NULL: it is gone. */
void delivery_target_set(struct delivery_target *target, struct snapshot *snapshot,
                         const struct hook *hook, const struct hook_target *config);
/* Does whatever is possible now; by its waiter. */
void delivery_target_wake(struct delivery_target *target);
/* An attempt's delivery is over, in whichever way. The permit is given back. */
void delivery_target_ended(struct delivery_target *target, size_t bytes);
void delivery_target_report(struct delivery_target *target, struct breaker_permit *permit,
                            enum breaker_outcome outcome, usec_t took);
/* May a line be written about it? Of many only some are. */
bool delivery_target_may_tell(struct delivery_target *target);

/* ---- delivery_attempt.c ---- */

/* Owns the delivery; uses up the permit. */
void delivery_attempt_begin(struct delivery_target *target, struct queue_delivery *take_delivery,
                            struct breaker_permit *permit);
/* Cuts all of the target's; what they would have delivered waits in the queue. */
void delivery_attempts_cut(struct delivery_target *target);
/* Not tried: due at `due`. */
void delivery_give_back(struct delivery *delivery, struct queue_delivery *take_delivery,
                        usec_t due);

static inline size_t delivery_bytes(const struct queue_delivery *delivery)
{
    return delivery->fields.len + delivery->body.len;
}
