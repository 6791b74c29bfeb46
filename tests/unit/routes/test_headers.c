#include "base/buffer.h"
#include "base/memory.h"
#include "routes/headers.h"

#include <criterion/criterion.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

enum { FIELDS_MAX = 64, OUT_MAX = 16 * 1024 };

static const struct slice slots[] = {SLICE_INIT("authorization"), SLICE_INIT("x-api-key")};

static const struct header_rules_input plain = {
    .authority = SLICE_INIT("api.example.com"),
    .slots = slots,
    .slot_count = COUNT_OF(slots),
};

/* Reads the field lines as the codec does, writes them by the rules, and compares. */
static void expect_lines(const struct header_rules_input *input, const char *lines,
                         const char *expected)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    struct buffer out CLEANUP(buffer_fini);
    struct http1_field fields[FIELDS_MAX];
    struct http1_request request = {.fields = fields};
    const struct http1_limits limits = {4096, 1024, FIELDS_MAX};
    struct http1_fault fault = {0};
    struct header_rules rules;

    const char *head = arena_print(&arena, "GET / HTTP/1.1\r\nHost: gw\r\n%s\r\n", lines);
    cr_assert_eq(http1_read_request(slice_from(head), &limits, &request, &fault), HTTP1_DONE,
                 "%s: %s", lines, fault.reason);
    buffer_init(&out, OUT_MAX);
    header_rules_compile(&arena, input, &rules);
    cr_assert_eq(header_rules_write(&rules, request.fields, request.field_count, &out), STATUS_OK);
    cr_expect(slice_equal(buffer_bytes(&out), slice_from(expected)), "%s-> %.*s", lines,
              SLICE_ARG(buffer_bytes(&out)));
}

Test(headers, what_no_rule_names_goes_on_byte_for_byte)
{
    expect_lines(&plain,
                 "Content-Type:application/json\r\n"
                 "ACCEPT: */*\r\n"
                 "X-Empty:\r\n"
                 "x-stainless-lang:  js \t\r\n"
                 "OpenAI-Organization: org-1\r\n"
                 "X-Twice: a\r\n"
                 "X-Twice: b\r\n"
                 "X: 1\r\n"
                 "Idempotency-Key: \"k\"\r\n",
                 "Host: api.example.com\r\n"
                 "Content-Type: application/json\r\n"
                 "ACCEPT: */*\r\n"
                 "X-Empty: \r\n"
                 "x-stainless-lang: js\r\n"
                 "OpenAI-Organization: org-1\r\n"
                 "X-Twice: a\r\n"
                 "X-Twice: b\r\n"
                 "X: 1\r\n"
                 "Idempotency-Key: \"k\"\r\n");
}

static const char *const always_dropped[] = {
    "Connection",
    "TE",
    "Trailer",
    "Keep-Alive",
    "Upgrade",
    "Proxy-Connection",
    "Proxy-Authorization",
    "Proxy-Authenticate",
    "Proxy-Whatever",
    "HTTP2-Settings",
    "Accept-Encoding",
    "Authorization",
    "X-Api-Key",
    "X-Sallyport-Key",
    "X-Sallyport-Anything",
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X-Original-URL",
    "X-Rewrite-URL",
    "x-rewrite-url",
    "AUTHORIZATION",
    "X_Api_Key",
    "X-Api_Key",
    "Content_Length",
    "Transfer_Encoding",
    "X_Sallyport_Key",
    "X_HTTP_Method_Override",
    "Proxy_Authorization",
};

/* By the gateway itself: never the caller's. */
static const char *const written_if_passed[] = {"traceparent", "tracestate"};
static const char *const dropped_unless_passed[] = {
    "Cookie",
    "baggage",
    "Forwarded",
    "Via",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Real-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "True-Client-IP",
    "X-Forwarded-Whatever",
    "X_Forwarded_For",
};

static void expect_each(const struct header_rules_input *input, const char *const *names,
                        size_t count, bool goes_on)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    for (size_t i = 0; i < count; i++) {
        const char *line = arena_print(&arena, "%s: something\r\n", names[i]);
        const char *both = arena_print(&arena, "Host: api.example.com\r\n%s", line);
        expect_lines(input, line, goes_on ? both : "Host: api.example.com\r\n");
    }
}

