#include "gateway/ledger/ledger_keys.h"

void ledger_keys_init(struct ledger_keys *keys)
{
    (void)pthread_mutex_init(&keys->lock, NULL);
}

static void forget(struct ledger_keys *keys)
{
    table_fini(&keys->index);
    arena_fini(&keys->arena);
    keys->arena = (struct arena){0};
    keys->count = 0;
    keys->first = NULL;
}

void ledger_keys_fini(struct ledger_keys *keys)
{
    forget(keys);
    (void)pthread_mutex_destroy(&keys->lock);
}

static struct slice hash_bytes(const uint64_t *hash)
{
    return slice_make((const char *)hash, sizeof(*hash));
}

/* Under the lock. */
static struct ledger_key *make(struct ledger_keys *keys, uint64_t hash, struct slice text)
{
    struct ledger_key *key = ARENA_NEW(&keys->arena, struct ledger_key);
    key->hash = hash;
    key->text = arena_copy(&keys->arena, text);
    keys->count++;
    (void)table_add(&keys->index, hash_bytes(&key->hash), key);
    return key;
}

/* Under the lock. */
static void wait_to_be_written(struct ledger_keys *keys, struct ledger_key *key)
{
    if (!key->waits) {
        key->waits = true;
        key->next = keys->first;
        keys->first = key;
    }
}

bool ledger_keys_note(struct ledger_keys *keys, uint64_t hash, int64_t end_ms, struct slice text)
{
    bool noted = false;
    (void)pthread_mutex_lock(&keys->lock);
    struct ledger_key *key = table_get(&keys->index, hash_bytes(&hash));
    if (key == NULL && keys->count < LEDGER_KEYS_MAX) {
        key = make(keys, hash, text);
    }
    if (key != NULL && key->end_ms < end_ms) {
        key->end_ms = end_ms;
        wait_to_be_written(keys, key);
        noted = true;
    }
    (void)pthread_mutex_unlock(&keys->lock);
    return noted;
}

bool ledger_keys_wait(struct ledger_keys *keys)
{
    (void)pthread_mutex_lock(&keys->lock);
    bool any = keys->first != NULL;
    (void)pthread_mutex_unlock(&keys->lock);
    return any;
}

/* A copy of each, for ends may change while they are written. */
struct ledger_key *ledger_keys_take(struct ledger_keys *keys)
{
    struct ledger_key *taken = NULL;
    (void)pthread_mutex_lock(&keys->lock);
    for (struct ledger_key *key = keys->first; key != NULL; key = key->next) {
        struct ledger_key *copy = MEMORY_NEW(struct ledger_key);
        *copy = *key;
        copy->next = taken;
        taken = copy;
        key->waits = false;
    }
    keys->first = NULL;
    (void)pthread_mutex_unlock(&keys->lock);
    return taken;
}

static void free_list(struct ledger_key *list)
{
    while (list != NULL) {
        struct ledger_key *next = list->next;
        memory_free(list);
        list = next;
    }
}

void ledger_keys_put_back(struct ledger_keys *keys, struct ledger_key *take_list)
{
    (void)pthread_mutex_lock(&keys->lock);
    for (const struct ledger_key *key = take_list; key != NULL; key = key->next) {
        struct ledger_key *own = table_get(&keys->index, hash_bytes(&key->hash));
        if (own != NULL) {
            wait_to_be_written(keys, own);
        }
    }
    (void)pthread_mutex_unlock(&keys->lock);
    free_list(take_list);
}

void ledger_keys_written(struct ledger_keys *keys, struct ledger_key *take_list)
{
    (void)pthread_mutex_lock(&keys->lock);
    if (keys->count >= LEDGER_KEYS_MAX && keys->first == NULL) {
        forget(keys);
    }
    (void)pthread_mutex_unlock(&keys->lock);
    free_list(take_list);
}
