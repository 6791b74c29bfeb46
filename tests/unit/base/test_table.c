#include "base/memory.h"
#include "base/table.h"

#include <criterion/criterion.h>

enum { MANY = 20000 };

Test(table, an_empty_one_has_nothing)
{
    struct table table = {0};
    cr_expect_null(table_get(&table, SLICE("a")));
    cr_expect_null(table_get(&table, SLICE("")));
    table_fini(&table);
}

Test(table, the_first_value_of_a_key_stays)
{
    struct table table = {0};
    int one;
    int two;
    cr_expect_null(table_add(&table, SLICE("a"), &one));
    cr_expect_eq(table_add(&table, SLICE("a"), &two), &one);
    cr_expect_eq(table_get(&table, SLICE("a")), &one);
    cr_expect_eq(table.count, 1);
    cr_expect_null(table_get(&table, SLICE("A")));
    cr_expect_null(table_get(&table, SLICE("ab")));
    cr_expect_null(table_add(&table, SLICE(""), &two));
    cr_expect_eq(table_get(&table, SLICE("")), &two);
    table_fini(&table);
}

Test(table, many_keys_are_found_and_others_are_not)
{
    static int values[MANY];
    struct arena arena = {0};
    struct table table = {0};
    for (int i = 0; i < MANY; i++) {
        struct slice key = slice_from(arena_print(&arena, "key-%d-of-some-length", i));
        cr_assert_null(table_add(&table, key, &values[i]));
    }
    cr_expect_eq(table.count, MANY);
    for (int i = 0; i < MANY; i++) {
        struct slice key = slice_from(arena_print(&arena, "key-%d-of-some-length", i));
        cr_assert_eq(table_get(&table, key), &values[i], "key %d", i);
        key.len--;
        cr_assert_null(table_get(&table, key), "key %d", i);
    }
    table_fini(&table);
    arena_fini(&arena);
}

Test(table, hashes_depend_on_every_byte_and_on_the_length)
{
    static const char bytes[40];
    uint64_t seen[40];
    for (size_t len = 0; len < 40; len++) {
        seen[len] = table_hash(slice_make(bytes, len));
        cr_expect_eq(table_hash(slice_make(bytes, len)), seen[len]);
        for (size_t i = 0; i < len; i++) {
            cr_expect_neq(seen[i], seen[len]);
            char changed[40] = {0};
            changed[i] = 1;
            cr_expect_neq(table_hash(slice_make(changed, len)), seen[len], "byte %zu of %zu", i,
                          len);
        }
    }
}

Test(table, a_hash_with_a_seed_of_ones_own_is_the_same_in_every_process)
{
    static const uint64_t seed[2] = {0x0706050403020100U, 0x0f0e0d0c0b0a0908U};
    static const uint64_t other[2] = {0x0706050403020100U, 0x0f0e0d0c0b0a0909U};
    cr_expect_eq(table_hash_with(seed, SLICE("")), 0xabac0158050fc4dcU); /* SipHash-1-3's own */
    cr_expect_neq(table_hash_with(seed, SLICE("a key")), table_hash_with(other, SLICE("a key")));
    cr_expect_neq(table_hash_with(seed, SLICE("a key")), table_hash_with(seed, SLICE("b key")));
}
