/*
 * table: a hash table from bytes to pointers, for lookups in constant time.
 *
 * Open addressing, with a seed of the process's, so that peers cannot choose collisions. Keys are
 * borrowed: they outlive the table (usually they lie in the same arena). No removal.
 */
#pragma once

#include "base/slice.h"

#include <stdint.h>

struct table_entry {
    struct slice key; /* borrowed */
    void *value;      /* NULL: empty place */
    uint64_t hash;
};

/* Zero-initialized is an empty table. */
struct table {
    struct table_entry *entries; /* owned */
    size_t size;                 /* a power of two, or 0 */
    size_t count;
};

void table_fini(struct table *table);

/* `value` is not NULL. Returns the value that already had the key (and stays), or NULL. */
void *table_add(struct table *table, struct slice key, void *value);

/* NULL if absent. */
void *table_get(const struct table *table, struct slice key);

/* Seeded; differs from process to process. */
uint64_t table_hash(struct slice key);
/* With a seed of the caller's: for what outlives the process. */
uint64_t table_hash_with(const uint64_t seed[2], struct slice key);
