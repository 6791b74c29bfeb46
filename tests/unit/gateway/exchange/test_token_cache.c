#include "gateway/exchange/token_cache.h"

#include <string.h>

#include <criterion/criterion.h>

static struct token_cache *cache;

static void set_up(void)
{
    cache = token_cache_new();
}

static void tear_down(void)
{
    token_cache_free(cache);
}

TestSuite(token_cache, .init = set_up, .fini = tear_down);

/* `set` chooses the places, `number` the token. */
static struct token_entry entry_of(unsigned set, unsigned number, usec_t until)
{
    struct token_entry entry = {.generation = 1, .version = 7, .until = until};
    memcpy(entry.hash, &set, sizeof(set));
    memcpy(entry.hash + sizeof(set), &number, sizeof(number));
    return entry;
}

static bool has(const struct token_entry *entry, uint64_t generation, usec_t wall)
{
    return token_cache_get(cache, entry->hash, generation, wall) != NULL;
}

Test(token_cache, has_what_was_put_until_its_end_and_of_its_config)
{
    struct token_entry entry = entry_of(3, 1, 100);
    struct token_entry other = entry_of(3, 2, 100);
    token_cache_put(cache, &entry, 50);
    cr_expect(has(&entry, 1, 99));
    cr_expect_not(has(&entry, 1, 100));
    cr_expect_not(has(&entry, 2, 99));
    cr_expect_not(has(&other, 1, 99));
    cr_expect_eq(token_cache_get(cache, entry.hash, 1, 99)->version, 7U);
}

Test(token_cache, same_token_is_there_once)
{
    struct token_entry entry = entry_of(3, 1, 100);
    token_cache_put(cache, &entry, 50);
    entry.version = 8;
    token_cache_put(cache, &entry, 50);
    cr_expect_eq(token_cache_get(cache, entry.hash, 1, 99)->version, 8U);
    for (unsigned i = 2; i < 2 + TOKEN_CACHE_WAYS - 1; i++) { /* the other ways are free */
        struct token_entry more = entry_of(3, i, 100);
        token_cache_put(cache, &more, 50);
    }
    cr_expect(has(&entry, 1, 99));
}

Test(token_cache, full_one_gives_up_what_ends_first_and_what_is_over)
{
    struct token_entry entries[TOKEN_CACHE_WAYS + 1];
    for (unsigned i = 0; i <= TOKEN_CACHE_WAYS; i++) {
        entries[i] = entry_of(3, i, 100 + (i == 2 ? 0 : 10 * (usec_t)(i + 1)));
        token_cache_put(cache, &entries[i], 50);
    }
    for (unsigned i = 0; i <= TOKEN_CACHE_WAYS; i++) {
        cr_expect_eq(has(&entries[i], 1, 60), i != 2, "entry %u", i);
    }
    struct token_entry late = entry_of(3, 99, 500);
    token_cache_put(cache, &late, 115); /* the first one is over by then */
    cr_expect(has(&late, 1, 116));
    cr_expect_not(has(&entries[0], 1, 116));
    cr_expect(has(&entries[1], 1, 116));
}

Test(token_cache, empty_places_are_no_tokens)
{
    struct token_entry zero = {.generation = 0};
    cr_expect_not(has(&zero, 0, 0));
    cr_expect_not(has(&zero, 1, 0));
}
