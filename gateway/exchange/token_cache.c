#include "gateway/exchange/token_cache.h"

#include "base/memory.h"

#include <stdbool.h>
#include <string.h>

enum { SETS = TOKEN_CACHE_PLACES / TOKEN_CACHE_WAYS };

struct token_cache {
    struct token_entry entries[SETS][TOKEN_CACHE_WAYS];
};

struct token_cache *token_cache_new(void)
{
    return MEMORY_NEW(struct token_cache);
}

void token_cache_free(struct token_cache *cache)
{
    memory_free(cache);
}

static unsigned set_of(const unsigned char hash[SHA256_BYTES])
{
    uint32_t front;
    memcpy(&front, hash, sizeof(front));
    return front % SETS;
}

const struct token_entry *token_cache_get(const struct token_cache *cache,
                                          const unsigned char hash[SHA256_BYTES],
                                          uint64_t generation, usec_t wall)
{
    const struct token_entry *set = cache->entries[set_of(hash)];
    for (unsigned i = 0; i < TOKEN_CACHE_WAYS; i++) {
        if (set[i].generation == generation && wall < set[i].until &&
            memcmp(set[i].hash, hash, SHA256_BYTES) == 0) {
            return &set[i];
        }
    }
    return NULL;
}

void token_cache_put(struct token_cache *cache, const struct token_entry *entry, usec_t wall)
{
    struct token_entry *set = cache->entries[set_of(entry->hash)];
    struct token_entry *place = &set[0];
    for (unsigned i = 0; i < TOKEN_CACHE_WAYS; i++) {
        bool same = memcmp(set[i].hash, entry->hash, SHA256_BYTES) == 0;
        bool useless = set[i].generation != entry->generation || wall >= set[i].until;
        if (same || useless) {
            place = &set[i];
            break;
        }
        if (set[i].until < place->until) {
            place = &set[i];
        }
    }
    *place = *entry;
}
