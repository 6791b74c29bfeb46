/* Hooks found by path and host, and what their patterns match. */
#include "base/memory.h"
#include "tests/unit/config/config_scene.h"

#include <stdio.h>

TestSuite(hook, .init = setup, .fini = teardown);

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const char config[] =
    "version: 1\nsecrets: [{type: env}]\n"
    "routes:\n"
    "  openai: {path: /openai, credential: {secret: s}}\n"
    "  whole: {provider: http, host: api.example.com, base_url: \"https://a\"}\n"
    "  part: {provider: http, host: part.example.com, path: /v1, base_url: \"https://a\"}\n"
    "webhooks:\n"
    "  any: {provider: stripe, path: /in, secrets: s, deliver: {to: \"http://a\"}}\n"
    "  one: {provider: stripe, path: /in, host: one.example.com, secrets: s, deliver: {to: "
    "\"http://a\"}}\n"
    "  two: {provider: stripe, path: /in, host: two.example.com, secrets: s, deliver: {to: "
    "\"http://a\"}}\n"
    "  alone: {provider: stripe, path: /alone, host: one.example.com, secrets: s, deliver: {to: "
    "\"http://a\"}}\n"
    "  v1: {provider: stripe, path: /v1/x, secrets: s, deliver: {to: \"http://a\"}}\n"
    "  root: {provider: stripe, path: /, secrets: s, deliver: {to: \"http://a\"}}\n"
    "  default: {provider: stripe, secrets: s, deliver: {to: \"http://a\"}}\n";

static const char *found(const char *host, const char *path)
{
    const struct hook *hook =
        hook_table_find(&snapshot->hook_table, slice_from(host), slice_from(path));
    return hook == NULL ? "-" : hook->name;
}

Test(hook, is_found_by_its_exact_path_and_host)
{
    static const struct {
        const char *host, *path, *name;
    } cases[] = {
        {"gw", "/in", "any"},
        {"", "/in", "any"},
        {"one.example.com", "/in", "one"},
        {"two.example.com", "/in", "two"},
        {"TWO.Example.com.:8443", "/in", "two"},
        {"three.example.com", "/in", "any"},
        {"one.example.com.evil", "/in", "any"},
        {"one.example.com", "/alone", "alone"},
        {"two.example.com", "/alone", "-"},
        {"", "/alone", "-"},
        {"gw", "/in/", "-"},
        {"gw", "/i", "-"},
        {"gw", "/inn", "-"},
        {"gw", "/IN", "-"},
        {"gw", "/in/x", "-"},
        {"gw", "/", "root"},
        {"gw", "", "-"},
        {"gw", "*", "-"},
        {"gw", "/hooks/default", "default"},
        {"gw", "/hooks", "-"},
        {"gw", "/openai", "-"},
    };
    parse_text(config);
    cr_assert_not_null(snapshot, "%s", problem_at(0));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        cr_expect_str_eq(found(cases[i].host, cases[i].path), cases[i].name, "%s %s: %s",
                         cases[i].host, cases[i].path, found(cases[i].host, cases[i].path));
    }
}

/* What is called on a route's own host goes to the route. */
Test(hook, without_a_host_is_not_found_where_a_route_has_the_host)
{
    parse_text(config);
    cr_assert_not_null(snapshot, "%s", problem_at(0));
    cr_expect_str_eq(found("api.example.com", "/in"), "-");
    cr_expect_str_eq(found("API.example.com:443", "/hooks/default"), "-");
    cr_expect_str_eq(found("part.example.com", "/v1/x"), "-");
    cr_expect_str_eq(found("part.example.com", "/in"), "any");
    cr_expect_str_eq(found("gw", "/v1/x"), "v1");
}

Test(hook, is_in_no_empty_table)
{
    struct hook_table empty = {0};
    cr_expect_null(hook_table_find(&empty, SLICE("a"), SLICE("/a")));
    cr_expect_null(hook_table_named(&empty, SLICE("a")));
}

Test(hook, of_many_each_is_found)
{
    enum { MANY = 300 };
    char *text = memory_alloc(64 * 1024);
    size_t len = (size_t)snprintf(text, 100, "version: 1\nsecrets: [{type: env}]\nwebhooks:\n");
    for (unsigned i = 0; i < MANY; i++) {
        len += (size_t)snprintf(text + len, 200,
                                "  h%u: {provider: stripe, secrets: s, deliver: {to: "
                                "\"http://a\"}}\n",
                                i * 7 % MANY);
    }
    parse_text(text);
    memory_free(text);
    cr_assert_not_null(snapshot, "%s", problem_at(0));
    for (unsigned i = 0; i < MANY; i++) {
        char path[40];
        (void)snprintf(path, sizeof(path), "/hooks/h%u", i);
        cr_expect_str_eq(found("gw", path), path + 7);
        const struct hook *named = hook_table_named(&snapshot->hook_table, slice_from(path + 7));
        cr_expect_not_null(named);
        cr_expect_eq(snapshot->hooks[named->index], named);
    }
}

Test(hook, patterns_match_types)
{
    static const struct slice patterns[] = {SLICE_INIT("invoice.*"), SLICE_INIT("a.b")};
    static const struct slice any[] = {SLICE_INIT("*")};
    const struct hook_patterns some = {patterns, COUNT_OF(patterns)};
    const struct hook_patterns all = {NULL, 0};
    const struct hook_patterns star = {any, 1};
    cr_expect(hook_patterns_match(&some, SLICE("invoice.paid")));
    cr_expect(hook_patterns_match(&some, SLICE("invoice.")));
    cr_expect(hook_patterns_match(&some, SLICE("a.b")));
    cr_expect_not(hook_patterns_match(&some, SLICE("invoice")));
    cr_expect_not(hook_patterns_match(&some, SLICE("a.b.c")));
    cr_expect_not(hook_patterns_match(&some, SLICE("")));
    cr_expect(hook_patterns_match(&all, SLICE("anything")));
    cr_expect(hook_patterns_match(&all, SLICE("")));
    cr_expect(hook_patterns_match(&star, SLICE("")));
}
