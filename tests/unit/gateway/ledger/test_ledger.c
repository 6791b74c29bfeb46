#include "gateway/ledger/ledger.h"
#include "gateway/ledger/ledger_query.h"
#include "gateway/ledger/ledger_ring.h"
#include "gateway/ledger/ledger_state.h"
#include "gateway/ledger/ledger_table.h"
#include "tests/support/scratch_folder.h"
#include "tests/unit/gateway/ledger/ledger_rows.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

static struct scratch_folder folder;
static struct ledger_settings settings;
static struct ledger *ledger;
static struct error err;

static void setup(void)
{
    scratch_make(&folder);
    row_time = clock_wall() / (86400 * SEC) * 86400 * SEC - 86400 * SEC; /* sums are kept so long */
    settings = (struct ledger_settings){
        .path = scratch_path(&folder, "usage.db"), .keep = 86400 * SEC * 40000, .workers = 1};
}

static void teardown(void)
{
    ledger_stop(ledger);
    scratch_remove(&folder);
}

TestSuite(ledger, .init = setup, .fini = teardown);

static void start(void)
{
    cr_assert_eq(ledger_start(&settings, &ledger, &err), STATUS_OK, "%s", err.message);
}

static void stop(void)
{
    ledger_stop(TAKE(ledger));
}

static struct ledger_stats stats(void)
{
    struct ledger_stats now;
    ledger_get_stats(ledger, &now);
    return now;
}

static bool noisy; /* rows take their bytes */

static bool open_row(unsigned worker, unsigned n, struct ledger_row **ret)
{
    struct ledger_ring *ring = ledger_ring_of(ledger, worker);
    struct ledger_row *row = ledger_ring_take(ring);
    if (row == NULL) {
        return false;
    }
    if (noisy) {
        fill_row_with_noise(row, n);
    } else {
        fill_row(row, n);
    }
    ledger_ring_opened(ring, row);
    *ret = row;
    return true;
}

static void close_rows(unsigned worker, unsigned from, unsigned to)
{
    for (unsigned n = from; n < to; n++) {
        struct ledger_row *row;
        cr_assert(open_row(worker, n, &row), "%u", n);
        ledger_ring_closed(ledger_ring_of(ledger, worker), row);
    }
    ledger_wake(ledger);
}

/* Until it holds, for ten seconds at most. */
#define EVENTUALLY(condition)                                                                      \
    do {                                                                                           \
        for (unsigned tries_ = 0; tries_ < 1000 && !(condition); tries_++) {                       \
            (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = 10000000},     \
                                  NULL);                                                           \
        }                                                                                          \
        cr_assert(condition);                                                                      \
    } while (0)

static int64_t ask(const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    cr_assert_eq(sqlite3_open(settings.path, &db), SQLITE_OK);
    cr_assert_eq(ledger_table_register(db, &err), STATUS_OK);
    (void)sqlite3_busy_timeout(db, 5000);
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK, "%s",
                 sqlite3_errmsg(db));
    cr_assert_eq(sqlite3_step(statement), SQLITE_ROW, "%s", sqlite3_errmsg(db));
    int64_t number = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(db);
    return number;
}

static int64_t sum_to(int64_t last)
{
    return last * (last + 1) / 2;
}

static void expect_kept(int64_t rows)
{
    cr_expect_eq(ask("SELECT count(*) FROM requests"), rows);
    cr_expect_eq(ask("SELECT coalesce(sum(requests), 0) FROM minutes"), rows);
}

Test(ledger, closed_rows_are_kept_within_a_moment)
{
    start();
    close_rows(0, 1, 101);
    EVENTUALLY(stats().rows_written == 100);
    expect_kept(100);
    cr_expect_eq(stats().backlog, 0U);
    cr_expect(stats().writable);
    cr_expect_eq(ask("SELECT sum(cost_nanousd) FROM minutes"), sum_to(100));
}

Test(ledger, stopping_keeps_what_is_closed_and_leaves_what_is_open)
{
    struct ledger_row *row;
    settings.workers = 3;
    start();
    for (unsigned worker = 0; worker < 3; worker++) {
        close_rows(worker, 1 + 2000 * worker, 2001 + 2000 * worker);
    }
    cr_assert(open_row(2, 7000, &row));
    stop();
    expect_kept(6000);
    start();
    cr_expect_eq(stats().rows_recovered, 1U);
    expect_kept(6001); /* before it starts to serve */
    cr_expect_eq(ask("SELECT cost_nanousd FROM requests WHERE code = 'gateway_died'"), 70000);
}

Test(ledger, rings_of_workers_that_are_no_more_are_emptied_and_removed)
{
    struct ledger_row *row;
    settings.workers = 4;
    start();
    for (unsigned worker = 0; worker < 4; worker++) {
        cr_assert(open_row(worker, worker + 1, &row));
    }
    stop();
    settings.workers = 1;
    start();
    expect_kept(4);
    for (unsigned number = 0; number < 4; number++) {
        const char *name = arena_print(&folder.arena, "%s.ring-%u", settings.path, number);
        cr_expect_eq(access(name, F_OK) == 0, number == 0, "%s", name);
    }
    stop();
    expect_kept(4);
}

