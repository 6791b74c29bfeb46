#include "gateway/webhook/queue_reader.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "gateway/ledger/ledger_sql.h"
#include "gateway/webhook/queue_schema.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
    SQL_MAX_BYTES = 4 * 1024,
    BUSY_MSEC = 2000,
    SORTED_MOST =
        20000, /* so many are found by their state and sorted; else all are walked by number */
    ANY_STATE = (1U << QUEUE_STATES) - 1,
    DELIVERED = 1U << QUEUE_STATE_DELIVERED,
};

struct queue_reader {
    sqlite3 *db;
    char *path; /* owned */
};

/* ---- opening ---- */

static enum status open_reader(struct queue_reader *reader, struct error *err)
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
    return queue_schema_check(reader->db, QUEUE_SCHEMA_LOOK, err);
}

enum status queue_reader_open(const char *path, struct queue_reader **ret, struct error *err)
{
    struct queue_reader *reader = MEMORY_NEW(struct queue_reader);
    reader->path = memory_copy(slice_from(path));
    enum status status = open_reader(reader, err);
    if (status != STATUS_OK) {
        error_prefix(err, "\"%s\"", path);
        queue_reader_close(reader);
        return status;
    }
    *ret = reader;
    return STATUS_OK;
}

void queue_reader_close(struct queue_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    (void)sqlite3_close(reader->db);
    memory_free(reader->path);
    memory_free(reader);
}

/* ---- statements ---- */

/* For CLEANUP(). */
static void finalize_at(sqlite3_stmt **statement)
{
    (void)sqlite3_finalize(*statement);
}

static enum status prepare(struct queue_reader *reader, const char *sql, sqlite3_stmt **ret,
                           struct error *err)
{
    int code = sqlite3_prepare_v2(reader->db, sql, -1, ret, NULL);
    return code == SQLITE_OK ? STATUS_OK : ledger_sql_fail(reader->db, code, err);
}

/* *ret_row: there is one more. */
static enum status next(struct queue_reader *reader, sqlite3_stmt *statement, bool *ret_row,
                        struct error *err)
{
    int code = sqlite3_step(statement);
    *ret_row = code == SQLITE_ROW;
    return code == SQLITE_ROW || code == SQLITE_DONE ? STATUS_OK
                                                     : ledger_sql_fail(reader->db, code, err);
}

static struct slice column(sqlite3_stmt *statement, int index)
{
    const char *bytes = sqlite3_column_blob(statement, index); /* before its length is asked */
    return slice_make(bytes, (size_t)sqlite3_column_bytes(statement, index));
}

static void bind_text(sqlite3_stmt *statement, int index, struct slice text)
{
    (void)sqlite3_bind_text64(statement, index, text.len == 0 ? "" : text.ptr, text.len,
                              SQLITE_STATIC, SQLITE_UTF8);
}

/* All that one question reads is of one moment. What was read decides nothing: that the end of it
 * fails does not matter. */
static enum status begin(struct queue_reader *reader, struct error *err)
{
    return ledger_sql_run(reader->db, "BEGIN", err);
}

static enum status end(struct queue_reader *reader, enum status status, struct error *err)
{
    if (sqlite3_get_autocommit(reader->db) == 0) {
        (void)sqlite3_exec(reader->db, "COMMIT", NULL, NULL, NULL);
    }
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        error_prefix(err, "\"%s\"", reader->path);
    }
    return status;
}

/* ---- entries ---- */

#define ENTRY                                                                                      \
    "d.number, e.id, t.hook, t.name, e.event_id, e.type, d.state, e.suspect, d.attempts, "         \
    "e.received_at, d.due, d.ended_at, d.status, d.error, e.body_bytes"

static void read_entry(sqlite3_stmt *statement, struct queue_entry *ret)
{
    int index = 0;
    ret->number = sqlite3_column_int64(statement, index++);
    ret->id = column(statement, index++);
    ret->hook = column(statement, index++);
    ret->target = column(statement, index++);
    ret->event_id = column(statement, index++);
    ret->type = column(statement, index++);
    ret->state = (enum queue_state)sqlite3_column_int(statement, index++);
    ret->suspect = sqlite3_column_int(statement, index++) != 0;
    ret->attempts = (unsigned)sqlite3_column_int64(statement, index++);
    ret->received_at = sqlite3_column_int64(statement, index++);
    ret->due = sqlite3_column_int64(statement, index++);
    ret->ended_at = sqlite3_column_int64(statement, index++);
    ret->status = (unsigned)sqlite3_column_int64(statement, index++);
    ret->error = column(statement, index++);
    ret->bytes = (uint64_t)sqlite3_column_int64(statement, index++);
    if (ret->state != QUEUE_STATE_WAITING && ret->state != QUEUE_STATE_HELD_BACK) {
        ret->due = 0;
    }
}