Test(headers, what_is_the_gateways_or_a_credential_is_dropped)
{
    expect_each(&plain, always_dropped, COUNT_OF(always_dropped), false);
    expect_each(&plain, dropped_unless_passed, COUNT_OF(dropped_unless_passed), false);
}

Test(headers, framing_expectation_and_host_are_dropped)
{
    expect_lines(&plain, "Content-Length: 5\r\nExpect: 100-continue\r\n",
                 "Host: api.example.com\r\n");
    expect_lines(&plain, "Transfer-Encoding: chunked\r\n", "Host: api.example.com\r\n");
}

Test(headers, passing_readmits_cookies_and_forwarding_but_never_a_credential)
{
    struct slice pass[COUNT_OF(always_dropped) + COUNT_OF(dropped_unless_passed) +
                      COUNT_OF(written_if_passed)];
    unsigned count = 0;
    for (size_t i = 0; i < COUNT_OF(always_dropped); i++) {
        if (strchr(always_dropped[i], '_') == NULL) {
            pass[count++] = slice_from(always_dropped[i]);
        }
    }
    for (size_t i = 0; i < COUNT_OF(dropped_unless_passed); i++) {
        pass[count++] = slice_from(dropped_unless_passed[i]);
    }
    for (size_t i = 0; i < COUNT_OF(written_if_passed); i++) {
        pass[count++] = slice_from(written_if_passed[i]);
    }
    struct header_rules_input input = plain;
    input.pass = pass;
    input.pass_count = count;
    expect_each(&input, always_dropped, COUNT_OF(always_dropped), false);
    expect_each(&input, written_if_passed, COUNT_OF(written_if_passed), false);
    expect_each(&input, dropped_unless_passed, COUNT_OF(dropped_unless_passed), true);
    expect_lines(&input, "Cookie: a=b\r\nContent-Length: 5\r\n",
                 "Host: api.example.com\r\nCookie: a=b\r\n");
}

Test(headers, names_that_only_begin_alike_go_on)
{
    static const char *const names[] = {
        "X-Sallyport", "Proxy", "X-Forwarded", "Authorization2", "X-Api-Keys", "Cookie2", "TEA",
        "Hosts",       "x",     "p",           "X_Custom_Name",  "_",
    };
    expect_each(&plain, names, COUNT_OF(names), true);
}

Test(headers, what_connection_names_is_hop_by_hop)
{
    expect_lines(&plain, "Connection: close, X-Hop\r\nX-Hop: 1\r\nX-Stay: 2\r\n",
                 "Host: api.example.com\r\nX-Stay: 2\r\n");
}

Test(headers, the_routes_own_drop_and_set_rules_hold)
{
    static const struct slice drop[] = {SLICE_INIT("X-Debug"), SLICE_INIT("X-Trace")};
    static const struct slice pass[] = {SLICE_INIT("X-Trace"), SLICE_INIT("cookie")};
    static const struct header_setting set[] = {
        {SLICE_INIT("OpenAI-Organization"), SLICE_INIT("org-1")},
        {SLICE_INIT("Content-Length"), SLICE_INIT("0")},
        {SLICE_INIT("X-Sallyport-Key"), SLICE_INIT("x")},
    };
    struct header_rules_input input = plain;
    input.drop = drop;
    input.drop_count = COUNT_OF(drop);
    input.pass = pass;
    input.pass_count = COUNT_OF(pass);
    input.set = set;
    input.set_count = COUNT_OF(set);
    expect_lines(&input,
                 "x-debug: 1\r\nX-Trace: 2\r\nCookie: c\r\nopenai-organization: mine\r\n"
                 "openai_organization: mine\r\nX-Other: 3\r\n",
                 "Host: api.example.com\r\nOpenAI-Organization: org-1\r\nCookie: c\r\n"
                 "X-Other: 3\r\n");
}

