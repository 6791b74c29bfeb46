#include "config/token.h"
#include "tests/unit/config/config_scene.h"

#include <criterion/criterion.h>

TestSuite(tokens, .init = setup, .fini = teardown);

/* Of one route, "api", as members in braces; at line 4. */
static void load(const char *members)
{
    char text[6000];
    (void)snprintf(text, sizeof(text), "version: 1\nsecrets: [{type: env}]\nroutes:\n  api: {%s}\n",
                   members);
    parse_text(text);
}

#define HTTP                                                                                       \
    "provider: http, base_url: \"https://api.example.com/v1\", credential: {secret: k}, "          \
    "inject: {header: Authorization, value: \"Bearer {secret}\"}, "

static const struct token_rule *load_valid(const char *members)
{
    load(members);
    cr_assert_not_null(snapshot, "%s: %s", members, problem_at(0));
    return snapshot->routes[0]->token;
}

static void expect_value(const struct token_rule *rule, enum token_key key, const char *text)
{
    cr_expect(slice_equal(rule->plan.values[key], slice_from(text)), "%s: %.*s",
              token_key_name(key), SLICE_ARG(rule->plan.values[key]));
}

Test(tokens, a_route_without_has_none)
{
    cr_expect_null(load_valid(HTTP));
    cr_expect_null(load_valid(HTTP "token: off"));
    cr_expect_null(load_valid("provider: gcs, credential: {secret: k}, token: off"));
    cr_expect_null(load_valid("provider: gcs, credential: none"));
}

Test(tokens, what_is_said_is_taken)
{
    const struct token_rule *rule = load_valid(
        HTTP "token: {grant: client_credentials, url: \"https://login.example.com:8443/a/t\", "
             "scope: a b, audience: x, client: body, lifetime: 5m, "
             "parameters: {one: 1, two: \"2 \"}}");
    cr_expect_str_eq(rule->plan.grant->name, "client_credentials");
    expect_value(rule, TOKEN_URL, "https://login.example.com:8443/a/t");
    expect_value(rule, TOKEN_SCOPE, "a b");
    expect_value(rule, TOKEN_AUDIENCE, "x");
    expect_value(rule, TOKEN_CLIENT, "body");
    expect_value(rule, TOKEN_RESOURCE, "");
    cr_expect_eq(rule->plan.lifetime, 300 * SEC);
    cr_expect_str_eq(rule->origin.authority, "login.example.com:8443");
    cr_expect(rule->origin.tls);
    cr_expect(slice_equal(rule->path, SLICE("/a/t")));
    cr_assert_eq(rule->plan.parameter_count, 2U);
    cr_expect_str_eq(rule->plan.parameters[1].name.ptr, "two");
    cr_expect_str_eq(rule->plan.parameters[1].value.ptr, "2 ");
}

Test(tokens, a_path_is_at_the_routes_own_origin)
{
    const struct token_rule *rule =
        load_valid(HTTP "token: {grant: client_credentials, url: /oauth/token, audience: /api/}");
    expect_value(rule, TOKEN_URL, "https://api.example.com/oauth/token");
    expect_value(rule, TOKEN_AUDIENCE, "https://api.example.com/api/");
    cr_expect_str_eq(rule->origin.key, snapshot->routes[0]->origin.key);
}

Test(tokens, the_profile_says_what_the_route_does_not)
{
    const struct token_rule *rule = load_valid("provider: gcs, credential: {secret: k}");
    cr_expect_str_eq(rule->plan.grant->name, "google_service_account");
    expect_value(rule, TOKEN_URL, "https://oauth2.googleapis.com/token");
    expect_value(rule, TOKEN_SCOPE, "https://www.googleapis.com/auth/devstorage.read_write");

    rule = load_valid("provider: gcs, credential: {secret: k}, token: {scope: x, subject: me}");
    expect_value(rule, TOKEN_SCOPE, "x");
    expect_value(rule, TOKEN_SUBJECT, "me");
    expect_value(rule, TOKEN_URL, "https://oauth2.googleapis.com/token");

    rule = load_valid("provider: microsoft-graph, credential: {secret: k}, "
                      "token: {directory: contoso.example}");
    expect_value(rule, TOKEN_URL,
                 "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token");

    rule = load_valid("provider: paypal, credential: {secret: k}");
    expect_value(rule, TOKEN_URL, "https://api-m.paypal.com/v1/oauth2/token");
}

Test(tokens, every_profile_that_has_one_has_one_that_works)
{
    char members[500];
    unsigned count = 0;
    (void)load_valid(HTTP);
    struct arena names CLEANUP(arena_fini) = {0};
    const char *list[64];
    for (unsigned i = 0; i < snapshot->profiles.count; i++) {
        const struct profile *profile = &snapshot->profiles.profiles[i];
        if (profile->token_count > 0 && count < sizeof(list) / sizeof(list[0])) {
            list[count++] = arena_print(&names, "%s", profile->name);
        }
    }
    cr_expect_geq(count, 10U);
    for (unsigned i = 0; i < count; i++) {
        bool of_azure = strcmp(list[i], "microsoft-graph") == 0;
        bool of_push = strcmp(list[i], "web-push") == 0;
        (void)snprintf(
            members, sizeof(members),
            "provider: %s, base_url: \"https://a.example.com\", credential: {secret: k}%s", list[i],
            of_azure  ? ", token: {directory: d}"
            : of_push ? ", token: {subject: \"mailto:a@example.com\"}"
                      : "");
        cr_expect_not_null(load_valid(members), "%s", list[i]);
    }
}

