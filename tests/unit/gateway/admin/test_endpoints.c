#include "gateway/admin/endpoints.h"

#include <criterion/criterion.h>

struct state {
    bool ready;
    const char *news;
};

static bool say_ready(void *ctx, struct buffer *text)
{
    const struct state *state = ctx;
    cr_assert_eq(buffer_append(text, slice_from(state->news)), STATUS_OK);
    return state->ready;
}

static void say_metrics(void *ctx, struct buffer *out)
{
    (void)ctx;
    cr_assert_eq(buffer_append(out, SLICE("up 1\n")), STATUS_OK);
}

static void say_openmetrics(void *ctx, struct buffer *out)
{
    (void)ctx;
    cr_assert_eq(buffer_append(out, SLICE("up 1.0\n# EOF\n")), STATUS_OK);
}

static const struct admin_ops ops = {
    .ready = say_ready, .metrics = say_metrics, .openmetrics = say_openmetrics};
static const char *const names[] = {"gw.internal"};
static const struct admin_hosts hosts = {.names = names, .count = 1};

/* Answers for a gateway in `state`; the body is to be freed. */
static struct admin_answer ask_in(struct state state, const struct admin_request *request)
{
    struct admin_answer answer;
    struct admin_request local = *request;
    local.local = true;
    endpoints_answer(&local, &hosts, &ops, &state, &answer);
    return answer;
}

static struct admin_answer ask(const struct admin_request *request)
{
    return ask_in((struct state){.ready = true, .news = ""}, request);
}

static void expect(struct admin_answer answer, unsigned status, const char *body)
{
    cr_expect_eq(answer.status, status, "%u instead of %u", answer.status, status);
    cr_expect(slice_equal(buffer_bytes(&answer.body), slice_from(body)), "got: %.*s",
              SLICE_ARG(buffer_bytes(&answer.body)));
    buffer_fini(&answer.body);
}

static void expect_status(const struct admin_request *request, unsigned status)
{
    struct admin_answer answer = ask(request);
    cr_expect_eq(answer.status, status, "host %s, origin %s: %u", request->host, request->origin,
                 answer.status);
    buffer_fini(&answer.body);
}

Test(endpoints, each_page_has_its_answer)
{
    expect(ask(&(struct admin_request){.path = "/livez", .host = "localhost"}), 200, "alive\n");
    expect(ask(&(struct admin_request){.path = "/readyz", .host = "localhost"}), 200, "ready\n");
    expect(ask(&(struct admin_request){.path = "/metrics", .host = "localhost"}), 200, "up 1\n");
    expect(ask(&(struct admin_request){.path = "/metrics",
                                       .host = "localhost",
                                       .accept = "application/openmetrics-text; version=1.0.0"}),
           200, "up 1.0\n# EOF\n");
    expect_status(&(struct admin_request){.path = "/", .host = "localhost"}, 200);
    expect_status(&(struct admin_request){.path = "/metric", .host = "localhost"}, 404);
    expect_status(&(struct admin_request){.path = "/metrics/", .host = "localhost"}, 404);
}

Test(endpoints, only_get_and_head_are_answered)
{
    static const struct {
        enum admin_method method;
        unsigned status;
    } cases[] = {{ADMIN_GET, 200}, {ADMIN_HEAD, 200}, {ADMIN_OTHER, 405}};
    for (size_t i = 0; i < 3; i++) {
        expect_status(&(struct admin_request){.method = cases[i].method,
                                              .path = "/livez",
                                              .host = "localhost"},
                      cases[i].status);
    }
}

Test(endpoints, what_drains_is_not_ready)
{
    struct admin_request request = {.path = "/readyz", .host = "localhost"};
    expect(ask_in((struct state){.ready = false, .news = "draining\n"}, &request), 503,
           "not ready\ndraining\n");
}

Test(endpoints, a_missing_secret_is_named_but_does_not_take_readiness)
{
    struct admin_request request = {.path = "/readyz", .host = "localhost"};
    expect(ask_in((struct state){.ready = true, .news = "credential_unavailable: route a\n"},
                  &request),
           200, "ready\ncredential_unavailable: route a\n");
}

Test(endpoints, verbose_readiness_says_that_nothing_is_missing)
{
    struct admin_request request = {.path = "/readyz", .query = "verbose", .host = "localhost"};
    expect(ask(&request), 200, "ready\nevery route has its credential\n");
    request.query = "verbosely";
    expect(ask(&request), 200, "ready\n");
}

Test(endpoints, only_its_own_names_are_answered)
{
    static const struct {
        const char *host;
        unsigned status;
    } cases[] = {
        {"localhost", 200},
        {"LOCALHOST:9901", 200},
        {"127.0.0.1", 200},
        {"10.0.0.7:9901", 200},
        {"[::1]:9901", 200},
        {"[::1]", 200},
        {"gw.internal:9901", 200},
        {"GW.internal", 200},
        {"evil.example", 403},
        {"127.0.0.1.evil.example", 403},
        {"localhost.evil.example:9901", 403},
        {"", 403},
        {NULL, 403},
        {"[::1", 403},
        {"[", 403},
        {"gw.internal.", 403},
        {":9901", 403},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_status(&(struct admin_request){.path = "/livez", .host = cases[i].host},
                      cases[i].status);
    }
}

Test(endpoints, a_page_of_another_origin_is_refused)
{
    static const struct {
        const char *origin;
        unsigned status;
    } cases[] = {
        {"http://localhost:9901", 200},
        {"http://localhost:3000", 403},
        {"http://evil.example", 403},
        {"null", 403},
        {"", 403},
        {"http://localhost:9901.evil.example", 403},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_status(&(struct admin_request){.path = "/metrics",
                                              .host = "localhost:9901",
                                              .origin = cases[i].origin},
                      cases[i].status);
    }
}
