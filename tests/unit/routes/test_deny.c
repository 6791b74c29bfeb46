#include "base/memory.h"
#include "routes/deny.h"
#include "routes/target.h"

#include <criterion/criterion.h>

static struct arena arena;

static void tear_down(void)
{
    arena_fini(&arena);
}

TestSuite(deny, .fini = tear_down);

static bool denied(const char *text, const char *method, const char *path)
{
    struct allow_rule call;
    struct deny_rule rule = {.route_index = 1};
    struct error err = {.message = ""};
    char out[3][256];
    cr_assert_eq(allow_parse(&arena, slice_from(text), &call, &err), STATUS_OK, "%s", err.message);
    deny_set_call(&arena, &call, &rule);
    struct slice normal = target_normalize(slice_from(path), out[0]);
    struct deny_call request = {
        .route_index = 1,
        .method = slice_from(method),
        .lower = deny_lower(normal, out[1]),
        .folded = deny_fold_open(normal, out[2]),
    };
    bool fits = deny_fits_head(&rule, &request);
    request.route_index = 0;
    cr_expect_not(deny_fits_head(&rule, &request), "of another route");
    return fits;
}

Test(deny, path_fits_in_any_spelling_of_it)
{
    static const struct {
        const char *rule, *method, *path;
        bool denied;
    } cases[] = {
        {"r", "GET", "/x", true},
        {"r:DELETE /*", "DELETE", "/v1/x", true},
        {"r:DELETE /*", "DELETE", "", true},
        {"r:DELETE /*", "GET", "/v1/x", false},
        {"r:* /v1/files/*", "GET", "/v1/files/a/b", true},
        {"r:* /v1/files/*", "GET", "/v1/filesystem", false},
        {"r:* /v1/files/*", "GET", "/V1/Files/a", true},
        {"r:* /v1/files/*", "GET", "/v1//files/a", true},
        {"r:* /v1/files/*", "GET", "/v1%2Ffiles/a", true},
        {"r:* /v1/files/*", "GET", "/v1%2ffiles%2Fa", true},
        {"r:* /v1/files/*", "GET", "/v1/f%69les/a", true},
        {"r:* /v1/files/*", "GET", "/v1;x=y/files;z/a", true},
        {"r:* /v1/files/*", "GET", "/v1%5Cfiles/a", true},
        {"r:GET /v1/keys", "GET", "/v1/keys/", true},
        {"r:GET /v1/keys", "GET", "/v1/keys//", true},
        {"r:GET /v1/keys", "GET", "/v1/keys%2F", true},
        {"r:GET /v1/keys", "GET", "/v1/keys/1", false},
        {"r:GET /v1/Keys", "GET", "/v1/keys", true},
        {"r:GET /p/*/x", "GET", "/p/a%2Fb/x", true}, /* as a segment of its own */
        {"r:GET /p/*/x", "GET", "/p/a/x", true},
        {"r:GET /p/*/x", "GET", "/p/x", false},
        {"r:GET /p/*/x", "GET", "/p/a/x//", true},
        {"r:DELETE /*", "delete", "/v1/x", true},
        {"r:DELETE /*", "Delete", "/v1/x", true},
        {"r:DELETE /*", "DELET", "/v1/x", false},
        {"r:* /v1/files/*", "GET", "/v1/files/", true},
        {"r:* /v1/files/*", "GET", "/v1//files/", true},
        {"r:* /v1/files/*", "GET", "/v1;x/files%2F", true},
        {"r:* /v1/files/*", "GET", "/v1//files", false}, /* nor is it without the slashes */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_eq(denied(cases[i].rule, cases[i].method, cases[i].path), cases[i].denied,
                     "%s: %s %s", cases[i].rule, cases[i].method, cases[i].path);
    }
}

Test(deny, each_header_has_to_fit_with_one_of_its_values)
{
    const struct deny_header headers[] = {
        {SLICE("X-Env"), SLICE("test*")},
        {SLICE("X-Team"), SLICE("*")},
    };
    const struct deny_rule rule = {.route_index = 0, .headers = headers, .header_count = 2};
    struct http1_field fields[] = {
        {.name = SLICE("x-env"), .value = SLICE("prod"), .hash = http1_name_hash(SLICE("x-env"))},
        {.name = SLICE("X-ENV"), .value = SLICE("test-7"), .hash = http1_name_hash(SLICE("x-env"))},
        {.name = SLICE("X-Team"), .value = SLICE(""), .hash = http1_name_hash(SLICE("x-team"))},
    };
    struct deny_call call = {
        .lower = SLICE("/"), .folded = SLICE("/"), .fields = fields, .field_count = 3};
    cr_expect(deny_fits_head(&rule, &call));
    call.field_count = 2;
    cr_expect_not(deny_fits_head(&rule, &call));
    call.field_count = 3;
    fields[1].value = SLICE("Test-7");
    cr_expect_not(deny_fits_head(&rule, &call));
}

