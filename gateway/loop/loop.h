/*
 * loop: what everything on a worker's thread shares: events, the ready list, timers, the time.
 *
 * One a worker. A turn: wait for events (callbacks only note facts and wake waiters), run due
 * timers, resume the ready, then the after-turn hooks. Nothing is freed inside a callback: use
 * loop_reap().
 */
#pragma once

#include "base/clock.h"
#include "base/memory.h"
#include "base/timer.h"
#include "base/waiter.h"

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct event;

enum { LOOP_SCRATCH_BYTES = 64 * 1024 };

/* Something to be freed when the turn is over. */
struct reapable {
    struct reapable *next;
    void (*reap)(struct reapable *reapable);
};

struct loop {
    struct event_base *base; /* owned; has no lock: this thread only */
    struct ready_list ready;
    struct timer_queue timers;
    usec_t now;    /* monotonic, read once a turn and before timers */
    char *scratch; /* owned; LOOP_SCRATCH_BYTES to read what is thrown away into */
    struct reapable *dead;
    struct event *alarm;           /* owned; the next timer */
    usec_t alarm_at;               /* 0: not set */
    void (*after_turn)(void *ctx); /* may be NULL */
    void *after_turn_ctx;
    usec_t longest_turn; /* of work, without waiting; reset by who reports it */
    usec_t woken_at;     /* when this turn's work began; 0: still waiting, as far as is known */
    bool stopping;
};

MUST_USE enum status loop_init(struct loop *loop, struct error *err);
/* Frees the dead. What holds events, timers or waiters of it must have gone before. */
void loop_fini(struct loop *loop);

/* Runs turns until loop_stop(). */
void loop_run(struct loop *loop);
/* On the loop's own thread: the turn is ended first. */
void loop_stop(struct loop *loop);

/* One turn; LOOP_WAIT waits for something to happen first. */
enum loop_patience { LOOP_WAIT, LOOP_POLL };
void loop_turn(struct loop *loop, enum loop_patience patience);

/* For an event callback that does more than note and wake: until the callbacks are through,
 * loop->now is of the turn before, and the time they take is counted as waiting. This cures both.
 */
void loop_woken(struct loop *loop);

/* Has this turn worked for so long that what can wait should wait for the next? */
bool loop_used_up(struct loop *loop);

static inline void loop_reap(struct loop *loop, struct reapable *reapable,
                             void (*reap)(struct reapable *reapable))
{
    reapable->reap = reap;
    reapable->next = loop->dead;
    loop->dead = reapable;
}

/* Fires at loop->now + `after`. In an event callback call loop_woken() before. */
static inline void loop_timer(struct loop *loop, struct timer *timer, usec_t after)
{
    timer_set(&loop->timers, timer, loop->now + (after > 0 ? after : 1));
}
