#include "config/hook.h"
#include "gateway/webhook/settle_read.h"
#include "limiter/limit.h"

#include <stdio.h>

#include <criterion/criterion.h>

/* ---- amounts ---- */

#define NONE UINT64_MAX

struct amount {
    const char *text;
    uint64_t usd, cent; /* NONE: it is none */
};

/* clang-format off */
static const struct amount amounts[] = {
    {"0.0075", 7500000, 75000},
    {"-0.00750", 7500000, 75000},              /* what is taken off an account */
    {"1", 1000000000, 10000000},
    {"0", 0, 0},
    {"-0", 0, 0},
    {"0.000", 0, 0},
    {".5", 500000000, 5000000},
    {"5.", 5000000000, 50000000},
    {"007", 7000000000, 70000000},
    {"1e-3", 1000000, 10000},
    {"1E+2", 100000000000, 1000000000},
    {"12.5e1", 125000000000, 1250000000},
    {"75000000e-10", 7500000, 75000},
    {"0.000000001", 1, 1},                     /* a hundredth of one, of cents: rounded up */
    {"0.0000000001", 1, 1},
    {"0.0000000010", 1, 1},
    {"0.0000000011", 2, 1},
    {"1.0000000000", 1000000000, 10000000},
    {"1e-400", 1, 1},
    {"0e-400", 0, 0},
    {"0e9999", 0, 0},
    {"123.456789012345678901234567890", 123456789013, 1234567891},
    {"0.123456789012345678901234567890", 123456790, 1234568},
    {"000000000000000000000000000001.5", 1500000000, 15000000},
    {"9000000", 9000000000000000, 90000000000000},
    {"9000000.0000000001", NONE, 90000000000001},
    {"9000001", NONE, 90000010000000},
    {"123456789012345678901234567890", NONE, NONE},
    {"1e400", NONE, NONE},
    {"1e99999999999999999999", NONE, NONE},
    {"", NONE, NONE},
    {"-", NONE, NONE},
    {".", NONE, NONE},
    {"e5", NONE, NONE},
    {"1e", NONE, NONE},
    {"1e+", NONE, NONE},
    {"1,5", NONE, NONE},
    {"1 ", NONE, NONE},
    {" 1", NONE, NONE},
    {"+1", NONE, NONE},
    {"--1", NONE, NONE},
    {"1.2.3", NONE, NONE},
    {"0x10", NONE, NONE},
    {"$1", NONE, NONE},
    {"NaN", NONE, NONE},
    {"inf", NONE, NONE},
    {"null", NONE, NONE},
    {"free", NONE, NONE},
};
/* clang-format on */

Test(settle_read, amounts_are_exact)
{
    for (size_t i = 0; i < sizeof(amounts) / sizeof(amounts[0]); i++) {
        const struct amount *amount = &amounts[i];
        uint64_t usd = NONE;
        uint64_t cent = NONE;
        bool is_usd = settle_amount(slice_from(amount->text), 9, &usd);
        bool is_cent = settle_amount(slice_from(amount->text), 7, &cent);
        cr_expect_eq(is_usd, amount->usd != NONE, "\"%s\"", amount->text);
        cr_expect_eq(is_cent, amount->cent != NONE, "\"%s\" of cents", amount->text);
        cr_expect(!is_usd || usd == amount->usd, "\"%s\": %llu", amount->text,
                  (unsigned long long)usd);
        cr_expect(!is_cent || cent == amount->cent, "\"%s\" of cents: %llu", amount->text,
                  (unsigned long long)cent);
    }
}

/* ---- rules ---- */

static struct hook_settle rules[2];
static const struct hook hook = {.settles = rules, .settle_count = 2};
static struct ledger_settlement said;
static char text[SETTLE_TEXT_MAX];

static const struct slice message_types[] = {SLICE_INIT("message.*")};
static const struct slice free_states[] = {SLICE_INIT("canceled"), SLICE_INIT("refused*")};

static void setup(void)
{
    rules[0] = (struct hook_settle){.types = {message_types, 1},
                                    .object = SLICE("/data/id"),
                                    .cost = SLICE("/data/cost/amount"),
                                    .currency = SLICE("/data/cost/currency"),
                                    .status = SLICE("/data/status"),
                                    .free = {free_states, 2},
                                    .provider = "telco"};
    rules[1] = (struct hook_settle){
        .object = SLICE("MessageSid"), .cost = SLICE("Price"), .unit = HOOK_CENT, .provider = ""};
}

TestSuite(settle_read, .init = setup);

static enum settle_verdict reads(const char *type, const char *body)
{
    return settle_read(&hook, slice_from(type), slice_from(body), &said, text);
}

Test(settle_read, a_cost_its_currency_and_a_status_are_found_by_pointers)
{
    cr_expect_eq(reads("message.sent", "{\"data\":{\"id\":\"m1\",\"status\":\"sent\",\"cost\":{"
                                       "\"amount\":\"-0.0051\",\"currency\":\"usd\"}}}"),
                 SETTLE_SAID);
    cr_expect_str_eq(said.object, "m1");
    cr_expect_str_eq(said.provider, "telco");
    cr_expect_str_eq(said.status, "sent");
    cr_expect(said.has_cost);
    cr_expect_eq(said.cost, 5100000);
}

