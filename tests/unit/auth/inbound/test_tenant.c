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
    enum { COUNT = 10000, KEYS = 2 };
    static struct tenant tenants[COUNT];
    static struct tenant *pointers[COUNT];
    static struct api_key_hash keys[COUNT * KEYS];
    struct arena arena = {0};
    struct tenant_table table;
    struct error err = {0};
    for (unsigned i = 0; i < COUNT; i++) {
        keys[2 * i] = hash_of(2 * i);
        keys[2 * i + 1] = hash_of(2 * i + 1);
        tenants[i] =
            (struct tenant){.name = "t", .index = i, .keys = &keys[2 * i], .key_count = KEYS};
        pointers[i] = &tenants[i];
    }
    cr_assert_eq(tenant_table_build(&arena, pointers, COUNT, &table, &err), STATUS_OK);
    for (unsigned i = 0; i < COUNT * KEYS; i++) {
        struct api_key_hash hash = hash_of(i);
        cr_assert_eq(tenant_table_find(&table, &hash), &tenants[i / KEYS], "key %u", i);
    }
    for (unsigned i = COUNT * KEYS; i < 2 * COUNT * KEYS; i++) {
        struct api_key_hash hash = hash_of(i);
        cr_assert_null(tenant_table_find(&table, &hash));
    }
    arena_fini(&arena);
}

/* The places are chosen by the front of the hash; the rest must count, too. */
Test(tenant, hashes_that_collide_are_kept_apart)
{
    enum { COUNT = 100 };
    static struct tenant tenants[COUNT];
    static struct tenant *pointers[COUNT];
    static struct api_key_hash keys[COUNT];
    struct arena arena = {0};
    struct tenant_table table;
    for (unsigned i = 0; i < COUNT; i++) {
        keys[i].bytes[SHA256_BYTES - 1] = (unsigned char)i;
        tenants[i] = (struct tenant){.name = "t", .keys = &keys[i], .key_count = 1};
        pointers[i] = &tenants[i];
    }
    cr_assert_eq(tenant_table_build(&arena, pointers, COUNT, &table, NULL), STATUS_OK);
    for (unsigned i = 0; i < COUNT; i++) {
        cr_expect_eq(tenant_table_find(&table, &keys[i]), &tenants[i]);
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
    struct api_key_hash keys[] = {hash_of(1), hash_of(2)};
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
    struct api_key_hash keys[] = {hash_of(1), hash_of(1)};
    struct tenant tenant = {.name = "checkout", .keys = keys, .key_count = 2};
    struct tenant *tenants[] = {&tenant};
    cr_expect_eq(tenant_table_build(&arena, tenants, 1, &table, &err), STATUS_INVALID);
    cr_expect_not_null(strstr(err.message, "tenants.checkout.keys[1]"), "%s", err.message);
    arena_fini(&arena);
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
