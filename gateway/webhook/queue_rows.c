/* How deliveries and events move from one state to the next. What is counted of them moves along.
 */
#include "gateway/webhook/queue_store.h"

#include <stdio.h>

enum status queue_row_of(struct queue_store *store, sqlite3_stmt *statement, struct queue_row *ret,
                         struct error *err)
{
    *ret = (struct queue_row){
        .number = sqlite3_column_int64(statement, 0),
        .target = queue_targets_by_id(&store->targets, sqlite3_column_int64(statement, 1)),
        .state = sqlite3_column_int(statement, 2),
        .due = sqlite3_column_int64(statement, 3),
        .ordered = sqlite3_column_type(statement, 4) != SQLITE_NULL,
        .line = sqlite3_column_int64(statement, 4),
    };
    if (ret->target == NULL) {
        FAIL(err, STATUS_UNAVAILABLE, "a delivery is of a target that is not in it; restore it");
    }
    return STATUS_OK;
}

enum status queue_row_read(struct queue_store *store, int64_t number, struct queue_row *ret,
                           bool *ret_there, struct error *err)
{
    sqlite3_stmt *statement = queue_statement(store, QUEUE_DELIVERY_READ);
    (void)sqlite3_bind_int64(statement, 1, number);
    TRY(queue_step(store, QUEUE_DELIVERY_READ, ret_there, err));
    if (!*ret_there) {
        return STATUS_OK;
    }
    enum status status = queue_row_of(store, statement, ret, err);
    queue_end(store, QUEUE_DELIVERY_READ);
    return status;
}

/* ---- lines ---- */

static void bind_line(sqlite3_stmt *statement, int64_t target, int64_t line)
{
    (void)sqlite3_bind_int64(statement, 1, target);
    (void)sqlite3_bind_int64(statement, 2, line);
}

enum status queue_line_end(struct queue_store *store, int64_t target, int64_t line,
                           int64_t *ret_place, bool *ret_first, struct error *err)
{
    sqlite3_stmt *statement = queue_statement(store, QUEUE_LINE_LAST);
    bool row = false;
    bind_line(statement, target, line);
    TRY(queue_step(store, QUEUE_LINE_LAST, &row, err));
    *ret_first = !row;
    *ret_place = row ? sqlite3_column_int64(statement, 0) + 1 : 0;
    queue_end(store, QUEUE_LINE_LAST);
    return STATUS_OK;
}

static enum status set_state(struct queue_store *store, int64_t number, int state,
                             struct error *err)
{
    sqlite3_stmt *statement = queue_statement(store, QUEUE_DELIVERY_STATE);
    (void)sqlite3_bind_int64(statement, 1, state);
    (void)sqlite3_bind_int64(statement, 2, number);
    return queue_run(store, QUEUE_DELIVERY_STATE, err);
}

enum status queue_line_release(struct queue_store *store, struct queue_target *target, int64_t line,
                               struct error *err)
{
    sqlite3_stmt *statement = queue_statement(store, QUEUE_LINE_FIRST);
    bool row = false;
    bind_line(statement, target->id, line);
    TRY(queue_step(store, QUEUE_LINE_FIRST, &row, err));
    if (!row) {
        return STATUS_OK;
    }
    int64_t number = sqlite3_column_int64(statement, 0);
    int state = sqlite3_column_int(statement, 1);
    usec_t due = sqlite3_column_int64(statement, 2);
    queue_end(store, QUEUE_LINE_FIRST);
    if (state != QUEUE_STATE_HELD_BACK) {
        return STATUS_OK;
    }
    queue_target_count(target, QUEUE_STATE_HELD_BACK, -1);
    queue_target_count(target, QUEUE_STATE_WAITING, 1);
    queue_store_tell(store, target, due);
    return set_state(store, number, QUEUE_STATE_WAITING, err);
}

static enum status release_behind(struct queue_store *store, const struct queue_row *row,
                                  struct error *err)
{
    return row->ordered ? queue_line_release(store, row->target, row->line, err) : STATUS_OK;
}

