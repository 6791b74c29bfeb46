#include "auth/secrets/secret_store.h"

#include "auth/outbound/scrub.h"
#include "auth/secrets/secret_slot.h"
#include "base/memory.h"

#include <limits.h>
#include <pthread.h>
#include <string.h>

static void free_sources(struct secret_store *store)
{
    for (unsigned i = 0; i < store->source_count; i++) {
        struct store_source *source = &store->sources[i];
        secret_source_cache_fini(&source->cache);
        for (size_t j = 0; j < sizeof(source->strings) / sizeof(source->strings[0]); j++) {
            memory_free(source->strings[j]);
        }
    }
    memory_free(store->sources);
    store->sources = NULL;
    store->source_count = 0;
}

struct secret_store *secret_store_new(void)
{
    struct secret_store *store = MEMORY_NEW(struct secret_store);
    (void)pthread_mutex_init(&store->mutex, NULL);
    store->refs = 1;
    return store;
}

static void store_unref(struct secret_store *store)
{
    (void)pthread_mutex_lock(&store->mutex);
    bool last = --store->refs == 0;
    (void)pthread_mutex_unlock(&store->mutex);
    if (last) {
        free_sources(store);
        (void)pthread_mutex_destroy(&store->mutex);
        memory_free(store);
    }
}

void secret_store_free(struct secret_store *store)
{
    if (store != NULL) {
        store_unref(store);
    }
}

struct secret_slot *secret_slot_ref(struct secret_store *store, const char *name)
{
    return secret_slot_ref_above(store, name, UINT_MAX);
}

struct secret_slot *secret_slot_ref_above(struct secret_store *store, const char *name,
                                          unsigned source_count)
{
    (void)pthread_mutex_lock(&store->mutex);
    struct secret_slot *slot = store->slots;
    while (slot != NULL && (slot->source_limit != source_count || strcmp(slot->name, name) != 0)) {
        slot = slot->next;
    }
    if (slot == NULL) {
        slot = MEMORY_NEW(struct secret_slot);
        slot->store = store;
        slot->source_limit = source_count;
        slot->name = memory_copy(slice_from(name));
        (void)pthread_mutex_init(&slot->mutex, NULL);
        slot->next = store->slots;
        store->slots = slot;
        store->refs++;
    }
    slot->refs++;
    (void)pthread_mutex_unlock(&store->mutex);
    return slot;
}

static void unlink_slot(struct secret_store *store, struct secret_slot *slot)
{
    struct secret_slot **link = &store->slots;
    while (*link != slot) {
        link = &(*link)->next;
    }
    *link = slot->next;
}

void secret_slot_unref(struct secret_slot *slot)
{
    if (slot == NULL) {
        return;
    }
    struct secret_store *store = slot->store;
    (void)pthread_mutex_lock(&store->mutex);
    bool last = --slot->refs == 0;
    if (last) {
        unlink_slot(store, slot);
    }
    (void)pthread_mutex_unlock(&store->mutex);
    if (!last) {
        return;
    }
    credential_unref(slot->current == NULL ? NULL : &slot->current->public);
    (void)pthread_mutex_destroy(&slot->mutex);
    memory_free(slot->name);
    memory_free(slot);
    store_unref(store);
}

struct credential *credential_acquire(struct secret_slot *slot)
{
    (void)pthread_mutex_lock(&slot->mutex);
    struct version *version = slot->current;
    if (version != NULL) {
        atomic_fetch_add_explicit(&version->refs, 1, memory_order_relaxed);
    }
    (void)pthread_mutex_unlock(&slot->mutex);
    return version == NULL ? NULL : &version->public;
}

struct credential *credential_ref(struct credential *credential)
{
    struct version *version = (struct version *)credential;
    atomic_fetch_add_explicit(&version->refs, 1, memory_order_relaxed);
    return credential;
}

struct credential *credential_new(const char *name, struct secret *take_secret,
                                  struct scrubber *take_scrubber, uint64_t number)
{
    struct version *version = MEMORY_NEW(struct version);
    version->refs = 1;
    version->name = memory_copy(slice_from(name));
    version->secret = take_secret;
    version->scrubber = take_scrubber;
    version->public =
        (struct credential){version->name, version->secret, version->scrubber, number};
    return &version->public;
}

void credential_unref(struct credential *credential)
{
    struct version *version = (struct version *)credential;
    if (version == NULL ||
        atomic_fetch_sub_explicit(&version->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    scrubber_free(version->scrubber);
    secret_free(version->secret);
    memory_free(version->name);
    memory_free(version);
}

void secret_slot_suspect(struct secret_slot *slot)
{
    atomic_store_explicit(&slot->suspect, true, memory_order_relaxed);
}

static const char *copy_string(struct store_source *source, unsigned index, const char *text)
{
    source->strings[index] = text == NULL ? NULL : memory_copy(slice_from(text));
    return source->strings[index];
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_sources(const struct secret_store *store, const struct secret_source *sources,
                         unsigned count)
{
    if (count != store->source_count) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        const struct secret_source *ours = &store->sources[i].source;
        if (ours->kind != sources[i].kind || !same_text(ours->path, sources[i].path) ||
            !same_text(ours->key_file, sources[i].key_file) ||
            !same_text(ours->prefix, sources[i].prefix) || !same_text(ours->id, sources[i].id)) {
            return false;
        }
    }
    return true;
}

void secret_store_set_sources(struct secret_store *store, const struct secret_source *sources,
                              unsigned count)
{
    if (same_sources(store, sources, count)) {
        return;
    }
    free_sources(store);
    store->sources = memory_alloc(count * sizeof(*store->sources));
    store->source_count = count;
    store->source_generation++;
    for (unsigned i = 0; i < count; i++) {
        struct store_source *source = &store->sources[i];
        source->source = (struct secret_source){
            .kind = sources[i].kind,
            .path = copy_string(source, 0, sources[i].path),
            .key_file = copy_string(source, 1, sources[i].key_file),
            .by_passphrase = sources[i].by_passphrase,
            .prefix = copy_string(source, 2, sources[i].prefix),
            .id = copy_string(source, 3, sources[i].id),
            .where = copy_string(source, 4, sources[i].where),
            .credential = copy_string(source, 5, sources[i].credential),
        };
    }
}

void secret_store_set_remote(struct secret_store *store, const struct secret_remote_ops *ops,
                             void *ctx)
{
    store->remote = ops;
    store->remote_ctx = ctx;
}
