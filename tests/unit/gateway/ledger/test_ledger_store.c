#include "gateway/ledger/ledger_blocks.h"
#include "gateway/ledger/ledger_minutes.h"
#include "gateway/ledger/ledger_query.h"
#include "tests/unit/gateway/ledger/ledger_store_rig.h"

#include <sys/stat.h>

TestSuite(ledger_store, .init = rig_setup, .fini = rig_teardown);

static bool noisy; /* rows take their bytes */

/* Rows from..to-1 and their sums, in one batch; returns how many were new. */
static unsigned add_rows(unsigned from, unsigned to)
{
    struct ledger_minutes sums = {0};
    unsigned count = 0;
    OK(ledger_store_begin(store, &err));
    for (unsigned n = from; n < to; n++) {
        struct ledger_row row;
        bool new = false;
        if (noisy) {
            fill_row_with_noise(&row, n);
        } else {
            fill_row(&row, n);
        }
        OK(ledger_store_add(store, &row, &new, &err));
        if (new) {
            ledger_minutes_add(&sums, &row);
            count++;
        }
    }
    for (const struct ledger_minute *at = sums.first; at != NULL; at = at->next) {
        OK(ledger_store_add_minute(store, at, &err));
    }
    OK(ledger_store_commit(store, &err));
    ledger_minutes_fini(&sums);
    return count;
}

Test(ledger_store, what_was_added_is_there_and_as_it_was)
{
    struct ledger_row row;
    struct ledger_row read;
    struct ledger_reader *reader = NULL;
    bool new = false;
    fill_row(&row, 5);
    row.object = (struct ledger_object){.id = "pi_1",
                                        .type = "payment_intent",
                                        .status = "succeeded",
                                        .currency = "eur",
                                        .amount = INT64_MIN,
                                        .has_amount = true};
    LEDGER_TEXT(row.details, SLICE("{\"a\":1}"));
    for (unsigned i = 0; i < LEDGER_UNIT_COUNT; i++) {
        row.units[i] = i + 1;
    }
    reopen(0);
    OK(ledger_store_begin(store, &err));
    OK(ledger_store_add(store, &row, &new, &err));
    OK(ledger_store_commit(store, &err));
    OK(ledger_reader_open(path, &reader, &err));
    OK(ledger_find(reader, row.id, &read, &err));
    cr_expect_eq(memcmp(&row, &read, sizeof(row)), 0);
    cr_expect_eq(ledger_find(reader, "00", &read, &err), STATUS_NOT_FOUND);
    ledger_reader_close(reader);
    cr_expect_eq(ask("SELECT count(*) FROM requests WHERE object_amount = -9223372036854775808"),
                 1);
}

Test(ledger_store, each_of_many_is_found_by_its_id)
{
    enum { ROWS = 20000 };
    struct ledger_row row;
    struct ledger_reader *reader = NULL;
    reopen(0);
    for (unsigned n = 0; n < ROWS; n += 1000) {
        (void)add_rows(n, n + 1000);
    }
    cr_expect_gt(ask("SELECT count(*) FROM blocks"), 70);
    OK(ledger_reader_open(path, &reader, &err));
    for (unsigned n = 0; n < ROWS; n += 999) {
        char id[33];
        (void)snprintf(id, sizeof(id), "%032x", n);
        OK(ledger_find(reader, id, &row, &err));
        cr_expect_eq(row.cost, (uint64_t)n);
    }
    cr_expect_eq(ledger_find(reader, "ffffffffffffffffffffffffffffffff", &row, &err),
                 STATUS_NOT_FOUND);
    ledger_reader_close(reader);
}

Test(ledger_store, an_object_without_an_amount_has_none)
{
    reopen(0);
    cr_expect_eq(add_rows(1, 2), 1U);
    cr_expect_eq(ask("SELECT count(*) FROM requests WHERE object_amount IS NULL"), 1);
}

