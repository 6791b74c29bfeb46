/*
 * ledger_entries: by what a row is found and settled that named an object: the table `objects`,
 * an entry a row, written and deleted with it. Within transactions of whoever calls. Internal to
 * ledger/.
 */
#pragma once

#include "base/status.h"
#include "gateway/ledger/ledger_row.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

struct ledger_entries;

struct ledger_entry {
    int64_t number; /* its own */
    char id[33];    /* of the request */
    usec_t closed_at;
    uint64_t cost;         /* of the attempt that made the object, as its quotas are charged */
    uint64_t beside;       /* of the request's other attempts */
    unsigned charge_count; /* windows that have `cost` in them */
    struct ledger_charge charges[LEDGER_CHARGES_MAX]; /* without amounts */
};

enum { LEDGER_ENTRIES_MAX = 8 }; /* that are looked at of one object */

MUST_USE enum status ledger_entries_open(sqlite3 *db, struct ledger_entries **ret,
                                         struct error *err);
void ledger_entries_close(struct ledger_entries *entries); /* takes NULL; before the database */

/* Of a row that is new in the database, and names an object; `object`: ledger_key_hash() of its id.
 */
MUST_USE enum status ledger_entries_add(struct ledger_entries *entries, uint64_t object,
                                        const struct ledger_row *row, struct error *err);
/* *ret_count entries of that hash, of the requests that came first, in the order in which they
 * came. */
MUST_USE enum status ledger_entries_find(struct ledger_entries *entries, uint64_t object,
                                         struct ledger_entry ret[LEDGER_ENTRIES_MAX],
                                         unsigned *ret_count, struct error *err);
MUST_USE enum status ledger_entries_set_cost(struct ledger_entries *entries,
                                             const struct ledger_entry *entry, uint64_t cost,
                                             struct error *err);
/* Deletes some of those whose rows are gone. */
MUST_USE enum status ledger_entries_trim(struct ledger_entries *entries, struct error *err);

/* The table: in the order in which they come, as all else would be written to a page of its own.
 * The index is of a hash, for the same reason: it is small. */
#define LEDGER_ENTRIES_SCHEMA                                                                      \
    "CREATE TABLE IF NOT EXISTS objects (number INTEGER PRIMARY KEY, object INTEGER NOT NULL, "    \
    "opened_at INTEGER NOT NULL, closed_at INTEGER NOT NULL, id TEXT NOT NULL, "                   \
    "cost INTEGER NOT NULL, beside INTEGER NOT NULL, windows BLOB NOT NULL) STRICT;"               \
    "CREATE INDEX IF NOT EXISTS objects_object ON objects (object);"