/* ---- events ---- */

/* *ret_bytes of fields and body. */
static enum status size_of(struct queue_store *store, int64_t event, uint64_t *ret_bytes,
                           bool *ret_over, struct error *err)
{
    sqlite3_stmt *statement = queue_statement(store, QUEUE_EVENT_SIZE);
    bool row = false;
    (void)sqlite3_bind_int64(statement, 1, event);
    TRY(queue_step(store, QUEUE_EVENT_SIZE, &row, err));
    if (!row) {
        FAIL(err, STATUS_UNAVAILABLE, "a delivery is of an event that is not in it; restore it");
    }
    *ret_bytes = (uint64_t)sqlite3_column_int64(statement, 0);
    *ret_over = sqlite3_column_int(statement, 1) != 0;
    queue_end(store, QUEUE_EVENT_SIZE);
    return STATUS_OK;
}

static void bind_deliveries_of(sqlite3_stmt *statement, int64_t event)
{
    (void)sqlite3_bind_int64(statement, 1, event * QUEUE_TARGETS_MAX);
    (void)sqlite3_bind_int64(statement, 2, event * QUEUE_TARGETS_MAX + QUEUE_TARGETS_MAX - 1);
}

static enum status count_deliveries(struct queue_store *store, int64_t event, unsigned *ret_left,
                                    unsigned *ret_open, struct error *err)
{
    sqlite3_stmt *statement = queue_statement(store, QUEUE_DELIVERIES_OF);
    bind_deliveries_of(statement, event);
    *ret_left = 0;
    *ret_open = 0;
    for (;;) {
        bool row = false;
        TRY(queue_step(store, QUEUE_DELIVERIES_OF, &row, err));
        if (!row) {
            return STATUS_OK;
        }
        *ret_left += 1;
        *ret_open += sqlite3_column_int(statement, 2) != QUEUE_STATE_DELIVERED;
    }
}

static enum status set_over(struct queue_store *store, int64_t event, usec_t now, struct error *err)
{
    sqlite3_stmt *statement = queue_statement(store, QUEUE_EVENT_OVER);
    uint64_t bytes = 0;
    bool over = false;
    TRY(size_of(store, event, &bytes, &over, err));
    if (over) {
        return STATUS_OK;
    }
    store->totals.over_events++;
    store->totals.over_bytes += bytes;
    store->totals.changed = true;
    (void)sqlite3_bind_int64(statement, 1, now);
    (void)sqlite3_bind_int64(statement, 2, event);
    return queue_run(store, QUEUE_EVENT_OVER, err);
}

static enum status reopen(struct queue_store *store, int64_t event, struct error *err)
{
    sqlite3_stmt *statement = queue_statement(store, QUEUE_EVENT_REOPEN);
    uint64_t bytes = 0;
    bool over = false;
    TRY(size_of(store, event, &bytes, &over, err));
    if (!over) {
        return STATUS_OK;
    }
    store->totals.over_events--;
    store->totals.over_bytes -= bytes;
    store->totals.changed = true;
    (void)sqlite3_bind_int64(statement, 1, event);
    return queue_run(store, QUEUE_EVENT_REOPEN, err);
}

/* Its deliveries have gone. */
static enum status delete_bare(struct queue_store *store, int64_t event, struct error *err)
{
    static const enum queue_statement deletes[] = {QUEUE_EVENT_DELETE, QUEUE_BODY_DELETE};
    uint64_t bytes = 0;
    bool over = false;
    TRY(size_of(store, event, &bytes, &over, err));
    store->totals.events--;
    store->totals.bytes -= bytes;
    store->totals.over_events -= over;
    store->totals.over_bytes -= over ? bytes : 0;
    store->totals.changed = true;
    for (unsigned i = 0; i < 2; i++) {
        (void)sqlite3_bind_int64(queue_statement(store, deletes[i]), 1, event);
        TRY(queue_run(store, deletes[i], err));
    }
    return STATUS_OK;
}

