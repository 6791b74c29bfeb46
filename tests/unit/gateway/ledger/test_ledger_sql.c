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

static void add_row(unsigned n)
{
    struct ledger_store *store = NULL;
    struct ledger_row row;
    bool new = false;
    fill_row(&row, n);
    row.units[LEDGER_UNIT_SEARCHES] = n;
    LEDGER_TEXT(row.object.id, SLICE("pi_1"));
    OK(ledger_store_open(path, 0, &store, &err));
    OK(ledger_store_begin(store, &err));
    OK(ledger_store_add(store, &row, &new, &err));
    OK(ledger_store_commit(store, &err));
    ledger_store_close(store);
}

/* As that version left it, with a row of its. */
static void make_old(const char *version)
{
    char sql[1024];
    sqlite3 *db = NULL;
    add_row(1);
    (void)snprintf(sql, sizeof(sql),
                   "DROP INDEX requests_object_ids;"
                   "ALTER TABLE requests DROP COLUMN searches;"
                   "ALTER TABLE requests DROP COLUMN audio_output_tokens;"
                   "ALTER TABLE requests DROP COLUMN image_input_tokens;"
                   "ALTER TABLE requests DROP COLUMN image_output_tokens;"
                   "ALTER TABLE minutes DROP COLUMN searches;"
                   "ALTER TABLE minutes DROP COLUMN audio_output_tokens;"
                   "ALTER TABLE minutes DROP COLUMN image_input_tokens;"
                   "ALTER TABLE minutes DROP COLUMN image_output_tokens;"
                   "PRAGMA user_version = %s",
                   version);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    (void)sqlite3_close(db);
}

Test(ledger_sql, a_database_of_an_older_version_is_gone_on_with)
{
    struct ledger_reader *reader = NULL;
    struct ledger_row found;
    make_old("2");
    cr_expect_eq(ledger_reader_open(path, &reader, &err), STATUS_INVALID);
    cr_expect_not_null(strstr(err.message, "usage.db\": it was written by an older version"));
    add_row(2);
    OK(ledger_reader_open(path, &reader, &err));
    OK(ledger_find(reader, "00000000000000000000000000000001", &found, &err));
    cr_expect_eq(found.units[LEDGER_UNIT_SEARCHES], 0U);
    OK(ledger_find(reader, "00000000000000000000000000000002", &found, &err));
    cr_expect_eq(found.units[LEDGER_UNIT_SEARCHES], 2U);
    OK(ledger_find_object(reader, "pi_1", &found, &err));
    cr_expect_str_eq(found.id, "00000000000000000000000000000001");
    ledger_reader_close(reader);
}

/* Else who looks for one payment among millions waits. */
Test(ledger_sql, objects_are_found_by_an_index)
{
    static const char *const questions[] = {
        "EXPLAIN QUERY PLAN SELECT id FROM requests WHERE object_id <> '' AND object_id = 'pi_1' "
        "ORDER BY opened_at, rowid LIMIT 1",
        "EXPLAIN QUERY PLAN SELECT id FROM requests WHERE (closed_at, id) > (1, '') "
        "AND opened_at >= 1 ORDER BY closed_at, id LIMIT 500",
    };
    static const char *const indexes[] = {"requests_object_ids", "requests_closed"};
    sqlite3 *db = NULL;
    add_row(1);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    for (unsigned i = 0; i < 2; i++) {
        sqlite3_stmt *statement = NULL;
        cr_assert_eq(sqlite3_prepare_v2(db, questions[i], -1, &statement, NULL), SQLITE_OK);
        cr_assert_eq(sqlite3_step(statement), SQLITE_ROW);
        const char *plan = (const char *)sqlite3_column_text(statement, 3);
        cr_expect_not_null(strstr(plan, indexes[i]), "%s", plan);
        cr_expect_eq(sqlite3_step(statement), SQLITE_DONE); /* it is sorted by it, too */
        (void)sqlite3_finalize(statement);
    }
    (void)sqlite3_close(db);
}
