#include "base/memory.h"
#include "routes/price.h"
#include "routes/usage.h"

#include <inttypes.h>

#include <criterion/criterion.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* As the files in routes/prices/ have it: two models, one with a tier, and an alias. */
static const char two_models[] =
    "{\"as_of\": \"2026-01-02\", \"source\": \"a list\", \"models\": {"
    "\"small\": {\"input\": \"0.15\", \"output\": \"0.60\", \"context\": 1000},"
    "\"large\": {\"input\": \"2.50\", \"output\": \"10.00\", \"cache_read\": \"1.25\","
    " \"cache_write\": \"3.125\", \"context\": 1000000, \"max_output\": 64000,"
    " \"tier\": {\"above_tokens\": 200000, \"input\": \"5.00\", \"output\": \"15.00\","
    " \"cache_write\": \"6.25\"}}},"
    "\"aliases\": {\"large-2026\": \"large\"}}";

static const struct price_list *read_list(struct arena *arena, const char *json)
{
    struct price_list *list = NULL;
    struct error err = {0};
    cr_assert_eq(price_list_read(arena, SLICE("test"), slice_from(json), &list, &err), STATUS_OK,
                 "%s", err.message);
    return list;
}

static const struct price *find(const struct price_list *list, const char *model)
{
    const struct price *price = price_find(list, slice_from(model));
    cr_assert_not_null(price, "%s", model);
    return price;
}

/* ---- what a call costs, worked out by hand ---- */

Test(price, cost_is_the_sum_over_the_kinds)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    const struct price *large = find(read_list(&arena, two_models), "large");
    static const struct {
        struct usage usage;
        uint64_t nanousd;
    } cases[] = {
        {{0}, 0},
        {{.input = 1}, 2500},
        {{.output = 1}, 10000},
        {{.cache_read = 1}, 1250},
        {{.cache_write = 1}, 3125},
        {{.input = 12, .output = 34}, 12 * 2500 + 34 * 10000},
        {{.input = 100, .cache_read = 1000, .cache_write = 10, .output = 7},
         250000 + 1250000 + 31250 + 70000},
        {{.input = 1000000}, 5000000000},          /* above the tier: 5 USD */
        {{.output = 50, .reasoning = 40}, 500000}, /* reasoning is part of the output */
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        cr_expect_eq(price_cost(large, &cases[i].usage), cases[i].nanousd, "%zu: %" PRIu64, i,
                     price_cost(large, &cases[i].usage));
    }
}

/* 0.0000001 USD for a million: a tenth of a nano-USD for a thousand tokens. */
Test(price, cost_is_rounded_up_once_at_the_end)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    const struct price *price =
        find(read_list(&arena, "{\"as_of\": \"d\", \"source\": \"s\", \"models\": {\"m\": {"
                               "\"input\": \"0.0000001\", \"output\": \"0.0000003\"}}}"),
             "m");
    static const struct {
        struct usage usage;
        uint64_t nanousd;
    } cases[] = {
        {{.input = 1}, 1},                    /* 0.0001 */
        {{.input = 9999}, 1},                 /* 0.9999 */
        {{.input = 10000}, 1},                /* 1 */
        {{.input = 10001}, 2},                /* 1.0001 */
        {{.input = 2500, .output = 2500}, 1}, /* 0.25 + 0.75: apart they would be 2 */
        {{.input = 5000, .cache_read = 5000}, 1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        cr_expect_eq(price_cost(price, &cases[i].usage), cases[i].nanousd, "%zu", i);
    }
}

Test(price, a_tier_holds_for_the_whole_call_by_all_of_its_input)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    const struct price *large = find(read_list(&arena, two_models), "large");
    struct usage usage = {.input = 150000, .cache_read = 50000, .output = 1};
    cr_expect_eq(price_cost(large, &usage), 150000 * 2500 + 50000 * 1250 + 10000);
    usage.cache_write = 1;
    cr_expect_eq(price_cost(large, &usage), 150000 * 5000 + 50000 * 1250 + 6250 + 15000);
}