enum status queue_event_look(struct queue_store *store, int64_t event, usec_t now,
                             struct error *err)
{
    unsigned left = 0;
    unsigned open = 0;
    TRY(count_deliveries(store, event, &left, &open, err));
    if (left == 0) {
        return delete_bare(store, event, err);
    }
    return open == 0 ? set_over(store, event, now, err) : STATUS_OK;
}

static enum status delete_delivery(struct queue_store *store, const struct queue_row *row,
                                   struct error *err)
{
    sqlite3_stmt *statement = queue_statement(store, QUEUE_DELIVERY_DELETE);
    queue_target_count(row->target, row->state, -1);
    (void)sqlite3_bind_int64(statement, 1, row->number);
    return queue_run(store, QUEUE_DELIVERY_DELETE, err);
}

enum status queue_event_delete(struct queue_store *store, int64_t event, struct error *err)
{
    struct queue_row rows[QUEUE_TARGETS_MAX];
    sqlite3_stmt *statement = queue_statement(store, QUEUE_DELIVERIES_OF);
    unsigned count = 0;
    bool row = true;
    bind_deliveries_of(statement, event);
    while (row) {
        TRY(queue_step(store, QUEUE_DELIVERIES_OF, &row, err));
        if (row) {
            TRY(queue_row_of(store, statement, &rows[count++], err));
        }
    }
    for (unsigned i = 0; i < count; i++) {
        TRY(delete_delivery(store, &rows[i], err));
    }
    return delete_bare(store, event, err);
}

enum status queue_event_delete_oldest(struct queue_store *store, usec_t over_at, bool *ret_any,
                                      struct error *err)
{
    sqlite3_stmt *statement = queue_statement(store, QUEUE_EVENT_OVER_FIRST);
    (void)sqlite3_bind_int64(statement, 1, over_at);
    TRY(queue_step(store, QUEUE_EVENT_OVER_FIRST, ret_any, err));
    if (!*ret_any) {
        return STATUS_OK;
    }
    int64_t event = sqlite3_column_int64(statement, 0);
    queue_end(store, QUEUE_EVENT_OVER_FIRST);
    return queue_event_delete(store, event, err);
}

/* ---- deliveries ---- */

enum status queue_row_delete(struct queue_store *store, const struct queue_row *row, usec_t now,
                             struct error *err)
{
    TRY(delete_delivery(store, row, err));
    TRY(queue_event_look(store, queue_event_of(row->number), now, err));
    return release_behind(store, row, err);
}

/* Delivered or dead; `attempts` were made now. */
static enum status end_row(struct queue_store *store, const struct queue_row *row,
                           const struct queue_settlement *how, enum queue_state state, usec_t now,
                           struct error *err)
{
    sqlite3_stmt *statement = queue_statement(store, QUEUE_DELIVERY_END);
    (void)sqlite3_bind_int64(statement, 1, state);
    (void)sqlite3_bind_int64(statement, 2, how->take_delivery != NULL);
    (void)sqlite3_bind_int64(statement, 3, how->status);
    (void)sqlite3_bind_int64(statement, 4, how->took);
    queue_bind_text(statement, 5, slice_from(how->error));
    (void)sqlite3_bind_int64(statement, 6, now);
    (void)sqlite3_bind_int64(statement, 7, row->number);
    TRY(queue_run(store, QUEUE_DELIVERY_END, err));
    queue_target_count(row->target, row->state, -1);
    queue_target_count(row->target, (int)state, 1);
    TRY(queue_event_look(store, queue_event_of(row->number), now, err));
    return release_behind(store, row, err);
}

enum status queue_row_kill(struct queue_store *store, const struct queue_row *row, const char *why,
                           usec_t now, struct error *err)
{
    struct queue_settlement none = {.outcome = QUEUE_DEAD};
    (void)snprintf(none.error, sizeof(none.error), "%s", why);
    return end_row(store, row, &none, QUEUE_STATE_DEAD, now, err);
}