Test(ledger, two_gateways_may_write_to_one_file)
{
    struct ledger *other = NULL;
    start();
    cr_assert_eq(ledger_start(&settings, &other, &err), STATUS_OK, "%s", err.message);
    struct ledger_ring *ring = ledger_ring_of(other, 0);
    close_rows(0, 1, 1001);
    for (unsigned n = 1001; n < 2001; n++) {
        struct ledger_row *row = ledger_ring_take(ring);
        fill_row(row, n);
        ledger_ring_opened(ring, row);
        ledger_ring_closed(ring, row);
    }
    ledger_wake(other);
    ledger_stop(other);
    stop();
    expect_kept(2000);
    cr_expect_eq(ask("SELECT sum(cost_nanousd) FROM minutes"), sum_to(2000));
}

/* ---- killed ---- */

/* Closes rows and is killed by itself while they are moved. */
static void run_and_die(unsigned from, unsigned to, unsigned die_at)
{
    pid_t child = fork();
    if (child == 0) {
        start();
        for (unsigned n = from; n < to; n++) {
            struct ledger_row *row;
            if (!open_row(0, n, &row)) {
                break;
            }
            row->cost = 1;
            row->reserved_cost = 1;
            if (n % 10 != 0) {
                ledger_ring_closed(ledger_ring_of(ledger, 0), row);
            }
            ledger_wake(ledger);
            if (n % 400 == 0) {
                (void)clock_nanosleep(CLOCK_MONOTONIC, 0,
                                      &(struct timespec){.tv_nsec = 1000L * die_at}, NULL);
            }
        }
        while (stats().rows_written < die_at) {
        }
        (void)kill(getpid(), SIGKILL);
    }
    int how = 0;
    cr_assert_eq(waitpid(child, &how, 0), child);
    cr_assert(WIFSIGNALED(how));
}

Test(ledger, killed_at_any_moment_each_row_is_kept_exactly_once)
{
    enum { ROUNDS = 20, ROWS = 3000 };
    for (unsigned i = 0; i < ROUNDS; i++) {
        run_and_die(i * ROWS, (i + 1) * ROWS, 1 + 130 * i);
    }
    start();
    stop();
    expect_kept(ROUNDS * ROWS);
    cr_expect_eq(ask("SELECT sum(cost_nanousd) FROM minutes"), ROUNDS * ROWS);
    cr_expect_eq(ask("SELECT count(*) FROM requests WHERE code = 'gateway_died'"),
                 ROUNDS * ROWS / 10);
}

Test(ledger, what_was_written_but_not_freed_is_not_counted_again)
{
    struct ledger_row *row;
    start();
    cr_assert(open_row(0, 9, &row));
    struct ledger_row copy = *row;
    ledger_ring_closed(ledger_ring_of(ledger, 0), row);
    ledger_wake(ledger);
    EVENTUALLY(stats().rows_written == 1);
    /* The same row is in a ring again, as if the process had died between the two. */
    row = ledger_ring_take(ledger_ring_of(ledger, 0));
    *row = copy;
    ledger_ring_opened(ledger_ring_of(ledger, 0), row);
    ledger_ring_closed(ledger_ring_of(ledger, 0), row);
    stop();
    expect_kept(1);
    cr_expect_eq(ask("SELECT cost_nanousd FROM minutes"), 9);
}

/* ---- a disk that does not take it ---- */

Test(ledger, a_file_that_cannot_grow_holds_up_nobody_and_loses_nothing)
{
    start();
    close_rows(0, 1, 101);
    EVENTUALLY(stats().rows_written == 100);
    (void)signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {.rlim_cur = 4096, .rlim_max = RLIM_INFINITY};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    close_rows(0, 101, 201);
    EVENTUALLY(stats().write_failures >= 2);
    cr_expect_not(stats().writable);
    cr_expect_eq(stats().backlog, 100U);
    unsigned n = 201;
    struct ledger_row *row;
    for (; open_row(0, n, &row); n++) { /* until the ring is full */
        ledger_ring_closed(ledger_ring_of(ledger, 0), row);
    }
    cr_expect_eq(n, 101U + LEDGER_RING_PLACES);
    struct ledger_row unplaced;
    for (unsigned i = 0; i < 50; i++, n++) {
        fill_row(&unplaced, n);
        ledger_fold(ledger, &unplaced);
    }
    cr_expect_eq(stats().rows_folded, 50U);
    limit.rlim_cur = RLIM_INFINITY;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    EVENTUALLY(stats().writable && stats().backlog == 0);
    stop();
    cr_expect_eq(ask("SELECT count(*) FROM requests"), 100 + LEDGER_RING_PLACES);
    cr_expect_eq(ask("SELECT sum(requests) FROM minutes"), n - 1);
    cr_expect_eq(ask("SELECT sum(cost_nanousd) FROM minutes"), sum_to(n - 1));
}

