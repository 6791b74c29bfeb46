/*
 * delivery: what waits in the queue is sent to its targets: a thread with a loop of its own, so
 * that no worker waits for a receiver, and a receiver that hangs holds up its own target only.
 *
 * An attempt is what delivery_request.h says; webhook-id is the same in each of an event. Any 2xx
 * is delivered, if the answer is whole. 410 is dead at once. 429 and 503 may say Retry-After. All
 * else is tried again by the target's schedule, then it is dead. While a target's circuit is open,
 * it takes nothing from the queue, and no attempt counts.
 */
#pragma once

#include "base/clock.h"
#include "base/status.h"

struct delivery;
struct metrics_block;
struct queue;
struct snapshot;

struct delivery_settings {
    struct queue *queue;           /* borrowed; outlives it */
    struct metrics_block *metrics; /* borrowed; this thread's own */
};

/* Starts the thread. */
MUST_USE enum status delivery_start(const struct delivery_settings *settings,
                                    struct snapshot *snapshot, struct delivery **ret,
                                    struct error *err);
/* The queue has news (queue_settings.due). Any thread; never waits. */
void delivery_due(struct delivery *delivery);
/* After a reload. Takes a reference. Main thread. */
void delivery_adopt(struct delivery *delivery, struct snapshot *snapshot);
/* No attempt begins any more; `drained` is called when none is under way, by the delivery's thread.
 * Main thread. */
void delivery_drain(struct delivery *delivery, void (*drained)(void *ctx), void *ctx);
/* No attempt begins any more; those under way have `patience` to end, what is left is cut and
 * waits in the queue. `drained` is not called any more. Joins the thread: then the queue
 * may be stopped. Takes NULL. */
void delivery_stop(struct delivery *delivery, usec_t patience);
/* Of one that was stopped; nobody calls delivery_due() any more. Takes NULL. */
void delivery_free(struct delivery *delivery);

/* For the admin plane: "closed", "open", "half_open" and attempts in flight of each target. Any
 * thread. */
struct delivery_target_state {
    const char *hook, *target; /* live during the call */
    const char *breaker;
    unsigned in_flight;
};
void delivery_show(struct delivery *delivery, void *ctx,
                   void (*each)(void *ctx, const struct delivery_target_state *state));
