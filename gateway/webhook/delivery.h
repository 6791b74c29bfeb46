/*
 * delivery: what waits in the queue is sent to its targets: a thread with a loop of its own, so
 * that no worker waits for a receiver, and a receiver that hangs holds up its own target only.
 *
 * An attempt carries the provider's own headers that were kept, and those of Standard Webhooks
 * (webhook-id, which is the same in each attempt; webhook-timestamp; webhook-signature, if the
 * target has a secret). Any 2xx is delivered. 410 is dead at once. 429 and 503 may say Retry-After.
 * All else is tried again by the target's schedule, then it is dead.
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
/* No attempt begins any more; those under way have `patience` to end, what is left is cut and
 * waits in the queue. Joins the thread. Takes NULL. */
void delivery_stop(struct delivery *delivery, usec_t patience);

/* For the admin plane: "closed", "open", "half_open" and attempts in flight of each target. Any
 * thread. */
struct delivery_target_state {
    const char *hook, *target; /* live during the call */
    const char *breaker;
    unsigned in_flight;
};
void delivery_show(struct delivery *delivery, void *ctx,
                   void (*each)(void *ctx, const struct delivery_target_state *state));
