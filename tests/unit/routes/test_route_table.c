#include "base/memory.h"
#include "routes/route.h"
#include "routes/route_table.h"

#include <stdio.h>

#include <criterion/criterion.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static void add_all(struct route_table *table, const struct route *routes, size_t count)
{
    struct error err = {0};
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(route_table_add(table, &routes[i], &err), STATUS_OK, "%s", err.message);
    }
}

static const char *find(const struct route_table *table, const char *host, const char *path)
{
    const struct route *route = route_table_find(table, slice_from(host), slice_from(path));
    return route == NULL ? "-" : route->name;
}

static const struct route some[] = {
    {.name = "openai", .path = SLICE_INIT("/openai")},
    {.name = "nested", .path = SLICE_INIT("/openai/v1/files")},
    {.name = "deep", .path = SLICE_INIT("/a/b/c/d")},
    {.name = "stripe", .host = SLICE_INIT("stripe.gw.internal")},
    {.name = "stripe-files",
     .host = SLICE_INIT("stripe.gw.internal"),
     .path = SLICE_INIT("/files")},
    {.name = "api", .host = SLICE_INIT("api.gw.internal"), .path = SLICE_INIT("/v1")},
    {.name = "literal", .host = SLICE_INIT("[::1]"), .path = SLICE_INIT("/six")},
};

Test(route_table, longest_match_at_a_segment_border_wins)
{
    static const struct {
        const char *host, *path, *route;
    } cases[] = {
        {"gw", "/openai", "openai"},
        {"gw", "/openai/", "openai"},
        {"gw", "/openai/v1", "openai"},
        {"gw", "/openai/v1/file", "openai"},
        {"gw", "/openai/v1/files", "nested"},
        {"gw", "/openai/v1/files/x", "nested"},
        {"gw", "/openai/v1/filesystem", "openai"},
        {"gw", "/openai//v1/files", "openai"},
        {"gw", "/openaix", "-"},
        {"gw", "/opena", "-"},
        {"gw", "//openai", "-"},
        {"gw", "/OpenAI", "-"},
        {"gw", "/", "-"},
        {"gw", "", "-"},
        {"gw", "openai", "-"},
        {"gw", "/a/b/c", "-"},
        {"gw", "/a/b/c/d", "deep"},
        {"gw", "/a/b/c/d/e/f/g", "deep"},
        {"", "/openai/v1", "openai"},
    };
    struct route_table table CLEANUP(route_table_fini) = {0};
    add_all(&table, some, COUNT_OF(some));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        cr_expect_str_eq(find(&table, cases[i].host, cases[i].path), cases[i].route, "%s",
                         cases[i].path);
    }
}

Test(route_table, routes_of_the_host_go_first)
{
    static const struct {
        const char *host, *path, *route;
    } cases[] = {
        {"stripe.gw.internal", "/v1/charges", "stripe"},
        {"stripe.gw.internal", "/", "stripe"},
        {"stripe.gw.internal", "/openai/v1", "stripe"},
        {"stripe.gw.internal", "/files/x", "stripe-files"},
        {"STRIPE.Gw.Internal", "/v1", "stripe"},
        {"stripe.gw.internal:8080", "/v1", "stripe"},
        {"stripe.gw.internal.", "/v1", "stripe"},
        {"stripe.gw.internal.:443", "/v1", "stripe"},
        {"stripe.gw.internal..", "/v1", "-"},
        {"xstripe.gw.internal", "/v1", "-"},
        {"gw.internal", "/v1", "-"},
        {"api.gw.internal", "/v1/x", "api"},
        {"api.gw.internal", "/openai/v1", "openai"}, /* not covered there: those without host */
        {"api.gw.internal", "/v2", "-"},
        {"[::1]", "/six", "literal"},
        {"[::1]:8080", "/six/x", "literal"},
        {"[::2]:8080", "/six", "-"},
    };
    struct route_table table CLEANUP(route_table_fini) = {0};
    add_all(&table, some, COUNT_OF(some));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        cr_expect_str_eq(find(&table, cases[i].host, cases[i].path), cases[i].route, "%s%s",
                         cases[i].host, cases[i].path);
    }
}