Test(price, what_is_not_said_of_the_cache_costs_what_input_does)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    const struct price_list *list = read_list(
        &arena,
        "{\"as_of\": \"d\", \"source\": \"s\", \"models\": {"
        "\"plain\": {\"input\": \"2.00\", \"output\": \"4.00\","
        " \"tier\": {\"above_tokens\": 10, \"input\": \"3.00\"}},"
        "\"reads\": {\"input\": \"2.00\", \"output\": \"4.00\", \"cache_read\": \"0.50\","
        " \"tier\": {\"above_tokens\": 10, \"input\": \"3.00\", \"cache_write\": \"3.50\"}},"
        "\"writes\": {\"input\": \"2.00\", \"output\": \"4.00\", \"cache_write\": \"5.00\","
        " \"tier\": {\"above_tokens\": 10, \"input\": \"3.00\"}}}}");
    const struct price *plain = find(list, "plain");
    cr_expect_eq(plain->base.cache_read, 2000000000);
    cr_expect_eq(plain->base.cache_write, 2000000000);
    cr_expect_eq(plain->tier.cache_read, 3000000000);
    cr_expect_eq(plain->tier.cache_write, 3000000000);
    cr_expect_eq(plain->tier.output, 4000000000);
    const struct price *reads = find(list, "reads");
    cr_expect_eq(reads->tier.cache_read, 500000000);
    cr_expect_eq(reads->tier.cache_write, 3500000000);
    cr_expect_eq(find(list, "writes")->tier.cache_write, 5000000000);
}

Test(price, cost_saturates)
{
    struct price price = {.base = {.input = UINT64_C(1000000000000000), .output = 1}};
    struct usage usage = {.input = UINT64_MAX, .output = UINT64_MAX};
    cr_expect_eq(price_cost(&price, &usage), UINT64_MAX);
    cr_expect_eq(price_input_bound(&price, UINT64_MAX), UINT64_MAX);
    usage = (struct usage){.input = UINT64_MAX, .cache_write = 1};
    price = (struct price){.base = {1, 1, 1, 1}, .tier_above = UINT64_MAX, .tier = {9, 9, 9, 9}};
    cr_expect_eq(price_cost(&price, &usage), 166020696663386); /* 2^64 tokens, not 0 */
}

/* ---- bounds ---- */

Test(price, bounds_are_of_the_dearest_kind_and_of_the_tier)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    const struct price_list *list = read_list(&arena, two_models);
    const struct price *large = find(list, "large");
    cr_expect_eq(price_input_bound(large, 0), 0);
    cr_expect_eq(price_input_bound(large, 1000), 1000 * 3125);
    cr_expect_eq(price_input_bound(large, 200000), 200000UL * 3125);
    cr_expect_eq(price_input_bound(large, 200001), 200001UL * 6250);
    cr_expect_eq(price_output_token(large, 200000), 10000);
    cr_expect_eq(price_output_token(large, 200001), 15000);
    cr_expect_eq(price_input_bound(find(list, "small"), 3), 450);
}

/* Whatever the usage is below the bounds, it costs no more than was reserved. */
Test(price, no_cost_is_above_its_bound)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    struct price_book *book = NULL;
    struct error err = {0};
    cr_assert_eq(price_book_load(&arena, &book, &err), STATUS_OK, "%s", err.message);
    static const char *const models[] = {"gpt-5.6", "gpt-5-nano", "gpt-4o-audio-preview"};
    static const uint64_t inputs[] = {1, 7, 271999, 272000, 272001, 1050000};
    for (size_t i = 0; i < COUNT_OF(models) * COUNT_OF(inputs); i++) {
        const struct price *price =
            find(price_book_find(book, SLICE("openai")), models[i / COUNT_OF(inputs)]);
        uint64_t input = inputs[i % COUNT_OF(inputs)];
        uint64_t bound = price_input_bound(price, input) + 333 * price_output_token(price, input);
        struct usage all_read = {.cache_read = input, .output = 333};
        struct usage all_written = {.cache_write = input, .output = 333};
        struct usage mixed = {.input = input / 2, .cache_write = input / 3, .output = 332};
        cr_expect_leq(price_cost(price, &all_read), bound);
        cr_expect_leq(price_cost(price, &all_written), bound);
        cr_expect_leq(price_cost(price, &mixed), bound);
    }
}

/* ---- which model ---- */

Test(price, models_are_found_by_name_and_by_alias)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    const struct price_list *list = read_list(&arena, two_models);
    cr_expect_eq(find(list, "large-2026"), find(list, "large"));
    cr_expect(slice_equal(find(list, "large-2026")->model, SLICE("large")));
    static const char *const unknown[] = {"", "Large", "larg", "large-2026-", "large:x", "zz", "a"};
    for (size_t i = 0; i < COUNT_OF(unknown); i++) {
        cr_expect_null(price_find(list, slice_from(unknown[i])), "%s", unknown[i]);
    }
}

