#include "base/memory.h"
#include "routes/body_schema.h"

#include <criterion/criterion.h>

static struct arena arena;

static void tear_down(void)
{
    arena_fini(&arena);
}

TestSuite(body_schema, .fini = tear_down);

/* "": it passes. */
static const char *verdict(const char *schema, const char *body)
{
    static struct error err;
    const struct schema_node *root = NULL;
    err.message[0] = '\0';
    cr_assert_eq(body_schema_read(&arena, slice_from(schema), &root, &err), STATUS_OK, "%s: %s",
                 schema, err.message);
    return body_schema_check(root, slice_from(body), &err) == STATUS_OK ? "" : err.message;
}

Test(body_schema, takes_and_refuses)
{
    static const struct {
        const char *schema, *body, *verdict;
    } cases[] = {
        {"{}", "{\"a\":[1]}", ""},
        {"true", "null", ""},
        {"false", "1", "the body may not be there"},
        {"{\"type\":\"object\"}", "[]", "the body has another type"},
        {"{\"type\":[\"object\",\"null\"]}", "null", ""},
        {"{\"type\":\"integer\"}", "7", ""},
        {"{\"type\":\"integer\"}", "7.0", ""},
        {"{\"type\":\"integer\"}", "7.5", "the body has another type"},
        {"{\"type\":\"integer\"}", "1e400", "the body has another type"},
        {"{\"type\":\"number\"}", "7", ""},
        {"{\"type\":\"number\"}", "-7.5e3", ""},
        {"{\"type\":\"boolean\"}", "false", ""},
        {"{\"type\":\"string\"}", "\"x\"", ""},
        {"{\"required\":[\"a\"]}", "{\"b\":1}", "the body lacks \"a\""},
        {"{\"required\":[\"a\"]}", "{\"\\u0061\":null}", ""},
        {"{\"required\":[\"a\"]}", "7", ""},
        {"{\"properties\":{\"a\":{\"type\":\"string\"}}}", "{\"a\":1}",
         "the body's /a has another type"},
        {"{\"properties\":{\"a\":{\"type\":\"string\"}}}", "{\"a\":\"x\",\"a\":\"y\"}",
         "the body's /a occurs twice in its object: send it once"},
        {"{\"properties\":{\"a\":{\"type\":\"string\"}}}", "{\"b\":1,\"b\":2}", ""},
        {"{\"properties\":{\"a\":{}},\"additionalProperties\":false}", "{\"a\":1,\"b\":2}",
         "the body's /… is a member that is not known"},
        {"{\"additionalProperties\":{\"type\":\"integer\"}}", "{\"x\":1,\"y\":\"z\"}",
         "the body's /… has another type"},
        {"{\"items\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":3}}", "[1,2,3]", ""},
        {"{\"items\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":3}}", "[1,0]",
         "the body's /1 is too small"},
        {"{\"items\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":3}}", "[1,2,4]",
         "the body's /2 is too large"},
        {"{\"exclusiveMinimum\":0,\"exclusiveMaximum\":1}", "0", "the body is too small"},
        {"{\"exclusiveMinimum\":0,\"exclusiveMaximum\":1}", "1.0", "the body is too large"},
        {"{\"exclusiveMinimum\":-0.5}", "0", ""},
        {"{\"minLength\":2,\"maxLength\":3}", "\"x\"", "the body is too short"},
        {"{\"minLength\":2,\"maxLength\":3}", "\"xyz\"", ""},
        {"{\"minLength\":2,\"maxLength\":3}", "\"wxyz\"", "the body is too long"},
        {"{\"minLength\":2,\"maxLength\":3}", " \"\xc3\xa9\"", "the body is too short"},
        {"{\"minLength\":2,\"maxLength\":3}", "\"\xe2\x82\xac\xf0\x9f\x98\x80\xc3\xa9\"", ""},
        {"{\"minLength\":2,\"maxLength\":3}", "\"\\u20ac\\ud83d\\uDE00\\u00e9\"", ""},
        {"{\"minLength\":2,\"maxLength\":3}", "\"\\uD83D\\uDE00\"", "the body is too short"},
        {"{\"minLength\":2,\"maxLength\":3}", "\"\\n\\\\\\\"\"", ""},
        {"{\"minLength\":2,\"maxLength\":3}", "\"\\n\\\\\\\"\\/\"", "the body is too long"},
        {"{\"minLength\":2,\"maxLength\":3}", "\"\\ud7ff\\ue000\\udbff\\udc00x\"",
         "the body is too long"},
        {"{\"maxLength\":0}", "\"\"", ""},
        {"{\"maxLength\":0}", "\"\\u0041\"", "the body is too long"},
        {"{\"properties\":{\"a\":{\"maxLength\":1}}}",
         "{\"\\\"\\\"\" : \"xx\", \"a\" : \"\xc3\xa9\"}", ""},
        {"{\"minItems\":1,\"maxItems\":2}", "[]", "the body has too few items"},
        {"{\"minItems\":1,\"maxItems\":2}", "[1,2]", ""},
        {"{\"minItems\":1,\"maxItems\":2}", "[1,[2],{}]", "the body has too many items"},
        {"{\"enum\":[\"a\",1,true,null]}", "\"a\"", ""},
        {"{\"enum\":[\"a\",1,true,null]}", "1.0", ""},
        {"{\"enum\":[\"a\",1,true,null]}", "null", ""},
        {"{\"enum\":[\"a\",1,true,null]}", "false",
         "the body is none of the values that it may have"},
        {"{\"enum\":[\"1\"]}", "1", "the body is none of the values that it may have"},
        {"{\"const\":\"a\"}", "\"b\"", "the body is none of the values that it may have"},
        {"{\"properties\":{\"m\":{\"type\":\"array\",\"items\":{\"required\":[\"r\"],"
         "\"properties\":{\"r\":{\"enum\":[\"u\"]}}}}}}",
         "{\"m\":[{\"r\":\"u\"},{\"r\":\"x\"}]}",
         "the body's /m/1/r is none of the values that it may have"},
        {"{\"properties\":{\"m\":{\"type\":\"array\",\"items\":{\"required\":[\"r\"]}}}}",
         "{\"m\":[{\"r\":1},{\"s\":1}]}", "the body's /m/1 lacks \"r\""},
        {"{\"properties\":{\"a\":{\"properties\":{\"b\":{\"type\":\"null\"}}}}}",
         "{\"x\":{\"b\":1},\"a\":{\"b\":null},\"b\":2}", ""},
        {"{}", "{\"a\":", "the body is no JSON: "},
        {"{}", "a=b", "the body is no JSON: "},
        {"{}", "{}{}", "the body is no JSON: "},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *said = verdict(cases[i].schema, cases[i].body);
        size_t len = strlen(cases[i].verdict);
        bool begins = cases[i].verdict[0] != '\0' && cases[i].verdict[len - 1] == ' ';
        bool same = begins ? strncmp(said, cases[i].verdict, len) == 0
                           : strcmp(said, cases[i].verdict) == 0;
        cr_expect(same, "%s of %s: \"%s\"", cases[i].body, cases[i].schema, said);
    }
}

