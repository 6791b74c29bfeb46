#include "base/buffer.h"
#include "gateway/ledger/ledger_format.h"
#include "tests/unit/gateway/ledger/ledger_rows.h"

static struct buffer out;

static void setup(void)
{
    buffer_init(&out, 10000);
}

static void teardown(void)
{
    buffer_fini(&out);
}

TestSuite(ledger_format, .init = setup, .fini = teardown);

static void expect_out(const char *expected)
{
    struct slice text = buffer_bytes(&out);
    cr_expect(slice_equal(text, slice_from(expected)), "%.*s", SLICE_ARG(text));
    buffer_consume(&out, text.len);
}

Test(ledger_format, money_is_written_from_whole_numbers)
{
    static const struct {
        uint64_t nanousd;
        unsigned decimals;
        const char *text;
    } cases[] = {
        {0, 2, "0.00"},
        {1, 9, "0.000000001"},
        {123450, 8, "0.00012345"},
        {1500000000, 2, "1.50"},
        {250000000000, 2, "250.00"},
        {999999999, 9, "0.999999999"},
        {INT64_MAX, 9, "9223372036.854775807"},
        {UINT64_MAX, 9, "18446744073.709551615"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[LEDGER_COST_TEXT_MAX];
        cr_expect_eq(ledger_cost_decimals(cases[i].nanousd), cases[i].decimals, "%s",
                     cases[i].text);
        cr_expect_str_eq(ledger_cost_text(cases[i].nanousd, cases[i].decimals, text), cases[i].text,
                         "%s", text);
    }
    char text[LEDGER_COST_TEXT_MAX];
    cr_expect_str_eq(ledger_cost_text(1999999999, 0, text), "1");
    cr_expect_str_eq(ledger_cost_text(1, 2, text), "0.00");
}

Test(ledger_format, csv_is_quoted_where_it_has_to_be_and_is_no_formula)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"", ""},
        {"gpt-4o", "gpt-4o"},
        {"a b", "a b"},
        {"a,b", "\"a,b\""},
        {"say \"x\"", "\"say \"\"x\"\"\""},
        {"\"", "\"\"\"\""},
        {"a\nb", "\"a\nb\""},
        {"=1+1", "\"'=1+1\""},
        {"+1", "\"'+1\""},
        {"-1", "\"'-1\""},
        {"@sum", "\"'@sum\""},
        {"\tx", "\"'\tx\""},
        {"=\"a\",b", "\"'=\"\"a\"\",b\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_eq(ledger_csv_text(slice_from(cases[i].text), &out), STATUS_OK);
        expect_out(cases[i].expected);
    }
}

Test(ledger_format, a_sum_is_json_with_all_its_units)
{
    struct ledger_sum sum = {.name = "a\"b", .requests = 2, .errors = 1, .cost = 1234567890};
    for (unsigned i = 0; i < LEDGER_UNIT_COUNT; i++) {
        sum.units[i] = i;
    }
    cr_expect_eq(ledger_sum_json(&sum, LEDGER_BY_MODEL, &out), STATUS_OK);
    expect_out("{\"model\":\"a\\\"b\",\"requests\":2,\"errors\":1,\"estimated\":0,"
               "\"input_tokens\":0,\"cache_read_tokens\":1,\"cache_write_tokens\":2,"
               "\"output_tokens\":3,\"reasoning_tokens\":4,\"audio_tokens\":5,\"images\":6,"
               "\"characters\":7,\"milliseconds\":8,\"messages\":9,\"segments\":10,"
               "\"searches\":11,\"audio_output_tokens\":12,\"image_input_tokens\":13,"
               "\"image_output_tokens\":14,\"request_bytes\":15,\"response_bytes\":16,"
               "\"cost_nanousd\":1234567890,\"cost_usd\":\"1.234567890\"}");
}

Test(ledger_format, an_object_is_json)
{
    struct ledger_row row;
    fill_row(&row, 1);
    row.object = (struct ledger_object){.id = "pi_1",
                                        .type = "payment_intent",
                                        .status = "succeeded",
                                        .currency = "eur",
                                        .amount = -1250,
                                        .has_amount = true};
    row.cost = 1500;
    cr_expect_eq(ledger_object_json(&row, &out), STATUS_OK);
    expect_out("{\"time\":\"2024-10-04T00:00:00.000Z\","
               "\"request_id\":\"00000000000000000000000000000001\","
               "\"tenant\":\"checkout\",\"route\":\"openai\",\"type\":\"payment_intent\","
               "\"id\":\"pi_1\",\"status\":\"succeeded\",\"amount\":-1250,\"currency\":\"eur\","
               "\"cost_nanousd\":1500,\"cost_usd\":\"0.000001500\"}");
    row.object.has_amount = false;
    cr_expect_eq(ledger_object_json(&row, &out), STATUS_OK);
    cr_expect_not_null(memmem(buffer_bytes(&out).ptr, buffer_len(&out), "\"amount\":null", 13));
}
