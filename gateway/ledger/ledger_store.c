#include "gateway/ledger/ledger_store.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "gateway/ledger/ledger_blocks.h"
#include "gateway/ledger/ledger_columns.h"
#include "gateway/ledger/ledger_entries.h"
#include "gateway/ledger/ledger_keys.h"
#include "gateway/ledger/ledger_minutes.h"
#include "gateway/ledger/ledger_settler.h"
#include "gateway/ledger/ledger_sql.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MODE = 0640,
    PAGE_BYTES = 4096,
    BUSY_MSEC = 500,
    BUSY_OPENING_MSEC = 5000, /* two that start at once make the tables one after the other */
    WAL_PAGES = 4000,
    WAL_PAGES_MAX = 32 * 1024, /* 128 MiB: someone reads, and reads, and does not end */
    VACUUM_PAGES = 1000,
    BATCH_PAGES = 1024, /* 4 MiB: rows with all that they may have */
    WINDOWS_AT_ONCE = 1000,
};

#define NEAR SEC /* what ends later than now by more is of another clock */

enum statement {
    BEGIN,
    COMMIT,
    ADD_MINUTE,
    ADD_CHARGE,
    ADD_KEY,
    DROP_OLD_MINUTES,
    DROP_OLD_WINDOWS,
    DROP_OLD_KEYS,
    DROP_OLD_DIFFERENCES,
    PAGE_COUNT,
    FREE_COUNT,
    STATEMENTS
};

struct ledger_store {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    struct ledger_blocks *blocks;   /* owned */
    struct ledger_entries *entries; /* owned */
    struct ledger_settler *settler; /* owned */
    bool in_doubt;                  /* it was opened, or failed, since the last batch */
    usec_t in_doubt_until;          /* rows that ended before may be there already */
    uint64_t max_pages;             /* 0: any number */
    int wal_pages;                  /* after the last commit */
};

/* ---- statements ---- */

static enum status step(struct ledger_store *store, enum statement which, int expected,
                        struct error *err)
{
    sqlite3_stmt *statement = store->statements[which];
    int code = sqlite3_step(statement);
    enum status status = code == expected ? STATUS_OK : ledger_sql_fail(store->db, code, err);
    (void)sqlite3_reset(statement);
    return status;
}

static enum status read_number(struct ledger_store *store, enum statement which, uint64_t *ret,
                               struct error *err)
{
    sqlite3_stmt *statement = store->statements[which];
    int code = sqlite3_step(statement);
    enum status status = STATUS_OK;
    if (code == SQLITE_ROW) {
        *ret = (uint64_t)sqlite3_column_int64(statement, 0);
    } else {
        status = ledger_sql_fail(store->db, code, err);
    }
    (void)sqlite3_reset(statement);
    return status;
}

/* SQLite turns a whole number that grows too large into a floating one: sums stop at the largest.
 */
#define SUM(name)                                                                                  \
    name " = excluded." name " + min(" name ", " LEDGER_SQL_LARGEST " - excluded." name ")"
#define UNIT_NAME(unit, name) name ", "
#define UNIT_MARK(unit, name) "?, "
#define UNIT_SUM(unit, name)  SUM(name) ", "
static const char add_minute[] =
    "INSERT INTO minutes (minute, tenant, route, model, requests, errors, "
    "estimated, " LEDGER_UNITS(
        UNIT_NAME) "cost_nanousd) VALUES (?, ?, ?, ?, ?, ?, "
                   "?, " LEDGER_UNITS(UNIT_MARK) "?) "
                                                 "ON CONFLICT (minute, tenant, "
                                                 "route, model) DO UPDATE "
                                                 "SET " SUM("requests") ", " SUM("errors") ", " SUM(
                                                     "estimated") ","
                                                                  " " LEDGER_UNITS(UNIT_SUM)
                                                                      SUM("cost_"
                                                                          "nanous"
                                                                          "d");
#undef UNIT_SUM
#undef UNIT_MARK
#undef UNIT_NAME

static const char add_charge[] =
    "INSERT INTO quota_sums (ends_ms, hash, epoch, starts_ms, used) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (ends_ms, hash, epoch) DO UPDATE SET " SUM("used");

