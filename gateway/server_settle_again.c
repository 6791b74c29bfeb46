#include "gateway/server_settle_again.h"

#include "base/memory.h"
#include "config/snapshot.h"
#include "gateway/ledger/ledger_settlement.h"
#include "gateway/observe/log.h"
#include "gateway/server_state.h"
#include "gateway/webhook/queue_reader.h"
#include "gateway/webhook/settle_read.h"

#include <limits.h>
#include <string.h>

/* Before the last event that came: what was not settled by then had no row, and waits no longer. */
#define LOOKS_BACK (120 * SEC)

enum {
    PAGE = 5000,         /* deliveries that are listed at once */
    EVENTS_MAX = 200000, /* ids of them, 37 bytes each: more than two minutes bring */
    AT_ONCE = 1000,      /* events that are read in a turn */
    /* Places that are left to what is new, and to the rest of an array. */
    ROOM = SETTLE_ELEMENTS_MAX + LEDGER_SETTLEMENTS_MAX / 10,
};

struct event_id {
    char text[QUEUE_ID_BYTES];
};

struct settle_again {
    struct server *server;       /* borrowed */
    struct queue_reader *reader; /* owned */
    usec_t newest;
    int64_t last_listed;  /* the number of a delivery */
    unsigned page;        /* of this page */
    struct event_id *ids; /* owned; the newest first; those that are left */
    unsigned count, room, settled;
    bool too_many;
};

void server_settle_again_free(struct settle_again *again)
{
    if (again != NULL) {
        queue_reader_close(again->reader);
        memory_free(again->ids);
        memory_free(again);
    }
}

/* ---- which events ---- */

static const struct hook *hook_of(const struct settle_again *again, struct slice name)
{
    const struct hook *hook = hook_table_named(&again->server->snapshot->hook_table, name);
    return hook != NULL && hook->settle_count > 0 ? hook : NULL;
}

static void note_newest(void *ctx, const struct queue_entry *entry)
{
    struct settle_again *again = ctx;
    again->newest = entry->received_at;
}

/* Deliveries of an event follow each other. */
static void note_event(void *ctx, const struct queue_entry *entry)
{
    struct settle_again *again = ctx;
    again->page++;
    again->last_listed = entry->number;
    bool known =
        again->count > 0 && slice_equal(slice_from(again->ids[again->count - 1].text), entry->id);
    if (known || entry->id.len >= QUEUE_ID_BYTES || hook_of(again, entry->hook) == NULL) {
        return;
    }
    if (again->count == EVENTS_MAX) {
        again->too_many = true;
        return;
    }
    MEMORY_GROW(again->ids, again->count, &again->room);
    struct event_id *id = &again->ids[again->count++];
    memcpy(id->text, entry->id.ptr, entry->id.len);
    id->text[entry->id.len] = '\0';
}

static enum status find_events(struct settle_again *again, struct error *err)
{
    struct queue_filter filter = {0};
    TRY(queue_reader_list(again->reader, &filter, 0, 1, again, note_newest, err));
    filter.since = again->newest > LOOKS_BACK ? again->newest - LOOKS_BACK : 0;
    again->page = again->newest > 0 ? PAGE : 0;
    while (again->page == PAGE && !again->too_many) {
        again->page = 0;
        TRY(queue_reader_list(again->reader, &filter, again->last_listed, PAGE, again, note_event,
                              err));
    }
    if (again->too_many) {
        log_warn("webhooks: of the last events those that settle costs are more than %d: what the "
                 "oldest of them say is not said to the ledger again",
                 EVENTS_MAX);
    }
    return STATUS_OK;
}

/* ---- what they say ---- */

struct event {
    struct settle_again *again;
    struct slice hook, id;
};

static void settle_one(void *ctx, struct settle_said *said)
{
    const struct event *event = ctx;
    struct ledger_settlement *settlement = &said->settlement;
    if (said->verdict != SETTLE_SAID) {
        return; /* what cannot be read was said when it came */
    }
    LEDGER_TEXT(settlement->hook, event->hook);
    LEDGER_TEXT(settlement->event, event->id);
    settlement->again = true;
    ledger_settle(event->again->server->ledger, settlement);
    event->again->settled++;
}

static void settle_event(void *ctx, const struct queue_entry *entry, struct slice fields,
                         struct slice body)
{
    struct settle_again *again = ctx;
    struct event event = {again, entry->hook, entry->id};
    const struct hook *hook = hook_of(again, entry->hook); /* a reload may have taken it away */
    (void)fields;
    if (hook != NULL) {
        (void)settle_read(hook, entry->type, body, &event, settle_one);
    }
}

static void pass_over(void *ctx, const struct queue_entry *entry)
{
    (void)ctx;
    (void)entry;
}

static enum status say_some(struct settle_again *again, unsigned most, struct error *err)
{
    struct ledger *ledger = again->server->ledger;
    for (; again->count > 0 && most > 0 && ledger_settle_room(ledger) >= ROOM; most--) {
        struct slice id = slice_from(again->ids[again->count - 1].text);
        enum status status =
            queue_reader_show(again->reader, id, again, settle_event, pass_over, err);
        if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
            return status;
        }
        again->count--;
    }
    return STATUS_OK;
}

/* ---- life ---- */

static bool any_settles(const struct snapshot *snapshot)
{
    bool any = false;
    for (unsigned i = 0; i < snapshot->hook_count; i++) {
        any = any || snapshot->hooks[i]->settle_count > 0;
    }
    return any;
}

/* It has ended, or waits for room. */
static void conclude(struct server *server, enum status status, const struct error *err)
{
    const struct settle_again *again = server->settle_again;
    if (status != STATUS_OK) {
        log_warn("webhooks: what the last events say of costs cannot be read again: %s",
                 err->message);
    } else if (again->count > 0) {
        return;
    } else if (again->settled > 0) {
        log_info("webhooks: what the last %u events say of costs is said to the ledger again",
                 again->settled);
    }
    server_settle_again_free(TAKE(server->settle_again));
}

void server_settle_again(struct server *server)
{
    struct error err;
    if (server->ledger == NULL || server->queue == NULL || !any_settles(server->snapshot)) {
        return;
    }
    struct settle_again *again = MEMORY_NEW(struct settle_again);
    again->server = server;
    server->settle_again = again;
    enum status status = queue_reader_open(server->snapshot->queue.path, &again->reader, &err);
    if (status == STATUS_OK) {
        status = find_events(again, &err);
    }
    if (status == STATUS_OK) {
        status = say_some(again, UINT_MAX, &err);
    }
    conclude(server, status, &err);
}

void server_settle_again_tick(struct server *server)
{
    struct error err;
    if (server->settle_again != NULL) {
        conclude(server, say_some(server->settle_again, AT_ONCE, &err), &err);
    }
}