Test(route_table, odd_hosts_find_nothing_and_hurt_nobody)
{
    char long_host[5000];
    struct route_table table CLEANUP(route_table_fini) = {0};
    add_all(&table, some, COUNT_OF(some));
    memset(long_host, 'a', sizeof(long_host));
    cr_expect_null(
        route_table_find(&table, slice_make(long_host, sizeof(long_host)), SLICE("/v1")));
    static const char *const hosts[] = {"", ".", ":", "[", "[]", "[:", "]", ":80", ".:80"};
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        cr_expect_str_eq(find(&table, hosts[i], "/v1"), "-", "%s", hosts[i]);
        cr_expect_str_eq(find(&table, hosts[i], "/openai"), "openai", "%s", hosts[i]);
    }
}

Test(route_table, an_empty_table_has_no_route)
{
    struct route_table table CLEANUP(route_table_fini) = {0};
    cr_expect_str_eq(find(&table, "gw", "/openai"), "-");
}

Test(route_table, two_routes_with_the_same_place_are_named)
{
    static const struct route twice[] = {
        {.name = "one", .path = SLICE_INIT("/x"), .host = SLICE_INIT("h")},
        {.name = "two", .path = SLICE_INIT("/x"), .host = SLICE_INIT("h")},
        {.name = "three", .path = SLICE_INIT("/x")},
        {.name = "four", .path = SLICE_INIT("/x")},
    };
    struct route_table table CLEANUP(route_table_fini) = {0};
    struct error err = {0};
    cr_assert_eq(route_table_add(&table, &twice[0], &err), STATUS_OK);
    cr_assert_eq(route_table_add(&table, &twice[2], &err), STATUS_OK);
    cr_assert_eq(route_table_add(&table, &twice[1], &err), STATUS_INVALID);
    cr_expect(strstr(err.message, "routes.one") != NULL, "%s", err.message);
    cr_expect(strstr(err.message, "routes.two") != NULL, "%s", err.message);
    cr_expect(strstr(err.message, "the same host \"h\" and path") != NULL, "%s", err.message);
    cr_assert_eq(route_table_add(&table, &twice[3], &err), STATUS_INVALID);
    cr_expect_str_eq(err.message, "routes.three and routes.four have the same path \"/x\"; give "
                                  "one of them another path");
    cr_expect_str_eq(find(&table, "h", "/x"), "one");
}

Test(route_table, paths_must_consist_of_whole_segments)
{
    static const char *const paths[] = {"x", "/", "/x/", "//x", "/x//y", "x/y"};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct route route = {.name = "r", .path = slice_from(paths[i])};
        struct route_table table CLEANUP(route_table_fini) = {0};
        struct error err = {0};
        cr_expect_eq(route_table_add(&table, &route, &err), STATUS_INVALID, "%s", paths[i]);
        cr_expect(strstr(err.message, "routes.r.path") != NULL, "%s", err.message);
    }
}

enum { MANY = 500 };

Test(route_table, finds_each_of_many_routes)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    struct route *routes = ARENA_ARRAY(&arena, struct route, MANY);
    struct route_table table CLEANUP(route_table_fini) = {0};
    for (unsigned i = 0; i < MANY; i++) {
        routes[i].index = i;
        routes[i].name = arena_print(&arena, "route-%u", i);
        routes[i].path = slice_from(arena_print(&arena, "/group-%u/route-%u", i % 7, i));
        if (i % 3 == 0) {
            routes[i].host = slice_from(arena_print(&arena, "host-%u.gw", i % 11));
        }
    }
    add_all(&table, routes, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        struct slice path = slice_from(arena_print(&arena, "%.*s/v1/x", SLICE_ARG(routes[i].path)));
        cr_assert_eq(route_table_find(&table, routes[i].host, path), &routes[i], "%u", i);
        path = slice_from(arena_print(&arena, "%.*sx/v1", SLICE_ARG(routes[i].path)));
        cr_assert_neq(route_table_find(&table, routes[i].host, path), &routes[i], "%u", i);
    }
}
