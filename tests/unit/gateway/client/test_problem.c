#include "base/buffer.h"
#include "base/memory.h"
#include "gateway/client/problem.h"
#include "routes/profile.h"

#include <criterion/criterion.h>

static const struct error_type openai_types[] = {
    {401, {NULL, 0}, SLICE_INIT("invalid_request_error"), SLICE_INIT("invalid_api_key")},
    {404, {NULL, 0}, SLICE_INIT("invalid_request_error"), {NULL, 0}},
    {0, {NULL, 0}, SLICE_INIT("api_error"), {NULL, 0}},
};

static const struct profile openai = {
    .name = "openai",
    .error = {.content_type = SLICE_INIT("application/json"),
              .body = SLICE_INIT("{\"error\":{\"message\":\"{message}\",\"type\":\"{type}\","
                                 "\"param\":null,\"code\":\"{code}\"},\"n\":{status},"
                                 "\"id\":\"{request_id}\",\"x\":{\"{unknown}\":1}}")},
    .error_types = openai_types,
    .error_type_count = 3,
};

/* Renders into *body and returns it NUL-terminated. */
static const char *render(const struct profile *profile, enum problem_code code, const char *detail,
                          struct slice *ret_type, struct buffer *body)
{
    buffer_init(body, 4096);
    cr_assert_eq(problem_render(profile, code, detail, "r-1", body, ret_type), STATUS_OK);
    cr_assert_eq(buffer_append(body, slice_make("", 1)), STATUS_OK);
    return buffer_bytes(body).ptr;
}

static void expect_body(const struct profile *profile, enum problem_code code, const char *detail,
                        const char *expected)
{
    struct slice type;
    struct buffer body CLEANUP(buffer_fini);
    cr_expect_str_eq(render(profile, code, detail, &type, &body), expected);
}

Test(problem, speaks_rfc_9457_where_no_profile_is_known)
{
    struct slice type;
    struct buffer body CLEANUP(buffer_fini);
    const char *text = render(NULL, PROBLEM_NO_SUCH_ROUTE, NULL, &type, &body);
    cr_expect(slice_equal(type, SLICE("application/problem+json")));
    cr_expect_str_eq(text, "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,"
                           "\"detail\":\"No route of the gateway covers this host and path. "
                           "Begin the path with a route's path, such as /openai.\","
                           "\"code\":\"no_such_route\",\"request_id\":\"r-1\"}\n");
}

Test(problem, fills_the_providers_own_template)
{
    expect_body(&openai, PROBLEM_TENANT_UNKNOWN, NULL,
                "{\"error\":{\"message\":\"The tenant key is not known here. Use a key whose hash "
                "is among a tenant's keys in the gateway's config.\","
                "\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"invalid_api_key\"},"
                "\"n\":401,\"id\":\"r-1\",\"x\":{\"{unknown}\":1}}");
}

Test(problem, falls_back_to_the_catch_all_type_and_the_gateways_code)
{
    expect_body(&openai, PROBLEM_OVERLOADED, NULL,
                "{\"error\":{\"message\":\"The gateway has too much in hand. Send the request "
                "again later.\",\"type\":\"api_error\",\"param\":null,\"code\":\"overloaded\"},"
                "\"n\":503,\"id\":\"r-1\",\"x\":{\"{unknown}\":1}}");
}

Test(problem, shows_what_was_wrong_with_the_request_escaped)
{
    struct slice type;
    struct buffer body CLEANUP(buffer_fini);
    const char *text =
        render(&openai, PROBLEM_BAD_REQUEST, "a \"quote\"\n and {code}", &type, &body);
    cr_expect_not_null(strstr(text, "\"Malformed request: a \\\"quote\\\"\\n and {code}.\","));
}

