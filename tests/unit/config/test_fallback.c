#include "tests/unit/config/config_scene.h"

#include <criterion/criterion.h>

TestSuite(fallback, .init = setup, .fini = teardown);

static void load(const char *routes)
{
    char text[4000];
    (void)snprintf(text, sizeof(text), "version: 1\nroutes:\n%s", routes);
    parse_text(text);
}

static void expect_lines(const char *const *expected)
{
    unsigned count = 0;
    for (; expected[count] != NULL; count++) {
        cr_expect_str_eq(problem_at(count), expected[count], "%s", problem_at(count));
    }
    cr_expect_eq(problems.count, count, "more: %s", problem_at(count));
}

/* A route of no provider in particular. */
#define ROUTE(name, more) "  " name ": {provider: http, base_url: \"http://x\"" more "}\n"

Test(fallback, names_become_routes_in_their_order)
{
    load(ROUTE("a", ", fallback: [d, b, c]") ROUTE("d", ", fallback: [c]") ROUTE("b", "")
             ROUTE("c", ""));
    cr_assert_eq(problems.count, 0U, "%s", problem_at(0));
    struct route **routes = snapshot->routes; /* a b c d */
    cr_assert_eq(routes[0]->fallback_count, 3U);
    cr_expect_eq(routes[0]->fallback[0], routes[3]);
    cr_expect_eq(routes[0]->fallback[1], routes[1]);
    cr_expect_eq(routes[0]->fallback[2], routes[2]);
    cr_expect_eq(routes[3]->fallback_count, 1U);
    cr_expect_eq(routes[3]->fallback[0], routes[2]);
    cr_expect_eq(routes[1]->fallback_count, 0U);
}

Test(fallback, names_that_make_no_sense_are_refused)
{
    load(ROUTE("first", ", fallback: [secnd, first, second, second]") ROUTE("second", ""));
    static const char *const expected[] = {
        "f:3:60: routes.first.fallback[0]: no route is called \"secnd\"; did you mean \"second\"?",
        "f:3:67: routes.first.fallback[1]: this is the route itself; write another one, or take it "
        "out",
        "f:3:82: routes.first.fallback[3]: \"second\" is listed already; take one out",
        NULL,
    };
    expect_lines(expected);
}

Test(fallback, there_are_four_at_most)
{
    load(ROUTE("a", ", fallback: [b, c, d, e]") ROUTE("b", "") ROUTE("c", "") ROUTE("d", "")
             ROUTE("e", ""));
    cr_expect_eq(problems.count, 0U, "%s", problem_at(0));
    load(ROUTE("a", ", fallback: [b, c, d, e, g]") ROUTE("b", "") ROUTE("c", "") ROUTE("d", "")
             ROUTE("e", "") ROUTE("g", ""));
    static const char *const expected[] = {
        "f:3:68: routes.a.fallback[4]: this is one too many; write 4 fallbacks at most",
        NULL,
    };
    expect_lines(expected);
}

Test(fallback, a_circle_is_named_where_it_closes)
{
    static const struct {
        const char *routes;
        const char *expected[3];
    } cases[] = {
        {ROUTE("a", ", fallback: [b]") ROUTE("b", ", fallback: [a]"),
         {"f:4:56: routes.b.fallback[0]: fallbacks go in a circle (a > b > a), in which an outage "
          "would send all load around; take one of them out"}},
        /* It is found behind a route that is not part of it, and once. */
        {ROUTE("x", ", fallback: [b]") ROUTE("a", ", fallback: [x, b]")
             ROUTE("b", ", fallback: [c]") ROUTE("c", ", fallback: [d, b]") ROUTE("d", ""),
         {"f:6:59: routes.c.fallback[1]: fallbacks go in a circle (b > c > b), in which an outage "
          "would send all load around; take one of them out"}},
        /* Two circles. */
        {ROUTE("a", ", fallback: [b, c]") ROUTE("b", ", fallback: [a]")
             ROUTE("c", ", fallback: [a]"),
         {"f:4:56: routes.b.fallback[0]: fallbacks go in a circle (a > b > a), in which an outage "
          "would send all load around; take one of them out",
          "f:5:56: routes.c.fallback[0]: fallbacks go in a circle (a > c > a), in which an outage "
          "would send all load around; take one of them out"}},
        /* Two ways to one route are none. */
        {ROUTE("a", ", fallback: [b, c]") ROUTE("b", ", fallback: [d]")
             ROUTE("c", ", fallback: [d]") ROUTE("d", ""),
         {NULL}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        load(cases[i].routes);
        expect_lines(cases[i].expected);
    }
}

/* As long as names and routes may be; the message stays readable. */
Test(fallback, a_long_circle_is_found_too)
{
    enum { COUNT = 2000 };
    struct arena arena = {0};
    size_t size = (size_t)COUNT * 160;
    char *text = arena_alloc(&arena, size);
    size_t used = (size_t)snprintf(text, size, "version: 1\nroutes:\n");
    for (unsigned i = 0; i < COUNT; i++) {
        used +=
            (size_t)snprintf(text + used, size - used,
                             "  r%u: {provider: http, base_url: \"http://x\", fallback: [r%u]}\n",
                             i, (i + 1) % COUNT);
    }
    cr_assert_lt(used, size);
    cr_expect_eq(snapshot_parse("f", slice_make(text, used), NULL, &problems, &snapshot),
                 STATUS_INVALID);
    cr_expect_eq(problems.count, 1U);
    cr_expect_str_eq(
        problem_at(0),
        "f:2002:60: routes.r1999.fallback[0]: fallbacks go in a circle (r0 > r1 > r2 > "
        "r3 > r4 > r5 > r6 > r7 > ... > r0), in which an outage would send all load "
        "around; take one of them out");
    arena_fini(&arena);
}

Test(fallback, only_providers_that_take_the_same_calls_follow_each_other)
{
    load("  anthropic: {credential: none, fallback: [other]}\n"
         "  other: {provider: anthropic, credential: none}\n");
    cr_expect_eq(problems.count, 0U, "%s", problem_at(0));
    load("  openai: {credential: none, fallback: [azure]}\n"
         "  azure: {provider: azure-openai, credential: none, base_url: \"https://x\",\n"
         "    fallback: [second]}\n"
         "  second: {provider: openai, credential: none}\n");
    cr_expect_eq(problems.count, 0U, "%s", problem_at(0));
    load("  anthropic: {credential: none, fallback: [stripe, h]}\n"
         "  stripe: {credential: none, fallback: [h]}\n" ROUTE("h", ", fallback: [stripe]"));
    static const char *const expected[] = {
        "f:3:44: routes.anthropic.fallback[0]: route \"stripe\" is of provider stripe, where calls "
        "of anthropic mean nothing; write a route of provider anthropic",
        "f:3:52: routes.anthropic.fallback[1]: route \"h\" is of provider http, where calls of "
        "anthropic mean nothing; write a route of provider anthropic",
        "f:4:41: routes.stripe.fallback[0]: route \"h\" is of provider http, where calls of stripe "
        "mean nothing; write a route of provider stripe",
        "f:5:56: routes.h.fallback[0]: route \"stripe\" is of provider stripe, where calls of http "
        "mean nothing; write a route of provider http",
        NULL,
    };
    expect_lines(expected);
}
