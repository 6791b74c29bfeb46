/* What is kept no longer: in small steps, between batches. */
#include "gateway/webhook/queue_store.h"

#include <string.h>

enum {
    EVENTS_AT_ONCE = 100,
    TOO_OLD_AT_ONCE = 100,
    SEEN_AT_ONCE = 1000, /* looked at, each second: a million within 17 minutes */
};

/* Delivered ones: too old, or too much. */
static enum status expire_events(struct queue_store *store, const struct queue_limits *limits,
                                 usec_t now, bool *ret_more, struct error *err)
{
    const struct queue_totals *totals = &store->totals;
    bool any = true;
    for (unsigned i = 0; i < EVENTS_AT_ONCE; i++) {
        bool too_much = totals->events > limits->max_events || totals->bytes > limits->max_bytes;
        TRY(queue_event_delete_oldest(store, too_much ? INT64_MAX : now - limits->keep - 1, &any,
                                      err));
        if (!any) {
            return STATUS_OK;
        }
    }
    *ret_more = true;
    return STATUS_OK;
}

/* *ret_number: the oldest that waits in that state for too long and is not under way; 0: none. */
static enum status find_too_old(struct queue_store *store, const struct queue_target *target,
                                enum queue_state state, usec_t before, int64_t *ret_number,
                                struct error *err)
{
    sqlite3_stmt *statement = queue_statement(store, QUEUE_DELIVERIES_OPEN);
    (void)sqlite3_bind_int64(statement, 1, target->id);
    (void)sqlite3_bind_int64(statement, 2, state);
    *ret_number = 0;
    for (;;) {
        bool row = false;
        TRY(queue_step(store, QUEUE_DELIVERIES_OPEN, &row, err));
        if (!row) {
            return STATUS_OK;
        }
        int64_t number = sqlite3_column_int64(statement, 0);
        bool too_old = sqlite3_column_int64(statement, 1) < before;
        if (too_old && queue_under_way_has(&store->under_way, number)) {
            continue;
        }
        queue_end(store, QUEUE_DELIVERIES_OPEN);
        *ret_number = too_old ? number : 0;
        return STATUS_OK;
    }
}

/* Too old is what waits since before that. */
struct expiry {
    struct queue_store *store;
    usec_t before, now;
    unsigned left; /* that may go this time */
};

static enum status expire_state(struct expiry *expiry, const struct queue_target *target,
                                enum queue_state state, struct error *err)
{
    struct queue_store *store = expiry->store;
    while (expiry->left > 0 && target->counts[state] > 0) {
        struct queue_row row = {0};
        int64_t number = 0;
        bool there = false;
        TRY(find_too_old(store, target, state, expiry->before, &number, err));
        if (number == 0) {
            return STATUS_OK;
        }
        expiry->left--;
        TRY(queue_row_read(store, number, &row, &there, err));
        TRY(queue_row_kill(store, &row, "it waited for longer than webhook_queue.max_age",
                           expiry->now, err));
    }
    return STATUS_OK;
}

static enum status expire_waiting(struct queue_store *store, const struct queue_limits *limits,
                                  usec_t now, bool *ret_more, struct error *err)
{
    struct expiry expiry = {
        .store = store, .before = now - limits->max_age, .now = now, .left = TOO_OLD_AT_ONCE};
    for (size_t i = 0; i < store->targets.count; i++) {
        const struct queue_target *target = store->targets.all[i];
        TRY(expire_state(&expiry, target, QUEUE_STATE_WAITING, err));
        TRY(expire_state(&expiry, target, QUEUE_STATE_HELD_BACK, err));
    }
    *ret_more = *ret_more || expiry.left == 0;
    return STATUS_OK;
}

/* ---- seen ---- */

struct seen {
    unsigned char key[QUEUE_SEEN_KEY_BYTES];
    int kind;
};

/* A step through all of them, in the order of their keys: an index by time would cost each event a
 * write more. *ret_count are too old. */
static enum status sweep(struct queue_store *store, usec_t now, struct seen *old,
                         unsigned *ret_count, struct error *err)
{
    sqlite3_stmt *statement = queue_statement(store, QUEUE_SEEN_NEXT);
    unsigned looked_at = 0;
    (void)sqlite3_bind_int64(statement, 1, store->swept_kind);
    (void)sqlite3_bind_blob(statement, 2, store->swept_key, QUEUE_SEEN_KEY_BYTES, SQLITE_TRANSIENT);
    (void)sqlite3_bind_int64(statement, 3, SEEN_AT_ONCE);
    for (*ret_count = 0;; looked_at++) {
        bool row = false;
        TRY(queue_step(store, QUEUE_SEEN_NEXT, &row, err));
        if (!row) {
            break;
        }
        store->swept_kind = sqlite3_column_int(statement, 0);
        memcpy(store->swept_key, sqlite3_column_blob(statement, 1), QUEUE_SEEN_KEY_BYTES);
        if (now - sqlite3_column_int64(statement, 2) >= QUEUE_SEEN) {
            struct seen *one = &old[(*ret_count)++];
            one->kind = store->swept_kind;
            memcpy(one->key, store->swept_key, QUEUE_SEEN_KEY_BYTES);
        }
    }
    if (looked_at < SEEN_AT_ONCE) { /* from the first again */
        store->swept_kind = 0;
        memset(store->swept_key, 0, QUEUE_SEEN_KEY_BYTES);
    }
    return STATUS_OK;
}

static enum status expire_seen(struct queue_store *store, usec_t now, struct error *err)
{
    struct seen old[SEEN_AT_ONCE];
    sqlite3_stmt *statement = queue_statement(store, QUEUE_SEEN_DELETE);
    unsigned count = 0;
    TRY(sweep(store, now, old, &count, err));
    for (unsigned i = 0; i < count; i++) {
        (void)sqlite3_bind_int64(statement, 1, old[i].kind);
        (void)sqlite3_bind_blob(statement, 2, old[i].key, QUEUE_SEEN_KEY_BYTES, SQLITE_STATIC);
        TRY(queue_run(store, QUEUE_SEEN_DELETE, err));
    }
    return STATUS_OK;
}

enum status queue_store_expire(struct queue_store *store, const struct queue_limits *limits,
                               usec_t now, bool *ret_more, struct error *err)
{
    *ret_more = false;
    TRY(expire_events(store, limits, now, ret_more, err));
    TRY(expire_waiting(store, limits, now, ret_more, err));
    return expire_seen(store, now, err);
}
