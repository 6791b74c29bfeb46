/*
 * ledger_rewrite: changes of rows that are in the database already: their block is packed anew, and
 * their minute's sum follows. Within a transaction of whoever calls. Internal to ledger/.
 */
#pragma once

#include "base/status.h"
#include "gateway/ledger/ledger_block.h"

#include <sqlite3.h>
#include <stdint.h>

struct ledger_loaded;
struct ledger_row;

/* Zero-initialized is closed. */
struct ledger_rewrite {
    sqlite3 *db; /* borrowed */
    sqlite3_stmt *set_block, *set_minute;
    struct ledger_block packed;
};

MUST_USE enum status ledger_rewrite_open(struct ledger_rewrite *rewrite, sqlite3 *db,
                                         struct error *err);
void ledger_rewrite_close(struct ledger_rewrite *rewrite);

/* The sum that the row is counted in had `before` of it, and has `now`. One that has come to the
 * largest number says nothing any more, and stays. */
MUST_USE enum status ledger_rewrite_minute(struct ledger_rewrite *rewrite,
                                           const struct ledger_row *row, uint64_t before,
                                           uint64_t now, struct error *err);
/* Its rows have changed. A gateway that goes on filling that block begins another one. */
MUST_USE enum status ledger_rewrite_block(struct ledger_rewrite *rewrite,
                                          const struct ledger_loaded *block, struct error *err);
