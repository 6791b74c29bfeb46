#include "gateway/ledger/ledger_query.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "gateway/ledger/ledger_rows.h"
#include "gateway/ledger/ledger_sql.h"

#include <errno.h>
#include <unistd.h>

enum { SQL_MAX_BYTES = 8 * 1024, BUSY_MSEC = 2000 };

struct ledger_reader {
    sqlite3 *db;
    char *path; /* owned */
};

/* ---- opening ---- */

/* SQLite's own sum() ends with an error where a sum grows too large; this one stops at the largest.
 * Nothing is negative. */
static void sum_step(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    int64_t *sum = sqlite3_aggregate_context(context, sizeof(*sum));
    int64_t value = sqlite3_value_int64(values[0]);
    if (sum != NULL) {
        *sum = value > INT64_MAX - *sum ? INT64_MAX : *sum + value;
    }
}

static void sum_final(sqlite3_context *context)
{
    const int64_t *sum = sqlite3_aggregate_context(context, 0);
    sqlite3_result_int64(context, sum == NULL ? 0 : *sum);
}

static enum status open_reader(struct ledger_reader *reader, struct error *err)
{
    if (access(reader->path, R_OK) != 0) {
        FAIL(err, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_UNAVAILABLE, "%s",
             errno == ENOENT ? "there is no such file; the gateway makes it when it starts"
                             : strerrordesc_np(errno));
    }
    int code = sqlite3_open_v2(reader->path, &reader->db,
                               SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK) {
        return ledger_sql_fail(reader->db, code, err);
    }
    (void)sqlite3_extended_result_codes(reader->db, 1);
    (void)sqlite3_busy_timeout(reader->db, BUSY_MSEC);
    code = sqlite3_create_function_v2(reader->db, "sum_up", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC,
                                      NULL, NULL, sum_step, sum_final, NULL);
    if (code != SQLITE_OK) {
        return ledger_sql_fail(reader->db, code, err);
    }
    return ledger_sql_check_schema(reader->db, err);
}

enum status ledger_reader_open(const char *path, struct ledger_reader **ret, struct error *err)
{
    struct ledger_reader *reader = MEMORY_NEW(struct ledger_reader);
    reader->path = memory_copy(slice_from(path));
    enum status status = open_reader(reader, err);
    if (status != STATUS_OK) {
        error_prefix(err, "\"%s\"", path);
        ledger_reader_close(reader);
        return status;
    }
    *ret = reader;
    return STATUS_OK;
}

void ledger_reader_close(struct ledger_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    (void)sqlite3_close(reader->db);
    memory_free(reader->path);
    memory_free(reader);
}

/* ---- statements ---- */

struct query {
    struct ledger_reader *reader;
    sqlite3_stmt *statement;
};

/* For CLEANUP(). */
static void query_fini(struct query *query)
{
    (void)sqlite3_finalize(query->statement);
}

static enum status fail(const struct query *query, int code, struct error *err)
{
    enum status status = ledger_sql_fail(query->reader->db, code, err);
    error_prefix(err, "\"%s\"", query->reader->path);
    return status;
}

static enum status prepare(struct query *query, struct buffer *sql, enum status written,
                           struct error *err)
{
    if (written != STATUS_OK || buffer_append(sql, slice_make("", 1)) != STATUS_OK) {
        FAIL(err, STATUS_TOO_LARGE, "a statement is too long");
    }
    int code =
        sqlite3_prepare_v2(query->reader->db, buffer_bytes(sql).ptr, -1, &query->statement, NULL);
    return code == SQLITE_OK ? STATUS_OK : fail(query, code, err);
}

/* *ret_row: there is one more. */
static enum status next(struct query *query, bool *ret_row, struct error *err)
{
    int code = sqlite3_step(query->statement);
    *ret_row = code == SQLITE_ROW;
    return code == SQLITE_ROW || code == SQLITE_DONE ? STATUS_OK : fail(query, code, err);
}

/* ---- sums ---- */

static const char *group_of(enum ledger_by by)
{
    switch (by) {
    case LEDGER_BY_NOTHING:
        return "''";
    case LEDGER_BY_TENANT:
        return "tenant";
    case LEDGER_BY_ROUTE:
        return "route";
    case LEDGER_BY_MODEL:
        return "model";
    case LEDGER_BY_DAY:
        return "date(minute * 60 + ?6, 'unixepoch')";
    }
    return "''";
}

static enum status write_sums(const struct ledger_filter *filter, struct buffer *out)
{
#define SUM_OF(unit, name) "sum_up(" name "), "
    TRY(buffer_print(
        out,
        "SELECT %s, sum_up(requests), sum_up(errors), sum_up(estimated), " LEDGER_UNITS(
            SUM_OF) "sum_up(cost_nanousd) FROM minutes "
                    "WHERE minute >= ?1 AND minute < ?2 AND " LEDGER_ROWS_EQUAL,
        group_of(filter->by)));
#undef SUM_OF
    if (filter->by == LEDGER_BY_NOTHING) {
        return STATUS_OK;
    }
    return buffer_append(out, filter->by == LEDGER_BY_DAY
                                  ? SLICE(" GROUP BY 1 ORDER BY 1")
                                  : SLICE(" GROUP BY 1 ORDER BY sum_up(cost_nanousd) DESC, "
                                          "sum_up(requests) DESC, 1"));
}

static void read_sum(sqlite3_stmt *statement, struct ledger_sum *ret)
{
    int index = 0;
    const char *name = (const char *)sqlite3_column_text(statement, index++);
    ret->name = name == NULL ? "" : name;
    ret->requests = (uint64_t)sqlite3_column_int64(statement, index++);
    ret->errors = (uint64_t)sqlite3_column_int64(statement, index++);
    ret->estimated = (uint64_t)sqlite3_column_int64(statement, index++);
    for (unsigned i = 0; i < LEDGER_UNIT_COUNT; i++) {
        ret->units[i] = (uint64_t)sqlite3_column_int64(statement, index++);
    }
    ret->cost = (uint64_t)sqlite3_column_int64(statement, index);
}