Test(headers, defaults_fill_in_for_what_is_absent)
{
    static const struct header_setting defaults[] = {
        {SLICE_INIT("anthropic-version"), SLICE_INIT("2023-06-01")},
        {SLICE_INIT("User-Agent"), SLICE_INIT("sallyport")},
        {SLICE_INIT("Accept"), SLICE_INIT("text/plain")},
        {SLICE_INIT("Host"), SLICE_INIT("elsewhere")},
    };
    static const struct header_setting set[] = {
        {SLICE_INIT("accept"), SLICE_INIT("application/json")},
    };
    struct header_rules_input input = plain;
    input.defaults = defaults;
    input.default_count = COUNT_OF(defaults);
    input.set = set;
    input.set_count = COUNT_OF(set);
    expect_lines(&input, "Anthropic-Version: 2026-10-21\r\n",
                 "Host: api.example.com\r\naccept: application/json\r\n"
                 "Anthropic-Version: 2026-10-21\r\nUser-Agent: sallyport\r\n");
    expect_lines(&input, "user-agent: mine\r\nAccept: x\r\n",
                 "Host: api.example.com\r\naccept: application/json\r\nuser-agent: mine\r\n"
                 "anthropic-version: 2023-06-01\r\n");
    expect_lines(&input, "Connection: user-agent\r\nuser-agent: mine\r\n",
                 "Host: api.example.com\r\naccept: application/json\r\n"
                 "anthropic-version: 2023-06-01\r\nUser-Agent: sallyport\r\n");
}

Test(headers, many_rules_and_many_names_are_told_apart)
{
    enum { MANY = 300 };
    struct arena arena CLEANUP(arena_fini) = {0};
    struct slice drop[MANY];
    struct header_rules_input input = plain;
    for (unsigned i = 0; i < MANY; i++) {
        drop[i] = slice_from(arena_print(&arena, "X-Drop-%u", i));
    }
    input.drop = drop;
    input.drop_count = MANY;
    for (unsigned i = 0; i < MANY; i += 37) {
        const char *lines = arena_print(&arena, "x-drop-%u: 1\r\nx-keep-%u: 1\r\n", i, i);
        const char *expected = arena_print(&arena, "Host: api.example.com\r\nx-keep-%u: 1\r\n", i);
        expect_lines(&input, lines, expected);
    }
}

Test(headers, a_long_name_with_underscores_is_looked_at_safely)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    char name[301];
    memset(name, '_', 300);
    name[300] = '\0';
    const char *line = arena_print(&arena, "x%s: 1\r\n", name);
    expect_lines(&plain, line, arena_print(&arena, "Host: api.example.com\r\n%s", line));
    expect_lines(&plain, arena_print(&arena, "x_sallyport%s: 1\r\n", name),
                 "Host: api.example.com\r\n");
}

Test(headers, reserved_names_are_known_in_any_case)
{
    cr_expect(header_name_reserved(SLICE("Host")));
    cr_expect(header_name_reserved(SLICE("CONTENT-LENGTH")));
    cr_expect(header_name_reserved(SLICE("Proxy-Anything")));
    cr_expect(header_name_reserved(SLICE("x-sallyport-key")));
    cr_expect_not(header_name_reserved(SLICE("Authorization")));
    cr_expect_not(header_name_reserved(SLICE("Cookie")));
    cr_expect_not(header_name_reserved(SLICE("X-Debug")));
    cr_expect(header_name_overrides(SLICE("x-http-METHOD-override")));
    cr_expect(header_name_overrides(SLICE("X-Original-URL")));
    cr_expect_not(header_name_overrides(SLICE("X-HTTP")));
}

Test(headers, says_when_the_buffer_is_full)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    struct header_rules rules;
    struct http1_field field = {.name = SLICE("X-Long"), .value = SLICE("0123456789")};
    field.hash = http1_name_hash(field.name);
    header_rules_compile(&arena, &plain, &rules);
    for (size_t max = 0; max < 23 + 20; max++) {
        struct buffer out CLEANUP(buffer_fini);
        buffer_init(&out, max);
        cr_assert_eq(header_rules_write(&rules, &field, 1, &out), STATUS_TOO_LARGE, "%zu", max);
    }
    struct buffer out CLEANUP(buffer_fini);
    buffer_init(&out, 23 + 20);
    cr_assert_eq(header_rules_write(&rules, &field, 1, &out), STATUS_OK);
}
