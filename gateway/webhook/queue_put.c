/* An event comes in: is it new, is there room for it, and to whom does it go. */
#include "base/buffer.h"
#include "base/digest.h"
#include "base/encode.h"
#include "gateway/ledger/ledger_sql.h"
#include "gateway/webhook/queue_store.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    ROOM_AT_ONCE = 32,           /* delivered ones that go for one that comes */
    EVENT_MAX_BYTES = 900000000, /* SQLite takes 1,000,000,000 */
};

void queue_make_id(usec_t received_at, char out[QUEUE_ID_BYTES])
{
    enum { PREFIX = 4, TIME_DIGITS = 12, RANDOM = 10 };
    (void)snprintf(out, QUEUE_ID_BYTES, "msg_%012" PRIx64,
                   (uint64_t)(received_at / MSEC) & UINT64_C(0xffffffffffff));
    random_name(out + PREFIX + TIME_DIGITS, RANDOM);
}

/* ---- seen ---- */

static void bind_seen(sqlite3_stmt *statement, enum queue_seen_kind kind, const unsigned char *key)
{
    (void)sqlite3_bind_int64(statement, 1, kind);
    (void)sqlite3_bind_blob(statement, 2, key, QUEUE_SEEN_KEY_BYTES, SQLITE_STATIC);
}

struct seen {
    bool seen;
    int64_t event; /* 0: it was kept of none */
};

/* A clock that was set back makes nothing unseen. */
static enum status find_seen(struct queue_store *store, enum queue_seen_kind kind,
                             const unsigned char *key, usec_t now, struct seen *ret,
                             struct error *err)
{
    sqlite3_stmt *statement = queue_statement(store, QUEUE_SEEN_FIND);
    bool row = false;
    bind_seen(statement, kind, key);
    TRY(queue_step(store, QUEUE_SEEN_FIND, &row, err));
    ret->seen = row && now - sqlite3_column_int64(statement, 0) < QUEUE_SEEN;
    ret->event = row ? sqlite3_column_int64(statement, 1) : 0;
    queue_end(store, QUEUE_SEEN_FIND);
    return STATUS_OK;
}

static enum status put_seen(struct queue_store *store, enum queue_seen_kind kind,
                            const unsigned char *key, usec_t now, int64_t event, struct error *err)
{
    sqlite3_stmt *statement = queue_statement(store, QUEUE_SEEN_PUT);
    bind_seen(statement, kind, key);
    (void)sqlite3_bind_int64(statement, 3, now);
    (void)sqlite3_bind_int64(statement, 4, event);
    return queue_run(store, QUEUE_SEEN_PUT, err);
}

static enum status say_duplicate(struct queue_store *store, struct queue_put *put, int64_t event,
                                 struct error *err)
{
    sqlite3_stmt *statement = queue_statement(store, QUEUE_EVENT_ID);
    bool row = false;
    put->result = QUEUE_DUPLICATE;
    (void)sqlite3_bind_int64(statement, 1, event);
    TRY(queue_step(store, QUEUE_EVENT_ID, &row, err));
    if (row) {
        (void)snprintf(put->stored_id, sizeof(put->stored_id), "%s",
                       (const char *)sqlite3_column_text(statement, 0));
        queue_end(store, QUEUE_EVENT_ID);
    }
    return STATUS_OK;
}

/* Says QUEUE_STORED, QUEUE_SUSPECT or QUEUE_DUPLICATE. */
static enum status compare(struct queue_store *store, struct queue_put *put, usec_t now,
                           struct error *err)
{
    struct seen before;
    put->result = QUEUE_STORED;
    TRY(find_seen(store, QUEUE_SEEN_KEY, put->key, now, &before, err));
    if (before.seen) {
        return say_duplicate(store, put, before.event, err);
    }
    if (put->content_known) {
        TRY(find_seen(store, QUEUE_SEEN_CONTENT, put->content, now, &before, err));
    }
    if (before.seen && put->content_counts) {
        return say_duplicate(store, put, before.event, err);
    }
    put->result = before.seen ? QUEUE_SUSPECT : QUEUE_STORED;
    return STATUS_OK;
}

