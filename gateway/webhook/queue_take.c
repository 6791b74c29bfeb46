/* What is due of one target goes out. */
#include "base/memory.h"
#include "gateway/webhook/queue_store.h"

#include <stdio.h>

static struct slice copy_to(char **at, struct slice bytes)
{
    struct slice copy = slice_make(*at, bytes.len);
    if (bytes.len > 0) {
        memcpy(*at, bytes.ptr, bytes.len);
    }
    *at += bytes.len;
    return copy;
}

/* The row as a delivery, in one piece. */
static struct queue_delivery *make_delivery(sqlite3_stmt *row, int64_t number)
{
    enum { ID, RECEIVED_AT, ATTEMPTS, PARTS };
    struct slice parts[4];
    size_t size = sizeof(struct queue_delivery);
    for (int i = 0; i < 4; i++) {
        parts[i] = queue_column(row, PARTS + i);
        size += parts[i].len;
    }
    struct queue_delivery *delivery = memory_alloc(size);
    char *at = (char *)(delivery + 1);
    delivery->number = number;
    delivery->attempts = (unsigned)sqlite3_column_int64(row, ATTEMPTS);
    delivery->received_at = sqlite3_column_int64(row, RECEIVED_AT);
    (void)snprintf(delivery->id, sizeof(delivery->id), "%s",
                   (const char *)sqlite3_column_text(row, ID));
    delivery->event_id = copy_to(&at, parts[0]);
    delivery->type = copy_to(&at, parts[1]);
    delivery->fields = copy_to(&at, parts[2]);
    delivery->body = copy_to(&at, parts[3]);
    return delivery;
}

static enum status read_delivery(struct queue_store *store, int64_t number,
                                 struct queue_delivery **ret, struct error *err)
{
    sqlite3_stmt *statement = queue_statement(store, QUEUE_DELIVERY_WHOLE);
    bool row = false;
    (void)sqlite3_bind_int64(statement, 1, number);
    TRY(queue_step(store, QUEUE_DELIVERY_WHOLE, &row, err));
    if (!row) {
        FAIL(err, STATUS_UNAVAILABLE, "a delivery is of an event that is not in it; restore it");
    }
    *ret = make_delivery(statement, number);
    queue_end(store, QUEUE_DELIVERY_WHOLE);
    return STATUS_OK;
}

struct taking {
    struct queue_take *take;
    struct queue_delivery **last; /* where the next one is hung */
    size_t bytes;
};

static bool has_room(const struct taking *taking)
{
    const struct queue_take *take = taking->take;
    return take->count == 0 || (take->count < take->most && taking->bytes < take->most_bytes);
}

static enum status take_one(struct queue_store *store, struct taking *taking, int64_t number,
                            struct error *err)
{
    struct queue_delivery *delivery = NULL;
    TRY(read_delivery(store, number, &delivery, err));
    *taking->last = delivery;
    taking->last = &delivery->next;
    taking->bytes += delivery->fields.len + delivery->body.len;
    taking->take->count++;
    queue_under_way_add(&store->under_way, number);
    return STATUS_OK;
}

/* In the order in which they are due. What is under way is passed over; from `scan_from` on there
 * are no more such than are taken at once. */
static enum status take_due(struct queue_store *store, struct taking *taking, usec_t now,
                            struct error *err)
{
    sqlite3_stmt *statement = queue_statement(store, QUEUE_DELIVERIES_DUE);
    for (;;) {
        bool row = false;
        TRY(queue_step(store, QUEUE_DELIVERIES_DUE, &row, err));
        if (!row) {
            return STATUS_OK;
        }
        int64_t number = sqlite3_column_int64(statement, 0);
        usec_t due = sqlite3_column_int64(statement, 1);
        if (queue_under_way_has(&store->under_way, number)) {
            continue;
        }
        if (due > now || !has_room(taking)) {
            taking->take->next_due = due;
            return STATUS_OK;
        }
        TRY(take_one(store, taking, number, err));
    }
}

enum status queue_store_take(struct queue_store *store, struct queue_take *take, usec_t now,
                             struct error *err)
{
    struct taking taking = {.take = take, .last = &take->first};
    take->first = NULL;
    take->count = 0;
    take->next_due = 0;
    if (store->stale) {
        FAIL(err, STATUS_UNAVAILABLE, "it cannot be read");
    }
    struct queue_target *target =
        queue_targets_find(&store->targets, slice_from(take->hook), slice_from(take->target));
    if (target == NULL) {
        return STATUS_OK;
    }
    sqlite3_stmt *statement = queue_statement(store, QUEUE_DELIVERIES_DUE);
    (void)sqlite3_bind_int64(statement, 1, target->id);
    (void)sqlite3_bind_int64(statement, 2, target->scan_from);
    enum status status = take_due(store, &taking, now, err);
    queue_end(store, QUEUE_DELIVERIES_DUE);
    if (status == STATUS_OK) {
        target->scan_from = take->next_due == 0 ? INT64_MAX : take->next_due;
    }
    return status;
}
