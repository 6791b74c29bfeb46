#include "gateway/webhook/queue_store.h"

#include "base/file.h"
#include "base/memory.h"
#include "gateway/ledger/ledger_sql.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MODE = 0600, /* bodies are nobody else's business */
    BUSY_MSEC = 1000,
    WAL_PAGES = 4000,             /* 16 MiB, then it is written back */
    WAL_PAGES_MAX = 256 * 1024,   /* 1 GiB: someone reads, and reads, and does not end */
    WAL_KEPT_BYTES = 64 * 1048576 /* of its file, once it was longer */
};

/* ---- statements ---- */

sqlite3_stmt *queue_statement(struct queue_store *store, enum queue_statement which)
{
    return store->statements[which];
}

void queue_bind_text(sqlite3_stmt *statement, int index, struct slice text)
{
    const char *ptr = text.len == 0 ? "" : text.ptr;
    (void)sqlite3_bind_text64(statement, index, ptr, text.len, SQLITE_STATIC, SQLITE_UTF8);
}

struct slice queue_column(sqlite3_stmt *statement, int index)
{
    const char *bytes = sqlite3_column_blob(statement, index); /* before its length is asked */
    return slice_make(bytes, (size_t)sqlite3_column_bytes(statement, index));
}

enum status queue_step(struct queue_store *store, enum queue_statement which, bool *ret_row,
                       struct error *err)
{
    sqlite3_stmt *statement = store->statements[which];
    int code = sqlite3_step(statement);
    *ret_row = code == SQLITE_ROW;
    if (code == SQLITE_ROW) {
        return STATUS_OK;
    }
    enum status status = code == SQLITE_DONE ? STATUS_OK : ledger_sql_fail(store->db, code, err);
    (void)sqlite3_reset(statement);
    return status;
}

void queue_end(struct queue_store *store, enum queue_statement which)
{
    (void)sqlite3_reset(store->statements[which]);
}

enum status queue_run(struct queue_store *store, enum queue_statement which, struct error *err)
{
    bool row = false;
    TRY(queue_step(store, which, &row, err));
    queue_end(store, which);
    return STATUS_OK;
}

/* ---- what is kept of it in memory ---- */

static enum status read_targets(struct queue_store *store, struct error *err)
{
    sqlite3_stmt *statement = store->statements[QUEUE_TARGETS_READ];
    queue_targets_clear(&store->targets);
    for (;;) {
        bool row = false;
        TRY(queue_step(store, QUEUE_TARGETS_READ, &row, err));
        if (!row) {
            return STATUS_OK;
        }
        struct queue_target *target = queue_targets_add(
            &store->targets, slice_from((const char *)sqlite3_column_text(statement, 1)),
            slice_from((const char *)sqlite3_column_text(statement, 2)));
        for (int i = 0; i < QUEUE_STATES; i++) {
            target->counts[i] = (uint64_t)sqlite3_column_int64(statement, 3 + i);
        }
        if (sqlite3_column_int64(statement, 0) != target->id) {
            queue_end(store, QUEUE_TARGETS_READ);
            FAIL(err, STATUS_INVALID, "its table of targets was changed; restore it");
        }
    }
}

static enum status read_totals(struct queue_store *store, struct error *err)
{
    sqlite3_stmt *statement = store->statements[QUEUE_TOTALS_READ];
    bool row = false;
    TRY(queue_step(store, QUEUE_TOTALS_READ, &row, err));
    if (!row) {
        FAIL(err, STATUS_INVALID, "its table of totals is empty; restore it");
    }
    store->totals = (struct queue_totals){
        .next_event = sqlite3_column_int64(statement, 0),
        .events = (uint64_t)sqlite3_column_int64(statement, 1),
        .bytes = (uint64_t)sqlite3_column_int64(statement, 2),
        .over_events = (uint64_t)sqlite3_column_int64(statement, 3),
        .over_bytes = (uint64_t)sqlite3_column_int64(statement, 4),
    };
    queue_end(store, QUEUE_TOTALS_READ);
    return STATUS_OK;
}

static enum status read_memory(struct queue_store *store, struct error *err)
{
    store->stale = true;
    TRY(read_targets(store, err));
    TRY(read_totals(store, err));
    store->stale = false;
    return STATUS_OK;
}

