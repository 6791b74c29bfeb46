#include "base/memory.h"
#include "routes/price.h"
#include "tests/unit/config/config_scene.h"

#include <criterion/criterion.h>

TestSuite(prices, .init = setup, .fini = teardown);

/* One route, "r", of this provider, with these prices, in flow style from line 3, column 5 on. */
static void load(const char *provider, const char *prices)
{
    char text[2000];
    (void)snprintf(
        text, sizeof(text),
        "version: 1\nroutes: {r: {provider: %s, base_url: \"http://x\", credential: none,"
        "\n    prices: %s}}\n",
        provider, prices);
    parse_text(text);
}

static const struct price_list *load_valid(const char *provider, const char *prices)
{
    load(provider, prices);
    cr_assert_eq(problems.count, 0U, "%s: %s", prices, problem_at(0));
    return snapshot->routes[0]->prices;
}

static const struct price *find(const struct price_list *list, const char *model)
{
    const struct price *price = price_find(list, slice_from(model));
    cr_assert_not_null(price, "%s", model);
    return price;
}

Test(prices, go_before_the_built_in_ones)
{
    const struct price_list *list = load_valid(
        "openai", "[{model: gpt-4o, input: 2 USD, output: 8.50 USD}, {model: \"gpt-4o-m*\","
                  " input: 0.000000001 USD, output: 0 USD, cache_read: 3 USD}]");
    const struct price *own = find(list, "gpt-4o");
    cr_expect_eq(own->base.input, 2000000000);
    cr_expect_eq(own->base.output, 8500000000);
    cr_expect_eq(own->base.cache_read, 2000000000);
    cr_expect_eq(own->base.audio_output, 8500000000);
    cr_expect_eq(own->context, 128000, "as the built-in one");
    cr_expect_eq(find(list, "gpt-4o-mini")->base.input, 1);
    cr_expect_eq(find(list, "gpt-4o-mini")->base.cache_read, 3000000000);
    cr_expect_eq(find(list, "gpt-4.1")->base.input, 2000000000, "the built-in one");
    cr_expect_null(price_find(list, SLICE("unknown")));
    cr_expect_eq(price_dearest(list)->base.output, 600000000000);
}

Test(prices, the_longest_pattern_counts_and_a_whole_name_before_it)
{
    const struct price_list *list =
        load_valid("openai", "[{model: \"a*\", input: 1 USD, output: 1 USD},"
                             " {model: \"ab*\", input: 2 USD, output: 2 USD},"
                             " {model: abc, input: 3 USD, output: 3 USD}]");
    cr_expect_eq(find(list, "ax")->base.input, 1000000000);
    cr_expect_eq(find(list, "abx")->base.input, 2000000000);
    cr_expect_eq(find(list, "abc")->base.input, 3000000000);
}

Test(prices, one_without_a_model_is_of_all_that_have_no_other)
{
    const struct price_list *list =
        load_valid("openai", "[{input: 7 USD, output: 9 USD, max_output: 5, context: 6}]");
    cr_expect_eq(find(list, "unknown")->base.input, 7000000000);
    cr_expect_eq(find(list, "")->base.output, 9000000000);
    cr_expect_eq(find(list, "unknown")->max_output, 5);
    cr_expect_eq(find(list, "unknown")->context, 6);
    cr_expect_eq(find(list, "gpt-4o")->base.input, 2500000000, "the built-in one");
}

Test(prices, any_api_may_cost_by_the_request)
{
    static const struct usage none = {0};
    const struct price_list *list = load_valid("http", "[{per_request: 0.005 USD}]");
    cr_expect_eq(price_cost(find(list, ""), &none), 5000000);
    cr_expect(snapshot->routes[0]->priced_by_request);
    load_valid("openai", "[{per_request: 0.005 USD}]");
    cr_expect_not(snapshot->routes[0]->priced_by_request, "its calls are known");
}

Test(prices, units_have_prices)
{
    static const struct usage sms = {.messages = 1, .segments = 3};
    const struct price_list *list =
        load_valid("twilio", "[{per_segment: 0.0083 USD, per_message: 0.001 USD}]");
    cr_expect_eq(price_cost(find(list, ""), &sms), 3 * 8300000 + 1000000);
}

Test(prices, what_makes_no_sense_is_refused)
{
    static const struct {
        const char *provider, *prices, *expected;
    } cases[] = {
        {"openai", "[{model: m}]", "it has no price"},
        {"openai", "[{model: m, input: 1 USD}]", "tokens need both"},
        {"openai", "[{model: m, cache_read: 1 USD}]", "tokens need both"},
        {"openai", "[{model: m, input: 1, output: 1 USD}]", "no currency"},
        {"openai", "[{model: m, per_image: -1 USD}]", "not an amount of money"},
        {"openai", "[{model: m, per_image: 0.0000000001 USD}]", "finer than counted"},
        {"openai", "[{model: \"a*b\", per_image: 1 USD}]", "a * only at its end"},
        {"openai", "[{model: m, per_image: 1 USD}, {model: m, per_image: 2 USD}]",
         "two prices for the same model"},
        {"openai", "[{per_image: 1 USD}, {per_search: 2 USD}]", "two prices for the same model"},
        {"http", "[{input: 1 USD, output: 1 USD}]", "write per_request alone"},
        {"http", "[{model: m, per_request: 1 USD}]", "write per_request alone"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        load(cases[i].provider, cases[i].prices);
        cr_expect_eq(problems.count, 1U, "%u problems of: %s", problems.count, cases[i].prices);
        cr_expect_not_null(strstr(problem_at(0), cases[i].expected), "%s: %s", cases[i].prices,
                           problem_at(0));
    }
}