Test(tokens, another_grant_than_the_profiles_begins_anew)
{
    load("provider: gcs, credential: {secret: k}, token: {grant: azure_client, directory: d}");
    cr_assert_eq(problems.count, 1U);
    cr_expect_not_null(strstr(problem_at(0), "the grant azure_client needs scope"), "%s",
                       problem_at(0));
}

Test(tokens, vapid_is_for_the_routes_own_origin)
{
    const struct token_rule *rule =
        load_valid(HTTP "token: {grant: vapid, subject: \"mailto:a@example.com\"}");
    expect_value(rule, TOKEN_AUDIENCE, "https://api.example.com");
    cr_expect_null(rule->origin.host);
}

Test(tokens, rules_that_ask_for_the_same_are_known_as_the_same)
{
    unsigned char id[TOKEN_PLAN_ID_BYTES];
    const char *one = HTTP "token: {grant: client_credentials, url: \"https://a/t\", scope: x}";
    memcpy(id, load_valid(one)->plan.id, sizeof(id));
    cr_expect_eq(memcmp(id, load_valid(one)->plan.id, sizeof(id)), 0);
    const char *others[] = {
        HTTP "token: {grant: client_credentials, url: \"https://a/t\", scope: y}",
        HTTP "token: {grant: client_credentials, url: \"https://b/t\", scope: x}",
        HTTP "token: {grant: client_credentials, url: \"https://a/t\", scope: x, lifetime: 1h}",
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        cr_expect_neq(memcmp(id, load_valid(others[i])->plan.id, sizeof(id)), 0, "%s", others[i]);
    }
}

Test(tokens, what_is_wrong_is_said)
{
    static const struct {
        const char *token, *why;
    } cases[] = {
        {"{grant: password}",
         "no grant is called \"password\"; write one of: client_credentials, "},
        {"{url: \"https://a\"}", "grant is missing; write grant: and one of: client_credentials, "},
        {"{grant: client_credentials}", "the grant client_credentials needs url"},
        {"{grant: client_credentials, url: \"http://a\"}", "a secret goes there; write https://"},
        {"{grant: client_credentials, url: \"https://a/?x\"}", "token.url: "},
        {"{grant: client_credentials, url: \"https://a\", issuer: x}",
         "the grant client_credentials has no issuer; take it out"},
        {"{grant: client_credentials, url: \"https://a\", claims: {a: b}}",
         "the grant client_credentials has no claims; take it out"},
        {"{grant: apns, parameters: {a: b}}", "the grant apns has no parameters; take it out"},
        {"{grant: client_credentials, url: \"https://a\", client: post}",
         "\"post\" is no client; write basic, body or jwt"},
        {"{grant: jwt_bearer, url: \"https://a\", issuer: x, algorithm: HS256}",
         "\"HS256\" is no algorithm; write RS256 or ES256"},
        {"{grant: azure_client, scope: x, directory: ../../evil}",
         "is no directory; it has letters"},
        {"{grant: github_app, installation: \"1/2\"}", "is no installation; it has letters"},
        {"{grant: vapid}", "the grant vapid needs subject"},
        {"{grant: token_exchange, url: \"https://a\", subject_header: Authorization}",
         "is no subject_header; SDKs send keys in it"},
        {"{grant: token_exchange, url: \"https://a\", subject_header: \"a b\"}",
         "is no subject_header; write the name of a header"},
        {"[a]", "token"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char members[1000];
        (void)snprintf(members, sizeof(members), HTTP "token: %s", cases[i].token);
        load(members);
        cr_expect_null(snapshot, "%s", cases[i].token);
        cr_expect_eq(problems.count, 1U, "%s: %s", cases[i].token, problem_at(1));
        cr_expect_not_null(strstr(problem_at(0), cases[i].why), "%s: %s", cases[i].token,
                           problem_at(0));
    }
    load("provider: http, base_url: \"https://a\", credential: none, token: {grant: apns}");
    cr_expect_not_null(strstr(problem_at(0), "there is no secret to have a token for"), "%s",
                       problem_at(0));
}

Test(tokens, a_rotating_refresh_token_wants_a_sealed_file_and_a_short_name)
{
    const char *token = "token: {grant: refresh_token, url: \"https://a/t\"}";
    char members[1000];
    (void)snprintf(members, sizeof(members), HTTP "%s", token);
    load(members);
    cr_assert_not_null(snapshot);
    cr_expect_eq(problems.warning_count, 1U);
    (void)snprintf(members, sizeof(members),
                   "provider: http, base_url: \"https://a\", credential: {secret: %064d}, "
                   "inject: {basic: \"{secret}\"}, %s",
                   1, token);
    load(members);
    cr_expect_null(snapshot);
    cr_expect_not_null(strstr(problem_at(0), "is longer than 56 bytes"), "%s", problem_at(0));
}
