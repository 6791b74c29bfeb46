/* ledger_table, and which blocks are read for what is asked. */
#include "gateway/ledger/ledger_blocks.h"
#include "gateway/ledger/ledger_sql.h"
#include "gateway/ledger/ledger_store.h"
#include "gateway/ledger/ledger_table.h"
#include "tests/support/scratch_folder.h"
#include "tests/unit/gateway/ledger/ledger_rows.h"

static struct scratch_folder folder;
static const char *path;
static sqlite3 *db;
static struct error err;

#define OK(expr) cr_assert_eq((expr), STATUS_OK, "%s", err.message)

enum { ROWS = 1000 };

/* Each 10 ms after the one before, and for half a second; every tenth named an object. */
static void setup(void)
{
    struct ledger_store *store = NULL;
    scratch_make(&folder);
    path = scratch_path(&folder, "usage.db");
    OK(ledger_store_open(path, 0, &store, &err));
    OK(ledger_store_begin(store, &err));
    for (unsigned n = 0; n < ROWS; n++) {
        struct ledger_row row;
        bool new = false;
        fill_row(&row, n);
        row.opened_at = row_time + n * 10 * MSEC;
        row.closed_at = row.opened_at + 500 * MSEC;
        if (n % 10 == 0) {
            (void)snprintf(row.object.id, sizeof(row.object.id), "pi_%u", n);
            row.object.amount = -(int64_t)n;
            row.object.has_amount = n % 20 == 0;
        }
        OK(ledger_store_add(store, &row, &new, &err));
    }
    OK(ledger_store_commit(store, &err));
    ledger_store_close(store);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    OK(ledger_table_register(db, &err));
}

static void teardown(void)
{
    (void)sqlite3_close(db);
    scratch_remove(&folder);
}

TestSuite(ledger_table, .init = setup, .fini = teardown);

static int64_t ask(const char *sql)
{
    sqlite3_stmt *statement = NULL;
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK, "%s: %s", sql,
                 sqlite3_errmsg(db));
    int code = sqlite3_step(statement);
    int64_t number = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : -1;
    cr_expect(code == SQLITE_ROW, "%s: %s", sql, sqlite3_errmsg(db));
    (void)sqlite3_finalize(statement);
    return number;
}