static enum status tell_entries(struct queue_reader *reader, sqlite3_stmt *statement, void *ctx,
                                void (*each)(void *ctx, const struct queue_entry *entry),
                                struct error *err)
{
    for (;;) {
        struct queue_entry entry;
        bool row = false;
        TRY(next(reader, statement, &row, err));
        if (!row) {
            return STATUS_OK;
        }
        read_entry(statement, &entry);
        each(ctx, &entry);
    }
}

/* ---- lists ---- */

/* Where the list is looked for, so that it costs what it tells, not what is kept. */
struct plan {
    const struct queue_filter *filter;
    unsigned states;     /* bits */
    bool by_state;       /* few are in these states: the index of those that are not delivered */
    int64_t first, last; /* numbers of deliveries that can be of that time */
};

static enum status find_times(struct queue_reader *reader, struct plan *plan, struct error *err)
{
    const struct queue_filter *filter = plan->filter;
    sqlite3_stmt *statement CLEANUP(finalize_at) = NULL;
    bool row = false;
    if (filter->since == 0 && filter->until == 0) {
        return STATUS_OK;
    }
    TRY(prepare(reader,
                "SELECT coalesce(min(number), 1), coalesce(max(number), 0) FROM events "
                "INDEXED BY events_received WHERE received_at >= ? AND received_at < ?",
                &statement, err));
    (void)sqlite3_bind_int64(statement, 1, filter->since);
    (void)sqlite3_bind_int64(statement, 2, filter->until == 0 ? INT64_MAX : filter->until);
    TRY(next(reader, statement, &row, err));
    plan->first = sqlite3_column_int64(statement, 0) * QUEUE_TARGETS_MAX;
    plan->last = sqlite3_column_int64(statement, 1) * QUEUE_TARGETS_MAX + QUEUE_TARGETS_MAX - 1;
    return STATUS_OK;
}

static enum status count_states(struct queue_reader *reader, struct plan *plan, struct error *err)
{
    sqlite3_stmt *statement CLEANUP(finalize_at) = NULL;
    bool row = false;
    if ((plan->states & DELIVERED) != 0) {
        return STATUS_OK;
    }
    TRY(prepare(reader,
                "SELECT sum(waiting), sum(held_back), sum(delivered), sum(dead) "
                "FROM targets",
                &statement, err));
    TRY(next(reader, statement, &row, err));
    int64_t count = 0;
    for (int i = 0; i < QUEUE_STATES; i++) {
        count += (plan->states & 1U << i) != 0 ? sqlite3_column_int64(statement, i) : 0;
    }
    plan->by_state = count <= SORTED_MOST;
    return STATUS_OK;
}

static enum status write_from(const struct plan *plan, struct buffer *out)
{
    if (plan->filter->id.len > 0) {
        return buffer_append(
            out, SLICE("FROM (SELECT number FROM events WHERE id = ?6 UNION "
                       "SELECT number FROM events WHERE event_id = ?6 AND event_id != '') f "
                       "CROSS JOIN events e ON e.number = f.number "
                       "CROSS JOIN deliveries d ON d.number BETWEEN e.number * 16 AND "
                       "e.number * 16 + 15 CROSS JOIN targets t ON t.id = d.target "));
    }
    if (plan->by_state) {
        return buffer_append(
            out, SLICE("FROM targets t CROSS JOIN deliveries d INDEXED BY deliveries_open "
                       "ON d.target = t.id AND d.state IN (0, 1, 3) "
                       "CROSS JOIN events e ON e.number = d.number / 16 "));
    }
    return buffer_append(out, SLICE("FROM deliveries d CROSS JOIN targets t ON t.id = d.target "
                                    "CROSS JOIN events e ON e.number = d.number / 16 "));
}

