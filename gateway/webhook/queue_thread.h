/*
 * queue_thread: what the queue's thread and those who ask it share. Internal to the queue.
 */
#pragma once

#include "gateway/webhook/queue.h"
#include "gateway/webhook/queue_store.h"

#include <pthread.h>
#include <stdatomic.h>

/* In the order in which they came. */
struct queue_letters {
    struct letter *first, *last;
};

struct queue_settlements {
    struct queue_settlement *first, *last;
};

/* What has come and was not looked at. */
struct queue_intake {
    struct queue_letters puts, takes, changes;
    struct queue_settlements settlements;
};

struct queue {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t news;
    struct queue_intake intake; /* guarded by lock */
    bool stopping;              /* guarded by lock */
    struct queue_limits limits; /* guarded by lock */
    struct queue_stats stats;   /* guarded by lock */
    void (*due)(void *due_ctx);
    void *due_ctx;
    atomic_bool told; /* `due` was called, and nobody has asked since */

    /* The thread's own: */
    struct queue_store *store;
    struct queue_settlements settling; /* that are not on disk */
    struct queue_letters changes;      /* the first is being done */
    struct queue_change_run run;
    usec_t expire_at; /* by clock_now() */
    usec_t settle_at; /* when a failure is tried again; by clock_now() */
    usec_t pause;
    usec_t failing_since; /* 0: all is well */
};

void *queue_thread_main(void *ctx);
/* And its delivery. */
void queue_settlement_free(struct queue_settlement *settlement);
/* What others may read of the figures. The oldest is looked for each second, or when it is not
 * known. */
enum queue_looking { QUEUE_LOOK_IF_NEEDED, QUEUE_LOOK_ANYHOW };
void queue_publish(struct queue *queue, enum queue_looking for_the_oldest);

static inline void queue_letters_append(struct queue_letters *line, struct letter *letter)
{
    letter->next = NULL;
    if (line->first == NULL) {
        line->first = letter;
    } else {
        line->last->next = letter;
    }
    line->last = letter;
}

static inline struct letter *queue_letters_shift(struct queue_letters *line)
{
    struct letter *letter = line->first;
    line->first = letter->next;
    return letter;
}

static inline void queue_letters_append_all(struct queue_letters *line, struct queue_letters *more)
{
    while (more->first != NULL) {
        queue_letters_append(line, queue_letters_shift(more));
    }
}

static inline void queue_settlements_append(struct queue_settlements *all,
                                            struct queue_settlements *more)
{
    if (more->first == NULL) {
        return;
    }
    if (all->first == NULL) {
        all->first = more->first;
    } else {
        all->last->next = more->first;
    }
    all->last = more->last;
    *more = (struct queue_settlements){0};
}