Test(ledger_store, a_batch_that_is_repeated_counts_once)
{
    reopen(0);
    cr_expect_eq(add_rows(1, 11), 10U);
    cr_expect_eq(add_rows(1, 11), 0U);
    cr_expect_eq(add_rows(6, 16), 5U);
    cr_expect_eq(ask("SELECT count(*) FROM requests"), 15);
    cr_expect_eq(ask("SELECT sum(cost_nanousd) FROM minutes"), 15 * 16 / 2);
    cr_expect_eq(ask("SELECT sum(requests) FROM minutes"), 15);
}

/* A clock is set back, by little or much; and one that wrote may have ended after this one began.
 */
Test(ledger_store, a_batch_of_the_future_that_is_repeated_counts_once)
{
    static const usec_t ahead[] = {0, SEC / 2, SEC, 2 * SEC, 3600 * SEC};
    struct ledger_store *earlier = NULL;
    usec_t now = 0;
    reopen(0);
    earlier = store;
    OK(ledger_store_open(path, 0, &store, &err));
    now = clock_wall();
    for (unsigned n = 0; n < 2 * sizeof(ahead) / sizeof(ahead[0]); n++) {
        struct ledger_row row;
        bool new = false;
        struct ledger_store *writer = n % 2 == 0 ? earlier : store;
        fill_row(&row, n / 2);
        row.closed_at = now + ahead[n / 2];
        OK(ledger_store_begin(writer, &err));
        OK(ledger_store_add(writer, &row, &new, &err));
        OK(ledger_store_commit(writer, &err));
        cr_expect_eq(new, n % 2 == 0, "%u", n);
    }
    ledger_store_close(earlier);
}

/* What a machine without power left in a ring may say any time. */
Test(ledger_store, times_that_cannot_be_are_times)
{
    static const usec_t times[] = {INT64_MIN, -1, 0, 1, INT64_MAX - 1, INT64_MAX};
    enum { TIMES = sizeof(times) / sizeof(times[0]) };
    reopen(0);
    for (unsigned n = 0; n < 2 * TIMES; n++) {
        struct ledger_row row;
        bool new = false;
        fill_row(&row, n % TIMES);
        row.opened_at = times[n % TIMES];
        row.closed_at = times[n % TIMES];
        OK(ledger_store_begin(store, &err));
        OK(ledger_store_add(store, &row, &new, &err));
        OK(ledger_store_commit(store, &err));
        cr_expect_eq(new, n < TIMES, "%u", n);
    }
    cr_expect_eq(ask("SELECT count(*) FROM requests"), TIMES);
}

Test(ledger_store, a_batch_that_is_called_off_leaves_nothing)
{
    struct ledger_row row;
    bool new = false;
    reopen(0);
    fill_row(&row, 1);
    OK(ledger_store_begin(store, &err));
    OK(ledger_store_add(store, &row, &new, &err));
    ledger_store_call_off(store);
    cr_expect_eq(ask("SELECT count(*) FROM requests"), 0);
    ledger_store_call_off(store); /* again does no harm */
    cr_expect_eq(add_rows(1, 2), 1U);
    cr_expect_eq(ask("SELECT count(*) FROM requests"), 1);
    cr_expect_eq(ask("SELECT sum(rows) FROM blocks"), 1);
}

Test(ledger_store, money_stops_at_the_largest_and_stays_whole)
{
    struct ledger_row row;
    bool new = false;
    reopen(0);
    for (unsigned n = 0; n < 3; n++) {
        struct ledger_minutes sums = {0};
        fill_row(&row, n);
        row.cost = n == 0 ? (uint64_t)INT64_MAX - 1 : n == 1 ? 1 : UINT64_MAX;
        ledger_minutes_add(&sums, &row);
        OK(ledger_store_begin(store, &err));
        OK(ledger_store_add(store, &row, &new, &err));
        OK(ledger_store_add_minute(store, sums.first, &err));
        OK(ledger_store_commit(store, &err));
        ledger_minutes_fini(&sums);
        cr_expect_eq(ask("SELECT cost_nanousd FROM minutes"), n == 0 ? INT64_MAX - 1 : INT64_MAX);
        cr_expect_eq(ask("SELECT typeof(cost_nanousd) = 'integer' FROM minutes"), 1);
    }
    cr_expect_eq(ask("SELECT max(cost_nanousd) FROM requests"), INT64_MAX);
}

