#include "auth/inbound/tenant.h"
#include "base/memory.h"

#include <stdio.h>

#include <criterion/criterion.h>

static struct api_key_hash hash_of(unsigned number)
{
    char text[32];
    struct api_key_hash hash;
    int len = snprintf(text, sizeof(text), "key %u", number);
    api_key_hash(slice_make(text, (size_t)len), &hash);
    return hash;
}

Test(tenant, is_found_by_each_key_among_ten_thousand)
{
    enum { COUNT = 10000, KEYS = 5, STEPS_MAX = 40 };
    static struct tenant tenants[COUNT];
    static struct tenant *pointers[COUNT];
    static struct tenant_key keys[COUNT * KEYS];
    uint64_t steps = 0;
    struct arena arena = {0};
    struct tenant_table table;
    struct error err = {0};
    for (unsigned i = 0; i < COUNT; i++) {
        for (unsigned k = 0; k < KEYS; k++) {
            keys[KEYS * i + k].hash = hash_of(KEYS * i + k);
        }
        tenants[i] =
            (struct tenant){.name = "t", .index = i, .keys = &keys[KEYS * i], .key_count = KEYS};
        pointers[i] = &tenants[i];
    }
    cr_assert_eq(tenant_table_build(&arena, pointers, COUNT, &table, &err), STATUS_OK);
    for (unsigned i = 0; i < COUNT * KEYS; i++) {
        struct api_key_hash hash = hash_of(i);
        const struct tenant_key_entry *entry = tenant_table_find(&table, &hash);
        cr_assert_not_null(entry, "key %u", i);
        cr_assert_eq(entry->tenant, &tenants[i / KEYS], "key %u", i);
        cr_assert_eq(entry->key, &keys[i], "key %u", i);
        steps += tenant_table_steps(&table, &hash);
    }
    /* Half full at most: 1.5 on average, whatever the number of keys; and no long chains. */
    cr_expect_leq(steps, 2U * COUNT * KEYS);
    for (unsigned i = COUNT * KEYS; i < 2 * COUNT * KEYS; i++) {
        struct api_key_hash hash = hash_of(i);
        cr_assert_null(tenant_table_find(&table, &hash));
        cr_assert_leq(tenant_table_steps(&table, &hash), STEPS_MAX);
    }
    arena_fini(&arena);
}

/* The places are chosen by the front of the hash; the rest must count, too. */
Test(tenant, hashes_that_collide_are_kept_apart)
{
    enum { COUNT = 100 };
    static struct tenant tenants[COUNT];
    static struct tenant *pointers[COUNT];
    static struct tenant_key keys[COUNT];
    struct arena arena = {0};
    struct tenant_table table;
    for (unsigned i = 0; i < COUNT; i++) {
        keys[i].hash.bytes[SHA256_BYTES - 1] = (unsigned char)i;
        tenants[i] = (struct tenant){.name = "t", .keys = &keys[i], .key_count = 1};
        pointers[i] = &tenants[i];
    }
    cr_assert_eq(tenant_table_build(&arena, pointers, COUNT, &table, NULL), STATUS_OK);
    for (unsigned i = 0; i < COUNT; i++) {
        cr_assert_not_null(tenant_table_find(&table, &keys[i].hash));
        cr_expect_eq(tenant_table_find(&table, &keys[i].hash)->tenant, &tenants[i]);
    }
    struct api_key_hash other = {{0}};
    other.bytes[SHA256_BYTES - 1] = COUNT;
    cr_expect_null(tenant_table_find(&table, &other));
    arena_fini(&arena);
}

Test(tenant, nobody_is_found_in_an_empty_table)
{
    struct arena arena = {0};
    struct tenant_table table = {0};
    struct api_key_hash hash = hash_of(1);
    cr_expect_null(tenant_table_find(&table, &hash));
    cr_assert_eq(tenant_table_build(&arena, NULL, 0, &table, NULL), STATUS_OK);
    cr_expect_null(tenant_table_find(&table, &hash));
    arena_fini(&arena);
}