static enum status write_target(struct queue_store *store, struct queue_target *target,
                                struct error *err)
{
    sqlite3_stmt *statement = queue_statement(store, QUEUE_TARGET_WRITE);
    for (int i = 0; i < QUEUE_STATES; i++) {
        (void)sqlite3_bind_int64(statement, 1 + i, (int64_t)target->counts[i]);
    }
    (void)sqlite3_bind_int64(statement, 1 + QUEUE_STATES, target->id);
    TRY(queue_run(store, QUEUE_TARGET_WRITE, err));
    target->changed = false; /* if the batch fails, all is read again */
    return STATUS_OK;
}

static enum status write_memory(struct queue_store *store, struct error *err)
{
    for (size_t i = 0; i < store->targets.count; i++) {
        if (store->targets.all[i]->changed) {
            TRY(write_target(store, store->targets.all[i], err));
        }
    }
    if (!store->totals.changed) {
        return STATUS_OK;
    }
    sqlite3_stmt *statement = queue_statement(store, QUEUE_TOTALS_WRITE);
    (void)sqlite3_bind_int64(statement, 1, store->totals.next_event);
    (void)sqlite3_bind_int64(statement, 2, (int64_t)store->totals.events);
    (void)sqlite3_bind_int64(statement, 3, (int64_t)store->totals.bytes);
    (void)sqlite3_bind_int64(statement, 4, (int64_t)store->totals.over_events);
    (void)sqlite3_bind_int64(statement, 5, (int64_t)store->totals.over_bytes);
    store->totals.changed = false;
    return queue_run(store, QUEUE_TOTALS_WRITE, err);
}

void queue_store_tell(struct queue_store *store, struct queue_target *target, usec_t due)
{
    store->news = true;
    target->scan_from = due < target->scan_from ? due : target->scan_from;
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

/* On a file beside it: closing one descriptor of the database would end SQLite's own locks. */
static enum status lock(struct queue_store *store, struct error *err)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    const char *beside = arena_print(&arena, "%s.lock", store->path);
    store->lock_fd = open(beside, O_RDWR | O_CREAT | O_CLOEXEC, MODE);
    if (store->lock_fd < 0) {
        FAIL(err, STATUS_UNAVAILABLE, "%s.lock: %s", store->path, strerrordesc_np(errno));
    }
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        FAIL(err, STATUS_UNAVAILABLE,
             "another gateway has it (its lock is held): each needs a file of its own; stop that "
             "one, or name another file");
    }
    return STATUS_OK;
}

/* In place of SQLite's own hook, so that it is known how long the log is. */
static int note_wal(void *ctx, sqlite3 *db, const char *name, int pages)
{
    struct queue_store *store = ctx;
    store->wal_pages = pages;
    if (pages >= WAL_PAGES) { /* what a reader still needs stays; the next commit tries again */
        (void)sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    }
    return SQLITE_OK;
}

static enum status configure(struct queue_store *store, struct error *err)
{
    char limit[64];
    (void)sqlite3_extended_result_codes(store->db, 1);
    (void)sqlite3_busy_timeout(store->db, BUSY_MSEC);
    (void)snprintf(limit, sizeof(limit), "PRAGMA journal_size_limit = %d", (int)WAL_KEPT_BYTES);
    TRY(ledger_sql_run(store->db, limit, err));
    /* The cache holds what is looked up by hash, anywhere in it, of a million events. */
    TRY(ledger_sql_run(store->db,
                       "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                       "PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;"
                       "PRAGMA trusted_schema = OFF; PRAGMA cache_size = -49152;",
                       err));
    TRY(queue_schema_check(store->db, QUEUE_SCHEMA_MAKE, err));
    (void)sqlite3_wal_hook(store->db, note_wal, store);
    return queue_schema_prepare(store->db, store->statements, err);
}

/* What was dropped while it was under way is not, any more. */
static enum status delete_dropped(struct queue_store *store, struct error *err)
{
    for (;;) {
        struct queue_row row = {0};
        bool there = false;
        TRY(queue_step(store, QUEUE_DELIVERIES_DROPPED, &there, err));
        if (!there) {
            return STATUS_OK;
        }
        int64_t number = sqlite3_column_int64(store->statements[QUEUE_DELIVERIES_DROPPED], 0);
        queue_end(store, QUEUE_DELIVERIES_DROPPED);
        TRY(queue_row_read(store, number, &row, &there, err));
        TRY(queue_row_delete(store, &row, 0, err));
    }
}