Test(ledger_store, what_is_too_old_goes_in_small_steps)
{
    enum { BLOCK = LEDGER_BLOCK_ROWS, BLOCKS = 12 };
    unsigned blocks = 0;
    reopen(0);
    (void)add_rows(0, BLOCKS * BLOCK);
    usec_t keep_from = row_time + MSEC + 10 * BLOCK + 5;
    OK(ledger_store_trim(store, keep_from, 0, &blocks, &err));
    cr_expect_eq(blocks, (unsigned)LEDGER_TRIM_BLOCKS);
    cr_expect_eq(ask("SELECT min(closed_at) FROM requests"),
                 row_time + MSEC + LEDGER_TRIM_BLOCKS * BLOCK);
    OK(ledger_store_trim(store, keep_from, 0, &blocks, &err));
    cr_expect_eq(blocks, 10U - LEDGER_TRIM_BLOCKS);
    /* A block goes with its last row. */
    cr_expect_eq(ask("SELECT min(closed_at) FROM requests"), row_time + MSEC + 10 * BLOCK);
    OK(ledger_store_trim(store, keep_from, 0, &blocks, &err));
    cr_expect_eq(blocks, 0U);
    cr_expect_eq(ask("SELECT sum(requests) FROM minutes"), BLOCKS * BLOCK); /* kept apart */
    OK(ledger_store_trim(store, keep_from, row_time + 60 * SEC, &blocks, &err));
    cr_expect_eq(ask("SELECT count(*) FROM minutes"), 0);
}

Test(ledger_store, beyond_its_size_the_oldest_rows_go_and_the_sums_stay)
{
    enum { MAX_BYTES = 2 * 1024 * 1024, ROUNDS = 20, ROWS = 500 };
    unsigned blocks = 0;
    noisy = true;
    reopen(MAX_BYTES);
    for (unsigned i = 0; i < ROUNDS; i++) {
        (void)add_rows(i * ROWS, (i + 1) * ROWS);
        OK(ledger_store_trim(store, 0, 0, &blocks, &err));
        struct stat info;
        cr_assert_eq(stat(path, &info), 0);
        cr_expect_leq(info.st_size, MAX_BYTES);
    }
    int64_t left = ask("SELECT count(*) FROM requests");
    cr_expect_gt(left, ROWS);
    cr_expect_lt(left, ROUNDS * ROWS);
    cr_expect_eq(ask("SELECT max(cost_nanousd) FROM requests"), ROUNDS * ROWS - 1);
    cr_expect_eq(ask("SELECT max(cost_nanousd) - min(cost_nanousd) + 1 FROM requests"), left);
    cr_expect_eq(ask("SELECT sum(requests) FROM minutes"), ROUNDS * ROWS);
}

Test(ledger_store, full_is_a_failure_that_leaves_the_batch_undone)
{
    enum { MAX_BYTES = 1024 * 1024 };
    unsigned before = 0;
    enum status status = STATUS_OK;
    reopen(MAX_BYTES);
    while (status == STATUS_OK) { /* nothing is deleted in between */
        bool new;
        struct ledger_row row;
        status = ledger_store_begin(store, &err);
        for (unsigned i = 0; i < 100 && status == STATUS_OK; i++) {
            fill_row_with_noise(&row, before + i);
            status = ledger_store_add(store, &row, &new, &err);
        }
        status = status == STATUS_OK ? ledger_store_commit(store, &err) : status;
        before += status == STATUS_OK ? 100 : 0;
        cr_assert_lt(before, 100000U);
    }
    cr_expect_eq(status, STATUS_UNAVAILABLE);
    cr_expect_not_null(strstr(err.message, "full"), "%s", err.message);
    ledger_store_call_off(store);
    cr_expect_eq(ask("SELECT count(*) FROM requests"), before);
    unsigned blocks = 0;
    OK(ledger_store_trim(store, 0, 0, &blocks, &err)); /* and there is room to make room */
    cr_expect_gt(blocks, 0U);
    (void)add_rows(before, before + 100);
}

