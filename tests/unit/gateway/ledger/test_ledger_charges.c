/* What quotas' windows were charged with is kept with the rows, once, and told at the next start.
 */
#include "gateway/ledger/ledger.h"
#include "gateway/ledger/ledger_columns.h"
#include "gateway/ledger/ledger_ring.h"
#include "gateway/ledger/ledger_state.h"
#include "gateway/ledger/ledger_table.h"
#include "tests/support/scratch_folder.h"
#include "tests/unit/gateway/ledger/ledger_rows.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#define HOUR_MS INT64_C(3600000)

static struct scratch_folder folder;
static struct ledger_settings settings;
static struct ledger *ledger;
static struct error err;
static int64_t now_ms;

/* What the last start told of. */
static struct {
    uint64_t hash, used;
} told[8];
static unsigned told_count;

static void note(void *ctx, const struct ledger_charge *charge)
{
    (void)ctx;
    cr_assert_gt(charge->end_ms, now_ms);
    unsigned i = 0;
    while (i < told_count && told[i].hash != charge->hash) {
        i++;
    }
    cr_assert_lt(i, 8U);
    told_count = i == told_count ? i + 1 : told_count;
    told[i].hash = charge->hash;
    told[i].used += charge->amount;
}

static uint64_t told_of(uint64_t hash)
{
    for (unsigned i = 0; i < told_count; i++) {
        if (told[i].hash == hash) {
            return told[i].used;
        }
    }
    return 0;
}

static void setup(void)
{
    scratch_make(&folder);
    now_ms = clock_wall() / MSEC;
    row_time = clock_wall() - 60 * SEC;
    settings = (struct ledger_settings){
        .path = scratch_path(&folder, "usage.db"), .keep = 86400 * SEC, .workers = 1, .past = note};
}

static void teardown(void)
{
    ledger_stop(ledger);
    scratch_remove(&folder);
}

TestSuite(ledger_charges, .init = setup, .fini = teardown);

static void start(void)
{
    memset(told, 0, sizeof(told));
    told_count = 0;
    cr_assert_eq(ledger_start(&settings, &ledger, &err), STATUS_OK, "%s", err.message);
}

static void stop(void)
{
    ledger_stop(TAKE(ledger));
}

static void restart(void)
{
    stop();
    start();
}

static struct ledger_charge charge_of(uint64_t hash, uint64_t amount)
{
    return (struct ledger_charge){
        .hash = hash, .start_ms = now_ms - HOUR_MS, .end_ms = now_ms + HOUR_MS, .amount = amount};
}

static void charge(struct ledger_row *row, uint64_t hash, uint64_t amount)
{
    row->charges[row->charge_count++] = charge_of(hash, amount);
}

static struct ledger_row *open_row(unsigned n)
{
    struct ledger_row *row = ledger_ring_take(ledger_ring_of(ledger, 0));
    cr_assert_not_null(row);
    fill_row(row, n);
    ledger_ring_opened(ledger_ring_of(ledger, 0), row);
    return row;
}

static void close_row(struct ledger_row *row)
{
    ledger_ring_closed(ledger_ring_of(ledger, 0), row);
    ledger_wake(ledger);
}

