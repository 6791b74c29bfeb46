/*
 * ledger_state: a ledger as its files see it: ledger.c is what others call, ledger_rings.c finds
 * the rings, ledger_mover.c is the thread. Internal to ledger/.
 */
#pragma once

#include "gateway/ledger/ledger.h"
#include "gateway/ledger/ledger_keys.h"
#include "gateway/ledger/ledger_minutes.h"
#include "gateway/ledger/ledger_ring.h"
#include "gateway/ledger/ledger_settling.h"
#include "gateway/ledger/ledger_store.h"
#include "gateway/ledger/ledger_windows.h"

#include <pthread.h>
#include <stdatomic.h>

/* Places of a ring: requests in flight, and what is closed while the disk takes its time. About 16
 * MiB. */
enum { LEDGER_RING_PLACES = 4 * 1024 };

struct ledger_source {
    struct ledger_ring *ring; /* owned */
    char *path;               /* owned */
};

/* What others ask the thread for: see ledger_ask_former(). */
struct ledger_former {
    bool asked, answered;
    uint64_t epoch;             /* all but those of it */
    bool open;                  /* some of them are reserved still */
    struct ledger_charges sums; /* answered: all of them */
};

struct ledger {
    char *path; /* owned */
    uint64_t max_bytes;
    /* The first `workers` are the workers' own, for as long as the ledger lives. Behind them are
     * those that an earlier process left, until they are empty: the thread's. */
    struct ledger_source *sources; /* owned */
    unsigned source_count, workers;
    uint64_t seed[2]; /* of ledger_key_hash(); the same for as long as the process lives */

    struct ledger_keys keys;
    struct ledger_settling settling;

    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t news_came;
    /* Under the lock. */
    struct ledger_former former;
    struct ledger_minutes folded; /* of rows without a place, not yet given to the thread */
    bool stopping;
    /* Read and written by any thread. */
    atomic_bool news; /* something was closed or folded since the thread looked last */
    _Atomic usec_t keep;
    atomic_uint_fast64_t rows_written, rows_folded, rows_recovered, write_failures;
    atomic_uint_fast64_t left_over; /* closed rows in rings that are no worker's */
    atomic_bool writable;
    /* The thread's own; before it starts, and when it has ended, the main thread's. */
    struct ledger_store *store;    /* owned; NULL: it has to be opened again */
    struct ledger_minutes folding; /* folded ones of a batch that is not written yet */
    unsigned next_source;          /* where a batch begins, so that none waits for ever */
    usec_t failing_since;          /* clock_now(); 0: it works */
    usec_t trimmed;                /* clock_now(): when it was looked for what is to go */
    uint64_t trimmed_rows;         /* rows_written then */
    bool trim_failing, trim_more;
};

enum { LEDGER_BATCH_ROWS = 1000 };

/* Opens the database, which has the process's seed then, or gives it its own. */
MUST_USE enum status ledger_open_store(struct ledger *ledger, struct error *err);

/* Opens the workers' rings, and others that have rows. */
MUST_USE enum status ledger_rings_open(struct ledger *ledger, struct error *err);
void ledger_rings_close(struct ledger *ledger);
/* Removes what is empty of the others. */
void ledger_rings_tidy(struct ledger *ledger);

/* Answers what was asked for, if all of it can be read. The thread. */
void ledger_answer_former(struct ledger *ledger);

/* One batch into the database; *ret_more: there may be more. Says when it begins to fail, and when
 * it works again. */
MUST_USE enum status ledger_move_batch(struct ledger *ledger, bool *ret_more);
/* What is there now, batch by batch; and, behind some of them, a step of deletion. */
MUST_USE enum status ledger_move_all(struct ledger *ledger, bool *ret_more_to_delete);
void *ledger_mover_main(void *ctx);
