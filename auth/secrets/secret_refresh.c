#include "auth/outbound/secret_parts.h"
#include "auth/secrets/secret_slot.h"
#include "auth/secrets/secret_store.h"
#include "base/memory.h"

#include <stdio.h>

/* All slots, each with a reference, so that sources are read without the lock. */
struct slot_list {
    struct secret_slot **all; /* owned */
    unsigned count;
};

static struct slot_list list_slots(struct secret_store *store)
{
    struct slot_list list = {NULL, 0};
    unsigned size = 0;
    (void)pthread_mutex_lock(&store->mutex);
    for (struct secret_slot *slot = store->slots; slot != NULL; slot = slot->next) {
        /* An array of pointers is meant. NOLINTNEXTLINE(bugprone-sizeof-expression) */
        MEMORY_GROW(list.all, list.count, &size);
        list.all[list.count++] = slot;
        slot->refs++;
    }
    (void)pthread_mutex_unlock(&store->mutex);
    return list;
}

static void drop_list(struct slot_list *list)
{
    for (unsigned i = 0; i < list->count; i++) {
        secret_slot_unref(list->all[i]);
    }
    memory_free(list->all);
}

static struct version *version_new(const char *name, struct secret *take_secret, uint64_t number)
{
    struct scrubber *scrubber = scrubber_for_secret(secret_reveal(take_secret));
    return (struct version *)credential_new(name, take_secret, scrubber, number);
}

/* `take_version` may be NULL. */
static void put_in_force(struct secret_slot *slot, struct version *take_version)
{
    (void)pthread_mutex_lock(&slot->mutex);
    struct version *old = slot->current;
    slot->current = take_version;
    (void)pthread_mutex_unlock(&slot->mutex);
    credential_unref(old == NULL ? NULL : &old->public);
}

static uint64_t stamp_of(const struct secret_store *store, const char *name)
{
    uint64_t stamp = store->source_generation;
    for (unsigned i = 0; i < store->source_count; i++) {
        stamp = stamp * 0x100000001b3U ^ secret_source_stamp(&store->sources[i].source, name);
    }
    return stamp;
}

static bool is_due(const struct secret_slot *slot, uint64_t stamp, usec_t now)
{
    bool suspect = atomic_load_explicit(&slot->suspect, memory_order_relaxed) &&
                   (!slot->ever_suspected || now - slot->suspected_at >= SECRET_REFRESH);
    return slot->health == HEALTH_NEVER_READ || stamp != slot->stamp ||
           now - slot->read_at >= SECRET_REFRESH || suspect;
}

static void say_where_it_is_not(const struct secret_store *store, const char *name,
                                struct error *err)
{
    char places[300] = "";
    for (unsigned i = 0; i < store->source_count; i++) {
        char place[128];
        secret_source_describe(&store->sources[i].source, name, place, sizeof(place));
        size_t used = strlen(places);
        (void)snprintf(places + used, sizeof(places) - used, "%s%s", used > 0 ? ", " : "", place);
    }
    (void)error_set(err, STATUS_NOT_FOUND, __FILE__, __LINE__, "is in no source; looked for: %s",
                    store->source_count == 0 ? "none is configured" : places);
}

static enum status search(const struct secret_store *store, const char *name, struct secret **ret,
                          struct error *err)
{
    for (unsigned i = 0; i < store->source_count; i++) {
        struct store_source *source = &store->sources[i];
        enum status status = secret_source_read(&source->source, &source->cache, name, ret, err);
        if (status != STATUS_NOT_FOUND) {
            return status;
        }
    }
    say_where_it_is_not(store, name, err);
    return STATUS_NOT_FOUND;
}

/* These three tell whether there is news. */
static bool note_value(struct secret_slot *slot, struct secret *take_secret, usec_t now,
                       struct secret_news *news)
{
    bool recovered = slot->health == HEALTH_FAILING;
    slot->health = HEALTH_GOOD;
    slot->confirmed_at = now;
    if (slot->current != NULL &&
        secret_equal(secret_reveal(slot->current->secret), secret_reveal(take_secret))) {
        secret_free(take_secret);
        return recovered;
    }
    put_in_force(slot, version_new(slot->name, take_secret, ++slot->last_version));
    news->changed = true;
    news->version = slot->last_version;
    return true;
}

static bool note_absence(struct secret_slot *slot, struct secret_news *news)
{
    bool first = slot->health != HEALTH_MISSING;
    slot->health = HEALTH_MISSING;
    put_in_force(slot, NULL);
    news->missing = true;
    return first;
}

static bool note_failure(struct secret_slot *slot, struct secret_news *news)
{
    bool first = slot->health != HEALTH_FAILING;
    slot->health = HEALTH_FAILING;
    news->failed = true;
    news->missing = slot->current == NULL;
    return first;
}

static bool read_slot(struct secret_store *store, struct secret_slot *slot, usec_t now,
                      struct secret_news *news)
{
    struct secret *secret = NULL;
    if (atomic_exchange_explicit(&slot->suspect, false, memory_order_relaxed)) {
        slot->ever_suspected = true;
        slot->suspected_at = now;
    }
    slot->read_at = now;
    switch (search(store, slot->name, &secret, &news->err)) {
    case STATUS_OK:
        return note_value(slot, secret, now, news);
    case STATUS_NOT_FOUND:
        return note_absence(slot, news);
    case STATUS_INVALID:
    case STATUS_DENIED:
    case STATUS_TIMEOUT:
    case STATUS_UNAVAILABLE:
    case STATUS_TOO_LARGE:
    case STATUS_CANCELED:
    case STATUS_COUNT:
        break;
    }
    return note_failure(slot, news);
}

/* A source that has failed for too long: nobody can say that the value is still good. */
static bool drop_if_stale(struct secret_slot *slot, usec_t now, struct secret_news *news)
{
    if (slot->health != HEALTH_FAILING || slot->current == NULL ||
        now - slot->confirmed_at < SECRET_MAX_STALE) {
        return false;
    }
    put_in_force(slot, NULL);
    if (!news->failed) {
        (void)error_set(&news->err, STATUS_UNAVAILABLE, __FILE__, __LINE__,
                        "could not be read for an hour; the old value is dropped");
    }
    news->failed = true;
    news->missing = true;
    return true;
}

void secret_store_refresh(struct secret_store *store, usec_t now,
                          void (*report)(void *ctx, const struct secret_news *news), void *ctx)
{
    struct slot_list list = list_slots(store);
    for (unsigned i = 0; i < list.count; i++) {
        struct secret_slot *slot = list.all[i];
        struct secret_news news = {.name = slot->name};
        bool is_news = false;
        /* Before the read: what changes in between will be seen as a change the next time. */
        uint64_t stamp = stamp_of(store, slot->name);
        if (is_due(slot, stamp, now)) {
            slot->stamp = stamp;
            is_news = read_slot(store, slot, now, &news);
        }
        is_news = drop_if_stale(slot, now, &news) || is_news;
        if (is_news && report != NULL) {
            report(ctx, &news);
        }
    }
    /* What was opened serves one refresh: nothing is kept in memory that no slot uses. */
    for (unsigned i = 0; i < store->source_count; i++) {
        secret_source_cache_fini(&store->sources[i].cache);
    }
    drop_list(&list);
}
