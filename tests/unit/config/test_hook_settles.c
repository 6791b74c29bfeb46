/* What a hook's events settle, as a config says it, and what is wrong with it. */
#include "tests/unit/config/config_scene.h"

#include <stdio.h>
#include <string.h>

TestSuite(hook_settles, .init = setup, .fini = teardown);

static void read_config(const char *provider, const char *settle, const char *rest)
{
    char text[4000];
    (void)snprintf(text, sizeof(text),
                   "version: 1\nsecrets: [{type: env}]\n%s\nwebhooks:\n  hook:\n"
                   "    provider: %s\n    secrets: s\n    public_url: https://a.example\n"
                   "    deliver: {to: \"http://a\", secret: t}\n    settle: %s\n",
                   rest, provider, settle);
    parse_text(text);
}

#define LEDGER "ledger: {url: \"sqlite:usage.db\"}"

static const struct hook *load(const char *provider, const char *settle)
{
    read_config(provider, settle, LEDGER);
    cr_assert_not_null(snapshot, "%s: %s", settle, problem_at(0));
    return snapshot->hooks[0];
}

static void expect_text(struct slice text, const char *wanted)
{
    cr_expect(slice_equal(text, slice_from(wanted)), "\"%.*s\" is \"%s\"", SLICE_ARG(text), wanted);
}

Test(hook_settles, all_that_a_rule_says_is_taken)
{
    const struct hook *hook =
        load("stripe", "[{types: [a, \"b.*\"], object: /data/id, cost: /data/fee, currency: "
                       "/data/currency, unit: cent, status: State, free: [x, y], provider: twilio},"
                       " {object: /id, status: /s}]");
    cr_assert_eq(hook->settle_count, 2U);
    const struct hook_settle *rule = &hook->settles[0];
    cr_expect_eq(rule->types.count, 2U);
    expect_text(rule->object, "/data/id");
    expect_text(rule->cost, "/data/fee");
    expect_text(rule->currency, "/data/currency");
    cr_expect_eq(rule->unit, HOOK_CENT);
    expect_text(rule->status, "State");
    cr_expect_eq(rule->free.count, 2U);
    cr_expect_str_eq(rule->provider, "twilio");
    rule = &hook->settles[1];
    cr_expect_eq(rule->types.count, 0U);
    cr_expect_eq(rule->cost.len, 0U);
    cr_expect_eq(rule->unit, HOOK_USD);
    cr_expect_eq(rule->free.count, 0U);
    cr_expect_str_eq(rule->provider, "stripe", "the hook's own");
}

Test(hook_settles, an_array_is_the_body_or_lies_in_it)
{
    const struct hook *hook = load("stripe", "[{each: body, object: /id, up_to: \".\", cost: /c}, "
                                             "{each: /events, object: /id, status: /s}, "
                                             "{object: id, status: s}]");
    cr_expect(hook->settles[0].is_array);
    expect_text(hook->settles[0].each, "");
    expect_text(hook->settles[0].up_to, ".");
    cr_expect(hook->settles[1].is_array);
    expect_text(hook->settles[1].each, "/events");
    expect_text(hook->settles[1].up_to, "");
    cr_expect_not(hook->settles[2].is_array);
}

Test(hook_settles, one_rule_needs_no_list_and_a_scheme_without_a_profile_means_any)
{
    const struct hook *hook = load("standard-webhooks", "{object: /id, cost: /c}");
    cr_assert_eq(hook->settle_count, 1U);
    cr_expect_str_eq(hook->settles[0].provider, "");
    cr_expect_eq(load("stripe", "[]")->settle_count, 0U);
}

Test(hook_settles, what_makes_no_sense_is_said)
{
    static const struct {
        const char *settle, *problem;
    } bad[] = {
        {"{cost: /c}", "object"},
        {"{object: /id}", "neither what a call cost nor what became of it"},
        {"{object: /id, cost: /c, free: [x]}", "there is no status"},
        {"{object: /id, status: /s, currency: /c}", "there is no cost"},
        {"{object: \"\", cost: /c}", "there is no value"},
        {"{object: /id, cost: /c, unit: euro}", "unit"},
        {"{each: events, object: /id, cost: /c}", "each"},
        {"{each: body, object: id, cost: /c}", "the elements of an array are no forms"},
        {"{each: /e, object: /id, status: State}", "the elements of an array are no forms"},
        {"{object: /id, cost: /c, provider: nobody}", "there is no provider of this name"},
        {"{object: /id, cost: /c, final: x}", "final"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        read_config("stripe", bad[i].settle, LEDGER);
        cr_expect_null(snapshot, "%s", bad[i].settle);
        cr_expect_not_null(strstr(problem_at(0), bad[i].problem), "%s: %s", bad[i].settle,
                           problem_at(0));
    }
}

Test(hook_settles, needs_a_ledger)
{
    read_config("stripe", "{object: /id, cost: /c}", "ledger: none");
    cr_expect_null(snapshot);
    cr_expect_not_null(strstr(problem_at(0), "there is no ledger"), "%s", problem_at(0));
}