Test(problem, keeps_what_happened_behind_the_gateway_to_itself)
{
    static const enum problem_code kept[] = {
        PROBLEM_UPSTREAM_UNREACHABLE, PROBLEM_UPSTREAM_INVALID_RESPONSE,
        PROBLEM_CREDENTIAL_UNAVAILABLE, PROBLEM_EGRESS_REFUSED, PROBLEM_UPSTREAM_TIMEOUT};
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        struct slice type;
        struct buffer body CLEANUP(buffer_fini);
        const char *text = render(&openai, kept[i], "10.1.2.3 refused", &type, &body);
        cr_expect_null(strstr(text, "10.1.2.3"), "%s", problem_code_text(kept[i]));
    }
}

Test(problem, every_code_has_text_status_and_reason_phrase)
{
    for (unsigned code = 0; code < PROBLEM_CODES; code++) {
        unsigned status = problem_status((enum problem_code)code);
        cr_expect(status >= 400 && status <= 599);
        cr_expect_gt(strlen(problem_code_text((enum problem_code)code)), 0);
        cr_expect_str_neq(problem_status_text(status), "Error", "%u", status);
    }
}

/* The code with this text, or PROBLEM_CODES. */
static enum problem_code code_of(struct slice text)
{
    unsigned code = 0;
    while (code < PROBLEM_CODES &&
           !slice_equal(text, slice_from(problem_code_text((enum problem_code)code)))) {
        code++;
    }
    return (enum problem_code)code;
}

Test(problem, profiles_have_words_for_no_code_that_is_never_answered)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    struct profile_set set;
    struct error err = {0};
    unsigned found = 0;
    cr_assert_eq(profile_set_load(&arena, &set, &err), STATUS_OK, "%s", err.message);
    for (unsigned i = 0; i < set.count; i++) {
        for (unsigned k = 0; k < set.profiles[i].error_type_count; k++) {
            const struct error_type *type = &set.profiles[i].error_types[k];
            if (type->error.len == 0) {
                continue;
            }
            enum problem_code code = code_of(type->error);
            cr_assert_neq(code, PROBLEM_CODES, "%s", type->error.ptr);
            cr_expect_eq(profile_error_type(&set.profiles[i], problem_status(code), type->error),
                         type, "%s: %s is never reached", set.profiles[i].name, type->error.ptr);
            found++;
        }
    }
    cr_expect_gt(found, 0);
}

Test(problem, codes_are_known_by_the_codecs_statuses)
{
    static const struct {
        unsigned status;
        const char *text;
        unsigned answered;
    } cases[] = {
        {400, "bad_request", 400},        {408, "client_timeout", 408},
        {413, "body_too_large", 413},     {414, "uri_too_long", 414},
        {417, "expectation_failed", 417}, {431, "headers_too_large", 431},
        {501, "not_implemented", 501},    {505, "not_implemented", 505},
        {499, "bad_request", 400},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum problem_code code = problem_from_status(cases[i].status);
        cr_expect_str_eq(problem_code_text(code), cases[i].text);
        cr_expect_eq(problem_status(code), cases[i].answered);
    }
}

Test(problem, says_when_it_does_not_fit)
{
    struct slice type;
    struct buffer body CLEANUP(buffer_fini);
    buffer_init(&body, 40);
    cr_expect_eq(problem_render(NULL, PROBLEM_OVERLOADED, NULL, "r-1", &body, &type),
                 STATUS_TOO_LARGE);
}

/* ---- of providers that speak XML ---- */

Test(problem, xml_errors_are_escaped_as_xml)
{
    static const struct profile storage = {
        .name = "storage",
        .error = {.content_type = SLICE_INIT("application/xml"),
                  .body = SLICE_INIT("<Error><Message>{message}</Message></Error>")},
    };
    struct slice type;
    struct buffer body;
    buffer_init(&body, 4096);
    cr_assert_eq(
        problem_render(&storage, PROBLEM_BAD_REQUEST, "a <b> & \"c\"\n\x01 d", "r-1", &body, &type),
        STATUS_OK);
    cr_expect(slice_equal(type, SLICE("application/xml")));
    cr_expect(
        slice_equal(buffer_bytes(&body),
                    SLICE("<Error><Message>Malformed request: a &lt;b&gt; &amp; &quot;c&quot; d."
                          "</Message></Error>")),
        "%.*s", SLICE_ARG(buffer_bytes(&body)));
    buffer_fini(&body);
}