static enum status prepare(struct ledger_store *store, struct error *err)
{
    const char *const texts[STATEMENTS] = {
        [BEGIN] = "BEGIN IMMEDIATE",
        [COMMIT] = "COMMIT",
        [ADD_MINUTE] = add_minute,
        [ADD_CHARGE] = add_charge,
        [ADD_KEY] = "INSERT INTO quota_keys (hash, ends_ms, key) VALUES (?, ?, ?) ON CONFLICT "
                    "(hash) DO UPDATE SET ends_ms = max(ends_ms, excluded.ends_ms)",
        /* There may be many in a minute, but not without end: they were written in batches. */
        [DROP_OLD_MINUTES] = "DELETE FROM minutes WHERE minute < ? AND "
                             "minute < (SELECT min(minute) + 10 FROM minutes)",
        [DROP_OLD_WINDOWS] = "DELETE FROM quota_sums WHERE (ends_ms, hash, epoch) IN (SELECT "
                             "ends_ms, hash, epoch FROM quota_sums WHERE ends_ms < ? "
                             "ORDER BY ends_ms, hash, epoch LIMIT ?)",
        [DROP_OLD_KEYS] = "DELETE FROM quota_keys WHERE hash IN (SELECT hash FROM quota_keys WHERE "
                          "ends_ms < ? ORDER BY ends_ms LIMIT ?)",
        [DROP_OLD_DIFFERENCES] =
            "DELETE FROM quota_differences WHERE (ends_ms, hash, epoch) IN (SELECT ends_ms, hash, "
            "epoch FROM quota_differences WHERE ends_ms < ? ORDER BY ends_ms, hash, epoch LIMIT ?)",
        [PAGE_COUNT] = "PRAGMA page_count",
        [FREE_COUNT] = "PRAGMA freelist_count",
    };
    TRY(ledger_blocks_open(store->db, &store->blocks, err));
    TRY(ledger_entries_open(store->db, &store->entries, err));
    TRY(ledger_settler_open(store->db, store->entries, &store->settler, err));
    for (unsigned i = 0; i < STATEMENTS; i++) {
        TRY(ledger_sql_prepare(store->db, texts[i], &store->statements[i], err));
    }
    return STATUS_OK;
}

/* ---- opening ---- */

/* SQLite would make it as the umask says; its other files follow it. */
static enum status make_file(const char *path, struct error *err)
{
    struct stat info;
    int fd CLEANUP(file_close_at) = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, MODE);
    if (fd < 0 || fstat(fd, &info) != 0) {
        FAIL(err, STATUS_UNAVAILABLE, "%s; name a file that can be written",
             strerrordesc_np(errno));
    }
    if (!S_ISREG(info.st_mode)) {
        FAIL(err, STATUS_INVALID, "it is no regular file");
    }
    return STATUS_OK;
}

/* In place of SQLite's own hook, so that it is known how long the log is. */
static int note_wal(void *ctx, sqlite3 *db, const char *name, int pages)
{
    struct ledger_store *store = ctx;
    store->wal_pages = pages;
    if (pages >= WAL_PAGES) { /* what a reader still needs stays; the next commit tries again */
        (void)sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    }
    return SQLITE_OK;
}

static enum status configure(struct ledger_store *store, uint64_t max_bytes, struct error *err)
{
    char limit[64];
    (void)sqlite3_extended_result_codes(store->db, 1);
    (void)sqlite3_busy_timeout(store->db, BUSY_OPENING_MSEC);
    TRY(ledger_sql_run(store->db,
                       "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;"
                       "PRAGMA synchronous = NORMAL; PRAGMA mmap_size = 0;"
                       "PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;"
                       "PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -16384;",
                       err));
    TRY(ledger_sql_make_schema(store->db, err));
    (void)sqlite3_busy_timeout(store->db, BUSY_MSEC);
    (void)sqlite3_wal_hook(store->db, note_wal, store);
    if (max_bytes == 0) {
        return STATUS_OK;
    }
    int64_t page_bytes = PAGE_BYTES;
    TRY(ledger_sql_number(store->db, "PRAGMA page_size", &page_bytes, err));
    store->max_pages = max_bytes / (uint64_t)page_bytes;
    (void)snprintf(limit, sizeof(limit), "PRAGMA max_page_count = %llu",
                   (unsigned long long)store->max_pages);
    return ledger_sql_run(store->db, limit, err);
}

static enum status open_store(struct ledger_store *store, const char *path, uint64_t max_bytes,
                              struct error *err)
{
    TRY(make_file(path, err));
    int code = sqlite3_open_v2(path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK) {
        return ledger_sql_fail(store->db, code, err);
    }
    TRY(configure(store, max_bytes, err));
    return prepare(store, err);
}

