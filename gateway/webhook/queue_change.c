/* What people ask for: replays and drops of all deliveries that fit, some at a time. */
#include "base/memory.h"
#include "gateway/webhook/queue_store.h"

enum { LOOKED_AT = 1000 }; /* deliveries a step */

struct found {
    struct queue_row row;
    bool fits;
};

static bool fits(const struct queue_filter *filter, const struct queue_row *row, struct slice type,
                 usec_t received_at)
{
    return (filter->hook.len == 0 || slice_equal(filter->hook, slice_from(row->target->hook))) &&
           (filter->target.len == 0 ||
            slice_equal(filter->target, slice_from(row->target->name))) &&
           (filter->type.len == 0 || slice_equal(filter->type, type)) &&
           (filter->states == 0 || (filter->states & 1U << (unsigned)row->state) != 0) &&
           received_at >= filter->since && (filter->until == 0 || received_at < filter->until);
}

/* The next ones behind run->after, at most `most`; *ret_count. */
static enum status look(struct queue_store *store, const struct queue_change_run *run,
                        struct found *found, unsigned *ret_count, struct error *err)
{
    const struct queue_filter *filter = &run->change->filter;
    enum queue_statement which =
        filter->id.len > 0 ? QUEUE_DELIVERIES_NAMED : QUEUE_DELIVERIES_AFTER;
    sqlite3_stmt *statement = queue_statement(store, which);
    (void)sqlite3_bind_int64(statement, 1, run->after);
    (void)sqlite3_bind_int64(statement, 2, run->last);
    (void)sqlite3_bind_int64(statement, 3, LOOKED_AT);
    if (filter->id.len > 0) {
        queue_bind_text(statement, 4, filter->id);
    }
    for (*ret_count = 0;; *ret_count += 1) {
        bool row = false;
        TRY(queue_step(store, which, &row, err));
        if (!row) {
            return STATUS_OK;
        }
        struct found *one = &found[*ret_count];
        TRY(queue_row_of(store, statement, &one->row, err));
        one->fits =
            fits(filter, &one->row, queue_column(statement, 5), sqlite3_column_int64(statement, 6));
    }
}

static enum status replay(struct queue_store *store, struct queue_change_run *run,
                          const struct queue_row *row, struct error *err)
{
    unsigned rate = run->change->per_second;
    usec_t due = run->began + (rate == 0 ? 0 : (usec_t)(run->count * (uint64_t)SEC / rate));
    bool ended = row->state == QUEUE_STATE_DELIVERED || row->state == QUEUE_STATE_DEAD;
    bool waits =
        row->state == QUEUE_STATE_WAITING && !queue_under_way_has(&store->under_way, row->number);
    if (!ended && !waits) { /* it is under way, or will be */
        return STATUS_OK;
    }
    run->count++;
    return ended ? queue_row_replay(store, row, due, err) : queue_row_hurry(store, row, due, err);
}

static enum status drop(struct queue_store *store, struct queue_change_run *run, int64_t number,
                        usec_t now, struct error *err)
{
    struct queue_row row = {0};
    bool there = false;
    TRY(queue_row_read(store, number, &row, &there, err)); /* the one before may have released it */
    if (!there || row.state == QUEUE_STATE_DROPPED) {
        return STATUS_OK;
    }
    run->count++;
    return queue_under_way_has(&store->under_way, number)
               ? queue_row_drop_under_way(store, &row, err)
               : queue_row_delete(store, &row, now, err);
}

static enum status change_found(struct queue_store *store, struct queue_change_run *run,
                                const struct found *found, unsigned count, usec_t now,
                                struct error *err)
{
    for (unsigned i = 0; i < count; i++) {
        run->after = found[i].row.number;
        if (!found[i].fits) {
            continue;
        }
        switch (run->change->kind) {
        case QUEUE_REPLAY:
            TRY(replay(store, run, &found[i].row, err));
            break;
        case QUEUE_DROP:
            TRY(drop(store, run, found[i].row.number, now, err));
            break;
        }
    }
    run->done = count < LOOKED_AT;
    return STATUS_OK;
}

/* What comes from now on is not looked at. */
static enum status begin(struct queue_store *store, struct queue_change_run *run, usec_t now,
                         struct error *err)
{
    bool row = false;
    TRY(queue_step(store, QUEUE_DELIVERIES_LAST, &row, err));
    run->last = row ? sqlite3_column_int64(queue_statement(store, QUEUE_DELIVERIES_LAST), 0) : 0;
    queue_end(store, QUEUE_DELIVERIES_LAST);
    run->began = now;
    run->begun = true;
    return STATUS_OK;
}

enum status queue_store_change(struct queue_store *store, struct queue_change_run *run, usec_t now,
                               struct error *err)
{
    unsigned count = 0;
    if (!run->begun) {
        TRY(begin(store, run, now, err));
    }
    struct found *found = memory_alloc(LOOKED_AT * sizeof(*found));
    enum status status = look(store, run, found, &count, err);
    if (status == STATUS_OK) {
        status = change_found(store, run, found, count, now, err);
    }
    memory_free(found);
    return status;
}
