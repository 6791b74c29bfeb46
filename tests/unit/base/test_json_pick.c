#include "base/json_pick.h"
#include "base/memory.h"

#include <stdio.h>

#include <criterion/criterion.h>

static struct arena arena;
static char seen[4096];
static size_t used;

static void on_found(void *ctx, const struct json_found *found)
{
    (void)ctx;
    static const char *const kinds[] = {
        [JSON_OBJECT_BEGIN] = "{", [JSON_ARRAY_BEGIN] = "[", [JSON_STRING] = "s",
        [JSON_NUMBER] = "n",       [JSON_TRUE] = "t",        [JSON_FALSE] = "f",
        [JSON_NULL] = "0"};
    used += (size_t)snprintf(seen + used, sizeof(seen) - used, "%u%s%s%.*s%s ", found->place,
                             kinds[found->kind], found->in_array ? "*" : "", SLICE_ARG(found->text),
                             found->whole ? "" : "...");
}

static enum status pick(const char *text, const char *const *pointers, struct error *err)
{
    struct json_place places[8];
    unsigned count = 0;
    for (; pointers[count] != NULL; count++) {
        cr_assert(json_place_parse(&arena, slice_from(pointers[count]), &places[count]));
    }
    used = 0;
    seen[0] = '\0';
    return json_pick(slice_from(text), places, count, on_found, NULL, err);
}

static void tear_down(void)
{
    arena_fini(&arena);
}

TestSuite(json_pick, .fini = tear_down);

Test(json_pick, finds_what_is_at_each_place)
{
    static const struct {
        const char *text, *places[4], *seen;
    } cases[] = {
        {"{\"a\":1,\"b\":{\"c\":\"x\"}}", {"/b/c", "/a", "/c"}, "1n1 0sx "},
        {"{\"b\":{\"c\":{\"d\":1}}}", {"/b/c", "/b/c/d", "/b"}, "2{ 0{ 1n1 "},
        {"{\"a\":[\"x\",{\"b\":true},null,\"y\"]}", {"/a"}, "0[ 0s*x 00* 0s*y "},
        {"{\"a\":[\"x\",{\"b\":true}]}", {"/a/1/b", "/a/0", "/a/*/b"}, "1sx 0t 2t "},
        {"{\"a\":[[1],[2,3]]}", {"/a/*", "/a/1/1", "/a"}, "2[ 0[ 0n*1 0[ 0n*2 0n*3 1n3 "},
        {"{\"x\":{\"a\":1},\"a\":2}", {"/a"}, "0n2 "},
        {"{\"a\":{\"b\":1},\"c\":{\"b\":2}}", {"/a/b", "/c/b"}, "0n1 1n2 "},
        {"{\"a\":{\"b\":1}}", {"/a/b/c"}, ""},
        {"[{\"a\":1},{\"a\":2}]", {"/1/a", "/*/a", "/0"}, "2{ 1n1 0n2 1n2 "},
        {"{\"a/b\":1,\"c~d\":2,\"\":3}", {"/a~1b", "/c~0d", "/"}, "0n1 1n2 2n3 "},
        {"{\"\\u0061\":\"\\u0078\"}", {"/a"}, "0sx "},
        {"{\"A\":1}", {"/a"}, ""},
        {"7", {"/a"}, ""},
        {"\"a\"", {"/a"}, ""},
        {"{\"0\":1}", {"/0", "/*"}, "0n1 "},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {.message = ""};
        cr_expect_eq(pick(cases[i].text, cases[i].places, &err), STATUS_OK, "%s: %s", cases[i].text,
                     err.message);
        cr_expect_str_eq(seen, cases[i].seen, "%s", cases[i].text);
    }
}

Test(json_pick, name_on_the_way_to_a_place_is_there_once)
{
    static const char *const places[] = {"/a/b", "/l/*/x", NULL};
    static const char *const bad[] = {"{\"a\":{\"b\":1,\"b\":2}}", "{\"a\":{\"b\":1},\"a\":{}}",
                                      "{\"a\":1,\"\\u0061\":{\"b\":1}}",
                                      "{\"l\":[{\"x\":1,\"x\":1}]}",
                                      "{\"a\":{\"z\":{},\"b\":1,\"b\":1}}"};
    static const char *const good[] = {
        "{\"z\":1,\"z\":2,\"a\":{\"c\":1,\"c\":1}}", "{\"x\":{\"a\":1},\"y\":{\"a\":1},\"a\":{}}",
        "{\"l\":[{\"x\":1},{\"x\":1}]}", "{\"a\":{\"y\":{\"b\":1},\"b\":2}}", "{\"b\":1,\"b\":2}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct error err = {.message = ""};
        cr_expect_eq(pick(bad[i], places, &err), STATUS_INVALID, "%s", bad[i]);
        cr_expect_not_null(strstr(err.message, "twice"), "%s", err.message);
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        cr_expect_eq(pick(good[i], places, NULL), STATUS_OK, "%s", good[i]);
    }
}

Test(json_pick, what_is_no_json_is_told)
{
    static const char *const places[] = {"/a", NULL};
    static const char *const bad[] = {"",        "{",        "{\"a\":1}}",       "{\"a\":}",
                                      "a=b&c=d", "{\"a\":1", "{\"a\":\"\xff\"}", "\"\n\""};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct error err = {.message = ""};
        cr_expect_eq(pick(bad[i], places, &err), STATUS_INVALID, "%s", bad[i]);
        cr_expect(strncmp(err.message, "the body is no JSON: ", 21) == 0, "%s", err.message);
    }
}

Test(json_pick, long_texts_are_told_to_be_cut_and_deep_ones_are_passed_over)
{
    static const char *const places[] = {"/a", "/b", NULL};
    char text[2000];
    int len = snprintf(text, sizeof(text), "{\"a\":\"%0*d\",\"c\":", JSON_SCAN_TEXT + 1, 7);
    memset(text + len, '[', 200);
    memset(text + len + 200, ']', 200);
    (void)snprintf(text + len + 400, sizeof(text) - (size_t)len - 400, ",\"b\":true}");
    cr_assert_eq(pick(text, places, NULL), STATUS_OK);
    cr_expect_not_null(strstr(seen, "... 1t "), "%s", seen);
}

Test(json_pick, what_is_no_pointer_is_no_place)
{
    struct json_place place;
    static const char *const bad[] = {"", "a", "/a~", "/a~2", "/1/2/3/4/5/6/7/8/9"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        cr_expect_not(json_place_parse(&arena, slice_from(bad[i]), &place), "%s", bad[i]);
    }
    cr_expect(json_place_parse(&arena, SLICE("/1/2/3/4/5/6/7/8"), &place));
    cr_expect_eq(place.depth, 8U);
}
