#include "base/buffer.h"
#include "base/json.h"
#include "base/memory.h"

#include <criterion/criterion.h>

static const struct json_limits usual = {.bytes = 1024, .depth = 4, .names = JSON_NAMES_ONCE};

static struct cJSON *parsed(const char *text)
{
    struct cJSON *value = NULL;
    struct error err = {0};
    cr_assert_eq(json_parse(slice_from(text), &usual, &value, &err), STATUS_OK, "%s: %s", text,
                 err.message);
    return value;
}

Test(json, reads_members_of_each_kind)
{
    struct cJSON *value CLEANUP(json_free_at) =
        parsed(" {\"name\": \"a\\u00e9\", \"count\": 3, \"list\": [1, \"x\"], \"Name\": null}\n");
    struct slice text;
    uint64_t number = 0;

    cr_assert(json_is_object(value));
    cr_assert_eq(json_count(value), 4);
    cr_assert(json_string(json_get(value, "name"), &text));
    cr_expect(slice_equal(text, SLICE("a\xc3\xa9")));
    cr_assert(json_uint(json_get(value, "count"), &number));
    cr_expect_eq(number, 3);
    cr_expect(json_is_array(json_get(value, "list")));
    cr_expect_eq(json_count(json_get(value, "list")), 2);
    cr_expect_null(json_get(value, "NAME"));
    cr_expect_not(json_string(json_get(value, "count"), &text));
    cr_expect_not(json_uint(json_get(value, "name"), &number));
}

Test(json, reads_true_and_false)
{
    struct cJSON *value CLEANUP(json_free_at) =
        parsed("{\"yes\": true, \"no\": false, \"null\": null, \"one\": 1, \"text\": \"true\"}");
    bool is = false;
    cr_assert(json_bool(json_get(value, "yes"), &is));
    cr_expect(is);
    cr_assert(json_bool(json_get(value, "no"), &is));
    cr_expect_not(is);
    cr_expect_not(json_bool(json_get(value, "null"), &is));
    cr_expect_not(json_bool(json_get(value, "one"), &is));
    cr_expect_not(json_bool(json_get(value, "text"), &is));
    cr_expect_not(json_bool(json_get(value, "absent"), &is));
    cr_expect_not(json_bool(NULL, &is));
}

Test(json, goes_over_members_in_their_order)
{
    struct cJSON *value CLEANUP(json_free_at) = parsed("{\"b\": 1, \"a\": 2, \"c\": 3}");
    char names[8] = "";
    size_t len = 0;
    for (const struct cJSON *member = json_first(value); member != NULL;
         member = json_next(member)) {
        names[len++] = json_name(member)[0];
    }
    cr_expect_str_eq(names, "bac");
    cr_expect_null(json_first(json_get(value, "a")));
    cr_expect_null(json_first(NULL));
}

Test(json, refuses_what_is_not_strict_json)
{
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        {"", "empty"},
        {" \n", "empty"},
        {"{\"a\": }", "not valid JSON"},
        {"{\"a\": 1", "not valid JSON"},
        {"{\n  \"a\": 1,\n}", "line 3"},
        {"{} x", "line 1, column 4: something follows"},
        {"{}{}", "something follows"},
        {"[[[[[1]]]]]", "nested too deeply"},
        {"\"a\nb\"", "control character in a string"},
        {"[1,\x01 2]", "control character"},
        {"\"a\\u0000b\"", "\\u0000"},
        {"\"a\\u:000b\"", "\\u wants four hex digits"},
        {"\"toke\\unulls\"", "\\u wants four hex digits"},
        {"\"a\\u12\"", "\\u wants four hex digits"},
        {"\"a\\u", "\\u wants four hex digits"},
        {"\"\xc3\"", "UTF-8"},
        {"{\"a\": 1, \"b\": 2, \"a\": 3}", "\"a\" stands twice"},
        {"[{\"x\": {\"y\": 1, \"y\": 1}}]", "\"y\" stands twice"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cJSON *value = NULL;
        struct error err = {0};
        cr_assert_eq(json_parse(slice_from(cases[i].text), &usual, &value, &err), STATUS_INVALID,
                     "%s", cases[i].text);
        cr_assert_null(value);
        cr_expect(strstr(err.message, cases[i].says) != NULL, "%s: %s", cases[i].text, err.message);
    }
}

Test(json, an_escaped_backslash_before_u0000_is_text)
{
    struct cJSON *value CLEANUP(json_free_at) = parsed("\"\\\\u0000\"");
    struct slice text;
    cr_assert(json_string(value, &text));
    cr_expect(slice_equal(text, SLICE("\\u0000")));
}

Test(json, brackets_in_strings_are_no_depth)
{
    json_free(parsed("[\"[[[[[[{{{{\\\"[[[\", 1]"));
}