enum status ledger_sums(struct ledger_reader *reader, const struct ledger_filter *filter, void *ctx,
                        void (*each)(void *ctx, const struct ledger_sum *sum), struct error *err)
{
    struct buffer sql CLEANUP(buffer_fini);
    struct query query CLEANUP(query_fini) = {.reader = reader};
    buffer_init(&sql, SQL_MAX_BYTES);
    TRY(prepare(&query, &sql, write_sums(filter, &sql), err));
    ledger_rows_bind(query.statement, filter, 60 * SEC);
    for (;;) {
        bool row;
        struct ledger_sum sum;
        TRY(next(&query, &row, err));
        if (!row) {
            return STATUS_OK;
        }
        read_sum(query.statement, &sum);
        each(ctx, &sum);
    }
}

/* ---- rows ---- */

static enum status prepare_rows(struct query *query, const char *behind, struct error *err)
{
    struct buffer sql CLEANUP(buffer_fini);
    buffer_init(&sql, SQL_MAX_BYTES);
    return prepare(query, &sql, ledger_rows_select(behind, &sql), err);
}

static enum status each_row(struct query *query, void *ctx,
                            void (*each)(void *ctx, const struct ledger_row *row),
                            struct error *err)
{
    for (;;) {
        bool there;
        struct ledger_row row;
        TRY(next(query, &there, err));
        if (!there) {
            return STATUS_OK;
        }
        ledger_rows_read(query->statement, &row);
        each(ctx, &row);
    }
}

enum status ledger_find(struct ledger_reader *reader, const char *id, struct ledger_row *ret,
                        struct error *err)
{
    bool there;
    struct query query CLEANUP(query_fini) = {.reader = reader};
    /* From the newest run to the oldest. */
    TRY(prepare_rows(&query,
                     "JOIN (WITH RECURSIVE runs (of) AS (SELECT max(run) FROM requests UNION ALL "
                     "SELECT (SELECT max(run) FROM requests WHERE run < of) FROM runs "
                     "WHERE of IS NOT NULL) SELECT of FROM runs) "
                     "ON run = of WHERE id = ?1 LIMIT 1",
                     err));
    (void)sqlite3_bind_text(query.statement, 1, id, -1, SQLITE_STATIC);
    TRY(next(&query, &there, err));
    if (!there) {
        FAIL(err, STATUS_NOT_FOUND, "the ledger has no request with that id, or no more");
    }
    ledger_rows_read(query.statement, ret);
    return STATUS_OK;
}

enum status ledger_recent(struct ledger_reader *reader, bool errors_only, unsigned most, void *ctx,
                          void (*each)(void *ctx, const struct ledger_row *row), struct error *err)
{
    struct query query CLEANUP(query_fini) = {.reader = reader};
    TRY(prepare_rows(&query,
                     errors_only ? "WHERE status >= 400 OR status = 0 OR ended_by <> '' "
                                   "ORDER BY closed_at DESC, rowid DESC LIMIT ?1"
                                 : "ORDER BY closed_at DESC, rowid DESC LIMIT ?1",
                     err));
    (void)sqlite3_bind_int64(query.statement, 1, most);
    return each_row(&query, ctx, each, err);
}

/* As a row has it: cut, and without what is no text. */
static void bind_object(sqlite3_stmt *statement, int index, const char *object)
{
    char kept[sizeof(((struct ledger_object *)0)->id)];
    if (object != NULL) {
        LEDGER_TEXT(kept, slice_from(object));
        (void)sqlite3_bind_text(statement, index, kept, -1, SQLITE_TRANSIENT);
    }
}

enum status ledger_find_object(struct ledger_reader *reader, const char *object,
                               struct ledger_row *ret, struct error *err)
{
    bool there;
    struct query query CLEANUP(query_fini) = {.reader = reader};
    TRY(prepare_rows(
        &query, "WHERE object_id <> '' AND object_id = ?1 ORDER BY opened_at, rowid LIMIT 1", err));
    bind_object(query.statement, 1, object);
    TRY(next(&query, &there, err));
    if (!there) {
        FAIL(err, STATUS_NOT_FOUND, "the ledger has no request that made that object, or no more");
    }
    ledger_rows_read(query.statement, ret);
    return STATUS_OK;
}

#define OBJECTS_WHERE                                                                              \
    "WHERE object_id <> '' AND opened_at >= ?1 AND opened_at < ?2 AND " LEDGER_ROWS_EQUAL          \
    " AND (?7 IS NULL OR object_type = ?7) AND (?8 IS NULL OR object_id = ?8) "

enum status ledger_objects(struct ledger_reader *reader, const struct ledger_filter *filter,
                           void *ctx, void (*each)(void *ctx, const struct ledger_row *row),
                           struct error *err)
{
    struct query query CLEANUP(query_fini) = {.reader = reader};
    TRY(prepare_rows(&query,
                     filter->most == 0 ? OBJECTS_WHERE "ORDER BY opened_at, rowid"
                                       : OBJECTS_WHERE
                         "ORDER BY opened_at DESC, rowid DESC LIMIT ?9",
                     err));
    ledger_rows_bind(query.statement, filter, USEC);
    (void)sqlite3_bind_text(query.statement, 7, filter->type, -1, SQLITE_STATIC);
    bind_object(query.statement, 8, filter->object);
    if (filter->most > 0) {
        (void)sqlite3_bind_int64(query.statement, 9, filter->most);
    }
    return each_row(&query, ctx, each, err);
}
