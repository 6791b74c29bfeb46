#include "gateway/ledger/ledger_query.h"
#include "gateway/ledger/ledger_sql.h"
#include "gateway/ledger/ledger_store.h"
#include "tests/support/scratch_folder.h"
#include "tests/unit/gateway/ledger/ledger_rows.h"

static struct scratch_folder folder;
static const char *path;
static struct error err;

#define OK(expr) cr_assert_eq((expr), STATUS_OK, "%s", err.message)

static void setup(void)
{
    scratch_make(&folder);
    path = scratch_path(&folder, "usage.db");
}

static void teardown(void)
{
    scratch_remove(&folder);
}

TestSuite(ledger_sql, .init = setup, .fini = teardown);

/* A database as an early version made it. */
Test(ledger_sql, one_of_an_early_version_is_refused_and_left_as_it_is)
{
    struct ledger_store *store = NULL;
    struct ledger_reader *reader = NULL;
    sqlite3 *db = NULL;
    char sql[256];
    (void)snprintf(sql, sizeof(sql),
                   "CREATE TABLE requests (id TEXT); INSERT INTO requests VALUES ('x');"
                   "PRAGMA application_id = %d; PRAGMA user_version = %d",
                   (int)LEDGER_APPLICATION_ID, (int)LEDGER_SCHEMA_VERSION - 1);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    cr_expect_eq(ledger_store_open(path, 0, &store, &err), STATUS_INVALID);
    cr_expect_not_null(strstr(err.message, "an early version"), "%s", err.message);
    cr_expect_eq(ledger_reader_open(path, &reader, &err), STATUS_INVALID);
    int64_t rows = 0;
    OK(ledger_sql_number(db, "SELECT count(*) FROM requests", &rows, &err));
    cr_expect_eq(rows, 1);
    (void)sqlite3_close(db);
}
