#include "gateway/ledger/ledger_reprice.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "gateway/ledger/ledger_columns.h"
#include "gateway/ledger/ledger_rows.h"
#include "gateway/ledger/ledger_sql.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

enum {
    BATCH_ROWS = 500,
    BUSY_MSEC = 5000,
    PAUSE_MSEC = 20, /* after a transaction: the gateway has its turn */
    SQL_MAX_BYTES = 8 * 1024,
};

/* What is to be changed of a row. */
struct change {
    char id[33], tenant[64], route[64], model[96];
    usec_t closed_at;
    int64_t minute;
    int64_t cost, new_cost;
    uint32_t flags, new_flags;
};

enum statement { ROWS, SET_ROW, SET_MINUTE, STATEMENTS };

struct walk {
    const struct ledger_repricing *repricing;
    struct ledger_repriced *ret;
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    usec_t closed_at; /* of the last row that was read */
    char id[33];
    unsigned rows; /* of this batch */
    struct change changes[BATCH_ROWS];
    unsigned change_count;
};

/* ---- opening ---- */

static enum status prepare_rows(struct walk *walk, struct error *err)
{
    struct buffer sql CLEANUP(buffer_fini);
    buffer_init(&sql, SQL_MAX_BYTES);
    if (ledger_rows_select("WHERE (closed_at, id) > (?6, ?7) AND opened_at >= ?1 "
                           "AND opened_at < ?2 AND " LEDGER_ROWS_EQUAL
                           " ORDER BY closed_at, id LIMIT ?8",
                           &sql) != STATUS_OK ||
        buffer_append(&sql, slice_make("", 1)) != STATUS_OK) {
        FAIL(err, STATUS_TOO_LARGE, "a statement is too long");
    }
    return ledger_sql_prepare(walk->db, buffer_bytes(&sql).ptr, &walk->statements[ROWS], err);
}

/* A sum that has come to the largest number says nothing any more, and stays. */
#define LARGEST "9223372036854775807"

static enum status prepare(struct walk *walk, struct error *err)
{
    TRY(prepare_rows(walk, err));
    if (!walk->repricing->write) {
        return STATUS_OK;
    }
    TRY(ledger_sql_prepare(walk->db,
                           "UPDATE requests SET cost_nanousd = ?1, flags = ?2 "
                           "WHERE closed_at = ?3 AND id = ?4 AND cost_nanousd = ?5 AND flags = ?6",
                           &walk->statements[SET_ROW], err));
    return ledger_sql_prepare(
        walk->db,
        "UPDATE minutes SET cost_nanousd = min(max(cost_nanousd - ?1, 0), " LARGEST " - ?2) + ?2 "
        "WHERE minute = ?3 AND tenant = ?4 AND route = ?5 AND model = ?6 "
        "AND cost_nanousd < " LARGEST,
        &walk->statements[SET_MINUTE], err);
}

static enum status open_file(struct walk *walk, const char *path, struct error *err)
{
    if (access(path, walk->repricing->write ? R_OK | W_OK : R_OK) != 0) {
        FAIL(err, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_UNAVAILABLE, "%s",
             errno == ENOENT ? "there is no such file; the gateway makes it when it starts"
                             : strerrordesc_np(errno));
    }
    int mode = walk->repricing->write ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
    int code = sqlite3_open_v2(path, &walk->db, mode | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK) {
        return ledger_sql_fail(walk->db, code, err);
    }
    (void)sqlite3_extended_result_codes(walk->db, 1);
    (void)sqlite3_busy_timeout(walk->db, BUSY_MSEC);
    TRY(ledger_sql_check_schema(walk->db, err));
    return prepare(walk, err);
}

static void close_file(struct walk *walk)
{
    for (unsigned i = 0; i < STATEMENTS; i++) {
        (void)sqlite3_finalize(walk->statements[i]);
    }
    (void)sqlite3_close(walk->db);
}

/* ---- reading ---- */

static void look_at(struct walk *walk, const struct ledger_row *row)
{
    uint64_t cost = row->cost;
    bool fallback = false;
    walk->closed_at = row->closed_at;
    memcpy(walk->id, row->id, sizeof(walk->id));
    walk->rows++;
    walk->ret->rows++;
    if (!walk->repricing->price(walk->repricing->ctx, row, &cost, &fallback) || cost == row->cost) {
        return;
    }
    struct change *change = &walk->changes[walk->change_count++];
    *change = (struct change){
        .closed_at = row->closed_at,
        .minute = row->opened_at / (60 * SEC),
        .cost = ledger_saturated(row->cost),
        .new_cost = ledger_saturated(cost),
        .flags = row->flags,
        .new_flags = (row->flags & ~(uint32_t)LEDGER_PRICE_FALLBACK) | LEDGER_REPRICED |
                     (fallback ? (uint32_t)LEDGER_PRICE_FALLBACK : 0),
    };
    memcpy(change->id, row->id, sizeof(change->id));
    memcpy(change->tenant, row->tenant, sizeof(change->tenant));
    memcpy(change->route, row->route, sizeof(change->route));
    memcpy(change->model, row->model, sizeof(change->model));
}

