/*
 * ledger_settler: settlements in the database: row, minute, windows, and what a shared store is to
 * be told, in one transaction, which is the caller's. Internal to ledger/.
 */
#pragma once

#include "base/status.h"
#include "gateway/ledger/ledger_settlement.h"

#include <sqlite3.h>

struct ledger_differences;
struct ledger_entries;
struct ledger_settler;

struct ledger_settler_now {
    const uint64_t *seed; /* of ledger_key_hash() */
    int64_t now_ms;
    struct ledger_differences *differences; /* what changes is added here */
};

struct ledger_settler_outcome {
    bool found; /* else nothing has changed */
    enum ledger_settle_result result;
    uint64_t before, after; /* what the row costs */
};

/* Both are borrowed, and outlive it. */
MUST_USE enum status ledger_settler_open(sqlite3 *db, struct ledger_entries *entries,
                                         struct ledger_settler **ret, struct error *err);
void ledger_settler_close(struct ledger_settler *settler); /* takes NULL */

MUST_USE enum status ledger_settler_settle(struct ledger_settler *settler,
                                           const struct ledger_settlement *settlement,
                                           const struct ledger_settler_now *now,
                                           struct ledger_settler_outcome *ret, struct error *err);
/* Before the transaction is committed. */
MUST_USE enum status ledger_settler_end(struct ledger_settler *settler, struct error *err);
/* It is no more. */
void ledger_settler_call_off(struct ledger_settler *settler);