static enum status write_list(const struct plan *plan, struct buffer *out)
{
    const struct queue_filter *filter = plan->filter;
    const char *comma = "";
    TRY(buffer_append(out, SLICE("SELECT " ENTRY " ")));
    TRY(write_from(plan, out));
    TRY(buffer_append(out, SLICE("WHERE d.number BETWEEN ?1 AND ?2 AND e.received_at >= ?3 AND "
                                 "e.received_at < ?4 AND d.state IN (")));
    for (unsigned i = 0; i < QUEUE_STATES; i++) {
        if ((plan->states & 1U << i) != 0) {
            TRY(buffer_print(out, "%s%u", comma, i));
            comma = ", ";
        }
    }
    TRY(buffer_append(out, SLICE(")")));
    if (filter->hook.len > 0) {
        TRY(buffer_append(out, SLICE(" AND t.hook = ?7")));
    }
    if (filter->target.len > 0) {
        TRY(buffer_append(out, SLICE(" AND t.name = ?8")));
    }
    if (filter->type.len > 0) {
        TRY(buffer_append(out, SLICE(" AND e.type = ?9")));
    }
    TRY(buffer_append(out, SLICE(" ORDER BY d.number DESC LIMIT ?5")));
    return buffer_append(out, slice_make("", 1)); /* its NUL */
}

static void bind_list(sqlite3_stmt *statement, const struct plan *plan, unsigned most)
{
    const struct queue_filter *filter = plan->filter;
    const struct slice texts[] = {filter->id, filter->hook, filter->target, filter->type};
    (void)sqlite3_bind_int64(statement, 1, plan->first);
    (void)sqlite3_bind_int64(statement, 2, plan->last);
    (void)sqlite3_bind_int64(statement, 3, filter->since == 0 ? INT64_MIN : filter->since);
    (void)sqlite3_bind_int64(statement, 4, filter->until == 0 ? INT64_MAX : filter->until);
    (void)sqlite3_bind_int64(statement, 5, most);
    for (int i = 0; i < 4; i++) {
        if (texts[i].len > 0) {
            bind_text(statement, 6 + i, texts[i]);
        }
    }
}

static enum status prepare_list(struct queue_reader *reader, struct plan *plan, int64_t before,
                                unsigned most, sqlite3_stmt **ret, struct error *err)
{
    struct buffer sql CLEANUP(buffer_fini);
    buffer_init(&sql, SQL_MAX_BYTES);
    TRY(find_times(reader, plan, err));
    TRY(count_states(reader, plan, err));
    plan->last = before != 0 && before <= plan->last ? before - 1 : plan->last;
    if (write_list(plan, &sql) != STATUS_OK) {
        FAIL(err, STATUS_TOO_LARGE, "a statement is too long");
    }
    TRY(prepare(reader, buffer_bytes(&sql).ptr, ret, err));
    bind_list(*ret, plan, most);
    return STATUS_OK;
}

/* NOLINTNEXTLINE(readability-function-size): a page, and where it goes. */
enum status queue_reader_list(struct queue_reader *reader, const struct queue_filter *filter,
                              int64_t before, unsigned most, void *ctx,
                              void (*each)(void *ctx, const struct queue_entry *entry),
                              struct error *err)
{
    sqlite3_stmt *statement = NULL;
    struct plan plan = {.filter = filter,
                        .states = filter->states == 0 ? ANY_STATE : filter->states & ANY_STATE,
                        .first = INT64_MIN,
                        .last = INT64_MAX};
    if (plan.states == 0) { /* none has that state */
        return STATUS_OK;
    }
    enum status status = begin(reader, err);
    if (status == STATUS_OK) {
        status = prepare_list(reader, &plan, before, most, &statement, err);
    }
    if (status == STATUS_OK) {
        status = tell_entries(reader, statement, ctx, each, err);
    }
    (void)sqlite3_finalize(TAKE(statement));
    return end(reader, status, err);
}

/* ---- sums ---- */

struct summing {
    struct queue_reader *reader;
    sqlite3_stmt *targets, *oldest;
    void *ctx;
    void (*each)(void *ctx, struct slice hook, struct slice target, enum queue_state state,
                 uint64_t count, usec_t oldest);
};

/* 0: there is none, or it is not known of that state. */
static enum status find_oldest(struct summing *summing, int64_t target, enum queue_state state,
                               usec_t *ret, struct error *err)
{
    bool row = false;
    *ret = 0;
    (void)sqlite3_bind_int64(summing->oldest, 1, target);
    (void)sqlite3_bind_int64(summing->oldest, 2, state);
    TRY(next(summing->reader, summing->oldest, &row, err));
    if (row) {
        *ret = sqlite3_column_int64(summing->oldest, 0);
    }
    (void)sqlite3_reset(summing->oldest);
    return STATUS_OK;
}