enum status ledger_store_open(const char *path, uint64_t max_bytes, struct ledger_store **ret,
                              struct error *err)
{
    struct ledger_store *store = MEMORY_NEW(struct ledger_store);
    store->in_doubt = true;
    enum status status = open_store(store, path, max_bytes, err);
    if (status != STATUS_OK) {
        error_prefix(err, "\"%s\"", path);
        ledger_store_close(store);
        return status;
    }
    *ret = store;
    return STATUS_OK;
}

void ledger_store_close(struct ledger_store *store)
{
    if (store == NULL) {
        return;
    }
    for (unsigned i = 0; i < STATEMENTS; i++) {
        (void)sqlite3_finalize(store->statements[i]);
    }
    ledger_settler_close(store->settler);
    ledger_entries_close(store->entries);
    ledger_blocks_close(store->blocks);
    (void)sqlite3_close(store->db);
    memory_free(store);
}

bool ledger_store_moved(struct ledger_store *store)
{
    return ledger_sql_moved(store->db);
}

sqlite3 *ledger_store_db(struct ledger_store *store)
{
    return store->db;
}

struct ledger_settler *ledger_store_settler(struct ledger_store *store)
{
    return store->settler;
}

/* ---- a batch ---- */

enum status ledger_store_begin(struct ledger_store *store, struct error *err)
{
    if (store->wal_pages > WAL_PAGES_MAX) {
        int code = sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_RESTART,
                                             &store->wal_pages, NULL);
        if (code != SQLITE_OK) {
            FAIL(err, STATUS_UNAVAILABLE,
                 "its write-ahead log is full; end what has read the "
                 "database for so long");
        }
        store->wal_pages = 0;
    }
    TRY(step(store, BEGIN, SQLITE_DONE, err));
    if (store->in_doubt) { /* only now: another process may have written, and ended, meanwhile */
        store->in_doubt_until = clock_wall() + NEAR;
        store->in_doubt = false;
    }
    return ledger_blocks_begin(store->blocks, err);
}

/* Only what ended before this process began, or failed to write, may have been written, and not
 * been taken out of its ring any more; by a clock that may have been set back since. */
static bool is_in_doubt(const struct ledger_store *store, const struct ledger_row *row)
{
    return row->closed_at <= store->in_doubt_until || row->closed_at > clock_wall() + NEAR;
}

enum status ledger_store_add(struct ledger_store *store, const struct ledger_row *row,
                             bool *ret_new, struct error *err)
{
    bool is_there = false;
    if (is_in_doubt(store, row)) {
        TRY(ledger_blocks_have(store->blocks, row, &is_there, err));
    }
    *ret_new = !is_there;
    return is_there ? STATUS_OK : ledger_blocks_add(store->blocks, row, err);
}

enum status ledger_store_add_object(struct ledger_store *store, uint64_t object,
                                    const struct ledger_row *row, struct error *err)
{
    return ledger_entries_add(store->entries, object, row, err);
}