/* ---- room ---- */

static void say_full(struct queue_put *put, uint64_t count, const char *what, const char *setting)
{
    put->result = QUEUE_FULL;
    (void)snprintf(put->error, sizeof(put->error),
                   "%" PRIu64 " %s wait or are dead: webhook_queue.%s allows no more", count, what,
                   setting);
}

/* What was delivered, and is kept for replays only, makes room. */
static enum status make_room(struct queue_store *store, const struct queue_limits *limits,
                             struct queue_put *put, struct error *err)
{
    const struct queue_totals *totals = &store->totals;
    uint64_t size = put->fields.len + put->body.len;
    uint64_t needed_events = totals->events - totals->over_events;
    uint64_t needed_bytes = totals->bytes - totals->over_bytes;
    if (needed_events + 1 > limits->max_events) {
        say_full(put, needed_events, "events", "max_events");
        return STATUS_OK;
    }
    if (needed_bytes + size > limits->max_bytes) {
        say_full(put, needed_bytes, "bytes of events", "max_size");
        return STATUS_OK;
    }
    bool any = true;
    for (unsigned i = 0;
         any && i < ROOM_AT_ONCE &&
         (totals->events + 1 > limits->max_events || totals->bytes + size > limits->max_bytes);
         i++) {
        TRY(queue_event_delete_oldest(store, INT64_MAX, &any, err));
    }
    return STATUS_OK;
}

/* ---- the event ---- */

static void refuse(struct queue_put *put, const char *why)
{
    put->result = QUEUE_FAILED;
    (void)snprintf(put->error, sizeof(put->error), "%s", why);
}

/* The first that is written: so one that cannot be leaves nothing behind. */
static enum status put_event(struct queue_store *store, struct queue_put *put, int64_t event,
                             struct error *err)
{
    sqlite3_stmt *statement = queue_statement(store, QUEUE_EVENT_PUT);
    (void)sqlite3_bind_int64(statement, 1, event);
    queue_bind_text(statement, 2, slice_from(put->id));
    queue_bind_text(statement, 3, put->event_id);
    queue_bind_text(statement, 4, put->type);
    (void)sqlite3_bind_int64(statement, 5, put->received_at);
    (void)sqlite3_bind_int64(statement, 6, put->result == QUEUE_SUSPECT);
    (void)sqlite3_bind_int64(statement, 7, (int64_t)put->fields.len);
    (void)sqlite3_bind_int64(statement, 8, (int64_t)put->body.len);
    int code = sqlite3_step(statement);
    (void)sqlite3_reset(statement);
    if ((code & 0xff) == SQLITE_CONSTRAINT) {
        refuse(put, "an event with that webhook-id is there already");
        return STATUS_OK;
    }
    return code == SQLITE_DONE ? STATUS_OK : ledger_sql_fail(store->db, code, err);
}

static enum status put_body(struct queue_store *store, const struct queue_put *put, int64_t event,
                            struct error *err)
{
    sqlite3_stmt *statement = queue_statement(store, QUEUE_BODY_PUT);
    const struct slice parts[] = {put->fields, put->body};
    (void)sqlite3_bind_int64(statement, 1, event);
    for (int i = 0; i < 2; i++) {
        (void)sqlite3_bind_blob64(statement, 2 + i, parts[i].len == 0 ? "" : parts[i].ptr,
                                  parts[i].len, SQLITE_STATIC);
    }
    return queue_run(store, QUEUE_BODY_PUT, err);
}

