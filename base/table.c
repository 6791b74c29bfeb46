#include "base/table.h"

#include "base/memory.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include <openssl/rand.h>

static uint64_t own_seed[2];

static void make_seed(void)
{
    if (RAND_bytes((unsigned char *)own_seed, sizeof(own_seed)) != 1) {
        abort();
    }
}

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return (value << bits) | (value >> (64 - bits));
}

struct sip {
    uint64_t v0, v1, v2, v3;
};

static void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

/* SipHash-1-3. */
static inline uint64_t sip_hash(const uint64_t seed[2], struct slice key)
{
    struct sip s = {0x736f6d6570736575U ^ seed[0], 0x646f72616e646f6dU ^ seed[1],
                    0x6c7967656e657261U ^ seed[0], 0x7465646279746573U ^ seed[1]};
    const char *ptr = key.ptr;
    size_t left = key.len;
    for (; left >= 8; left -= 8, ptr += 8) {
        uint64_t word;
        memcpy(&word, ptr, 8);
        s.v3 ^= word;
        sip_round(&s);
        s.v0 ^= word;
    }
    uint64_t last = (uint64_t)key.len << 56;
    for (size_t i = 0; i < left; i++) {
        last |= (uint64_t)(unsigned char)ptr[i] << (8 * i);
    }
    s.v3 ^= last;
    sip_round(&s);
    s.v0 ^= last;
    s.v2 ^= 0xff;
    sip_round(&s);
    sip_round(&s);
    sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t table_hash(struct slice key)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, make_seed);
    return sip_hash(own_seed, key);
}

uint64_t table_hash_with(const uint64_t seed[2], struct slice key)
{
    return sip_hash(seed, key);
}

void table_fini(struct table *table)
{
    memory_free(table->entries);
    *table = (struct table){0};
}

static struct table_entry *find(const struct table *table, struct slice key, uint64_t hash)
{
    size_t mask = table->size - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct table_entry *entry = &table->entries[i];
        if (entry->value == NULL || (entry->hash == hash && slice_equal(entry->key, key))) {
            return entry;
        }
    }
}

static void grow(struct table *table)
{
    struct table old = *table;
    table->size = old.size == 0 ? 16 : old.size * 2;
    table->entries = memory_alloc(table->size * sizeof(*table->entries));
    for (size_t i = 0; i < old.size; i++) {
        if (old.entries[i].value != NULL) {
            *find(table, old.entries[i].key, old.entries[i].hash) = old.entries[i];
        }
    }
    memory_free(old.entries);
}

void *table_add(struct table *table, struct slice key, void *value)
{
    assert(value != NULL);
    if ((table->count + 1) * 2 > table->size) {
        grow(table);
    }
    uint64_t hash = table_hash(key);
    struct table_entry *entry = find(table, key, hash);
    if (entry->value != NULL) {
        return entry->value;
    }
    *entry = (struct table_entry){key, value, hash};
    table->count++;
    return NULL;
}

void *table_get(const struct table *table, struct slice key)
{
    return table->count == 0 ? NULL : find(table, key, table_hash(key))->value;
}