enum status ledger_store_add_minute(struct ledger_store *store, const struct ledger_minute *minute,
                                    struct error *err)
{
    sqlite3_stmt *statement = store->statements[ADD_MINUTE];
    const uint64_t counts[] = {minute->requests, minute->errors, minute->estimated};
    int index = 1;
    (void)sqlite3_bind_int64(statement, index++, minute->key.minute);
    (void)sqlite3_bind_text(statement, index++, minute->key.tenant, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(statement, index++, minute->key.route, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(statement, index++, minute->key.model, -1, SQLITE_STATIC);
    for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        (void)sqlite3_bind_int64(statement, index++, ledger_saturated(counts[i]));
    }
    for (unsigned i = 0; i < LEDGER_UNIT_COUNT; i++) {
        (void)sqlite3_bind_int64(statement, index++, ledger_saturated(minute->units[i]));
    }
    (void)sqlite3_bind_int64(statement, index++, ledger_saturated(minute->cost));
    return step(store, ADD_MINUTE, SQLITE_DONE, err);
}

enum status ledger_store_add_charge(struct ledger_store *store, const struct ledger_charge *charge,
                                    struct error *err)
{
    sqlite3_stmt *statement = store->statements[ADD_CHARGE];
    (void)sqlite3_bind_int64(statement, 1, charge->end_ms);
    (void)sqlite3_bind_int64(statement, 2, (int64_t)charge->hash);
    (void)sqlite3_bind_int64(statement, 3, (int64_t)charge->epoch);
    (void)sqlite3_bind_int64(statement, 4, charge->start_ms);
    (void)sqlite3_bind_int64(statement, 5, ledger_saturated(charge->amount));
    return step(store, ADD_CHARGE, SQLITE_DONE, err);
}

enum status ledger_store_add_key(struct ledger_store *store, const struct ledger_key *key,
                                 struct error *err)
{
    sqlite3_stmt *statement = store->statements[ADD_KEY];
    (void)sqlite3_bind_int64(statement, 1, (int64_t)key->hash);
    (void)sqlite3_bind_int64(statement, 2, key->end_ms);
    (void)sqlite3_bind_text(statement, 3, key->text.ptr, (int)key->text.len, SQLITE_STATIC);
    return step(store, ADD_KEY, SQLITE_DONE, err);
}

enum status ledger_store_commit(struct ledger_store *store, struct error *err)
{
    TRY(ledger_blocks_end(store->blocks, err));
    return step(store, COMMIT, SQLITE_DONE, err);
}

void ledger_store_call_off(struct ledger_store *store)
{
    if (sqlite3_get_autocommit(store->db) == 0) {
        (void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    }
    ledger_blocks_call_off(store->blocks);
    ledger_settler_call_off(store->settler);
    store->in_doubt = true;
}

/* ---- what goes ---- */

static enum status drop_minutes(struct ledger_store *store, usec_t before, struct error *err)
{
    (void)sqlite3_bind_int64(store->statements[DROP_OLD_MINUTES], 1, before / (60 * SEC));
    return step(store, DROP_OLD_MINUTES, SQLITE_DONE, err);
}

/* So that there is room for the next batch: a tenth, or what a large batch takes. */
static uint64_t pages_kept_free(const struct ledger_store *store)
{
    uint64_t tenth = store->max_pages / 10;
    uint64_t third = store->max_pages / 3;
    uint64_t batch = tenth > BATCH_PAGES ? tenth : BATCH_PAGES;
    return batch < third ? batch : third;
}

static enum status make_room(struct ledger_store *store, unsigned *ret_blocks, struct error *err)
{
    uint64_t pages = 0;
    uint64_t unused = 0;
    if (store->max_pages == 0) {
        return STATUS_OK;
    }
    TRY(read_number(store, PAGE_COUNT, &pages, err));
    TRY(read_number(store, FREE_COUNT, &unused, err));
    if (pages - unused > store->max_pages - pages_kept_free(store)) {
        TRY(ledger_blocks_drop(store->blocks, INT64_MAX, LEDGER_TRIM_BLOCKS, ret_blocks,
                               err)); /* the oldest */
        return *ret_blocks > 0 ? STATUS_OK : drop_minutes(store, INT64_MAX, err);
    }
    if (pages > store->max_pages) { /* it was allowed to be larger once */
        char sql[64];
        (void)snprintf(sql, sizeof(sql), "PRAGMA incremental_vacuum(%d)", (int)VACUUM_PAGES);
        TRY(ledger_sql_run(store->db, sql, err));
        (void)snprintf(sql, sizeof(sql), "PRAGMA max_page_count = %llu",
                       (unsigned long long)store->max_pages);
        return ledger_sql_run(store->db, sql, err);
    }
    return STATUS_OK;
}

enum status ledger_store_trim(struct ledger_store *store, usec_t rows_before, usec_t sums_before,
                              unsigned *ret_blocks, struct error *err)
{
    *ret_blocks = 0;
    TRY(ledger_blocks_drop(store->blocks, rows_before, LEDGER_TRIM_BLOCKS, ret_blocks, err));
    TRY(drop_minutes(store, sums_before, err));
    return *ret_blocks == LEDGER_TRIM_BLOCKS ? STATUS_OK : make_room(store, ret_blocks, err);
}

enum status ledger_store_trim_windows(struct ledger_store *store, int64_t ended_before_ms,
                                      struct error *err)
{
    static const enum statement drops[] = {DROP_OLD_WINDOWS, DROP_OLD_KEYS, DROP_OLD_DIFFERENCES};
    for (unsigned i = 0; i < sizeof(drops) / sizeof(drops[0]); i++) {
        sqlite3_stmt *statement = store->statements[drops[i]];
        (void)sqlite3_bind_int64(statement, 1, ended_before_ms);
        (void)sqlite3_bind_int64(statement, 2, WINDOWS_AT_ONCE);
        TRY(step(store, drops[i], SQLITE_DONE, err));
    }
    return ledger_entries_trim(store->entries, err);
}
