/*
 * ledger_sql: the few calls of SQLite that the writer and the readers share, and the schema.
 * Internal to ledger/; what knows nothing of ledgers serves the webhooks' queue, too.
 */
#pragma once

#include "base/status.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

struct buffer;

enum { LEDGER_SCHEMA_VERSION = 5, LEDGER_APPLICATION_ID = 0x53504c47 /* "SPLG" */ };

/* What sums stop at: SQLite would go on with floating numbers. */
#define LEDGER_SQL_LARGEST "9223372036854775807"

/* Opens a ledger that is there, to write or only to read; waits for others for `busy_msec`. *ret is
 * sqlite3_close()'s, also after an error. STATUS_NOT_FOUND: there is no file, or nothing in it. */
MUST_USE enum status ledger_sql_open(const char *path, bool write, int busy_msec, sqlite3 **ret,
                                     struct error *err);
/* What SQLite says, as a status: STATUS_UNAVAILABLE. */
MUST_USE enum status ledger_sql_fail(sqlite3 *db, int code, struct error *err);
MUST_USE enum status ledger_sql_run(sqlite3 *db, const char *sql, struct error *err);
/* *ret is sqlite3_finalize()'s. */
MUST_USE enum status ledger_sql_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret,
                                        struct error *err);
/* The one number that the statement yields. */
MUST_USE enum status ledger_sql_number(sqlite3 *db, const char *sql, int64_t *ret,
                                       struct error *err);
/* The file was moved or deleted: what is written to it would not be found. */
bool ledger_sql_moved(sqlite3 *db);
/* The version of what is in it; 0: nothing is. STATUS_INVALID: it is of another application, or of
 * a version above `newest`. */
MUST_USE enum status ledger_sql_version(sqlite3 *db, int application, int newest, int64_t *ret,
                                        struct error *err);
/* Makes the tables, if there are none. STATUS_INVALID: it is of something else, or of another
 * version. */
MUST_USE enum status ledger_sql_make_schema(sqlite3 *db, struct error *err);
