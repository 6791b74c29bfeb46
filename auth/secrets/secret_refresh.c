#include "auth/outbound/secret_parts.h"
#include "auth/secrets/secret_slot.h"
#include "auth/secrets/secret_store.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All slots, each with a reference, so that sources are read without the lock. */
struct slot_list {
    struct secret_slot **all; /* owned */
    unsigned count;
};

/* What sources need themselves goes first: those that stand higher before those below. */
static int by_limit(const void *a, const void *b)
{
    const struct secret_slot *const *one = a;
    const struct secret_slot *const *other = b;
    unsigned left = (*one)->source_limit;
    unsigned right = (*other)->source_limit;
    return left < right ? -1 : left > right;
}

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
    if (list.count > 1) {
        /* An array of pointers is meant. NOLINTNEXTLINE(bugprone-sizeof-expression) */
        qsort(list.all, list.count, sizeof(struct secret_slot *), by_limit);
    }
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

static unsigned searched(const struct secret_store *store, const struct secret_slot *slot)
{
    return store->source_count < slot->source_limit ? store->source_count : slot->source_limit;
}

static uint64_t stamp_of(const struct secret_store *store, const struct secret_slot *slot)
{
    uint64_t stamp = store->source_generation;
    for (unsigned i = 0; i < searched(store, slot); i++) {
        const struct secret_source *source = &store->sources[i].source;
        uint64_t of_source =
            secret_source_remote(source)
                ? store->remote == NULL
                      ? 0
                      : store->remote->stamp(store->remote_ctx, source->id, slot->name)
                : secret_source_stamp(source, slot->name);
        stamp = stamp * 0x100000001b3U ^ of_source;
    }
    return stamp;
}

/* A refusal counts once a minute; until then it is kept. */
static bool is_suspect(const struct secret_slot *slot, usec_t now)
{
    return atomic_load_explicit(&slot->suspect, memory_order_relaxed) &&
           (!slot->ever_suspected || now - slot->suspected_at >= SECRET_REFRESH);
}

static bool is_due(const struct secret_slot *slot, uint64_t stamp, usec_t now)
{
    return slot->health == HEALTH_NEVER_READ || stamp != slot->stamp ||
           now - slot->read_at >= SECRET_REFRESH || is_suspect(slot, now);
}

static void say_where_it_is_not(const struct secret_store *store, const struct secret_slot *slot,
                                struct error *err)
{
    char places[300] = "";
    for (unsigned i = 0; i < searched(store, slot); i++) {
        char place[128];
        secret_source_describe(&store->sources[i].source, slot->name, place, sizeof(place));
        size_t used = strlen(places);
        (void)snprintf(places + used, sizeof(places) - used, "%s%s", used > 0 ? ", " : "", place);
    }
    (void)error_set(err, STATUS_NOT_FOUND, __FILE__, __LINE__, "is in no source; looked for: %s",
                    places[0] == '\0' ? "none is configured" : places);
}

/* What a search came to. */
struct found {
    struct secret_known_value value;
    unsigned source;
};

static enum secret_known as_known(enum status status)
{
    return status == STATUS_OK          ? SECRET_KNOWN
           : status == STATUS_NOT_FOUND ? SECRET_ABSENT
                                        : SECRET_FAILS;
}

static enum secret_known ask_one(const struct secret_store *store, unsigned index, const char *name,
                                 bool anew, struct secret_known_value *ret, struct error *err)
{
    struct store_source *source = &store->sources[index];
    if (secret_source_remote(&source->source) && store->remote == NULL) {
        (void)error_set(err, STATUS_UNAVAILABLE, __FILE__, __LINE__, "%s is not asked here",
                        source->source.where);
        return SECRET_FAILS;
    }
    if (secret_source_remote(&source->source)) {
        return store->remote->ask(store->remote_ctx, source->source.id, name, anew, ret, err);
    }
    return as_known(secret_source_read(&source->source, &source->cache, name, &ret->secret, err));
}

static enum secret_known search(const struct secret_store *store, const struct secret_slot *slot,
                                bool anew, struct found *ret, struct error *err)
{
    for (unsigned i = 0; i < searched(store, slot); i++) {
        enum secret_known known = ask_one(store, i, slot->name, anew, &ret->value, err);
        ret->source = i;
        if (known != SECRET_ABSENT) {
            return known;
        }
    }
    say_where_it_is_not(store, slot, err);
    return SECRET_ABSENT;
}