Test(ledger, what_is_folded_while_it_fails_is_counted_once)
{
    struct ledger_row unplaced;
    start();
    (void)signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {.rlim_cur = 4096, .rlim_max = RLIM_INFINITY};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    for (unsigned i = 1; i <= 3; i++) {
        uint64_t failures = stats().write_failures;
        fill_row(&unplaced, i);
        ledger_fold(ledger, &unplaced);
        EVENTUALLY(stats().write_failures > failures);
    }
    limit.rlim_cur = RLIM_INFINITY;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    stop();
    cr_expect_eq(ask("SELECT sum(requests) FROM minutes"), 3);
    cr_expect_eq(ask("SELECT sum(cost_nanousd) FROM minutes"), 6);
}

Test(ledger, a_database_that_another_keeps_locked_is_waited_for)
{
    sqlite3 *db = NULL;
    start();
    cr_assert_eq(sqlite3_open(settings.path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    close_rows(0, 1, 11);
    EVENTUALLY(stats().write_failures >= 1);
    cr_assert_eq(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(db);
    EVENTUALLY(stats().rows_written == 10);
    cr_expect(stats().writable);
}

Test(ledger, a_database_that_was_taken_away_is_begun_anew)
{
    start();
    close_rows(0, 1, 11);
    EVENTUALLY(stats().rows_written == 10);
    cr_assert_eq(rename(settings.path, scratch_path(&folder, "old.db")), 0);
    (void)unlink(scratch_path(&folder, "usage.db-wal"));
    (void)unlink(scratch_path(&folder, "usage.db-shm"));
    close_rows(0, 11, 14);
    EVENTUALLY(stats().rows_written == 13);
    expect_kept(3);
}

/* ---- what goes ---- */

Test(ledger, its_size_is_kept_while_rows_come)
{
    enum { ROWS = 20000 };
    settings.max_bytes = 4 * 1024 * 1024;
    noisy = true;
    start();
    for (unsigned n = 1; n <= ROWS; n += 500) {
        EVENTUALLY(stats().backlog < 3000);
        close_rows(0, n, n + 500);
    }
    EVENTUALLY(stats().rows_written == ROWS);
    stop();
    struct stat info;
    cr_assert_eq(stat(settings.path, &info), 0);
    cr_expect_leq(info.st_size, (off_t)settings.max_bytes);
    cr_expect_lt(ask("SELECT count(*) FROM requests"), ROWS);
    cr_expect_eq(ask("SELECT max(cost_nanousd) FROM requests"), ROWS);
    cr_expect_eq(ask("SELECT sum(cost_nanousd) FROM minutes"), sum_to(ROWS));
}

Test(ledger, keep_is_enforced_and_may_be_changed)
{
    start();
    close_rows(0, 1, 2501);
    EVENTUALLY(stats().rows_written == 2500);
    cr_expect_eq(ask("SELECT count(*) FROM requests"), 2500);
    ledger_set_keep(ledger, 3600 * SEC);
    ledger_wake(ledger);
    EVENTUALLY(ask("SELECT count(*) FROM requests") == 0);
}

/* ---- what it is told ---- */

Test(ledger, a_start_that_fails_says_why)
{
    settings.path = scratch_path(&folder, "no/usage.db");
    cr_expect_eq(ledger_start(&settings, &ledger, &err), STATUS_UNAVAILABLE);
    cr_expect_not_null(strstr(err.message, "/no/usage.db\": "), "%s", err.message);
    cr_expect_not_null(strstr(err.message, "No such file or directory"), "%s", err.message);
}

static void list_left(void *ctx, const struct ledger_row *row)
{
    list_row(ctx, row);
}

Test(ledger, what_a_store_may_not_have_heard_is_told_at_start_once)
{
    struct row_list left = {0};
    struct ledger_row *row;
    start();
    cr_assert(open_row(0, 1, &row)); /* of a process that is killed */
    row->settles[0] = (struct ledger_settle){.used = 70, .index = 2, .first = 'a'};
    row->settle_count = 1;
    cr_assert(open_row(0, 2, &row)); /* nothing to tell */
    cr_assert(open_row(0, 3, &row));
    row->settle_count = LEDGER_SETTLES_MAX + 1; /* a file may say anything */
    stop();
    settings.left = list_left;
    settings.left_ctx = &left;
    start();
    cr_assert_eq(left.count, 1U);
    cr_expect_eq(left.rows[0].cost, 10U, "as it was charged: in full");
    cr_expect_eq(left.rows[0].settles[0].used, 70U);
    stop();
    start();
    cr_expect_eq(left.count, 1U);
    row_list_fini(&left);
}
