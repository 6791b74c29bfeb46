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

static enum settle_verdict verdict;
static unsigned said_count;
static unsigned elements[2000]; /* that said something */

static void on_said(void *ctx, struct settle_said *one)
{
    (void)ctx;
    cr_assert_neq(one->verdict, SETTLE_NOTHING);
    verdict = one->verdict;
    said = one->settlement;
    memcpy(text, one->text, sizeof(text));
    elements[said_count++] = one->settlement.element;
}

static uint64_t read_all(const char *type, const char *body)
{
    verdict = SETTLE_NOTHING;
    said = (struct ledger_settlement){0};
    said_count = 0;
    return settle_read(&hook, slice_from(type), slice_from(body), NULL, on_said);
}

static enum settle_verdict reads(const char *type, const char *body)
{
    cr_expect_eq(read_all(type, body), 0);
    cr_expect_leq(said_count, 1);
    cr_expect_eq(said.element, 0);
    return verdict;
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

Test(settle_read, an_object_may_end_before_some_text)
{
    static const char *const ids[][2] = {
        {"m1.filter.0", "m1"}, {"m1", "m1"}, {"m1.", "m1"}, {".x", ""}};
    rules[0].up_to = SLICE(".");
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        char body[100];
        (void)snprintf(body, sizeof(body), "{\"data\":{\"id\":\"%s\",\"status\":\"sent\"}}",
                       ids[i][0]);
        cr_expect_eq(reads("message.sent", body),
                     ids[i][1][0] == '\0' ? SETTLE_NOTHING : SETTLE_SAID, "%s", ids[i][0]);
        cr_expect_str_eq(said.object, ids[i][1]);
    }
}

/* ---- arrays ---- */

static void set_array_rules(const char *each)
{
    for (unsigned i = 0; i < 2; i++) {
        rules[i] = (struct hook_settle){.is_array = true,
                                        .each = slice_from(each),
                                        .object = i == 0 ? SLICE("/id") : SLICE("/other"),
                                        .cost = SLICE("/cost"),
                                        .status = SLICE("/event"),
                                        .free = {free_states, 2},
                                        .provider = ""};
    }
}

Test(settle_read, each_element_of_an_array_says_something_of_its_own)
{
    set_array_rules("");
    cr_expect_eq(read_all("", " [ {\"id\":\"a\",\"cost\":1}\n,\t{\"id\":\"b\"} , 7, \"x\", null, "
                              "[{\"id\":\"c\"}],{\"other\":\"d\",\"event\":\"canceled\"},"
                              "{\"id\":\"e\",\"cost\":\"free\"}, {\"cost\":3} ] "),
                 0);
    cr_assert_eq(said_count, 3);
    cr_expect_eq(elements[0], 1);
    cr_expect_eq(elements[1], 7, "of another rule");
    cr_expect_eq(elements[2], 8);
    cr_expect_eq(verdict, SETTLE_UNREADABLE);
    cr_expect_str_eq(said.object, "e");
    cr_expect_str_eq(text, "free");
    cr_expect_eq(read_all("", "[{\"other\":\"d\",\"event\":\"canceled\",\"cost\":2}]"), 0);
    cr_expect_eq(said.cost, 2000000000);
    cr_expect_eq(said.element, 1);
}

Test(settle_read, an_array_may_lie_in_an_event)
{
    static const char body[] =
        "{\"n\":[{\"id\":\"z\",\"cost\":9}],\"data\":{\"events\":[{\"id\":\"a\","
        "\"cost\":1},{\"id\":\"b\",\"cost\":2}],\"more\":[]}}";
    set_array_rules("/data/events");
    cr_expect_eq(read_all("", body), 0);
    cr_expect_eq(said_count, 2);
    cr_expect_str_eq(said.object, "b");
    set_array_rules("/n/0");
    cr_expect_eq(read_all("", body), 0);
    cr_expect_eq(said_count, 0, "it is no array");
    set_array_rules("/data/more");
    cr_expect_eq(read_all("", body), 0);
    cr_expect_eq(said_count, 0);
}

Test(settle_read, where_an_array_is_not_whole_nothing_of_it_is_read)
{
    static const char *const bodies[] = {"[{\"id\":\"a\",\"cost\":1},{\"id\":\"b\",\"cost\":2}",
                                         "[{\"id\":\"a\",\"cost\":1},]",
                                         "[{\"id\":\"a\",\"cost\":1} {\"id\":\"b\",\"cost\":1}]",
                                         "{\"id\":\"a\",\"cost\":1}",
                                         "7",
                                         "",
                                         "id=a"};
    set_array_rules("");
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        cr_expect_eq(read_all("", bodies[i]), 0);
        cr_expect_eq(said_count, 0, "%s", bodies[i]);
    }
}

Test(settle_read, of_an_array_a_thousand_elements_are_read_and_the_rest_is_counted)
{
    static char body[40 * 1100];
    for (unsigned count = 999; count <= 1002; count++) {
        size_t len = 0;
        set_array_rules("");
        for (unsigned i = 1; i <= count; i++) {
            len += (size_t)snprintf(body + len, sizeof(body) - len, "%s{\"id\":\"m%u\",\"cost\":1}",
                                    i == 1 ? "[" : ",", i);
        }
        (void)snprintf(body + len, sizeof(body) - len, "]");
        cr_expect_eq(read_all("", body), count > 1000 ? count - 1000 : 0);
        cr_expect_eq(said_count, count < 1000 ? count : 1000);
        cr_expect_eq(said.element, said_count);
    }
}
