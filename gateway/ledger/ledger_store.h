/*
 * ledger_store: the database as its one writer of this process sees it: batches, each a
 * transaction, and the deletion of what is too old or too much. Other processes may write to the
 * same file. Not for several threads at once; may wait for the disk. Internal to ledger/.
 */
#pragma once

#include "base/status.h"
#include "gateway/ledger/ledger_row.h"

#include <stdbool.h>
#include <stdint.h>

struct ledger_key;
struct ledger_minute;
struct ledger_settler;
struct ledger_store;
struct sqlite3;

/* STATUS_INVALID: it is no ledger of this version. The error names the file. */
MUST_USE enum status ledger_store_open(const char *path, uint64_t max_bytes,
                                       struct ledger_store **ret, struct error *err);
void ledger_store_close(struct ledger_store *store); /* takes NULL */
/* Its file was moved or deleted: what is written goes where nobody will find it. */
bool ledger_store_moved(struct ledger_store *store);
struct sqlite3 *ledger_store_db(struct ledger_store *store);
/* For what is settled within a batch. */
struct ledger_settler *ledger_store_settler(struct ledger_store *store);

/* A batch. What fails leaves all as it was before ledger_store_begin(), once it was called off. */
MUST_USE enum status ledger_store_begin(struct ledger_store *store, struct error *err);
/* *ret_new: it was not there already. */
MUST_USE enum status ledger_store_add(struct ledger_store *store, const struct ledger_row *row,
                                      bool *ret_new, struct error *err);
/* The row is new, names an object, and may be settled later: that is the object's hash. */
MUST_USE enum status ledger_store_add_object(struct ledger_store *store, uint64_t object,
                                             const struct ledger_row *row, struct error *err);
MUST_USE enum status ledger_store_add_minute(struct ledger_store *store,
                                             const struct ledger_minute *minute, struct error *err);
/* To what its window was charged with already. */
MUST_USE enum status ledger_store_add_charge(struct ledger_store *store,
                                             const struct ledger_charge *charge, struct error *err);
MUST_USE enum status ledger_store_add_key(struct ledger_store *store, const struct ledger_key *key,
                                          struct error *err);
MUST_USE enum status ledger_store_commit(struct ledger_store *store, struct error *err);
void ledger_store_call_off(struct ledger_store *store);

enum { LEDGER_TRIM_BLOCKS = 8 };

/* One small step: blocks of rows that all ended before `rows_before`, sums before `sums_before`,
 * and what is too much; *ret_blocks were deleted. As long as it is LEDGER_TRIM_BLOCKS, there may be
 * more. */
MUST_USE enum status ledger_store_trim(struct ledger_store *store, usec_t rows_before,
                                       usec_t sums_before, unsigned *ret_blocks, struct error *err);
/* The same of windows (with keys and differences) that ended before `ended_before_ms`, and of
 * objects whose rows are gone: some at a time. */
MUST_USE enum status ledger_store_trim_windows(struct ledger_store *store, int64_t ended_before_ms,
                                               struct error *err);
