#include "base/buffer.h"
#include "base/memory.h"
#include "gateway/ledger/ledger_reader.h"
#include "gateway/ledger/ledger_sql.h"
#include "gateway/ledger/ledger_walk.h"

enum { SQL_MAX_BYTES = 8 * 1024, BUSY_MSEC = 2000 };

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
    TRY(ledger_sql_open(reader->path, false, BUSY_MSEC, &reader->db, err));
    int code =
        sqlite3_create_function_v2(reader->db, "sum_up", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC,
                                   NULL, NULL, sum_step, sum_final, NULL);
    return code == SQLITE_OK ? STATUS_OK : ledger_sql_fail(reader->db, code, err);
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
                    "WHERE minute >= ?1 AND minute < ?2 AND (?3 IS NULL OR tenant = ?3) "
                    "AND (?4 IS NULL OR route = ?4) AND (?5 IS NULL OR model = ?5)",
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

static void bind_filter(sqlite3_stmt *statement, const struct ledger_filter *filter)
{
    const usec_t minute = 60 * SEC;
    int64_t until = filter->until == 0 ? INT64_MAX : (filter->until + minute - 1) / minute;
    (void)sqlite3_bind_int64(statement, 1, filter->since / minute);
    (void)sqlite3_bind_int64(statement, 2, until);
    (void)sqlite3_bind_text(statement, 3, filter->tenant, -1, SQLITE_STATIC); /* NULL: any */
    (void)sqlite3_bind_text(statement, 4, filter->route, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(statement, 5, filter->model, -1, SQLITE_STATIC);
    if (filter->by == LEDGER_BY_DAY) {
        (void)sqlite3_bind_int64(statement, 6, filter->utc_offset);
    }
}

enum status ledger_sums(struct ledger_reader *reader, const struct ledger_filter *filter, void *ctx,
                        void (*each)(void *ctx, const struct ledger_sum *sum), struct error *err)
{
    struct buffer sql CLEANUP(buffer_fini);
    struct query query CLEANUP(query_fini) = {.reader = reader};
    buffer_init(&sql, SQL_MAX_BYTES);
    TRY(prepare(&query, &sql, write_sums(filter, &sql), err));
    bind_filter(query.statement, filter);
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

static bool is_one_of(const char *name, const char *wanted)
{
    return wanted == NULL || strcmp(name, wanted) == 0;
}

bool ledger_filter_fits(const struct ledger_filter *filter, const struct ledger_row *row)
{
    return is_one_of(row->tenant, filter->tenant) && is_one_of(row->route, filter->route) &&
           is_one_of(row->model, filter->model) && is_one_of(row->object.type, filter->type);
}

/* Rows of a walk that the filter lets through; `most` of them, 0: all. */
struct telling {
    struct ledger_walk walk;
    const struct ledger_filter *filter;
    unsigned most, told;
    void *ctx;
    void (*each)(void *ctx, const struct ledger_row *row);
};

static enum status tell_all(struct ledger_walker *walker, struct telling *telling,
                            struct error *err)
{
    const struct ledger_row *row = NULL;
    do {
        TRY(ledger_walk_next(walker, &row, err));
        if (row != NULL && ledger_filter_fits(telling->filter, row)) {
            telling->each(telling->ctx, row);
            telling->told++;
        }
    } while (row != NULL && (telling->most == 0 || telling->told < telling->most));
    return STATUS_OK;
}

static enum status tell(struct ledger_reader *reader, struct telling *telling, struct error *err)
{
    struct ledger_walker *walker = NULL;
    enum status status = ledger_walk_begin(reader->db, &telling->walk, &walker, err);
    if (status == STATUS_OK) {
        status = tell_all(walker, telling, err);
    }
    ledger_walk_end(walker);
    if (status != STATUS_OK) {
        error_prefix(err, "\"%s\"", reader->path);
    }
    return status;
}

static const struct ledger_filter any = {0};

static void keep_row(void *ctx, const struct ledger_row *row)
{
    *(struct ledger_row *)ctx = *row;
}

/* The first of the walk; STATUS_NOT_FOUND: "the ledger has no request WHICH". */
static enum status find_first(struct ledger_reader *reader, const struct ledger_walk *walk,
                              const char *which, struct ledger_row *ret, struct error *err)
{
    struct telling telling = {
        .walk = *walk, .filter = &any, .most = 1, .ctx = ret, .each = keep_row};
    TRY(tell(reader, &telling, err));
    if (telling.told == 0) {
        FAIL(err, STATUS_NOT_FOUND, "the ledger has no request %s, or no more", which);
    }
    return STATUS_OK;
}

enum status ledger_find(struct ledger_reader *reader, const char *id, struct ledger_row *ret,
                        struct error *err)
{
    const struct ledger_walk walk = {.id = id, .order = LEDGER_BY_CLOSED_LAST};
    return find_first(reader, &walk, "with that id", ret, err);
}

enum status ledger_recent(struct ledger_reader *reader, bool errors_only, unsigned most, void *ctx,
                          void (*each)(void *ctx, const struct ledger_row *row), struct error *err)
{
    struct telling telling = {.walk = {.failed = errors_only, .order = LEDGER_BY_CLOSED_LAST},
                              .filter = &any,
                              .most = most,
                              .ctx = ctx,
                              .each = each};
    return most == 0 ? STATUS_OK : tell(reader, &telling, err);
}

/* As a row has it: cut, and without what is no text. */
struct object_id {
    char text[sizeof(((struct ledger_object *)0)->id)];
};

static const char *as_kept(const char *object, struct object_id *ret)
{
    if (object == NULL) {
        return NULL;
    }
    LEDGER_TEXT(ret->text, slice_from(object));
    return ret->text;
}

enum status ledger_find_object(struct ledger_reader *reader, const char *object,
                               struct ledger_row *ret, struct error *err)
{
    struct object_id id;
    const struct ledger_walk walk = {
        .object = as_kept(object, &id), .objects = true, .order = LEDGER_BY_OPENED};
    return find_first(reader, &walk, "that made that object", ret, err);
}

enum status ledger_objects(struct ledger_reader *reader, const struct ledger_filter *filter,
                           void *ctx, void (*each)(void *ctx, const struct ledger_row *row),
                           struct error *err)
{
    struct object_id id;
    struct telling telling = {
        .walk = {.opened_from = filter->since,
                 .opened_to = filter->until,
                 .object = as_kept(filter->object, &id),
                 .objects = true,
                 .order = filter->most == 0 ? LEDGER_BY_OPENED : LEDGER_BY_OPENED_LAST},
        .filter = filter,
        .most = filter->most,
        .ctx = ctx,
        .each = each};
    return tell(reader, &telling, err);
}
