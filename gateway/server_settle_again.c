#include "gateway/server_settle_again.h"

#include "base/memory.h"
#include "config/snapshot.h"
#include "gateway/ledger/ledger_settlement.h"
#include "gateway/observe/log.h"
#include "gateway/server_state.h"
#include "gateway/webhook/queue_reader.h"
#include "gateway/webhook/settle_read.h"

#include <string.h>

/* Before the last event that came: what was not settled by then had no row, and waits no longer. */
#define LOOKS_BACK (120 * SEC)

enum { DELIVERIES_MAX = 20000 };

struct event_id {
    char text[QUEUE_ID_BYTES];
};

struct recalled {
    struct server *server;
    usec_t newest;
    struct event_id *ids; /* owned; the newest first */
    unsigned count, room, settled;
};

static const struct hook *hook_of(const struct recalled *recalled, struct slice name)
{
    const struct hook *hook = hook_table_named(&recalled->server->snapshot->hook_table, name);
    return hook != NULL && hook->settle_count > 0 ? hook : NULL;
}

static void note_newest(void *ctx, const struct queue_entry *entry)
{
    struct recalled *recalled = ctx;
    recalled->newest = entry->received_at;
}

/* Deliveries of an event follow each other. */
static void note_event(void *ctx, const struct queue_entry *entry)
{
    struct recalled *recalled = ctx;
    bool known = recalled->count > 0 &&
                 slice_equal(slice_from(recalled->ids[recalled->count - 1].text), entry->id);
    if (known || entry->id.len >= QUEUE_ID_BYTES || hook_of(recalled, entry->hook) == NULL) {
        return;
    }
    MEMORY_GROW(recalled->ids, recalled->count, &recalled->room);
    struct event_id *id = &recalled->ids[recalled->count++];
    memcpy(id->text, entry->id.ptr, entry->id.len);
    id->text[entry->id.len] = '\0';
}

static void settle_event(void *ctx, const struct queue_entry *entry, struct slice fields,
                         struct slice body)
{
    struct recalled *recalled = ctx;
    struct ledger_settlement settlement;
    char text[SETTLE_TEXT_MAX];
    const struct hook *hook = hook_of(recalled, entry->hook);
    (void)fields;
    if (hook == NULL || settle_read(hook, entry->type, body, &settlement, text) != SETTLE_SAID) {
        return; /* what cannot be read was said when it came */
    }
    LEDGER_TEXT(settlement.hook, entry->hook);
    LEDGER_TEXT(settlement.event, entry->id);
    settlement.again = true;
    ledger_settle(recalled->server->ledger, &settlement);
    recalled->settled++;
}

static void pass_over(void *ctx, const struct queue_entry *entry)
{
    (void)ctx;
    (void)entry;
}

static enum status recall(struct queue_reader *reader, struct recalled *recalled, struct error *err)
{
    struct queue_filter filter = {0};
    TRY(queue_reader_list(reader, &filter, 0, 1, recalled, note_newest, err));
    filter.since = recalled->newest > LOOKS_BACK ? recalled->newest - LOOKS_BACK : 0;
    if (recalled->newest > 0) {
        TRY(queue_reader_list(reader, &filter, 0, DELIVERIES_MAX, recalled, note_event, err));
    }
    for (unsigned i = recalled->count; i > 0; i--) {
        enum status status = queue_reader_show(reader, slice_from(recalled->ids[i - 1].text),
                                               recalled, settle_event, pass_over, err);
        if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
            return status;
        }
    }
    return STATUS_OK;
}

static bool any_settles(const struct snapshot *snapshot)
{
    bool any = false;
    for (unsigned i = 0; i < snapshot->hook_count; i++) {
        any = any || snapshot->hooks[i]->settle_count > 0;
    }
    return any;
}

void server_settle_again(struct server *server)
{
    struct error err;
    struct queue_reader *reader = NULL;
    struct recalled recalled = {.server = server};
    if (server->ledger == NULL || server->queue == NULL || !any_settles(server->snapshot)) {
        return;
    }
    enum status status = queue_reader_open(server->snapshot->queue.path, &reader, &err);
    if (status == STATUS_OK) {
        status = recall(reader, &recalled, &err);
    }
    queue_reader_close(reader);
    memory_free(recalled.ids);
    if (status != STATUS_OK) {
        log_warn("webhooks: what the last events say of costs cannot be read again: %s",
                 err.message);
    } else if (recalled.settled > 0) {
        log_info("webhooks: what the last %u events say of costs is said to the ledger again",
                 recalled.settled);
    }
}
