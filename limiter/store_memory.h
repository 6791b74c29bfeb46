/*
 * store_memory: usage in this process's memory, shared by its workers, kept over a reload.
 *
 * Keys lie in stripes, each with its own lock; a reservation locks those that its keys lie in, in
 * order, decides, and unlocks: never a callback under a lock. Cells of keys that are full again,
 * out of their window and without open reservations are dropped as the table grows, so that values
 * of `each` cannot grow it for ever. Nothing is ever pending, so no reservation outlives its
 * process and no deadline is needed.
 */
#pragma once

#include "limiter/store.h"

struct past_windows;
struct store_memory;

/* Any thread may use it from then on. */
struct store_memory *store_memory_new(const struct limiter_clock *clock);
void store_memory_free(struct store_memory *store); /* takes NULL; nothing may be held any more */

/* Windows go on where an earlier process left them. `past` is finished, and outlives the store;
 * first of all. */
void store_memory_recall(struct store_memory *store, struct past_windows *past);

/* For a worker, or any thread: the same for all. */
struct store_side store_memory_side(struct store_memory *store);

/* Copies what the key has counted; false if it is not known. `limit` tells rate, burst and window.
 */
bool store_memory_read(struct store_memory *store, const struct limit *limit, struct slice key,
                       struct store_entry *ret);

/* All keys, in no order; the entry's key lives during the call. Locks stripe by stripe. */
void store_memory_each(struct store_memory *store,
                       void (*visit)(void *ctx, const struct store_entry *entry), void *ctx);

/* Forgets what is settled: `used` is what is reserved now. False: unknown key. */
bool store_memory_reset(struct store_memory *store, const struct limit *limit, struct slice key);
/* Gives `amount` more room: in the current window, beyond its limit if need be; of a rate, until
 * the bucket is full. Both leave the totals, and slots that are held, as they are. */
bool store_memory_raise(struct store_memory *store, const struct limit *limit, struct slice key,
                        uint64_t amount);

/* Of a calendar window that is not over: what was charged to it turned out to be more, or less. */
struct store_correction {
    uint64_t hash; /* table_hash_with(seed, key) */
    int64_t start_ms, end_ms;
    int64_t change;
};
/* All of them, each once. Takes time for all keys there are, a stripe at a time. Sorts them. */
void store_memory_correct(struct store_memory *store, const uint64_t seed[2],
                          struct store_correction *corrections, unsigned count);