static enum status again(struct queue_store *store, const struct queue_row *row,
                         const struct queue_settlement *how, struct error *err)
{
    sqlite3_stmt *statement = queue_statement(store, QUEUE_DELIVERY_AGAIN);
    (void)sqlite3_bind_int64(statement, 1, how->due);
    (void)sqlite3_bind_int64(statement, 2, how->status);
    (void)sqlite3_bind_int64(statement, 3, how->took);
    queue_bind_text(statement, 4, slice_from(how->error));
    (void)sqlite3_bind_int64(statement, 5, row->number);
    queue_store_tell(store, row->target, how->due);
    return queue_run(store, QUEUE_DELIVERY_AGAIN, err);
}

static enum status give_back(struct queue_store *store, const struct queue_row *row, usec_t due,
                             usec_t now, struct error *err)
{
    sqlite3_stmt *statement = queue_statement(store, QUEUE_DELIVERY_DUE);
    if (due <= now) { /* as it was */
        queue_store_tell(store, row->target, row->due);
        return STATUS_OK;
    }
    (void)sqlite3_bind_int64(statement, 1, due);
    (void)sqlite3_bind_int64(statement, 2, row->number);
    queue_store_tell(store, row->target, due);
    return queue_run(store, QUEUE_DELIVERY_DUE, err);
}

enum status queue_store_settle(struct queue_store *store, const struct queue_settlement *settlement,
                               usec_t now, struct error *err)
{
    struct queue_row row = {0};
    bool there = false;
    TRY(queue_row_read(store, settlement->take_delivery->number, &row, &there, err));
    if (there && row.state == QUEUE_STATE_DROPPED) {
        return queue_row_delete(store, &row, now, err);
    }
    if (!there || row.state != QUEUE_STATE_WAITING) { /* what is not under way is not settled */
        return STATUS_OK;
    }
    switch (settlement->outcome) {
    case QUEUE_DELIVERED:
        return end_row(store, &row, settlement, QUEUE_STATE_DELIVERED, now, err);
    case QUEUE_DEAD:
        return end_row(store, &row, settlement, QUEUE_STATE_DEAD, now, err);
    case QUEUE_AGAIN:
        return again(store, &row, settlement, err);
    case QUEUE_GIVEN_BACK:
        return give_back(store, &row, settlement->due, now, err);
    }
    return STATUS_OK;
}

enum status queue_row_drop_under_way(struct queue_store *store, const struct queue_row *row,
                                     struct error *err)
{
    queue_target_count(row->target, row->state, -1);
    return set_state(store, row->number, QUEUE_STATE_DROPPED, err);
}

enum status queue_row_hurry(struct queue_store *store, const struct queue_row *row, usec_t due,
                            struct error *err)
{
    sqlite3_stmt *statement = queue_statement(store, QUEUE_DELIVERY_HURRY);
    (void)sqlite3_bind_int64(statement, 1, due);
    (void)sqlite3_bind_int64(statement, 2, row->number);
    queue_store_tell(store, row->target, due);
    return queue_run(store, QUEUE_DELIVERY_HURRY, err);
}

enum status queue_row_replay(struct queue_store *store, const struct queue_row *row, usec_t due,
                             struct error *err)
{
    sqlite3_stmt *statement = queue_statement(store, QUEUE_DELIVERY_REPLAY);
    enum queue_state state = QUEUE_STATE_WAITING;
    int64_t place = 0;
    bool first = true;
    if (row->ordered) {
        TRY(queue_line_end(store, row->target->id, row->line, &place, &first, err));
        state = first ? QUEUE_STATE_WAITING : QUEUE_STATE_HELD_BACK;
    }
    TRY(reopen(store, queue_event_of(row->number), err));
    queue_target_count(row->target, row->state, -1);
    queue_target_count(row->target, (int)state, 1);
    (void)sqlite3_bind_int64(statement, 1, state);
    (void)sqlite3_bind_int64(statement, 2, due);
    (void)sqlite3_bind_int64(statement, 3, place);
    (void)sqlite3_bind_int64(statement, 4, row->number);
    queue_store_tell(store, row->target, due);
    return queue_run(store, QUEUE_DELIVERY_REPLAY, err);
}
