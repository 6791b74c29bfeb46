#include "tests/unit/config/config_scene.h"

#include <criterion/criterion.h>

TestSuite(credentials, .init = setup, .fini = teardown);

/* Of a route of a provider that wants one; at line 4, column 24. */
static void load(const char *credential)
{
    char text[6000];
    (void)snprintf(text, sizeof(text),
                   "version: 1\nsecrets: [{type: env}]\nroutes:\n  openai: {credential: %s}\n",
                   credential);
    parse_text(text);
}

static const struct route *load_valid(const char *credential)
{
    load(credential);
    cr_assert_eq(problems.count, 0U, "%s: %s", credential, problem_at(0));
    return snapshot->routes[0];
}

Test(credentials, one_may_stand_alone_or_in_a_list)
{
    static const char *const same[] = {"{secret: a}", "[{secret: a}]", "{secret: a, weight: 1}"};
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        const struct route *route = load_valid(same[i]);
        cr_assert_eq(route->credential_count, 1U);
        cr_expect_eq(route->account_count, 1U);
        cr_expect_str_eq(route->credentials[0].secret_name, "a");
        cr_expect_str_eq(route->credentials[0].account, "");
        cr_expect_eq(route->credentials[0].account_index, 0U);
        cr_expect_eq(route->credentials[0].weight, 1U);
        cr_expect_eq(route->injections.list[0].place, INJECT_HEADER);
    }
}

Test(credentials, none_is_an_empty_pool)
{
    const struct route *route = load_valid("none");
    cr_expect_eq(route->credential_count, 0U);
    cr_expect_eq(route->account_count, 0U);
    cr_expect_eq(route->injections.count, 0);
}

Test(credentials, a_pool_without_accounts_is_of_one)
{
    const struct route *route = load_valid("[{secret: a, weight: 100}, {secret: b}, {secret: c}]");
    cr_assert_eq(route->credential_count, 3U);
    cr_expect_eq(route->account_count, 1U);
    cr_expect_eq(route->credentials[0].weight, 100U);
    cr_expect_str_eq(route->credentials[2].secret_name, "c");
    cr_expect_eq(route->credentials[2].account_index, 0U);
}

Test(credentials, accounts_are_counted_as_they_come)
{
    const struct route *route =
        load_valid("[{secret: a, account: x}, {secret: b, account: x}, {secret: c, account: y}, "
                   "{secret: d, account: x}, {secret: e, account: y}]");
    static const unsigned indexes[] = {0, 0, 1, 0, 1};
    cr_assert_eq(route->credential_count, 5U);
    cr_expect_eq(route->account_count, 2U);
    for (unsigned i = 0; i < 5; i++) {
        cr_expect_eq(route->credentials[i].account_index, indexes[i]);
    }
    cr_expect_str_eq(route->credentials[2].account, "y");
}

