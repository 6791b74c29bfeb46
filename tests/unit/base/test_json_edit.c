#include "base/buffer.h"
#include "base/json_edit.h"

#include <criterion/criterion.h>

enum { WRITTEN_MAX = 1000 };

static const struct slice name = SLICE_INIT("k");

Test(json_edit, a_member_is_found_as_it_is_written)
{
    static const struct {
        const char *object;
        const char *value; /* NULL: there is none */
        enum json_event kind;
    } cases[] = {
        {"{}", NULL, JSON_INVALID},
        {" { } ", NULL, JSON_INVALID},
        {"{\"k\":1}", "1", JSON_NUMBER},
        {"{\"k\" \t: \r\n -1.5e+3 }", "-1.5e+3", JSON_NUMBER},
        {"{\"k\":\"\"}", "\"\"", JSON_STRING},
        {"{\"a\":0,\"k\":\"v\\\"}\",\"b\":0}", "\"v\\\"}\"", JSON_STRING},
        {"{\"k\":true}", "true", JSON_TRUE},
        {"{\"k\":false ,\"a\":1}", "false", JSON_FALSE},
        {"{\"k\": null }", "null", JSON_NULL},
        {"{\"k\":{\"k\":[{}]} ,\"a\":1}", "{\"k\":[{}]}", JSON_OBJECT_BEGIN},
        {"{\"k\": [1,[\"k\"], {}]}", "[1,[\"k\"], {}]", JSON_ARRAY_BEGIN},
        {"{\"\\u006b\":7}", "7", JSON_NUMBER},
        {"{\"K\":7}", NULL, JSON_INVALID},
        {"{\"kk\":7,\"\":8}", NULL, JSON_INVALID},
        {"{\"k\\u0000\":7}", NULL, JSON_INVALID},
        {"{\"a\":{\"k\":1},\"b\":[{\"k\":2}],\"c\":\"k\"}", NULL, JSON_INVALID},
        {"{\"a\":{\"k\":1},\"k\":2}", "2", JSON_NUMBER},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct json_member member;
        struct error err = {0};
        cr_assert_eq(json_member_find(slice_from(cases[i].object), name, &member, &err), STATUS_OK,
                     "%s: %s", cases[i].object, err.message);
        cr_expect_eq(member.value.ptr == NULL, cases[i].value == NULL, "%s", cases[i].object);
        cr_expect(slice_equal(member.value, slice_from(cases[i].value)), "%s", cases[i].object);
        cr_expect_eq(member.kind, cases[i].kind, "%s", cases[i].object);
    }
}

static const struct {
    const char *object;
    const char *message;
} refused[] = {
    {"", "no JSON: the value is not complete"},
    {" ", "no JSON: the value is not complete"},
    {"1", "no JSON object"},
    {"\"k\"", "no JSON object"},
    {"null", "no JSON object"},
    {"[{\"k\":1}]", "no JSON object"},
    {"{\"k\"", "no JSON: the value is not complete"},
    {"{\"k\":", "no JSON: the value is not complete"},
    {"{\"k\":1", "no JSON: the value is not complete"},
    {"{\"k\":}", "no JSON: a value is expected"},
    {"{\"k\" 1}", "no JSON: a colon is expected behind a name"},
    {"{\"k\":1,}", "no JSON: a name in quotes is expected"},
    {"{\"k\":01}", "no JSON: a number is malformed"},
    {"{\"k\":1} {}", "no JSON: something follows the value"},
    {"{\"k\":\"\xff\"}", "no JSON: not valid UTF-8"},
    {"\xef\xbb\xbf{\"k\":1}", "no JSON: a value is expected"},
    {"{k:1}", "no JSON: a name in quotes is expected"},
    {"{\"k\":1,\"k\":1}", "\"k\" is there twice, and that can be read in two ways: send it once"},
    {"{\"k\":{},\"a\":2,\"\\u006B\":null}",
     "\"k\" is there twice, and that can be read in two ways: send it once"},
};

Test(json_edit, what_is_no_object_or_ambiguous_is_neither_read_nor_written)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct json_member member = {.kind = JSON_DONE};
        struct error err = {0};
        struct buffer out CLEANUP(buffer_fini);
        buffer_init(&out, WRITTEN_MAX);
        struct slice object = slice_from(refused[i].object);
        cr_expect_eq(json_member_find(object, name, &member, &err), STATUS_INVALID, "%s",
                     refused[i].object);
        cr_expect_str_eq(err.message, refused[i].message, "%s: %s", refused[i].object, err.message);
        cr_expect_eq(member.kind, JSON_DONE);
        cr_expect_eq(json_member_put(object, name, SLICE("1"), &out, NULL), STATUS_INVALID, "%s",
                     refused[i].object);
        cr_expect_eq(buffer_len(&out), 0U);
    }
}

static void put(const char *object, struct slice member, const char *value, struct buffer *out)
{
    buffer_consume(out, buffer_len(out));
    cr_assert_eq(json_member_put(slice_from(object), member, slice_from(value), out, NULL),
                 STATUS_OK, "%s", object);
}

Test(json_edit, a_member_is_written_in_its_place_or_first)
{
    static const struct {
        const char *object, *written;
    } cases[] = {
        {"{}", "{\"k\":[7]}"},
        {" \n{ \t}\r", " \n{\"k\":[7] \t}\r"},
        {"{\"a\":1}", "{\"k\":[7],\"a\":1}"},
        {"{\"a\":{\"k\":1},\"b\":\"{\"}", "{\"k\":[7],\"a\":{\"k\":1},\"b\":\"{\"}"},
        {"{\"k\":1}", "{\"k\":[7]}"},
        {"{\"k\" : \"a\\\"b\" , \"a\":2}", "{\"k\" : [7] , \"a\":2}"},
        {"{\"a\":0,\"\\u006b\":{\"k\":{}}}", "{\"a\":0,\"\\u006b\":[7]}"},
        {"{\"k\":null,\"a\":null}", "{\"k\":[7],\"a\":null}"},
    };
    struct buffer out CLEANUP(buffer_fini);
    buffer_init(&out, WRITTEN_MAX);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put(cases[i].object, name, "[7]", &out);
        struct slice written = buffer_bytes(&out);
        cr_expect(slice_equal(written, slice_from(cases[i].written)), "%.*s", SLICE_ARG(written));
    }
    put("{\"a\":1}", SLICE("\"\\\n"), "1", &out);
    struct slice written = buffer_bytes(&out);
    cr_expect(slice_equal(written, SLICE("{\"\\\"\\\\\\n\":1,\"a\":1}")), "%.*s",
              SLICE_ARG(written));
}

Test(json_edit, a_full_buffer_is_said)
{
    static const char *const objects[] = {"{\"a\":1}", "{\"k\":\"a\",\"a\":1}"};
    for (size_t i = 0; i < 2; i++) {
        size_t needed = strlen("{\"k\":7,\"a\":1}");
        for (size_t max = 0; max <= needed; max++) {
            struct buffer out CLEANUP(buffer_fini);
            buffer_init(&out, max);
            cr_expect_eq(json_member_put(slice_from(objects[i]), name, SLICE("7"), &out, NULL),
                         max < needed ? STATUS_TOO_LARGE : STATUS_OK);
        }
    }
}
