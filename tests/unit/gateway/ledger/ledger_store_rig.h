/*
 * ledger_store_rig: a store in a folder of the test's own, and its database asked beside it.
 */
#pragma once

#include "gateway/ledger/ledger_store.h"
#include "gateway/ledger/ledger_table.h"
#include "tests/support/scratch_folder.h"
#include "tests/unit/gateway/ledger/ledger_rows.h"

#include <sqlite3.h>

static struct scratch_folder folder;
static const char *path;
static struct ledger_store *store;
static struct error err;

static inline void rig_setup(void)
{
    scratch_make(&folder);
    path = scratch_path(&folder, "usage.db");
}

static inline void rig_teardown(void)
{
    ledger_store_close(store);
    scratch_remove(&folder);
}

#define OK(expr) cr_assert_eq((expr), STATUS_OK, "%s", err.message)

static inline void reopen(uint64_t max_bytes)
{
    ledger_store_close(TAKE(store));
    OK(ledger_store_open(path, max_bytes, &store, &err));
}

/* A number that the database has, by another connection. */
static inline int64_t ask(const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(ledger_table_register(db, &err), STATUS_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK, "%s",
                 sqlite3_errmsg(db));
    int code = sqlite3_step(statement);
    int64_t number = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : -1;
    cr_expect(code == SQLITE_ROW || code == SQLITE_DONE, "%s: %s", sql, sqlite3_errmsg(db));
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(db);
    return number;
}