Test(tenant, key_of_two_tenants_is_refused_and_both_are_named)
{
    struct arena arena = {0};
    struct tenant_table table = {0};
    struct error err = {0};
    struct tenant_key keys[] = {{.hash = hash_of(1)}, {.hash = hash_of(2)}};
    struct tenant first = {.name = "checkout", .keys = keys, .key_count = 2};
    struct tenant second = {.name = "search", .keys = &keys[1], .key_count = 1};
    struct tenant *tenants[] = {&first, &second};
    cr_expect_eq(tenant_table_build(&arena, tenants, 2, &table, &err), STATUS_INVALID);
    cr_expect_not_null(strstr(err.message, "tenants.search.keys[0]"), "%s", err.message);
    cr_expect_not_null(strstr(err.message, "checkout"), "%s", err.message);
    arena_fini(&arena);
}

Test(tenant, key_that_one_tenant_lists_twice_is_refused)
{
    struct arena arena = {0};
    struct tenant_table table = {0};
    struct error err = {0};
    struct tenant_key keys[] = {{.hash = hash_of(1)}, {.hash = hash_of(1)}};
    struct tenant tenant = {.name = "checkout", .keys = keys, .key_count = 2};
    struct tenant *tenants[] = {&tenant};
    cr_expect_eq(tenant_table_build(&arena, tenants, 1, &table, &err), STATUS_INVALID);
    cr_expect_not_null(strstr(err.message, "tenants.checkout.keys[1]"), "%s", err.message);
    arena_fini(&arena);
}

Test(tenant, key_is_good_from_its_beginning_up_to_its_end)
{
    static const struct {
        usec_t not_before, expires, wall;
        enum tenant_key_state state;
    } cases[] = {
        {0, 0, 5, TENANT_KEY_GOOD},       {10, 0, 9, TENANT_KEY_EARLY},
        {10, 0, 10, TENANT_KEY_GOOD},     {0, 20, 19, TENANT_KEY_GOOD},
        {0, 20, 20, TENANT_KEY_EXPIRED},  {10, 20, 15, TENANT_KEY_GOOD},
        {10, 20, 21, TENANT_KEY_EXPIRED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tenant_key key = {.not_before = cases[i].not_before, .expires = cases[i].expires};
        cr_expect_eq(tenant_key_state(&key, cases[i].wall), cases[i].state, "case %zu", i);
    }
}

Test(tenant, rules_are_found_by_route)
{
    /* Rules are opaque here: any address will do. */
    static const char rules[3];
    const struct allow_rule *of_4 = (const struct allow_rule *)&rules[0];
    const struct allow_rule *of_0 = (const struct allow_rule *)&rules[1];
    const struct allow_rule *of_7 = (const struct allow_rule *)&rules[2];
    struct tenant_grant grants[4] = {{4, of_4}, {0, of_0}, {0, NULL}, {7, of_7}};
    struct tenant tenant = {.name = "t", .grants = grants, .grants_size = 4};
    cr_expect_eq(tenant_rules(&tenant, 4), of_4);
    cr_expect_eq(tenant_rules(&tenant, 0), of_0);
    cr_expect_eq(tenant_rules(&tenant, 7), of_7);
    cr_expect_null(tenant_rules(&tenant, 1));
    cr_expect_null(tenant_rules(&tenant, 8));
    cr_expect_null(tenant_rules(&tenant, 2));
}

Test(tenant, without_grants_nothing_is_allowed)
{
    struct tenant tenant = {.name = "t"};
    cr_expect_null(tenant_rules(&tenant, 0));
}

Test(tenant, full_grant_table_does_not_loop)
{
    static const char rules[2];
    struct tenant_grant grants[2] = {{0, (const struct allow_rule *)&rules[0]},
                                     {1, (const struct allow_rule *)&rules[1]}};
    struct tenant tenant = {.name = "t", .grants = grants, .grants_size = 2};
    cr_expect_null(tenant_rules(&tenant, 2));
}
