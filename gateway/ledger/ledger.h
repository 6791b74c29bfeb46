/*
 * ledger: one row a request, kept in SQLite; and sums by minute, kept apart and longer. A thread of
 * its own moves rows there in batches from the workers' rings, so that no request waits for a disk.
 *
 * A row is in the database at most once (by its id), and counted in its minute's sums in the same
 * transaction. A disk that is full or broken is said and counted; rows then stay in their rings; a
 * ring that is full makes the rows that find no place count into sums at once (ledger_fold()), so
 * that money is never forgotten, only who asked.
 *
 * Any thread may call what says so; the rest belongs to the main thread.
 */
#pragma once

#include "base/status.h"
#include "gateway/ledger/ledger_row.h"
#include "gateway/ledger/ledger_settlement.h"

#include <stdint.h>

struct ledger;
struct ledger_ring;

struct ledger_settings {
    const char *path; /* of the SQLite file; the rings lie beside it: PATH.ring-N */
    usec_t keep;      /* rows older than that are deleted; sums are kept 400 days */
    uint64_t
        max_bytes; /* of the database: beyond it the oldest rows go before their time; 0: any */
    unsigned workers;
    /* Called at start for each row that an earlier process left in a ring and that has settles: a
     * store that others share may not have heard of them. NULL: there is no such store. */
    void (*left)(void *left_ctx, const struct ledger_row *row);
    void *left_ctx;
    /* Called at start for what quotas' windows that are not over were charged with, by all that was
     * before; of one window there may be several, which add up. NULL: not wanted. */
    void (*past)(void *ctx, const struct ledger_charge *charge);
    void *ctx;                           /* for past */
    struct ledger_settleable settleable; /* see ledger_set_settleable() */
};

/* Opens the database, moves there what an earlier process left in any ring (of any number), tells
 * of the past, then starts the thread. */
MUST_USE enum status ledger_start(const struct ledger_settings *settings, struct ledger **ret,
                                  struct error *err);
/* Moves what is closed, ends the thread, closes all. Workers must have ended. Takes NULL. */
void ledger_stop(struct ledger *ledger);
/* From now on. */
void ledger_set_keep(struct ledger *ledger, usec_t keep);

/* That worker's own. */
struct ledger_ring *ledger_ring_of(struct ledger *ledger, unsigned worker);
/* A worker closed rows: the thread looks soon. Cheap; once a loop turn is enough. Any thread. */
void ledger_wake(struct ledger *ledger);
/* A row that found no place in its ring, at its end: counted into its minute's sums. Any thread. */
void ledger_fold(struct ledger *ledger, const struct ledger_row *row);

/* A charge of a request for whose row it is one too many, at its end. Any thread. */
void ledger_fold_charge(struct ledger *ledger, const struct ledger_charge *charge);

/* How charges name a quota's key: by table_hash_with() that seed, which lies in the database. Any
 * thread. */
const uint64_t *ledger_seed(const struct ledger *ledger);
uint64_t ledger_key_hash(const struct ledger *ledger, struct slice key);

/* The text of a charge's key, where the config alone does not tell it: kept as long as the window.
 * Any thread. */
void ledger_note_key(struct ledger *ledger, const struct ledger_charge *charge, struct slice key);

/* What windows that are not over were charged with under other epochs of the shared store than this
 * one, or without it, open rows included as they are reserved: what this ledger knows and the store
 * may not. An answer is there a moment later; one that was there already is dropped. Any thread;
 * one asks at a time. */
void ledger_ask_former(struct ledger *ledger, uint64_t epoch);
/* False: there is no answer yet to this epoch's. *ret_open: the sums may change yet, as some are
 * reserved. `key`: its text, if it was noted. */
bool ledger_take_former(struct ledger *ledger, uint64_t epoch, bool *ret_open, void *ctx,
                        void (*each)(void *ctx, const struct ledger_charge *sum, struct slice key));

/* Any thread. */
struct ledger_stats {
    uint64_t rows_written, rows_folded, rows_recovered; /* since the start */
    uint64_t write_failures;                            /* batches that could not be written */
    uint64_t backlog;                                   /* closed rows that wait in rings */
    bool writable;                                      /* the last batch was written */
};
void ledger_get_stats(struct ledger *ledger, struct ledger_stats *ret);