Test(body_schema, what_would_not_be_enforced_is_no_schema)
{
    static const char *const bad[] = {
        "",
        "[]",
        "7",
        "{\"pattern\":\"x\"}",
        "{\"$ref\":\"#/a\"}",
        "{\"allOf\":[]}",
        "{\"type\":\"text\"}",
        "{\"type\":[]}",
        "{\"required\":\"a\"}",
        "{\"required\":[7]}",
        "{\"properties\":[]}",
        "{\"properties\":{\"a\":{\"format\":\"date\"}}}",
        "{\"minimum\":\"1\"}",
        "{\"maxLength\":-1}",
        "{\"enum\":[]}",
        "{\"enum\":{}}",
        "{\"enum\":[{}]}",
        "{\"items\":[{}]}",
        "{\"type\":\"string\",\"type\":\"object\"}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        const struct schema_node *root = NULL;
        struct error err = {.message = ""};
        cr_expect_neq(body_schema_read(&arena, slice_from(bad[i]), &root, &err), STATUS_OK, "%s",
                      bad[i]);
        cr_expect_neq(err.message[0], '\0', "%s", bad[i]);
    }
}

Test(body_schema, annotations_are_passed_over)
{
    cr_expect_str_eq(verdict("{\"$schema\":\"x\",\"title\":\"t\",\"description\":\"d\","
                             "\"default\":7,\"examples\":[],\"type\":\"object\"}",
                             "{}"),
                     "");
}

static void add(struct schema_node **root, const char *pointer, const char *type)
{
    struct json_place place;
    struct error err;
    cr_assert(json_place_parse(&arena, slice_from(pointer), &place));
    enum status status = type == NULL
                             ? body_schema_require(&arena, root, &place, &err)
                             : body_schema_type(&arena, root, &place, slice_from(type), &err);
    cr_assert_eq(status, STATUS_OK);
}

Test(body_schema, one_that_is_put_together_asks_for_members_and_their_types)
{
    struct schema_node *root = NULL;
    add(&root, "/model", NULL);
    add(&root, "/a/b", NULL);
    add(&root, "/model", "string");
    add(&root, "/n", "integer");
    static const struct {
        const char *body, *verdict;
    } cases[] = {
        {"{\"model\":\"x\",\"a\":{\"b\":1}}", ""},
        {"{\"model\":\"x\",\"a\":{\"b\":1},\"n\":7}", ""},
        {"{\"model\":\"x\",\"a\":{\"b\":1},\"n\":\"7\"}", "the body's /n has another type"},
        {"{\"model\":7,\"a\":{\"b\":1}}", "the body's /model has another type"},
        {"{\"model\":\"x\",\"a\":{}}", "the body's /a lacks \"b\""},
        {"{\"model\":\"x\",\"a\":[]}", "the body's /a has another type"},
        {"{\"a\":{\"b\":1}}", "the body lacks \"model\""},
        {"[]", "the body has another type"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {.message = ""};
        enum status status = body_schema_check(root, slice_from(cases[i].body), &err);
        cr_expect_str_eq(err.message, cases[i].verdict, "%s", cases[i].body);
        cr_expect_eq(status == STATUS_OK, cases[i].verdict[0] == '\0');
    }
}

Test(body_schema, deep_bodies_are_checked_as_far_as_the_schema_goes)
{
    char body[600];
    memset(body, '[', 250);
    memset(body + 250, ']', 250);
    body[500] = '\0';
    cr_expect_str_eq(verdict("{\"items\":{\"items\":{\"type\":\"array\"}}}", body), "");
}
