/*
 * store: where usage is kept. The interface of the memory store (one process) and of Redis (many).
 *
 * A store decides a reservation as a whole, never goes over a limit while it answers and keeps its
 * data, and repeats nothing: each step of a reservation takes effect at most once. A store_side is
 * one worker's; all calls are on that worker's thread. Below gateway/ nothing reads the clock or
 * logs: both are handed in.
 */
#pragma once

#include "base/clock.h"
#include "limiter/reservation.h"

struct limiter_clock {
    usec_t (*now)(void);  /* monotonic */
    usec_t (*wall)(void); /* since 1970-01-01 UTC */
};

/* What an operator should hear of. Called on the thread where it happened, never under a lock. */
enum store_news {
    STORE_CAME_UP,
    STORE_WENT_DOWN,
    STORE_LOST_DATA, /* it answers, but its data is gone: windows are filled in again */
    STORE_WARNING,   /* such as a maxmemory-policy that may evict */
};
struct store_ears {
    void (*news)(void *ctx, enum store_news kind, const char *text);
    void *ctx;
};

struct store_ops {
    /* Asks: state NEW -> HELD, REFUSED or UNAVAILABLE at once, or ASKED and the waiter later. A
     * refused one may be asked again: its `step` counts on. */
    void (*ask)(void *side, struct reservation *reservation);
    /* HELD: asks for `output_want` more tokens of output, and for `fixed` more of each demand that
     * settles (others are left alone). At once, or state ASKED and the waiter; then HELD again,
     * with extension_refused if there is not enough. */
    void (*extend)(void *side, struct reservation *reservation);
    /* Takes it in any state, and frees it when the store has been told. HELD: charges `used`, and
     * gives the rest back. REFUSED, UNAVAILABLE, NEW: nothing was taken. ASKED: calls the ask off,
     * so that it never takes effect or is given back; an unanswered extension is settled like HELD.
     */
    void (*settle)(void *side, struct reservation *take_reservation);
    /* The worker's turn ends: sends what it queued, in one write. */
    void (*turn_end)(void *side);
};

/* A worker's access to its store. */
struct store_side {
    const struct store_ops *ops;
    void *side; /* for ops */
};

/* What one key has counted; for metrics, the admin API and the audit. */
struct store_entry {
    struct slice key;
    enum limit_span span;
    uint64_t used;     /* taken now: debt of a bucket, of the current window, or slots held */
    uint64_t reserved; /* of that, not settled yet */
    /* Since the window began, or (rates, concurrency) since the key exists: */
    uint64_t taken;    /* reserved in all, overruns included */
    uint64_t settled;  /* charged for good */
    uint64_t refunded; /* given back */
    uint64_t open;     /* sum of the open reservations, counted one by one */
};

/* True if taken = settled + refunded + open. */
static inline bool store_entry_adds_up(const struct store_entry *entry)
{
    return entry->taken == entry->settled + entry->refunded + entry->open;
}