Test(price, a_tuned_model_costs_what_its_kind_does)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    const struct price_list *list =
        read_list(&arena, "{\"as_of\": \"d\", \"source\": \"s\", \"models\": {"
                          "\"m\": {\"input\": \"1.00\", \"output\": \"1.00\"},"
                          "\"ft\": {\"input\": \"1.00\", \"output\": \"1.00\"},"
                          "\"ft:m\": {\"input\": \"2.00\", \"output\": \"2.00\"}}}");
    cr_expect_eq(find(list, "ft:m:acme::abc"), find(list, "ft:m"));
    cr_expect_eq(find(list, "ft:m:acme:name:abc:ckpt-step-10"), find(list, "ft:m"));
    cr_expect_null(price_find(list, SLICE("ft:n:acme::abc")));
    cr_expect_null(price_find(list, SLICE("m:acme")));
    cr_expect_null(price_find(list, SLICE("ft:")));
    cr_expect_null(price_find(list, SLICE("ft::::")));
}

Test(price, the_dearest_has_of_each_figure_the_largest)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    const struct price *dearest = price_dearest(read_list(
        &arena, "{\"as_of\": \"d\", \"source\": \"s\", \"models\": {"
                "\"a\": {\"input\": \"1.00\", \"output\": \"9.00\", \"context\": 50},"
                "\"b\": {\"input\": \"2.00\", \"output\": \"3.00\", \"cache_read\": \"0.10\","
                " \"max_output\": 70, \"tier\": {\"above_tokens\": 5, \"input\": \"4.00\"}}}}"));
    cr_expect_eq(dearest->base.input, 4000000000);
    cr_expect_eq(dearest->base.output, 9000000000);
    cr_expect_eq(dearest->base.cache_read, 1000000000);
    cr_expect_eq(dearest->base.cache_write, 4000000000);
    cr_expect_eq(dearest->tier_above, 0);
    cr_expect_eq(dearest->context, 50);
    cr_expect_eq(dearest->max_output, 70);
}

Test(price, sizes_that_are_not_known_are_the_largest)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    const struct price *small = find(read_list(&arena, two_models), "small");
    cr_expect_eq(small->context, 1000);
    cr_expect_eq(small->max_output, 64000);
}

/* ---- the files ---- */

Test(price, the_built_in_ones_have_the_providers_figures)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    struct price_book *book = NULL;
    struct error err = {0};
    cr_assert_eq(price_book_load(&arena, &book, &err), STATUS_OK, "%s", err.message);
    cr_expect_null(price_book_find(book, SLICE("stripe")));
    cr_expect_null(price_book_find(book, SLICE("")));

    const struct price_list *openai = price_book_find(book, SLICE("openai"));
    const struct price *mini = find(openai, "gpt-4o-mini");
    cr_expect_eq(mini->base.input, 150000000);
    cr_expect_eq(mini->base.output, 600000000);
    cr_expect_eq(mini->base.cache_read, 75000000);
    cr_expect_eq(mini->base.cache_write, mini->base.input);
    cr_expect_eq(mini->context, 128000);
    cr_expect_eq(mini->max_output, 16384);
    cr_expect_eq(find(openai, "gpt-5.4-2026-03-05")->tier_above, 272000);
    cr_expect_eq(find(openai, "gpt-5.4")->tier.cache_write, 5000000000);
    cr_expect_eq(find(openai, "gpt-audio")->base.output, 10000000000);
    cr_expect_eq(find(openai, "gpt-audio")->base.audio_output, 64000000000);
    cr_expect_eq(find(openai, "ft:gpt-4o-mini-2024-07-18:acme::x")->base.input, 300000000);
    cr_expect_eq(price_dearest(openai)->base.output, 600000000000);
    cr_expect_eq(find(openai, "text-embedding-3-small")->base.output, 0);

    const struct price_list *anthropic = price_book_find(book, SLICE("anthropic"));
    const struct price *sonnet = find(anthropic, "claude-sonnet-4-5-20250929");
    cr_expect_eq(sonnet->base.cache_write, 3750000000);
    cr_expect_eq(sonnet->tier_above, 200000);
    cr_expect_eq(sonnet->tier.output, 22500000000);
    cr_expect_eq(price_dearest(anthropic)->base.output, 75000000000);
}

Test(price, decimals_are_read_exactly)
{
    static const struct {
        const char *text;
        uint64_t nanousd;
    } cases[] = {
        {"0", 0},
        {"0.00", 0},
        {"3", 3000000000},
        {"0.000000001", 1},
        {"0.1", 100000000},
        {"999999.999999999", 999999999999999},
        {"000007.50", 7500000000},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena arena CLEANUP(arena_fini) = {0};
        const char *json = arena_print(&arena,
                                       "{\"as_of\": \"d\", \"source\": \"s\", \"models\": "
                                       "{\"m\": {\"input\": \"%s\", \"output\": \"1\"}}}",
                                       cases[i].text);
        cr_expect_eq(find(read_list(&arena, json), "m")->base.input, cases[i].nanousd, "%s",
                     cases[i].text);
    }
}

