/* store_redis_filling: what becomes of windows when the store has lost its data: until the gateways
 * that were alive have handed in what they had charged, or a minute is over, each follows
 * on_failure. */
#include "base/memory.h"
#include "limiter/store_redis_state.h"

#include <string.h>

static void lock(struct store_redis *store)
{
    (void)pthread_mutex_lock(&store->lock);
}

static void unlock(struct store_redis *store)
{
    (void)pthread_mutex_unlock(&store->lock);
}

/* Under the lock. */
static void facts_change(struct store_redis *store)
{
    (void)atomic_fetch_add_explicit(&store->facts_version, 1, memory_order_release);
}

/* ---- who waits for whom ---- */

bool store_redis_is_filling(const struct store_redis *store)
{
    usec_t until = atomic_load_explicit(&store->filling_until, memory_order_relaxed);
    return until != 0 && store->settings.clock.now() < until;
}

void store_redis_learn_filling(struct store_redis_side *side, const struct redis_answer *answer)
{
    struct store_redis *store = side->store;
    usec_t now = store->settings.clock.now();
    if (answer->data_lost) {
        return; /* said before this gateway knew */
    }
    lock(store);
    if (answer->needed > answer->handed && answer->wait_ms > 0) {
        atomic_store(&store->filling_until, now + answer->wait_ms * MSEC);
    } else if (answer->needed > 0 || !store_redis_is_filling(store)) {
        atomic_store(&store->filling_until, 0);
        if (store->facts.known > 0 && answer->needed > 0) {
            store->facts.known = 0;
            facts_change(store);
        }
        store->gateways = answer->gateways;
    }
    unlock(store);
}

/* ---- handing in ---- */

void store_redis_set_ledger(struct store_redis *store, const char *name)
{
    lock(store);
    memcpy(store->facts.ledger, name, sizeof(store->facts.ledger));
    store->facts.has_ledger = true;
    facts_change(store);
    unlock(store);
}

bool store_redis_epoch(struct store_redis *store, char ret[17])
{
    lock(store);
    memcpy(ret, store->facts.epoch, sizeof(store->facts.epoch));
    unlock(store);
    return ret[0] != '\0';
}

void store_redis_handed_in(struct store_redis *store, const char *epoch)
{
    lock(store);
    if (strcmp(store->facts.epoch, epoch) == 0 && !store->facts.handed_in) {
        store->facts.handed_in = true;
        facts_change(store);
    }
    unlock(store);
}

void store_redis_hand_in(struct store_redis *store, const struct hand_in *hand_in)
{
    struct operation *operation = operation_new(OPERATION_HAND_IN, NULL);
    operation->hand_in = memory_alloc(sizeof(*hand_in) + hand_in->key.len);
    char *key = (char *)(operation->hand_in + 1);
    *operation->hand_in = *hand_in;
    memcpy(key, hand_in->key.ptr, hand_in->key.len);
    operation->hand_in->key.ptr = key;
    (void)atomic_fetch_add(&store->handing_in, 1);
    lock(store);
    operation->next = store->hand_ins.first;
    store->hand_ins.first = operation;
    unlock(store);
}

bool store_redis_is_handing_in(const struct store_redis *store)
{
    return atomic_load(&store->handing_in) > 0;
}

struct operation *store_redis_next_hand_in(struct store_redis *store)
{
    if (!store_redis_is_handing_in(store)) {
        return NULL;
    }
    lock(store);
    struct operation *operation = store->hand_ins.first;
    if (operation != NULL) {
        store->hand_ins.first = operation->next;
    }
    unlock(store);
    return operation;
}

/* ---- handing over ---- */

void store_redis_hand_over_begins(struct store_redis *store)
{
    (void)atomic_fetch_add(&store->handing_over, 1);
}

void store_redis_hand_over_ends(struct store_redis *store)
{
    (void)atomic_fetch_add(&store->handed_over, 1);
    (void)atomic_fetch_sub(&store->handing_over, 1);
}

bool store_redis_is_handing_over(const struct store_redis *store)
{
    return local_shares_have_debts(store->shares) || atomic_load(&store->handing_over) > 0;
}

unsigned store_redis_handed_over(const struct store_redis *store)
{
    return atomic_load(&store->handed_over);
}

/* ---- handing in, again ---- */

unsigned store_redis_hand_ins_lost(const struct store_redis *store)
{
    return atomic_load(&store->hand_ins_lost);
}

void store_redis_hand_in_is_lost(struct store_redis *store)
{
    (void)atomic_fetch_add(&store->hand_ins_lost, 1);
    store_redis_hand_in_ends(store);
}

void store_redis_hand_in_ends(struct store_redis *store)
{
    (void)atomic_fetch_sub(&store->handing_in, 1);
}
