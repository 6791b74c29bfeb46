#include "limiter/limit_text.h"

#include <criterion/criterion.h>

Test(limit_text, amounts_are_written_in_their_unit)
{
    static const struct {
        enum limit_unit unit;
        uint64_t amount;
        const char *text;
    } rows[] = {
        {LIMIT_REQUESTS, 600, "600 requests"},
        {LIMIT_REQUESTS, 1, "1 request"},
        {LIMIT_TOKENS, 2000000, "2000000 tokens"},
        {LIMIT_BYTES, 1, "1 byte"},
        {LIMIT_CONCURRENCY, 10, "10 requests at once"},
        {LIMIT_COST, UINT64_C(250000000000), "250 USD"},
        {LIMIT_COST, 500000000, "0.50 USD"},
        {LIMIT_COST, 123450, "0.000123450 USD"},
        {LIMIT_COST, LIMIT_AMOUNT_MAX, "9000000 USD"},
        {LIMIT_COST, 1, "0.000000001 USD"},
        {LIMIT_COST, 0, "0 USD"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[LIMIT_AMOUNT_TEXT_MAX];
        limit_amount_text(rows[i].unit, rows[i].amount, text);
        cr_expect_str_eq(text, rows[i].text);
    }
}

Test(limit_text, rules_are_written_as_a_sentence_needs_them)
{
    static const struct {
        struct limit limit;
        const char *text;
    } rows[] = {
        {{.unit = LIMIT_REQUESTS, .amount = 600, .span = LIMIT_RATE, .period = 60 * SEC},
         "600 requests a minute"},
        {{.unit = LIMIT_REQUESTS, .amount = 5, .span = LIMIT_RATE, .period = 3600 * SEC},
         "5 requests an hour"},
        {{.unit = LIMIT_TOKENS, .amount = 100, .span = LIMIT_RATE, .period = 10 * SEC},
         "100 tokens in 10 s"},
        {{.unit = LIMIT_COST, .amount = UINT64_C(250000000000), .span = LIMIT_MONTH},
         "250 USD a month"},
        {{.unit = LIMIT_BYTES, .amount = 7, .span = LIMIT_DAYS, .days = 7}, "7 bytes in 7 days"},
        {{.unit = LIMIT_REQUESTS, .amount = 9, .span = LIMIT_DAYS, .days = 1}, "9 requests a day"},
        {{.unit = LIMIT_REQUESTS, .amount = 9, .span = LIMIT_WEEK}, "9 requests a week"},
        {{.unit = LIMIT_CONCURRENCY, .amount = 10, .span = LIMIT_HELD}, "10 requests at once"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[LIMIT_TEXT_MAX];
        limit_text(&rows[i].limit, text);
        cr_expect_str_eq(text, rows[i].text);
    }
}

Test(limit_text, a_policy_says_name_amount_unit_and_window)
{
    static const struct {
        struct limit limit;
        const char *text;
    } rows[] = {
        {{.name = "rpm",
          .unit = LIMIT_REQUESTS,
          .amount = 600,
          .span = LIMIT_RATE,
          .period = 60 * SEC},
         "\"rpm\";q=600;w=60"},
        {{.name = "budget", .unit = LIMIT_COST, .amount = 5000000000, .span = LIMIT_MONTH},
         "\"budget\";q=5000000000;qu=\"nano-usd\";w=2592000"},
        {{.name = "at-once", .unit = LIMIT_CONCURRENCY, .amount = 10, .span = LIMIT_HELD},
         "\"at-once\";q=10;qu=\"concurrent-requests\""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[LIMIT_POLICY_MAX];
        size_t len = limit_policy_text(&rows[i].limit, text);
        cr_expect_eq(len, strlen(rows[i].text));
        cr_expect(memcmp(text, rows[i].text, len) == 0, "%.*s", (int)len, text);
    }
}