static void expect_refused(const char *json, const char *wanted)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    struct price_list *list = NULL;
    struct error err = {0};
    enum status status = price_list_read(&arena, SLICE("test"), slice_from(json), &list, &err);
    cr_expect_eq(status, STATUS_INVALID, "%s", json);
    cr_expect_null(list);
    cr_expect_not_null(strstr(err.message, wanted), "%s: %s", json, err.message);
}

Test(price, prices_that_are_no_decimal_text_are_refused)
{
    static const char *const prices[] = {
        "2.5",     "null",      "\"\"",        "\".5\"",    "\"2.\"",           "\"-1\"",
        "\"1e3\"", "\"+1\"",    "\" 1\"",      "\"1 USD\"", "\"0.0000000001\"", "true",
        "\"1,5\"", "\"1.2.3\"", "\"1000000\"", "[\"1\"]",
    };
    for (size_t i = 0; i < COUNT_OF(prices); i++) {
        struct arena arena CLEANUP(arena_fini) = {0};
        expect_refused(arena_print(&arena,
                                   "{\"as_of\": \"d\", \"source\": \"s\", \"models\": "
                                   "{\"m\": {\"input\": %s, \"output\": \"1\"}}}",
                                   prices[i]),
                       "models.m: input: a decimal in quotes is expected");
    }
}

Test(price, files_that_are_wrong_say_where)
{
#define HEAD  "{\"as_of\": \"d\", \"source\": \"s\", "
#define MODEL "\"m\": {\"input\": \"1\", \"output\": \"1\"}"
    static const struct {
        const char *json, *wanted;
    } cases[] = {
        {"", "prices test: "},
        {"[]", "prices test: an object is expected"},
        {"{\"source\": \"s\", \"models\": {" MODEL "}}", "as_of: missing"},
        {"{\"as_of\": \"d\", \"models\": {" MODEL "}}", "source: missing"},
        {HEAD "\"models\": []}", "models and aliases are objects"},
        {HEAD "\"models\": {}}", "models: none"},
        {HEAD "\"models\": {" MODEL "}, \"aliases\": []}", "models and aliases are objects"},
        {HEAD "\"models\": {" MODEL "}, \"note\": 1}", "note: unknown member"},
        {HEAD "\"models\": {" MODEL ", " MODEL "}}", "twice"},
        {HEAD "\"models\": {\"m\": 1}}", "models.m: an object is expected"},
        {HEAD "\"models\": {\"m\": {\"input\": \"1\"}}}", "models.m: input and output"},
        {HEAD "\"models\": {\"m\": {\"input\": \"1\", \"output\": \"1\", \"max\": 1}}}",
         "models.m: max: unknown member"},
        {HEAD "\"models\": {\"m\": {\"input\": \"1\", \"output\": \"1\", \"context\": 0}}}",
         "context: a whole number"},
        {HEAD "\"models\": {\"m\": {\"input\": \"1\", \"output\": \"1\", \"context\": \"9\"}}}",
         "context: a whole number"},
        {HEAD "\"models\": {\"m\": {\"input\": \"1\", \"output\": \"1\", \"max_output\": 2e9}}}",
         "max_output: a whole number"},
        {HEAD "\"models\": {\"m\": {\"input\": \"1\", \"output\": \"1\","
              " \"cache_write\": \"0.9\"}}}",
         "cache_write: "},
        {HEAD "\"models\": {\"m\": {\"input\": \"1\", \"output\": \"1\", \"tier\": \"x\"}}}",
         "models.m: tier: an object"},
        {HEAD "\"models\": {\"m\": {\"input\": \"1\", \"output\": \"1\","
              " \"tier\": {\"input\": \"2\"}}}}",
         "models.m: tier: above_tokens: missing"},
        {HEAD "\"models\": {" MODEL "}, \"aliases\": {\"a\": \"b\"}}", "aliases.a"},
        {HEAD "\"models\": {" MODEL "}, \"aliases\": {\"a\": 1}}", "aliases.a"},
        {HEAD "\"models\": {" MODEL "}, \"aliases\": {\"m\": \"m\"}}", "aliases.m"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        expect_refused(cases[i].json, cases[i].wanted);
    }
}