static enum status begin_anew(struct queue_store *store, struct error *err)
{
    TRY(queue_store_begin(store, err));
    enum status status = delete_dropped(store, err);
    if (status == STATUS_OK) {
        status = queue_store_commit(store, err);
    }
    if (status != STATUS_OK) {
        queue_store_call_off(store);
    }
    return status;
}

static enum status open_store(struct queue_store *store, struct error *err)
{
    TRY(make_file(store->path, err));
    TRY(lock(store, err));
    int code =
        sqlite3_open_v2(store->path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK) {
        return ledger_sql_fail(store->db, code, err);
    }
    TRY(configure(store, err));
    TRY(read_memory(store, err));
    return begin_anew(store, err);
}

enum status queue_store_open(const char *path, struct queue_store **ret, struct error *err)
{
    struct queue_store *store = MEMORY_NEW(struct queue_store);
    store->path = memory_copy(slice_from(path));
    store->lock_fd = -1;
    enum status status = open_store(store, err);
    if (status != STATUS_OK) {
        error_prefix(err, "\"%s\"", path);
        queue_store_close(store);
        return status;
    }
    *ret = store;
    return STATUS_OK;
}

void queue_store_close(struct queue_store *store)
{
    if (store == NULL) {
        return;
    }
    for (unsigned i = 0; i < QUEUE_STATEMENTS; i++) {
        (void)sqlite3_finalize(store->statements[i]);
    }
    (void)sqlite3_close(store->db);
    file_close_at(&store->lock_fd);
    queue_targets_clear(&store->targets);
    queue_under_way_fini(&store->under_way);
    memory_free(store->path);
    memory_free(store);
}

/* ---- a batch ---- */

enum status queue_store_begin(struct queue_store *store, struct error *err)
{
    if (ledger_sql_moved(store->db)) {
        FAIL(err, STATUS_UNAVAILABLE,
             "it was moved or deleted; put it back, or restart the gateway");
    }
    if (store->wal_pages > WAL_PAGES_MAX) {
        int code = sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_RESTART,
                                             &store->wal_pages, NULL);
        if (code != SQLITE_OK) {
            FAIL(err, STATUS_UNAVAILABLE,
                 "its write-ahead log is full; end what has read the database for so long");
        }
        store->wal_pages = 0;
    }
    TRY(queue_run(store, QUEUE_BEGIN, err));
    return store->stale ? read_memory(store, err) : STATUS_OK;
}

enum status queue_store_commit(struct queue_store *store, struct error *err)
{
    TRY(write_memory(store, err));
    return queue_run(store, QUEUE_COMMIT, err);
}

void queue_store_call_off(struct queue_store *store)
{
    struct error ignored;
    for (unsigned i = 0; i < QUEUE_STATEMENTS; i++) {
        (void)sqlite3_reset(store->statements[i]);
    }
    if (sqlite3_get_autocommit(store->db) == 0) {
        (void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    }
    (void)!read_memory(store, &ignored); /* or when the next one begins */
}

/* ---- figures ---- */

static enum status oldest_of(struct queue_store *store, const struct queue_target *target,
                             enum queue_state state, usec_t *oldest, struct error *err)
{
    sqlite3_stmt *statement = queue_statement(store, QUEUE_DELIVERIES_OPEN);
    bool row = false;
    (void)sqlite3_bind_int64(statement, 1, target->id);
    (void)sqlite3_bind_int64(statement, 2, state);
    TRY(queue_step(store, QUEUE_DELIVERIES_OPEN, &row, err));
    if (row) {
        usec_t opened = sqlite3_column_int64(statement, 1);
        *oldest = *oldest == 0 || opened < *oldest ? opened : *oldest;
        queue_end(store, QUEUE_DELIVERIES_OPEN);
    }
    return STATUS_OK;
}

enum status queue_store_oldest(struct queue_store *store, usec_t *ret, struct error *err)
{
    usec_t oldest = 0;
    for (size_t i = 0; i < store->targets.count; i++) {
        const struct queue_target *target = store->targets.all[i];
        for (unsigned k = QUEUE_STATE_WAITING; k <= QUEUE_STATE_HELD_BACK; k++) {
            if (target->counts[k] > 0) {
                TRY(oldest_of(store, target, (enum queue_state)k, &oldest, err));
            }
        }
    }
    *ret = oldest;
    return STATUS_OK;
}