Test(settle_read, numbers_are_read_by_their_digits)
{
    cr_expect_eq(reads("message.sent", "{\"data\":{\"id\":\"m1\",\"cost\":{\"amount\":"
                                       "0.123456789123456789,\"currency\":\"USD\"}}}"),
                 SETTLE_SAID);
    cr_expect_eq(said.cost, 123456790);
    cr_expect_str_eq(said.status, "");
}

Test(settle_read, another_currency_settles_nothing)
{
    cr_expect_eq(reads("message.sent", "{\"data\":{\"id\":\"m1\",\"status\":\"canceled\",\"cost\":{"
                                       "\"amount\":1,\"currency\":\"EUR\"}}}"),
                 SETTLE_CURRENCY);
    cr_expect_str_eq(text, "EUR");
    cr_expect_eq(reads("message.sent", "{\"data\":{\"id\":\"m1\",\"cost\":{\"amount\":1}}}"),
                 SETTLE_CURRENCY, "one that is not told might be any");
}

Test(settle_read, what_is_no_amount_is_said)
{
    cr_expect_eq(reads("message.sent", "{\"data\":{\"id\":\"m1\",\"cost\":{\"amount\":\"much\","
                                       "\"currency\":\"USD\"}}}"),
                 SETTLE_UNREADABLE);
    cr_expect_str_eq(text, "much");
}

Test(settle_read, a_status_alone_says_no_cost_unless_it_is_free)
{
    cr_expect_eq(reads("message.sent", "{\"data\":{\"id\":\"m1\",\"status\":\"sent\",\"cost\":{"
                                       "\"amount\":null,\"currency\":null}}}"),
                 SETTLE_SAID);
    cr_expect_not(said.has_cost);
    cr_expect_eq(reads("message.x", "{\"data\":{\"id\":\"m1\",\"status\":\"refused_there\"}}"),
                 SETTLE_SAID);
    cr_expect(said.has_cost);
    cr_expect_eq(said.cost, 0);
    cr_expect_eq(reads("message.x", "{\"data\":{\"id\":\"m1\",\"status\":\"canceled\",\"cost\":{"
                                    "\"amount\":1,\"currency\":\"USD\"}}}"),
                 SETTLE_SAID);
    cr_expect_eq(said.cost, 1000000000, "what it costs is told");
}

Test(settle_read, forms_have_fields)
{
    cr_expect_eq(reads("", "MessageSid=SM%31&Price=-0.75&Other=%20"), SETTLE_SAID);
    cr_expect_str_eq(said.object, "SM1");
    cr_expect_eq(said.cost, 7500000);
    cr_expect_eq(reads("", "MessageSid=SM1&Price=1&Price=2"), SETTLE_NOTHING, "either may count");
    cr_expect_eq(reads("", "Price=1"), SETTLE_NOTHING);
    cr_expect_eq(reads("", "MessageSid=&Price=1"), SETTLE_NOTHING);
}

/* As one service's events come in the envelope of another. */
Test(settle_read, places_may_be_in_a_text_that_is_json)
{
    rules[0].types.count = 0;
    rules[0].inside = SLICE("/Message");
    cr_expect_eq(reads("Notification", "{\"Type\":\"Notification\",\"data\":{\"id\":\"outer\"},"
                                       "\"Message\":\"{\\\"data\\\":{\\\"id\\\":\\\"in\\\\u0031"
                                       "\\\",\\\"status\\\":\\\"canceled\\\"}}\"}"),
                 SETTLE_SAID);
    cr_expect_str_eq(said.object, "in1");
    cr_expect_str_eq(said.status, "canceled");
    cr_expect(said.has_cost);
    static const char *const nothing[] = {
        "{\"data\":{\"id\":\"outer\",\"status\":\"canceled\"}}",
        "{\"Message\":{\"data\":{\"id\":\"m1\",\"status\":\"canceled\"}}}",
        "{\"Message\":\"no JSON\"}",
        "{\"Message\":\"{}\",\"Message\":\"{}\"}",
        "MessageSid=SM1",
    };
    for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
        cr_expect_eq(reads("Notification", nothing[i]), SETTLE_NOTHING, "%s", nothing[i]);
    }
}

Test(settle_read, events_of_other_types_say_nothing)
{
    static const char body[] = "{\"data\":{\"id\":\"m1\",\"status\":\"sent\"}}";
    cr_expect_eq(reads("number.bought", body), SETTLE_NOTHING);
    cr_expect_eq(reads("", body), SETTLE_NOTHING);
    cr_expect_eq(reads("message.sent", "{\"data\":{\"id\":{},\"status\":\"sent\"}}"),
                 SETTLE_NOTHING);
    cr_expect_eq(reads("message.sent", "no JSON"), SETTLE_NOTHING);
    cr_expect_eq(reads("message.sent", ""), SETTLE_NOTHING);
}