static enum status read_batch(struct walk *walk, struct error *err)
{
    sqlite3_stmt *statement = walk->statements[ROWS];
    char from[sizeof(walk->id)];
    int code;
    memcpy(from, walk->id, sizeof(from));
    ledger_rows_bind(statement, &walk->repricing->filter, USEC);
    (void)sqlite3_bind_int64(statement, 6, walk->closed_at);
    (void)sqlite3_bind_text(statement, 7, from, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(statement, 8, BATCH_ROWS);
    walk->rows = 0;
    walk->change_count = 0;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct ledger_row row;
        ledger_rows_read(statement, &row);
        look_at(walk, &row);
    }
    enum status status = code == SQLITE_DONE ? STATUS_OK : ledger_sql_fail(walk->db, code, err);
    (void)sqlite3_reset(statement);
    return status;
}

/* ---- writing ---- */

static enum status run(struct walk *walk, enum statement which, struct error *err)
{
    sqlite3_stmt *statement = walk->statements[which];
    int code = sqlite3_step(statement);
    enum status status = code == SQLITE_DONE ? STATUS_OK : ledger_sql_fail(walk->db, code, err);
    (void)sqlite3_reset(statement);
    return status;
}

/* *ret_done: it was still as it had been read. Who deletes it takes nothing out of the sums. */
static enum status set_row(struct walk *walk, const struct change *change, bool *ret_done,
                           struct error *err)
{
    sqlite3_stmt *statement = walk->statements[SET_ROW];
    (void)sqlite3_bind_int64(statement, 1, change->new_cost);
    (void)sqlite3_bind_int64(statement, 2, change->new_flags);
    (void)sqlite3_bind_int64(statement, 3, change->closed_at);
    (void)sqlite3_bind_text(statement, 4, change->id, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(statement, 5, change->cost);
    (void)sqlite3_bind_int64(statement, 6, change->flags);
    TRY(run(walk, SET_ROW, err));
    *ret_done = sqlite3_changes(walk->db) == 1;
    return STATUS_OK;
}

static enum status set_minute(struct walk *walk, const struct change *change, struct error *err)
{
    sqlite3_stmt *statement = walk->statements[SET_MINUTE];
    (void)sqlite3_bind_int64(statement, 1, change->cost);
    (void)sqlite3_bind_int64(statement, 2, change->new_cost);
    (void)sqlite3_bind_int64(statement, 3, change->minute);
    (void)sqlite3_bind_text(statement, 4, change->tenant, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(statement, 5, change->route, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(statement, 6, change->model, -1, SQLITE_STATIC);
    return run(walk, SET_MINUTE, err);
}

static enum status write_changes(struct walk *walk, uint64_t *ret_changed, struct error *err)
{
    TRY(ledger_sql_run(walk->db, "BEGIN IMMEDIATE", err));
    for (unsigned i = 0; i < walk->change_count; i++) {
        bool done = false;
        TRY(set_row(walk, &walk->changes[i], &done, err));
        if (done) {
            TRY(set_minute(walk, &walk->changes[i], err));
            (*ret_changed)++;
        }
    }
    return ledger_sql_run(walk->db, "COMMIT", err);
}

static enum status end_batch(struct walk *walk, struct error *err)
{
    uint64_t changed = 0;
    if (!walk->repricing->write || walk->change_count == 0) {
        walk->ret->changed += walk->change_count;
        return STATUS_OK;
    }
    enum status status = write_changes(walk, &changed, err);
    if (status != STATUS_OK) {
        (void)sqlite3_exec(walk->db, "ROLLBACK", NULL, NULL, NULL);
        return status;
    }
    walk->ret->changed += changed;
    (void)sqlite3_sleep(PAUSE_MSEC); /* a command may */
    return STATUS_OK;
}

static enum status go(struct walk *walk, const char *path, struct error *err)
{
    TRY(open_file(walk, path, err));
    do {
        TRY(read_batch(walk, err));
        TRY(end_batch(walk, err));
    } while (walk->rows == BATCH_ROWS);
    return STATUS_OK;
}

enum status ledger_reprice(const char *path, const struct ledger_repricing *repricing,
                           struct ledger_repriced *ret, struct error *err)
{
    assert(repricing->filter.until > 0); /* else a gateway could keep it going */
    *ret = (struct ledger_repriced){0};
    struct walk *walk = MEMORY_NEW(struct walk);
    walk->repricing = repricing;
    walk->ret = ret;
    /* What was opened then was closed then, or later. */
    walk->closed_at = repricing->filter.since;
    enum status status = go(walk, path, err);
    if (status != STATUS_OK) {
        error_prefix(err, "\"%s\"", path);
    }
    close_file(walk);
    memory_free(walk);
    return status;
}
