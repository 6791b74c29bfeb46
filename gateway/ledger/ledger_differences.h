/*
 * ledger_differences: by how much windows of quotas are charged more or less than they were
 * counted: in memory, on their way to whoever counts; and in the table `quota_differences`, for a
 * store that others share, until their window is over. Internal to ledger/.
 */
#pragma once

#include "base/memory.h"
#include "base/status.h"
#include "base/table.h"
#include "gateway/ledger/ledger_settlement.h"

#include <sqlite3.h>

struct ledger_difference_at {
    struct ledger_difference difference; /* window's hash, epoch and end are its key */
    struct ledger_difference_at *next;
};

/* Zero-initialized is empty. At most LEDGER_WINDOWS_MAX; what is beyond them is counted. */
struct ledger_differences {
    struct arena arena;
    struct table index;
    struct ledger_difference_at *first; /* in the arena */
    unsigned count;
    uint64_t lost;
};

/* Changes add up; of the rest the later counts. Copies the key. */
void ledger_differences_add(struct ledger_differences *differences,
                            const struct ledger_difference *difference);
void ledger_differences_fini(struct ledger_differences *differences); /* it is empty then */

/* ---- the table ---- */

#define LEDGER_DIFFERENCES_SCHEMA                                                                  \
    "CREATE TABLE IF NOT EXISTS quota_differences (ends_ms INTEGER NOT NULL, "                     \
    "hash INTEGER NOT NULL, epoch INTEGER NOT NULL, starts_ms INTEGER NOT NULL, "                  \
    "since INTEGER NOT NULL, edition INTEGER NOT NULL, difference INTEGER NOT NULL, "              \
    "PRIMARY KEY (ends_ms, hash, epoch)) STRICT, WITHOUT ROWID;"

/* A window, then `since` and the change. Yields since, edition and difference as they are then. */
#define LEDGER_DIFFERENCES_ADD                                                                     \
    "INSERT INTO quota_differences (ends_ms, hash, epoch, starts_ms, since, edition, difference) " \
    "VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6) ON CONFLICT (ends_ms, hash, epoch) DO UPDATE SET "         \
    "edition = edition + 1, difference = CASE "                                                    \
    "WHEN excluded.difference > 0 "                                                                \
    "THEN min(difference, " LEDGER_SQL_LARGEST " - excluded.difference) + excluded.difference "    \
    "ELSE max(difference, -" LEDGER_SQL_LARGEST " - excluded.difference) + excluded.difference "   \
    "END "                                                                                         \
    "RETURNING since, edition, difference"

/* Adds those whose window ends after `now_ms`. */
MUST_USE enum status ledger_differences_read(sqlite3 *db, int64_t now_ms,
                                             struct ledger_differences *differences,
                                             struct error *err);
/* The texts of their keys, as far as they were noted. */
MUST_USE enum status ledger_differences_find_keys(sqlite3 *db,
                                                  struct ledger_differences *differences,
                                                  struct error *err);