static int64_t ask(const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    cr_assert_eq(sqlite3_open(settings.path, &db), SQLITE_OK);
    cr_assert_eq(ledger_table_register(db, &err), STATUS_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK, "%s",
                 sqlite3_errmsg(db));
    int code = sqlite3_step(statement);
    int64_t value = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(db);
    return value;
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

Test(ledger_charges, a_window_is_told_with_the_sum_of_its_rows)
{
    start();
    cr_expect_eq(told_count, 0U);
    for (unsigned n = 1; n <= 100; n++) {
        struct ledger_row *row = open_row(n);
        charge(row, 7, n);
        charge(row, UINT64_MAX - n % 2, 1);
        close_row(row);
    }
    restart();
    cr_expect_eq(told_of(7), 5050U);
    cr_expect_eq(told_of(UINT64_MAX), 50U);
    cr_expect_eq(told_of(UINT64_MAX - 1), 50U);
    cr_expect_eq(told_count, 3U);
    struct ledger_row *row = open_row(101);
    charge(row, 7, 1);
    close_row(row);
    restart();
    cr_expect_eq(told_of(7), 5051U);
}

/* Opens rows from `from` on, closes two of three, and is killed while they are moved. */
static void run_and_die(unsigned from, unsigned to, unsigned die_at)
{
    struct ledger_stats stats;
    pid_t child = fork();
    if (child == 0) {
        start();
        for (unsigned n = from; n < to; n++) {
            struct ledger_row *row = open_row(n);
            charge(row, 7, 10); /* reserved */
            if (n % 3 != 0) {
                row->charges[0].amount = 4; /* used */
                close_row(row);
            }
        }
        do {
            ledger_get_stats(ledger, &stats);
        } while (stats.rows_written < die_at);
        (void)kill(getpid(), SIGKILL);
    }
    int how = 0;
    cr_assert_eq(waitpid(child, &how, 0), child);
    cr_assert(WIFSIGNALED(how));
}

Test(ledger_charges, killed_at_any_moment_each_charge_counts_once_and_open_ones_in_full)
{
    enum { ROUNDS = 10, ROWS = 1500 };
    for (unsigned i = 0; i < ROUNDS; i++) {
        run_and_die(i * ROWS, (i + 1) * ROWS, 1 + 100 * i);
    }
    start();
    cr_expect_eq(told_of(7), ROUNDS * (ROWS / 3 * 10 + ROWS / 3 * 2 * 4));
}

Test(ledger_charges, a_row_that_is_there_already_charges_nothing_again)
{
    start();
    struct ledger_row *row = open_row(9);
    charge(row, 7, 5);
    struct ledger_row copy = *row;
    close_row(row);
    EVENTUALLY(ask("SELECT count(*) FROM requests") == 1);
    row = ledger_ring_take(ledger_ring_of(ledger, 0));
    *row = copy;
    ledger_ring_opened(ledger_ring_of(ledger, 0), row);
    close_row(row);
    restart();
    cr_expect_eq(told_of(7), 5U);
}

Test(ledger_charges, rows_may_go_before_their_window_does)
{
    settings.keep = SEC;
    start();
    for (unsigned n = 1; n <= 100; n++) {
        struct ledger_row *row = open_row(n);
        charge(row, 7, 1);
        close_row(row);
    }
    EVENTUALLY(ask("SELECT coalesce(sum(used), 0) FROM quota_sums") == 100);
    EVENTUALLY(ask("SELECT count(*) FROM requests") == 0);
    restart();
    cr_expect_eq(told_of(7), 100U);
}

Test(ledger_charges, sums_go_when_their_window_is_over)
{
    start();
    struct ledger_row *row = open_row(1);
    charge(row, 7, 1);
    charge(row, 8, 2);
    row->charges[1].end_ms = now_ms - 1; /* over, but not for long: a clock may be set back */
    charge(row, 9, 4);
    row->charges[2].end_ms = now_ms - 2 * HOUR_MS;
    close_row(row);
    EVENTUALLY(ask("SELECT coalesce(sum(used), 0) FROM quota_sums") == 3);
    restart();
    cr_expect_eq(told_count, 1U);
    cr_expect_eq(told_of(7), 1U);
}

Test(ledger_charges, rows_that_fold_and_charges_alone_take_their_sums_along)
{
    start();
    struct ledger_row row;
    fill_row(&row, 1);
    charge(&row, 7, 3);
    ledger_fold(ledger, &row);
    const struct ledger_charge more = charge_of(7, 4);
    ledger_fold_charge(ledger, &more);
    restart();
    cr_expect_eq(told_of(7), 7U);
    ledger_fold_charge(ledger, &more);
    restart();
    cr_expect_eq(told_of(7), 11U);
}

/* Opens so many rows that they do not fit into a small file, and is killed. */
static void leave_large_rows(unsigned count)
{
    pid_t child = fork();
    if (child == 0) {
        start();
        for (unsigned n = 0; n < count; n++) {
            struct ledger_row *row = open_row(n);
            memset(row->details, 'x', sizeof(row->details) - 1);
            charge(row, 7, 1);
        }
        (void)kill(getpid(), SIGKILL);
    }
    int how = 0;
    cr_assert_eq(waitpid(child, &how, 0), child);
    cr_assert(WIFSIGNALED(how));
}

Test(ledger_charges, what_cannot_be_written_at_start_is_told_from_the_rings)
{
    struct rlimit before;
    leave_large_rows(900);
    (void)signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit limit = {.rlim_cur = 128 * 1024, .rlim_max = before.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    start();
    cr_expect_eq(told_of(7), 900U);
    cr_expect_eq(ask("SELECT count(*) FROM quota_sums"), 0);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    restart();
    cr_expect_eq(told_of(7), 900U);
    cr_expect_eq(ask("SELECT used FROM quota_sums"), 900);
}

Test(ledger_charges, names_of_keys_are_the_same_in_the_next_process_and_in_a_file_begun_anew)
{
    start();
    uint64_t hash = ledger_key_hash(ledger, SLICE("a key"));
    restart();
    cr_expect_eq(ledger_key_hash(ledger, SLICE("a key")), hash);
    cr_assert_eq(rename(settings.path, scratch_path(&folder, "old.db")), 0);
    struct ledger_row *row = open_row(1);
    charge(row, hash, 3);
    close_row(row);
    EVENTUALLY(access(settings.path, F_OK) == 0);
    restart();
    cr_expect_eq(told_of(ledger_key_hash(ledger, SLICE("a key"))), 3U);
    cr_expect_eq(ledger_key_hash(ledger, SLICE("a key")), hash);
}

Test(ledger_charges, each_database_has_names_of_its_own)
{
    start();
    uint64_t hash = ledger_key_hash(ledger, SLICE("a key"));
    stop();
    settings.path = scratch_path(&folder, "other.db");
    start();
    cr_expect_neq(ledger_key_hash(ledger, SLICE("a key")), hash);
}

/* ---- what other epochs of a shared store were charged ---- */

static uint64_t former_of_7;

static char former_key[32]; /* of key 7 */

static void note_former(void *ctx, const struct ledger_charge *sum, struct slice key)
{
    (void)ctx;
    if (sum->hash == 7) {
        (void)snprintf(former_key, sizeof(former_key), "%.*s", (int)key.len, key.ptr);
    }
    cr_assert_eq(sum->epoch, 0U);
    former_of_7 += sum->hash == 7 ? sum->amount : 0;
}

/* An answer is given once. */
static void take_former(uint64_t epoch, bool *ret_open)
{
    bool taken = false;
    EVENTUALLY((taken = taken || ledger_take_former(ledger, epoch, ret_open, NULL, note_former)));
}

/* The sum of key 7 under other epochs than this one. */
static uint64_t ask_former(uint64_t epoch, bool *ret_open)
{
    former_of_7 = 0;
    ledger_ask_former(ledger, epoch);
    take_former(epoch, ret_open);
    return former_of_7;
}

static struct ledger_row *open_of_epoch(unsigned n, uint64_t epoch, uint64_t amount)
{
    struct ledger_row *row = open_row(n);
    struct ledger_charge one = charge_of(7, amount);
    one.epoch = epoch;
    ledger_row_charge(row, 0, &one);
    return row;
}

Test(ledger_charges, former_epochs_are_all_but_the_present_one_open_rows_included)
{
    bool open;
    start();
    cr_expect_eq(ask_former(1, &open), 0U);
    close_row(open_of_epoch(1, 1, 5));
    close_row(open_of_epoch(2, 2, 10));
    close_row(open_of_epoch(3, 0, 100)); /* decided without the store */
    struct ledger_row *row = open_of_epoch(4, 1, 20);
    cr_expect_eq(ask_former(1, &open), 10U);
    cr_expect_not(open);
    cr_expect_eq(ask_former(2, &open), 25U);
    cr_expect(open, "it may change yet");
    cr_expect_eq(ask_former(3, &open), 35U);
    struct ledger_charge used = charge_of(7, 3);
    used.epoch = 1;
    ledger_row_charge(row, 0, &used);
    close_row(row);
    cr_expect_eq(ask_former(3, &open), 18U);
    cr_expect_not(open);
    restart();
    cr_expect_eq(ask_former(3, &open), 18U, "they are kept");
    cr_expect_eq(told_of(7), 118U, "a store in memory goes on from all of them");
}

Test(ledger_charges, a_key_that_was_noted_is_told_as_long_as_its_window_lasts)
{
    bool open;
    struct ledger_charge one = charge_of(7, 1);
    struct ledger_charge over = charge_of(8, 1);
    over.end_ms = now_ms - 2 * HOUR_MS;
    start();
    close_row(open_of_epoch(1, 1, 5));
    cr_expect_eq(ask_former(2, &open), 5U);
    cr_expect_str_eq(former_key, "");
    ledger_note_key(ledger, &one, SLICE("a key:anna"));
    ledger_note_key(ledger, &one, SLICE("a key:anna"));
    ledger_note_key(ledger, &over, SLICE("a key:bert"));
    cr_expect_eq(ask_former(2, &open), 5U);
    cr_expect_str_eq(former_key, "a key:anna");
    restart();
    cr_expect_eq(ask_former(2, &open), 5U);
    cr_expect_str_eq(former_key, "a key:anna");
    EVENTUALLY(ask("SELECT count(*) FROM quota_keys") == 1);
}

Test(ledger_charges, each_row_is_told_once_while_rows_are_moved)
{
    enum { ROWS = 2000 };
    bool open;
    start();
    for (unsigned n = 0; n < ROWS; n++) {
        close_row(open_of_epoch(n, 1, 1));
        if (n % 400 == 399) {
            cr_expect_eq(ask_former(2, &open), n + 1);
        }
    }
}

Test(ledger_charges, an_answer_is_to_the_epoch_that_was_asked_for_last)
{
    bool open;
    start();
    close_row(open_of_epoch(1, 1, 5));
    ledger_ask_former(ledger, 1);
    ledger_ask_former(ledger, 2);
    take_former(2, &open);
    cr_expect_not(ledger_take_former(ledger, 2, &open, NULL, note_former), "it is taken");
    cr_expect_not(ledger_take_former(ledger, 1, &open, NULL, note_former));
}

Test(ledger_charges, a_list_that_is_torn_is_none)
{
    struct ledger_row row;
    fill_row(&row, 1);
    row.charge_count = LEDGER_CHARGES_MAX + 1;
    cr_expect(ledger_row_sound(&row));
    cr_expect_eq(row.charge_count, 0U);
}
