#include "auth/secrets/secret_store.h"
#include "tests/unit/config/config_scene.h"

#include <stdio.h>
#include <string.h>

TestSuite(otlp, .init = setup, .fini = teardown);

static void load(const char *section)
{
    char text[1200];
    (void)snprintf(text, sizeof(text), "version: 1\nsecrets: [{type: env}]\n%s\n", section);
    parse_text(text);
}

static const struct otlp_settings *loaded(const char *section)
{
    load(section);
    cr_assert_not_null(snapshot, "%s: %s", section, problem_at(0));
    return &snapshot->otlp;
}

static void expect_text(struct slice text, const char *wanted)
{
    cr_expect(slice_equal(text, slice_from(wanted)), "\"%.*s\" is \"%s\"", SLICE_ARG(text), wanted);
}

Test(otlp, nothing_is_sent_by_default)
{
    const struct otlp_settings *otlp = loaded("");
    cr_expect_null(otlp->url);
    cr_expect_not(otlp->traces);
    cr_expect_not(otlp->metrics);
}

Test(otlp, a_url_is_enough)
{
    const struct otlp_settings *otlp = loaded("otlp: {url: \"http://Collector:4318/\"}");
    cr_expect_str_eq(otlp->url, "http://collector:4318");
    cr_expect(otlp->traces && otlp->metrics);
    cr_expect_eq(otlp->sample, 100U);
    cr_expect_eq(otlp->every, 60 * SEC);
    cr_expect_str_eq(otlp->service, "sallyport");
    cr_expect_eq(otlp->header_count, 0U);
}

Test(otlp, settings_are_taken)
{
    const struct otlp_settings *otlp =
        loaded("otlp: {url: \"https://[2001:db8::1]:443/otlp\", traces: off, metrics: on, "
               "sample: 5%, every: 10s, service: gw eu}");
    cr_expect_str_eq(otlp->url, "https://[2001:db8::1]/otlp");
    cr_expect_not(otlp->traces);
    cr_expect(otlp->metrics);
    cr_expect_eq(otlp->sample, 5U);
    cr_expect_eq(otlp->every, 10 * SEC);
    cr_expect_str_eq(otlp->service, "gw eu");
}

Test(otlp, headers_are_texts_or_secrets)
{
    const struct otlp_settings *otlp =
        loaded("otlp:\n  url: http://c:4318\n  headers:\n    X-Scope-OrgID: 7\n"
               "    api-key: {secret: c-key}\n    Authorization: {secret: c-key, value: \"Bearer "
               "{secret}!\"}");
    cr_assert_eq(otlp->header_count, 3U);
    cr_expect_str_eq(otlp->headers[0].name, "X-Scope-OrgID");
    expect_text(otlp->headers[0].before, "7");
    cr_expect_null(otlp->headers[0].secret_name);
    cr_expect_str_eq(otlp->headers[1].secret_name, "c-key");
    cr_expect_eq(otlp->headers[1].before.len + otlp->headers[1].after.len, 0U);
    expect_text(otlp->headers[2].before, "Bearer ");
    expect_text(otlp->headers[2].after, "!");
    cr_expect_str_eq(otlp->headers[2].secret_name, "c-key");
}

Test(otlp, secrets_of_headers_are_in_use_as_long_as_the_snapshot)
{
    static const char text[] = "version: 1\nsecrets: [{type: env}]\n"
                               "otlp: {url: \"http://c:4318\", headers: {A: {secret: k}, B: b}}\n";
    CLEANUP(problems_fini) struct problems found = {0};
    struct snapshot *parsed = NULL;
    struct secret_store *store = secret_store_new();
    cr_assert_eq(snapshot_parse("f", slice_from(text), store, &found, &parsed), STATUS_OK);
    cr_expect_not_null(parsed->otlp.headers[0].slot);
    cr_expect_null(parsed->otlp.headers[1].slot);
    snapshot_unref(parsed);
    secret_store_free(store);
}

struct refused {
    const char *section;
    const char *problem; /* a part of the first one */
};

Test(otlp, what_is_wrong_is_said_where_it_is)
{
    static const struct refused cases[] = {
        {"otlp: {traces: on}", "otlp: url is missing; write url: http://collector:4318"},
        {"otlp: {url: \"grpc://c:4317\"}", "otlp.url: write a URL that begins with https://"},
        {"otlp: {url: \"http://u:p@c:4318\"}", "otlp.url: a URL may not have a user or password"},
        {"otlp: {url: \"http://c\", traces: maybe}", "write one of: off, on"},
        {"otlp: {url: \"http://c\", sample: 101%}", "the most is 100%"},
        {"otlp: {url: \"http://c\", every: 0s}", "the least is 1s"},
        {"otlp: {url: \"http://c\", header: {}}", "did you mean \"headers\"?"},
        {"otlp: {url: \"http://c\", headers: {\"a b\": x}}", "no header can have this name"},
        {"otlp: {url: \"http://c\", headers: {Host: x}}", "the gateway alone writes this header"},
        {"otlp: {url: \"http://c\", headers: {Content-Type: x}}", "the gateway alone writes"},
        {"otlp: {url: \"http://c\", headers: {A: x, a: y}}", "this header is there already"},
        {"otlp: {url: \"http://c\", headers: {A: \"x\\ny\"}}", "no header can have this value"},
        {"otlp: {url: \"http://c\", headers: {A: [x]}}", "expected a single value, found a list"},
        {"otlp: {url: \"http://c\", headers: {A: {}}}", "secret is missing"},
        {"otlp: {url: \"http://c\", headers: {A: {secert: x}}}", "secret is missing"},
        {"otlp: {url: \"http://c\", headers: {A: {secret: .x}}}", "a secret's name has letters"},
        {"otlp: {url: \"http://c\", headers: {A: {secret: x, value: y}}}", "write {secret} once"},
        {"otlp: {url: \"http://c\", headers: {A: {secret: x, value: \"{secret}{secret}\"}}}",
         "write {secret} once"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        load(cases[i].section);
        cr_assert_null(snapshot, "%s", cases[i].section);
        cr_expect_not_null(strstr(problem_at(0), cases[i].problem), "%s: %s", cases[i].section,
                           problem_at(0));
    }
}

Test(otlp, headers_are_few)
{
    char text[1024] = "otlp: {url: \"http://c\", headers: {";
    for (unsigned i = 0; i <= OTLP_HEADERS_MAX; i++) {
        size_t len = strlen(text);
        (void)snprintf(text + len, sizeof(text) - len, "%sh%u: x", i == 0 ? "" : ", ", i);
    }
    load(strncat(text, "}}", 3));
    cr_assert_null(snapshot);
    cr_expect_not_null(strstr(problem_at(0), "16 are the most"), "%s", problem_at(0));
}