Test(credentials, pools_that_make_no_sense_are_refused)
{
    static const struct {
        const char *credential;
        const char *expected; /* behind "f:4:" */
    } cases[] = {
        {"[]",
         "24: routes.openai.credential: the pool is empty; write [{secret: NAME}], or none if "
         "this upstream needs none"},
        {"nonee", "24: routes.openai.credential: expected a map, or a list of such, found a single "
                  "value; write {secret: openai-key}, or none"},
        {"[a, {secret: b}]", "25: routes.openai.credential[0]: expected a map, found a single "
                             "value; write keys below it, indented, or {key: value}"},
        {"[{weight: 2}]", "25: routes.openai.credential[0]: secret is missing; write secret: "
                          "openai-key"},
        {"[{secret: a}, {secret: \"b c\"}]",
         "47: routes.openai.credential[1].secret: a secret's name has letters, digits, '-', '_' "
         "and "
         "'.', does not begin with '.', and is 64 bytes long at most"},
        {"[{secret: a}, {secret: sk_live_"
         "51Hx0123456789abcdef}]",
         "47: routes.openai.credential[1].secret: this looks like a credential itself, which no "
         "config may hold; write the name of a secret, whose value is in one of the secrets "
         "sources"},
        {"[{secret: a}, {secret: b}, {secret: a}]",
         "60: routes.openai.credential[2].secret: this secret is in the pool already, at line 4; "
         "take one out, and give the other a weight"},
        {"[{secret: a}, {secret: a}]",
         "47: routes.openai.credential[1].secret: this secret is in the pool already, at line 4; "
         "take one out, and give the other a weight"},
        {"[{secret: a, account: x}, {secret: b}]",
         "50: routes.openai.credential[1]: account is missing, which others of this pool say; "
         "write "
         "account: NAME for each credential, or for none"},
        {"[{secret: a}, {secret: b, account: x}]",
         "25: routes.openai.credential[0]: account is missing, which others of this pool say; "
         "write "
         "account: NAME for each credential, or for none"},
        {"{secret: a, account: \"x y\"}",
         "45: routes.openai.credential.account: an account's name has letters, digits, '-', '_' "
         "and "
         "'.', does not begin with '.', and is 64 bytes long at most"},
        {"{secret: a, weight: 0}",
         "44: routes.openai.credential.weight: \"0\" is too small; the least is 1"},
        {"{secret: a, weight: 101}",
         "44: routes.openai.credential.weight: \"101\" is too large; the most is 100"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char line[1000];
        load(cases[i].credential);
        (void)snprintf(line, sizeof(line), "f:4:%s", cases[i].expected);
        cr_expect_eq(problems.count, 1U, "%u problems of: %s", problems.count, cases[i].credential);
        cr_expect_str_eq(problem_at(0), line, "%s", problem_at(0));
    }
}

static void load_pool_of(unsigned count)
{
    char list[2000];
    size_t used = (size_t)snprintf(list, sizeof(list), "[");
    for (unsigned i = 0; i < count; i++) {
        used += (size_t)snprintf(list + used, sizeof(list) - used, "{secret: s%u}, ", i);
    }
    (void)snprintf(list + used, sizeof(list) - used, "]");
    load(list);
}

Test(credentials, a_pool_has_32_at_most)
{
    load_pool_of(32);
    cr_assert_eq(problems.count, 0U, "%s", problem_at(0));
    cr_expect_eq(snapshot->routes[0]->credential_count, 32U);
    load_pool_of(33);
    cr_expect_eq(problems.count, 1U);
    cr_expect_str_eq(problem_at(0),
                     "f:4:24: routes.openai.credential: 33 credentials, and 32 are the most of a "
                     "pool");
}

Test(credentials, names_that_begin_like_a_key_are_names)
{
    static const char *const names[] = {"sk-prod",
                                        "sk-anthropic-production-2",
                                        "sk_live_of_the_checkout_in_europe",
                                        "github-key-2026-of-the-builders",
                                        "stripe-key-1",
                                        "openai-01HX0123456789ABCDEF0123"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char text[400];
        (void)snprintf(text, sizeof(text),
                       "version: 1\nsecrets: [{type: env}]\n"
                       "routes: {openai: {credential: {secret: %s}}}\n",
                       names[i]);
        parse_text(text);
        cr_expect_eq(problems.count, 0U, "%s", problem_at(0));
    }
}

Test(credentials, a_pool_needs_a_source_for_each)
{
    cr_assert_eq(
        snapshot_parse(
            "f", SLICE("version: 1\nroutes: {openai: {credential: [{secret: a}, {secret: b}]}}\n"),
            NULL, &problems, &snapshot),
        STATUS_INVALID);
    cr_expect_eq(problems.count, 2U);
}

static void load_route(const char *route)
{
    char text[400];
    (void)snprintf(text, sizeof(text), "version: 1\nsecrets: [{type: env}]\nroutes: {r: {%s}}\n",
                   route);
    parse_text(text);
}

/* Azure's base URL is each customer's own, and yet its profile knows where the key goes. */
Test(credentials, a_provider_without_a_base_url_knows_where_its_credential_goes)
{
    load_route("provider: azure-openai, base_url: \"https://x\", credential: {secret: a}");
    cr_assert_eq(problems.count, 0U, "%s", problem_at(0));
    cr_expect_eq(snapshot->routes[0]->injections.list[0].place, INJECT_HEADER);
    cr_expect(slice_equal(snapshot->routes[0]->injections.list[0].name, SLICE("api-key")));
    load_route("provider: azure-openai, base_url: \"https://x\"");
    cr_expect_eq(problems.count, 1U);
    cr_expect_str_eq(
        problem_at(0),
        "f:3:10: routes.r: credential is missing; write credential: {secret: NAME}, or "
        "credential: none if this upstream needs none");
    load_route("provider: http, base_url: \"https://x\", credential: {secret: a}");
    cr_expect_eq(problems.count, 1U);
    load_route("provider: http, base_url: \"https://x\"");
    cr_expect_eq(problems.count, 0U);
}
