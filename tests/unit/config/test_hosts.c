#include "config/token.h"
#include "tests/unit/config/config_scene.h"

#include <criterion/criterion.h>

TestSuite(hosts, .init = setup, .fini = teardown);

#define PUSH                                                                                       \
    "provider: web-push, credential: {secret: k}, token: {subject: \"mailto:a@example.com\"}"

/* Of one route, "push", as members in braces. */
static void load(const char *members)
{
    char text[4000];
    (void)snprintf(text, sizeof(text),
                   "version: 1\nsecrets: [{type: env}]\ngateway: {public_url: \"https://gw.x\"}\n"
                   "routes:\n  push: {%s}\n  other: {provider: http, base_url: \"https://o.x\", "
                   "credential: none}\n",
                   members);
    parse_text(text);
}

static const struct route *load_valid(const char *members)
{
    load(members);
    cr_assert_not_null(snapshot, "%s: %s", members, problem_at(0));
    return snapshot->routes[1];
}

static void expect_audience(const struct route *host, const char *text)
{
    cr_expect(slice_equal(host->token->plan.values[TOKEN_AUDIENCE], slice_from(text)), "%.*s",
              SLICE_ARG(host->token->plan.values[TOKEN_AUDIENCE]));
}

Test(hosts, those_of_the_profile_are_routes_of_their_own)
{
    const struct route *route = load_valid(PUSH);
    cr_assert_eq(route->host_count, 4U);
    const struct route *first = &route->hosts[0];
    const struct route *last = &route->hosts[3];
    cr_expect_str_eq(first->entry, "fcm.googleapis.com");
    cr_expect_str_eq(first->name, "push");
    cr_expect_eq(first->index, route->index);
    cr_expect_null(first->hosts);
    cr_expect(first->origin.tls);
    cr_expect_str_eq(first->origin.authority, "fcm.googleapis.com");
    cr_expect_str_eq(route->hosts[1].origin.key, "https://updates.push.services.mozilla.com:443");
    cr_expect(slice_equal(first->path, SLICE("/push/fcm.googleapis.com")));
    cr_expect(slice_equal(first->public_base, SLICE("https://gw.x/push/fcm.googleapis.com")));
    cr_expect(slice_equal(first->headers.constant, SLICE("Host: fcm.googleapis.com\r\n")));
    cr_expect_str_eq(last->origin.host, "*.notify.windows.com");
}

/* RFC 8292, section 2: the audience is the origin of the push resource's URL. */
Test(hosts, each_has_a_token_for_its_own_origin)
{
    const struct route *route = load_valid(PUSH);
    expect_audience(&route->hosts[0], "https://fcm.googleapis.com");
    expect_audience(&route->hosts[2], "https://web.push.apple.com");
    expect_audience(&route->hosts[3], ""); /* each request's own */
    cr_expect(memcmp(route->hosts[0].token->plan.id, route->hosts[2].token->plan.id,
                     TOKEN_PLAN_ID_BYTES) != 0);
    route =
        load_valid("provider: web-push, credential: {secret: k}, token: {subject: \"mailto:a@b.c\""
                   ", audience: \"https://all.example\"}");
    expect_audience(&route->hosts[3], "https://all.example");
}

Test(hosts, a_route_says_others_with_its_own_trust_and_port)
{
    const struct route *route =
        load_valid(PUSH ", hosts: [\"a.example.com:8443\", \"*.b.example.com\"], headers: {set: "
                        "{X-A: b}}, tls: {pin: [\"sha256/"
                        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"]}");
    cr_assert_eq(route->host_count, 2U);
    cr_expect_str_eq(route->hosts[0].origin.host, "a.example.com");
    cr_expect_eq(route->hosts[0].origin.port, 8443U);
    cr_expect(slice_equal(route->hosts[0].headers.constant,
                          SLICE("Host: a.example.com:8443\r\nX-A: b\r\n")));
    cr_expect_not_null(route->hosts[1].origin.pins);
    expect_audience(&route->hosts[0], "https://a.example.com:8443");
}

Test(hosts, a_base_url_is_in_place_of_those_of_the_profile)
{
    const struct route *route = load_valid(PUSH ", base_url: \"https://push.example.com\"");
    cr_expect_null(route->hosts);
    cr_expect_str_eq(route->origin.authority, "push.example.com");
}

Test(hosts, what_goes_with_one_upstream_alone_is_refused)
{
    static const char *const cases[][2] = {
        {PUSH ", hosts: []", "there are 0 hosts"},
        {PUSH ", hosts: [localhost]", "push.hosts[0]: it is no host name"},
        {PUSH ", hosts: [a.b, a.b]", "\"a.b\" is listed already"},
        {PUSH ", hosts: [a.b], base_url: \"https://c.d\"", "base_url says where the upstream is"},
        {PUSH ", fallback: [other]", "several hosts, and this is for one"},
        {PUSH ", health: {path: /x}", "several hosts, and this is for one"},
        {PUSH ", sign: {scheme: hmac, message: x, headers: {X-S: \"{signature}\"}}",
         "several hosts, and this is for one"},
        {"provider: web-push, credential: {secret: k}, token: {grant: client_credentials, url: /t}",
         "a path is one of the route's base_url"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        bool found = false;
        load(cases[i][0]);
        for (unsigned k = 0; problem_at(k)[0] != '\0'; k++) {
            found = found || strstr(problem_at(k), cases[i][1]) != NULL;
        }
        cr_expect(found, "%s: %s", cases[i][0], problem_at(0));
    }
}

Test(hosts, no_route_falls_back_to_one_with_several)
{
    parse_text("version: 1\nsecrets: [{type: env}]\nroutes:\n  push: {" PUSH
               "}\n  other: {provider: "
               "web-push, base_url: \"https://a.b\", credential: none, fallback: [push]}\n");
    cr_expect(strstr(problem_at(0), "\"push\" has several hosts") != NULL, "%s", problem_at(0));
}
