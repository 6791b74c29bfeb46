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
        .folded = deny_fold(normal, out[2]),
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
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_eq(denied(cases[i].rule, cases[i].method, cases[i].path), cases[i].denied,
                     "%s: %s %s", cases[i].rule, cases[i].method, cases[i].path);
    }
}

Test(deny, each_header_has_to_fit_with_one_of_its_values)
{
    const struct deny_header headers[] = {
        {SLICE("X-Env"), http1_name_hash(SLICE("X-Env")), SLICE("test*")},
        {SLICE("X-Team"), http1_name_hash(SLICE("X-Team")), SLICE("*")},
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

Test(deny, model_and_fields_need_the_body)
{
    const struct deny_field field = {.pattern = SLICE("x")};
    cr_expect_not(deny_reads_body(&(struct deny_rule){.model = SLICE("")}));
    cr_expect(deny_reads_body(&(struct deny_rule){.model = SLICE("gpt*")}));
    cr_expect(deny_reads_body(&(struct deny_rule){.fields = &field, .field_count = 1}));
}