static enum status target_of(struct queue_store *store, struct slice hook, struct slice name,
                             struct queue_target **ret, struct error *err)
{
    struct queue_target *target = queue_targets_find(&store->targets, hook, name);
    if (target == NULL) {
        sqlite3_stmt *statement = queue_statement(store, QUEUE_TARGET_PUT);
        target = queue_targets_add(&store->targets, hook, name);
        (void)sqlite3_bind_int64(statement, 1, target->id);
        queue_bind_text(statement, 2, hook);
        queue_bind_text(statement, 3, name);
        TRY(queue_run(store, QUEUE_TARGET_PUT, err));
    }
    *ret = target;
    return STATUS_OK;
}

static enum status put_delivery(struct queue_store *store, struct queue_target *target,
                                const struct queue_put_target *to, int64_t number, usec_t now,
                                struct error *err)
{
    sqlite3_stmt *statement = queue_statement(store, QUEUE_DELIVERY_PUT);
    enum queue_state state = QUEUE_STATE_WAITING;
    int64_t place = 0;
    bool first = true;
    (void)sqlite3_bind_null(statement, 5);
    if (to->ordered) {
        TRY(queue_line_end(store, target->id, (int64_t)to->order, &place, &first, err));
        state = first ? QUEUE_STATE_WAITING : QUEUE_STATE_HELD_BACK;
        (void)sqlite3_bind_int64(statement, 5, (int64_t)to->order);
    }
    (void)sqlite3_bind_int64(statement, 1, number);
    (void)sqlite3_bind_int64(statement, 2, target->id);
    (void)sqlite3_bind_int64(statement, 3, state);
    (void)sqlite3_bind_int64(statement, 4, now);
    (void)sqlite3_bind_int64(statement, 6, place);
    queue_target_count(target, (int)state, 1);
    if (state == QUEUE_STATE_WAITING) {
        queue_store_tell(store, target, now);
    }
    return queue_run(store, QUEUE_DELIVERY_PUT, err);
}

static enum status put_deliveries(struct queue_store *store, const struct queue_put *put,
                                  int64_t event, usec_t now, struct error *err)
{
    for (unsigned i = 0; i < put->target_count; i++) {
        struct queue_target *target = NULL;
        TRY(target_of(store, put->hook, put->targets[i].name, &target, err));
        TRY(put_delivery(store, target, &put->targets[i], event * QUEUE_TARGETS_MAX + i, now, err));
    }
    return STATUS_OK;
}

static enum status store_event(struct queue_store *store, const struct queue_limits *limits,
                               struct queue_put *put, usec_t now, struct error *err)
{
    struct queue_totals *totals = &store->totals;
    int64_t event = totals->next_event;
    if (put->fields.len + put->body.len > EVENT_MAX_BYTES) {
        refuse(put, "it is too large for the database");
        return STATUS_OK;
    }
    TRY(make_room(store, limits, put, err));
    if (put->result == QUEUE_FULL) {
        return STATUS_OK;
    }
    TRY(put_event(store, put, event, err));
    if (put->result == QUEUE_FAILED) {
        return STATUS_OK;
    }
    totals->next_event++;
    totals->events++;
    totals->bytes += put->fields.len + put->body.len;
    totals->changed = true;
    TRY(put_body(store, put, event, err));
    return put_deliveries(store, put, event, now, err);
}

enum status queue_store_put(struct queue_store *store, const struct queue_limits *limits,
                            struct queue_put *put, usec_t now, struct error *err)
{
    int64_t event = put->target_count > 0 ? store->totals.next_event : 0;
    put->stored_id[0] = '\0';
    put->error[0] = '\0';
    TRY(compare(store, put, now, err));
    if (put->result != QUEUE_DUPLICATE && put->target_count > 0) {
        TRY(store_event(store, limits, put, now, err));
    }
    if (put->result != QUEUE_STORED && put->result != QUEUE_SUSPECT) {
        return STATUS_OK;
    }
    TRY(put_seen(store, QUEUE_SEEN_KEY, put->key, now, event, err));
    return put->content_known ? put_seen(store, QUEUE_SEEN_CONTENT, put->content, now, event, err)
                              : STATUS_OK;
}