/* These three tell whether there is news. */
static bool note_value(struct secret_slot *slot, const struct found *take_found,
                       struct secret_news *news)
{
    const struct secret_known_value *value = &take_found->value;
    const struct secret_source *source = &slot->store->sources[take_found->source].source;
    bool recovered = slot->health == HEALTH_FAILING;
    slot->health = HEALTH_GOOD;
    slot->confirmed_at = value->at;
    slot->max_stale = value->max_stale;
    slot->source = secret_source_types[source->kind];
    (void)snprintf(slot->source_version, sizeof(slot->source_version), "%s", value->version);
    if (slot->current != NULL &&
        secret_equal(secret_reveal(slot->current->secret), secret_reveal(value->secret))) {
        secret_free(value->secret);
        return recovered;
    }
    put_in_force(slot, version_new(slot->name, value->secret, ++slot->last_version));
    news->changed = true;
    news->version = slot->last_version;
    news->source = slot->source;
    news->where = source->where;
    news->source_version = slot->source_version;
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
    struct found found = {.value = {.at = now, .max_stale = SECRET_MAX_STALE}};
    bool suspect = is_suspect(slot, now);
    if (suspect) {
        atomic_store_explicit(&slot->suspect, false, memory_order_relaxed);
        slot->ever_suspected = true;
        slot->suspected_at = now;
    }
    slot->read_at = now;
    switch (search(store, slot, suspect, &found, &news->err)) {
    case SECRET_KNOWN:
        return note_value(slot, &found, news);
    case SECRET_ABSENT:
        return note_absence(slot, news);
    case SECRET_FAILS:
        return note_failure(slot, news);
    case SECRET_NOT_KNOWN:
        break;
    }
    /* What is in force stays until more is known. */
    if (slot->current == NULL) {
        slot->health = HEALTH_NEVER_READ;
    }
    return false;
}

/* A source that has failed for too long: nobody can say that the value is still good. */
static bool drop_if_stale(struct secret_slot *slot, usec_t now, struct secret_news *news)
{
    if (slot->health != HEALTH_FAILING || slot->current == NULL ||
        now - slot->confirmed_at < slot->max_stale) {
        return false;
    }
    put_in_force(slot, NULL);
    if (!news->failed) {
        (void)error_set(&news->err, STATUS_UNAVAILABLE, __FILE__, __LINE__,
                        "could not be read for %lld s; the old value is dropped",
                        (long long)((now - slot->confirmed_at) / SEC));
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
        uint64_t stamp = stamp_of(store, slot);
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

bool secret_slot_pending(const struct secret_slot *slot)
{
    return slot->health == HEALTH_NEVER_READ;
}

const char *secret_store_pending(struct secret_store *store)
{
    const char *name = NULL;
    struct slot_list list = list_slots(store);
    for (unsigned i = 0; i < list.count && name == NULL; i++) {
        name = secret_slot_pending(list.all[i]) ? list.all[i]->name : NULL;
    }
    drop_list(&list);
    return name;
}

/* One that a source needs itself may be in use by a route, too: that one is told of. */
static bool is_hidden_by_another(const struct slot_list *list, unsigned index)
{
    for (unsigned i = index + 1; i < list->count; i++) {
        if (strcmp(list->all[i]->name, list->all[index]->name) == 0) {
            return true;
        }
    }
    return false;
}

void secret_store_each(struct secret_store *store,
                       void (*visit)(void *ctx, const struct secret_standing *standing), void *ctx)
{
    struct slot_list list = list_slots(store);
    for (unsigned i = 0; i < list.count; i++) {
        const struct secret_slot *slot = list.all[i];
        if (is_hidden_by_another(&list, i)) {
            continue;
        }
        visit(ctx, &(struct secret_standing){
                       .name = slot->name,
                       .in_force = slot->current != NULL,
                       .failing = slot->health == HEALTH_FAILING,
                       .version = slot->current == NULL ? 0 : slot->last_version,
                       .source = slot->current == NULL ? NULL : slot->source,
                       .source_version = slot->current == NULL ? "" : slot->source_version,
                       .confirmed_at = slot->confirmed_at,
                   });
    }
    drop_list(&list);
}