/* As many as are so; a # stands for row_time. */
static int64_t count_where(const char *where)
{
    char sql[512];
    const char *time = strchr(where, '#');
    int before = time == NULL ? (int)strlen(where) : (int)(time - where);
    (void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM requests WHERE %.*s", before, where);
    if (time != NULL) {
        size_t len = strlen(sql);
        (void)snprintf(sql + len, sizeof(sql) - len, "%lld%s", (long long)row_time, time + 1);
    }
    return ask(sql);
}

Test(ledger_table, is_asked_like_a_table)
{
    cr_expect_eq(ask("SELECT count(*) FROM requests"), ROWS);
    cr_expect_eq(ask("SELECT sum(cost_nanousd) FROM requests"), ROWS * (ROWS - 1) / 2);
    cr_expect_eq(ask("SELECT count(object_amount) FROM requests"), ROWS / 20);
    cr_expect_eq(ask("SELECT count(*) FROM requests WHERE upstream_duration_us = -1"), ROWS);
    cr_expect_eq(ask("SELECT count(DISTINCT rowid) FROM requests"), ROWS);
    cr_expect_eq(ask("SELECT cost_nanousd FROM requests ORDER BY closed_at DESC LIMIT 1"),
                 ROWS - 1);
    cr_expect_eq(ask("SELECT count(*) FROM requests a JOIN requests b ON a.id = b.id "
                     "WHERE a.object_id = 'pi_100'"),
                 1);
}

Test(ledger_table, what_is_asked_of_times_and_ids_is_found_whole)
{
    static const struct {
        const char *where;
        int64_t rows;
    } questions[] = {
        {"opened_at >= # + 9000000", 100},
        {"opened_at > # + 9000000", 99},
        {"opened_at < # + 1000000", 100},
        {"opened_at <= # + 1000000", 101},
        {"closed_at >= # + 9500000 AND opened_at < 9223372036854775807", 100},
        {"closed_at < # + 500000", 0},
        {"opened_at < # + 1000000.5", 101},
        {"opened_at = #", 1},
        {"opened_at BETWEEN # AND 9223372036854775807", ROWS},
        {"opened_at > -5", ROWS},
        {"opened_at > 'x'", 0},
        {"opened_at < 'x'", ROWS},
        {"opened_at < NULL", 0},
        {"id = '00000000000000000000000000000007'", 1},
        {"id = '00000000000000000000000000000007' AND id = '8'", 0},
        {"id = NULL", 0},
        {"id IN ('00000000000000000000000000000007', '00000000000000000000000000000008')", 2},
        {"object_id = 'pi_990'", 1},
        {"object_id = 'pi_991'", 0},
        {"object_id = ''", ROWS - ROWS / 10},
        {"id = '0000000000000000000000000000000A' COLLATE NOCASE", 1},
        {"object_id = 'pi_990  ' COLLATE RTRIM", 1},
        /* Each side is read for itself, and what both have comes once. */
        {"id = '00000000000000000000000000000007' OR object_id = 'pi_100'", 2},
        {"id = '00000000000000000000000000000064' OR object_id = 'pi_100'", 1},
        {"opened_at >= # + 9900000 OR object_id = 'pi_100' OR object_id = 'pi_990'", 11},
        {"(opened_at >= # + 9900000 AND opened_at < 9223372036854775806 AND closed_at > 5) OR "
         "(object_id = 'pi_100' AND opened_at > 5 AND closed_at > 5)",
         11},
    };
    for (unsigned i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        cr_expect_eq(count_where(questions[i].where), questions[i].rows, "%s", questions[i].where);
    }
}

/* A number on the other side is compared with what the text says as a number. */
Test(ledger_table, an_id_is_compared_as_sqlite_does)
{
    cr_assert_eq(sqlite3_exec(db,
                              "CREATE TEMP TABLE numbers (n INTEGER); "
                              "INSERT INTO numbers VALUES (7)",
                              NULL, NULL, NULL),
                 SQLITE_OK);
    cr_expect_eq(ask("SELECT count(*) FROM numbers CROSS JOIN requests WHERE id = n"), 1);
}

/* Else who looks for one payment among millions waits. */
Test(ledger_table, only_blocks_that_may_have_it_are_read)
{
    cr_assert_eq(sqlite3_exec(db,
                              "UPDATE blocks SET packed = x'ff' WHERE number <> "
                              "(SELECT max(number) FROM blocks)",
                              NULL, NULL, NULL),
                 SQLITE_OK);
    cr_expect_eq(count_where("object_id = 'pi_990'"), 1);
    cr_expect_eq(count_where("opened_at > # + 9900000"), 9);
    cr_expect_eq(count_where("closed_at > # + 9900000"), 59);
}

/* Also where a few bytes stand for rows without end. */
Test(ledger_table, a_broken_block_is_said)
{
    static const struct {
        const char *change, *message;
    } broken[] = {
        {"UPDATE blocks SET packed = x'ffff' WHERE number = 2", "its block 2 is broken"},
        {"UPDATE blocks SET packed = zeroblob(100000) WHERE number = 2", "its block 2 is broken"},
        {"UPDATE blocks SET layout = 77 WHERE number = 2", "its table of layouts is broken"},
        {"UPDATE layouts SET columns = 'id:X'", "its table of layouts is broken"},
        {"UPDATE layouts SET columns = ''", "its table of layouts is broken"},
    };
    for (unsigned i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        sqlite3_stmt *statement = NULL;
        cr_assert_eq(sqlite3_exec(db, "BEGIN", NULL, NULL, NULL), SQLITE_OK);
        cr_assert_eq(sqlite3_exec(db, broken[i].change, NULL, NULL, NULL), SQLITE_OK);
        cr_assert_eq(sqlite3_prepare_v2(db, "SELECT count(*) FROM requests", -1, &statement, NULL),
                     SQLITE_OK);
        cr_expect_eq(sqlite3_step(statement), SQLITE_ERROR, "%s", broken[i].change);
        cr_expect_str_eq(sqlite3_errmsg(db), broken[i].message, "%s", broken[i].change);
        (void)sqlite3_finalize(statement);
        cr_assert_eq(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    }
    cr_expect_eq(ask("SELECT count(*) FROM requests"), ROWS);
}

Test(ledger_table, nobody_writes_to_it)
{
    cr_expect_neq(sqlite3_exec(db, "DELETE FROM requests", NULL, NULL, NULL), SQLITE_OK);
    cr_expect_neq(sqlite3_exec(db, "UPDATE requests SET cost_nanousd = 0", NULL, NULL, NULL),
                  SQLITE_OK);
    cr_expect_eq(ask("SELECT count(*) FROM requests"), ROWS);
}
