/*
 * ledger_table: the rows of the ledger as a table of SQL, "requests", for whoever asks in SQL: a
 * column each of ledger_columns. Read only. Internal to ledger/.
 */
#pragma once

#include "base/status.h"

#include <sqlite3.h>

/* From then on statements of that connection may name it. */
MUST_USE enum status ledger_table_register(sqlite3 *db, struct error *err);