static enum status tell_target(struct summing *summing, struct error *err)
{
    for (int i = 0; i < QUEUE_STATES; i++) {
        int64_t count = sqlite3_column_int64(summing->targets, 3 + i);
        usec_t oldest = 0;
        if (count > 0) {
            TRY(find_oldest(summing, sqlite3_column_int64(summing->targets, 0), (enum queue_state)i,
                            &oldest, err));
            summing->each(summing->ctx, column(summing->targets, 1), column(summing->targets, 2),
                          (enum queue_state)i, (uint64_t)count, oldest);
        }
    }
    return STATUS_OK;
}

static enum status tell_sums(struct summing *summing, struct error *err)
{
    struct queue_reader *reader = summing->reader;
    TRY(begin(reader, err));
    TRY(prepare(reader,
                "SELECT id, hook, name, waiting, held_back, delivered, dead FROM targets "
                "ORDER BY hook, name",
                &summing->targets, err));
    TRY(prepare(reader,
                "SELECT opened_at FROM deliveries INDEXED BY deliveries_open WHERE target = ? "
                "AND state = ? AND state IN (0, 1, 3) ORDER BY opened_at LIMIT 1",
                &summing->oldest, err));
    for (;;) {
        bool row = false;
        TRY(next(reader, summing->targets, &row, err));
        if (!row) {
            return STATUS_OK;
        }
        TRY(tell_target(summing, err));
    }
}

enum status queue_reader_sums(struct queue_reader *reader, void *ctx,
                              void (*each)(void *ctx, struct slice hook, struct slice target,
                                           enum queue_state state, uint64_t count, usec_t oldest),
                              struct error *err)
{
    struct summing summing = {.reader = reader, .ctx = ctx, .each = each};
    enum status status = tell_sums(&summing, err);
    (void)sqlite3_finalize(summing.targets);
    (void)sqlite3_finalize(summing.oldest);
    return end(reader, status, err);
}

/* ---- one event ---- */

struct showing {
    struct queue_reader *reader;
    sqlite3_stmt *event, *deliveries;
    void *ctx;
    void (*tell_event)(void *ctx, const struct queue_entry *entry, struct slice fields,
                       struct slice body);
    void (*tell_delivery)(void *ctx, const struct queue_entry *entry);
};

/* As the first of its deliveries has it: what they have in common, then fields and body. */
static enum status show_event(struct showing *showing, struct slice id, struct error *err)
{
    struct queue_entry entry;
    bool row = false;
    TRY(prepare(showing->reader,
                "SELECT " ENTRY ", b.fields, b.body FROM events e JOIN bodies b ON "
                "b.number = e.number JOIN deliveries d ON d.number BETWEEN e.number * 16 AND "
                "e.number * 16 + 15 AND d.state < 4 JOIN targets t ON t.id = d.target "
                "WHERE e.id = ? ORDER BY d.number LIMIT 1",
                &showing->event, err));
    bind_text(showing->event, 1, id);
    TRY(next(showing->reader, showing->event, &row, err));
    if (!row) {
        FAIL(err, STATUS_NOT_FOUND, "the queue has no event with that webhook-id, or no more");
    }
    read_entry(showing->event, &entry);
    int fields = sqlite3_column_count(showing->event) - 2;
    showing->tell_event(showing->ctx, &entry, column(showing->event, fields),
                        column(showing->event, fields + 1));
    return STATUS_OK;
}

static enum status show(struct showing *showing, struct slice id, struct error *err)
{
    TRY(begin(showing->reader, err));
    TRY(show_event(showing, id, err));
    TRY(prepare(showing->reader,
                "SELECT " ENTRY " FROM events e JOIN deliveries d ON d.number BETWEEN "
                "e.number * 16 AND e.number * 16 + 15 AND d.state < 4 JOIN targets t ON "
                "t.id = d.target WHERE e.id = ? ORDER BY d.number",
                &showing->deliveries, err));
    bind_text(showing->deliveries, 1, id);
    return tell_entries(showing->reader, showing->deliveries, showing->ctx, showing->tell_delivery,
                        err);
}

enum status queue_reader_show(struct queue_reader *reader, struct slice id, void *ctx,
                              void (*event)(void *ctx, const struct queue_entry *entry,
                                            struct slice fields, struct slice body),
                              void (*delivery)(void *ctx, const struct queue_entry *entry),
                              struct error *err)
{
    struct showing showing = {
        .reader = reader, .ctx = ctx, .tell_event = event, .tell_delivery = delivery};
    enum status status = show(&showing, id, err);
    (void)sqlite3_finalize(showing.event);
    (void)sqlite3_finalize(showing.deliveries);
    return end(reader, status, err);
}