Test(ledger_store, one_that_was_larger_shrinks)
{
    enum { MAX_BYTES = 512 * 1024 };
    unsigned blocks = 0;
    struct stat info;
    noisy = true;
    reopen(0);
    (void)add_rows(0, 5000);
    reopen(MAX_BYTES);
    for (unsigned i = 0; i < 20; i++) {
        OK(ledger_store_trim(store, 0, 0, &blocks, &err));
    }
    (void)add_rows(5000, 5001);
    ledger_store_close(TAKE(store)); /* with a checkpoint */
    cr_assert_eq(stat(path, &info), 0);
    cr_expect_leq(info.st_size, MAX_BYTES);
}

Test(ledger_store, a_reader_that_does_not_end_cannot_make_the_log_grow_without_bound)
{
    sqlite3 *db = NULL;
    enum status status = STATUS_OK;
    struct stat info;
    reopen(0);
    (void)add_rows(0, 1);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "BEGIN; SELECT * FROM blocks", NULL, NULL, NULL), SQLITE_OK);
    for (unsigned i = 1; i < 250 && status == STATUS_OK; i++) {
        struct ledger_row row;
        bool new;
        status = ledger_store_begin(store, &err);
        for (unsigned k = 0; k < 1000 && status == STATUS_OK; k++) {
            fill_row_with_noise(&row, 1000 * i + k);
            status = ledger_store_add(store, &row, &new, &err);
        }
        status = status == STATUS_OK ? ledger_store_commit(store, &err) : status;
    }
    cr_expect_eq(status, STATUS_UNAVAILABLE);
    cr_expect_not_null(strstr(err.message, "end what has read"), "%s", err.message);
    cr_assert_eq(stat(scratch_path(&folder, "usage.db-wal"), &info), 0);
    cr_expect_lt(info.st_size, 200 * 1024 * 1024);
    cr_assert_eq(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(db);
    (void)add_rows(1, 2);
}

Test(ledger_store, files_of_others_are_refused)
{
    sqlite3 *db = NULL;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "CREATE TABLE t (a)", NULL, NULL, NULL), SQLITE_OK);
    cr_expect_eq(ledger_store_open(path, 0, &store, &err), STATUS_INVALID);
    cr_expect_not_null(strstr(err.message, "usage.db\": it is the database of something else"),
                       "%s", err.message);
    (void)sqlite3_close(db);
    scratch_write_text(&folder, "usage.db", "this is a text that is no database at all, is it?");
    cr_expect_eq(ledger_store_open(path, 0, &store, &err), STATUS_UNAVAILABLE);
    cr_expect_not_null(strstr(err.message, "not a database"), "%s", err.message);
    cr_expect_eq(ledger_store_open(folder.path, 0, &store, &err), STATUS_UNAVAILABLE);
}

Test(ledger_store, a_newer_version_is_refused)
{
    reopen(0);
    ledger_store_close(TAKE(store));
    (void)ask("PRAGMA user_version = 1000");
    cr_expect_eq(ledger_store_open(path, 0, &store, &err), STATUS_INVALID);
    cr_expect_not_null(strstr(err.message, "newer version"), "%s", err.message);
}

Test(ledger_store, others_may_not_read_it)
{
    struct stat info;
    reopen(0);
    cr_assert_eq(stat(path, &info), 0);
    cr_expect_eq(info.st_mode & 07, 0U);
    cr_assert_eq(stat(scratch_path(&folder, "usage.db-wal"), &info), 0);
    cr_expect_eq(info.st_mode & 07, 0U);
}

Test(ledger_store, one_that_is_moved_away_is_noticed)
{
    reopen(0);
    cr_expect_not(ledger_store_moved(store));
    cr_assert_eq(rename(path, scratch_path(&folder, "elsewhere")), 0);
    cr_expect(ledger_store_moved(store));
}
