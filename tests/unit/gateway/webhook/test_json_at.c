#include "gateway/webhook/json_at.h"

#include <criterion/criterion.h>

static const struct {
    const char *json, *pointer;
    const char *text; /* NULL: nothing */
} cases[] = {
    {"{\"id\":\"a\"}", "/id", "a"},
    {"{\"x\":{\"id\":\"b\"},\"id\":\"a\"}", "/id", "a"},
    {"{\"data\":{\"object\":{\"id\":\"cus_1\"}}}", "/data/object/id", "cus_1"},
    {"{\"data\":{\"other\":{\"id\":\"x\"},\"object\":{\"id\":\"cus_1\"}}}", "/data/object/id",
     "cus_1"},
    {"{\"data\":{\"object\":{\"a\":{\"id\":\"x\"},\"id\":7}}}", "/data/object/id", "7"},
    {"{\"items\":[{\"id\":\"a\"},{\"id\":\"b\"}]}", "/items/1/id", "b"},
    {"{\"items\":[[1,2],[3,4]]}", "/items/1/0", "3"},
    {"[[9],5]", "/1", "5"},
    {"[1]", "/00", NULL},
    {"[1]", "/-", NULL},
    {"{\"a/b\":{\"~\":true}}", "/a~1b/~0", "true"},
    {"{\"id\":false}", "/id", "false"},
    {"{\"\":1}", "/", "1"},
    {"{\"0\":1}", "/0", "1"},
    {"{\"id\":\"\"}", "/id", ""},
    {"{\"id\":\"\\u00e9\"}", "/id", "\xc3\xa9"},
    {"{\"id\":null}", "/id", NULL},
    {"{\"id\":{}}", "/id", NULL},
    {"{\"id\":[1]}", "/id", NULL},
    {"{\"id\":\"a\"}", "/id/x", NULL},
    {"{\"data\":\"a\",\"id\":1}", "/data/id", NULL},
    {"{\"data\":{\"x\":1},\"id\":1}", "/data/id", NULL},
    {"{\"data\":{\"x\":1},\"other\":{\"id\":5}}", "/data/id", NULL},
    {"{\"id\":\"a\",\"id\":\"b\"}", "/id", "a"},
    {"{\"i\":1}", "/id", NULL},
    {"{\"idx\":1}", "/id", NULL},
    {"{\"a\":", "/a", NULL},
    {"{\"\xff\":1,\"id\":2}", "/id", NULL},
    {"not json", "/id", NULL},
    {"", "/id", NULL},
    {"5", "/id", NULL},
    {"\"id\"", "/id", NULL},
    {"{\"a\":[{\"id\":1}],\"id\":2}", "/id", "2"},
    {"[{\"a\":1},{\"b\":{\"c\":3}}]", "/1/b/c", "3"},
};

Test(json_at, finds_what_a_pointer_names_and_nothing_else)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char room[JSON_AT_BYTES];
        struct slice text;
        bool found = json_at(slice_from(cases[i].json), slice_from(cases[i].pointer), room, &text);
        cr_expect_eq(found, cases[i].text != NULL, "%s at %s", cases[i].json, cases[i].pointer);
        if (found && cases[i].text != NULL) {
            cr_expect(slice_equal(text, slice_from(cases[i].text)), "%s at %s is %.*s",
                      cases[i].json, cases[i].pointer, SLICE_ARG(text));
        }
    }
}

Test(json_at, a_text_that_is_too_long_is_none)
{
    char json[JSON_AT_BYTES + 64] = "{\"id\":\"";
    char room[JSON_AT_BYTES];
    struct slice text;
    size_t at = strlen(json);
    memset(json + at, 'x', JSON_AT_BYTES);
    memcpy(json + at + JSON_AT_BYTES, "\"}", 3);
    cr_expect(json_at(slice_from(json), SLICE("/id"), room, &text));
    cr_expect_eq(text.len, (size_t)JSON_AT_BYTES);
    memcpy(json + at + JSON_AT_BYTES, "x\"}", 4);
    cr_expect_not(json_at(slice_from(json), SLICE("/id"), room, &text));
}