Test(json, same_name_at_different_levels_is_fine)
{
    json_free(parsed("{\"a\": {\"a\": 1}, \"b\": {\"a\": 1}}"));
}

Test(json, names_may_repeat_where_nobody_minds)
{
    struct json_limits limits = usual;
    struct cJSON *value CLEANUP(json_free_at) = NULL;
    limits.names = JSON_NAMES_ANY;
    cr_assert_eq(json_parse(SLICE("{\"a\": 1, \"a\": 2}"), &limits, &value, NULL), STATUS_OK);
}

Test(json, bytes_are_bounded)
{
    struct cJSON *value = NULL;
    struct json_limits limits = {.bytes = 4, .depth = 1};
    struct error err = {0};
    cr_assert_eq(json_parse(SLICE("[1234]"), &limits, &value, &err), STATUS_TOO_LARGE);
    cr_assert_eq(json_parse(SLICE("[12]"), &limits, &value, &err), STATUS_OK);
    json_free(value);
}

Test(json, does_not_read_past_its_slice)
{
    char *exact CLEANUP(memory_free_at) = memory_resize(NULL, 6);
    struct cJSON *value = NULL;
    memcpy(exact, "[\"abc\"", 6);
    cr_assert_eq(json_parse(slice_make(exact, 6), &usual, &value, NULL), STATUS_INVALID);
    memcpy(exact, "[\"abc]", 6);
    cr_assert_eq(json_parse(slice_make(exact, 6), &usual, &value, NULL), STATUS_INVALID);
}

Test(json, whole_numbers_only)
{
    struct cJSON *value CLEANUP(json_free_at) =
        parsed("[0, 9007199254740992, 1.5, -1, 1e300, \"1\"]");
    static const bool whole[] = {true, true, false, false, false, false};
    unsigned i = 0;
    for (const struct cJSON *item = json_first(value); item != NULL; item = json_next(item)) {
        uint64_t number = 0;
        cr_expect_eq(json_uint(item, &number), whole[i], "item %u", i);
        i++;
    }
}

Test(json, text_members_are_checked)
{
    struct cJSON *value CLEANUP(json_free_at) = parsed("{\"a\": \"x\", \"b\": 1}");
    struct slice text;
    struct error err = {0};
    cr_assert_eq(json_text(value, "a", &text, &err), STATUS_OK);
    cr_expect(slice_equal(text, SLICE("x")));
    cr_assert_eq(json_text(value, "c", &text, &err), STATUS_OK);
    cr_expect_eq(text.len, 0);
    cr_assert_eq(json_text(value, "b", &text, &err), STATUS_INVALID);
    cr_expect_str_eq(err.message, "b: a text in quotes is expected");
}

Test(json, writes_without_blanks_into_what_room_there_is)
{
    struct cJSON *value CLEANUP(json_free_at) = parsed("{ \"a\": [1, \"x\\n\"] }");
    struct buffer out CLEANUP(buffer_fini);
    buffer_init(&out, 20);
    cr_assert_eq(json_write(value, &out), STATUS_OK);
    cr_expect(slice_equal(buffer_bytes(&out), SLICE("{\"a\":[1,\"x\\n\"]}")));
    cr_expect_eq(json_write(value, &out), STATUS_TOO_LARGE);
}

/* Names that are all different: comparing each with each would take minutes. */
Test(json, names_are_looked_at_once_each, .timeout = 60)
{
    enum { MEMBERS = 300000, ROOM = 16 * MEMBERS };
    const struct json_limits limits = {.bytes = ROOM, .depth = 4, .names = JSON_NAMES_ONCE};
    struct buffer text CLEANUP(buffer_fini);
    struct cJSON *value CLEANUP(json_free_at) = NULL;
    struct error err = {0};
    buffer_init(&text, ROOM);
    for (unsigned i = 0; i < MEMBERS; i++) {
        cr_assert_eq(buffer_print(&text, "%c\"n%u\":1", i == 0 ? '{' : ',', i), STATUS_OK);
    }
    cr_assert_eq(buffer_print(&text, "}"), STATUS_OK);
    cr_assert_eq(json_parse(buffer_bytes(&text), &limits, &value, &err), STATUS_OK, "%s",
                 err.message);
    cr_expect_eq(json_count(value), MEMBERS);
}

Test(json, name_that_stands_twice_among_many_is_found)
{
    static const char *const texts[] = {
        "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"a\":2}",
        "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"\\u0061\":2}",
        "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"a\":2}",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct cJSON *value = NULL;
        struct error err = {0};
        cr_expect_eq(json_parse(slice_from(texts[i]), &usual, &value, &err), STATUS_INVALID);
        cr_expect_not_null(strstr(err.message, "\"a\" stands twice"), "%s", err.message);
        json_free(value);
    }
}
