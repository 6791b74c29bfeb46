/*
 * timer: many deadlines that are mostly moved and seldom reached.
 *
 * A binary heap whose entries may be late: moving a deadline further away only writes a number,
 * and the heap looks again when the old one comes up. Pure: time is passed in. One thread only.
 */
#pragma once

#include "base/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
    usec_t due;    /* when it shall fire; 0: never */
    usec_t queued; /* where it stands in the heap; <= due */
    size_t place;  /* 1-based index in the heap; 0: not in it */
    void (*fire)(struct timer *timer);
};

struct timer_queue {
    struct timer **heap; /* owned array of borrowed timers, from index 1 on */
    size_t count;
    size_t size;
};

static inline void timer_init(struct timer *timer, void (*fire)(struct timer *timer))
{
    *timer = (struct timer){.fire = fire};
}

void timer_queue_fini(struct timer_queue *queue);

/* Fires once at `due` (absolute, > 0), instead of any earlier setting. */
void timer_set(struct timer_queue *queue, struct timer *timer, usec_t due);

/* Does not fire any more; its memory is no longer referenced. */
void timer_cancel(struct timer_queue *queue, struct timer *timer);

/* Stops it, without the cost of leaving the heap; the timer must stay alive or be cancelled. */
static inline void timer_stop(struct timer *timer)
{
    timer->due = 0;
}

/* Fires those that are due at `now`, at most `limit`. A fired timer may set or cancel any timer.
 * Returns whether some that are due may be left. */
bool timer_queue_run(struct timer_queue *queue, usec_t now, unsigned limit);

/* When to call timer_queue_run() next (may be early), or 0 if nothing is queued. */
usec_t timer_queue_next(const struct timer_queue *queue);