static bool header_denied(const char *name, const char *pattern, const char *field,
                          const char *value)
{
    const struct deny_header header = {slice_from(name), slice_from(pattern)};
    const struct deny_rule rule = {.headers = &header, .header_count = 1};
    const struct http1_field sent = {.name = slice_from(field),
                                     .value = slice_from(value),
                                     .hash = http1_name_hash(slice_from(field))};
    const struct deny_call call = {
        .lower = SLICE("/"), .folded = SLICE("/"), .fields = &sent, .field_count = 1};
    return deny_fits_head(&rule, &call);
}

Test(deny, header_fits_as_an_upstream_may_read_it)
{
    cr_expect(header_denied("Beta", "tools", "Beta", "tools"));
    cr_expect(header_denied("Beta", "tools", "Beta", "cache, tools"));
    cr_expect(header_denied("Beta", "tools", "Beta", "tools ,cache"));
    cr_expect(header_denied("Beta", "a, b", "Beta", "a, b"), "as a whole, too");
    cr_expect_not(header_denied("Beta", "tools", "Beta", "cache, toolsets"));
    cr_expect(header_denied("X-Env", "test", "X_Env", "test"));
    cr_expect(header_denied("X_Env", "test", "x-env", "test"));
    cr_expect_not(header_denied("X-Env", "test", "X-Env-2", "test"));
    cr_expect_not(header_denied("X-Env", "test", "X+Env", "test"));
}

static enum deny_value value_of(const char *pattern, enum json_event kind, const char *text)
{
    const struct json_found found = {.kind = kind, .text = slice_from(text), .whole = true};
    return deny_value(slice_from(pattern), &found);
}

Test(deny, value_fits_however_it_is_written)
{
    static const struct {
        const char *pattern, *text;
        enum json_event kind;
        bool fits;
    } cases[] = {
        {"gold*", "golden", JSON_STRING, true},
        {"gold*", "iron", JSON_STRING, false},
        {"5", "5", JSON_NUMBER, true},
        {"5", "5.0", JSON_NUMBER, true},
        {"5", "0.5e1", JSON_NUMBER, true},
        {"5", "50E-1", JSON_NUMBER, true},
        {"5.00", "5", JSON_NUMBER, true},
        {"0", "-0", JSON_NUMBER, true},
        {"5", "5.1", JSON_NUMBER, false},
        {"5", "5", JSON_STRING, true},
        {"5", "5.0", JSON_STRING, false}, /* a text */
        {"5*", "5.0", JSON_NUMBER, true},
        {"5*", "50", JSON_NUMBER, true},
        {"nan", "0", JSON_NUMBER, false},
        {"0x5", "5", JSON_NUMBER, false},
        {"true", "", JSON_TRUE, true},
        {"true", "", JSON_FALSE, false},
        {"null", "", JSON_NULL, true},
        {"*", "", JSON_OBJECT_BEGIN, true},
        {"*", "", JSON_ARRAY_BEGIN, true},
        {"**", "", JSON_ARRAY_BEGIN, true},
        {"", "", JSON_ARRAY_BEGIN, false},
        {"a*", "", JSON_OBJECT_BEGIN, false},
        {"", "", JSON_STRING, true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_eq(value_of(cases[i].pattern, cases[i].kind, cases[i].text),
                     cases[i].fits ? DENY_VALUE_FITS : DENY_VALUE_DIFFERS, "%s: %s",
                     cases[i].pattern, cases[i].text);
    }
    const struct json_found part = {.kind = JSON_STRING, .text = SLICE("gold"), .whole = false};
    cr_expect_eq(deny_value(SLICE("gold"), &part), DENY_VALUE_TOO_LONG);
    cr_expect_eq(deny_value(SLICE("*"), &part), DENY_VALUE_FITS, "whatever it is");
}

Test(deny, model_and_fields_need_the_body)
{
    const struct deny_field field = {.pattern = SLICE("x")};
    cr_expect_not(deny_reads_body(&(struct deny_rule){.model = SLICE("")}));
    cr_expect(deny_reads_body(&(struct deny_rule){.model = SLICE("gpt*")}));
    cr_expect(deny_reads_body(&(struct deny_rule){.fields = &field, .field_count = 1}));
}
