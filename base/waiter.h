/*
 * waiter: who is to be resumed when awaited news arrives, and the list of those who have news.
 *
 * A library callback never runs its owner's code: it wakes the waiter, which puts the owner on
 * the ready list of its worker. The worker's loop drains that list from one place. Waking twice
 * is waking once. One thread only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct waiter {
    struct waiter *next; /* borrowed; on the ready list */
    struct waiter *prev;
    struct ready_list *list; /* borrowed; outlives the waiter */
    void (*resume)(struct waiter *waiter);
    bool ready; /* is on the list */
};

struct ready_list {
    struct waiter *first;
    struct waiter *last;
};

static inline void waiter_init(struct waiter *waiter, struct ready_list *list,
                               void (*resume)(struct waiter *waiter))
{
    *waiter = (struct waiter){.list = list, .resume = resume};
}

/* There is news: resume() is called from the loop, never from here. NULL is allowed. */
void wake(struct waiter *waiter);

/* Takes it off the list; resume() is not called until the next wake(). */
void waiter_cancel(struct waiter *waiter);

/* Resumes those that are ready now, at most `limit`; those woken meanwhile may be among them.
 * Returns whether some are left. */
bool ready_list_run(struct ready_list *list, unsigned limit);
