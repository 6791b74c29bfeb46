/*
 * ledger_settling: settlements on their way from the workers to the ledger's thread, those that
 * wait there for their request's row, and what became of them. Internal to ledger/.
 */
#pragma once

#include "gateway/ledger/ledger_differences.h"
#include "gateway/ledger/ledger_settlement.h"

#include <pthread.h>
#include <stdatomic.h>

struct ledger;

struct ledger_waiting {
    struct ledger_waiting *next;
    struct ledger_settlement settlement;
    usec_t until; /* clock_now(): then its object is unknown; 0: it has not been looked for yet */
};

struct ledger_waitings {
    struct ledger_waiting *first, **end;
    unsigned count;
};

struct ledger_settling {
    atomic_bool again;    /* all sums of differences are to be told once more */
    pthread_mutex_t lock; /* of what follows, up to the thread's own */
    struct ledger_settleable settleable;
    struct ledger_waitings came;      /* that the thread has not taken yet */
    unsigned waiting;                 /* of those that it has */
    struct ledger_settled *settled;   /* owned */
    unsigned settled_count;           /* at most LEDGER_SETTLED_HOOKS_MAX + 1 */
    struct ledger_differences told;   /* that nobody has taken yet */
    struct ledger_waitings in_thread; /* the thread's own */
    uint64_t looked_rows;             /* rows_written when they were looked for last */
    usec_t waits_for;                 /* how long one is looked for */
    usec_t look_at;                   /* clock_now(): not before, unless one is new or late */
    usec_t again_at;                  /* clock_now(): it has failed; 0: it works */
    usec_t may_warn_at;               /* clock_now(): of blocks that are broken */
};

/* Zeroed before. */
void ledger_settling_init(struct ledger_settling *settling);
void ledger_settling_fini(struct ledger_settling *settling);

/* ---- the thread ---- */

/* Is the row one that leaves an entry? */
bool ledger_settling_wants(struct ledger *ledger, const struct ledger_row *row);

/* Tells what a shared store may not have been told, if it was asked for. */
void ledger_settling_recall(struct ledger *ledger);
/* Settles what can be settled now, and ends what has waited for long enough. What the database
 * cannot take is tried again. */
void ledger_settling_go(struct ledger *ledger);
/* The ledger ends: what has no row yet will have none. */
void ledger_settling_end(struct ledger *ledger);
