#include "base/json.h"
#include "gateway/ledger/ledger_report.h"
#include "tests/unit/gateway/ledger/ledger_rows.h"

#include <stdlib.h>

static struct ledger_report *report;
static char *text; /* what was written, until the next */
static size_t text_len;
static FILE *out;

static void setup(void)
{
    report = ledger_report_new();
}

static void release_text(void)
{
    /* Of open_memstream(), not of base/memory. */
    free(text);
    text = NULL;
}

static void teardown(void)
{
    release_text();
    ledger_report_free(report);
}

TestSuite(ledger_report, .init = setup, .fini = teardown);

static void open_out(void)
{
    release_text();
    out = open_memstream(&text, &text_len);
    cr_assert_not_null(out);
}

static void expect_written(const char *expected)
{
    cr_assert_eq(fclose(out), 0);
    cr_expect_str_eq(text, expected, "%s", text);
}

static void write_sums(enum ledger_by by, enum ledger_form form)
{
    open_out();
    ledger_report_write(report, by, form, row_time, out);
}

static void add(const char *name, uint64_t requests, uint64_t input, uint64_t cost)
{
    struct ledger_sum sum = {.name = name, .requests = requests, .errors = 1, .cost = cost};
    sum.units[LEDGER_UNIT_INPUT] = input;
    ledger_report_add(report, &sum);
}

Test(ledger_report, a_table_has_its_numbers_in_line_and_only_columns_with_something)
{
    add("checkout", 12, 3456789, 1234500000);
    add("s\xc3\xbc\x64", 3, 0, 12345);
    write_sums(LEDGER_BY_TENANT, LEDGER_TABLE);
    expect_written("TENANT    REQUESTS  ERRORS  INPUT TOKENS     COST USD\n"
                   "checkout        12       1       3456789  1.234500000\n"
                   "s\xc3\xbc\x64              3       1             0  0.000012345\n"
                   "total           15       2       3456789  1.234512345\n");
}

Test(ledger_report, costs_have_as_many_decimals_as_they_need)
{
    add("a", 1, 0, 1500000000);
    add("", 1, 0, 250000000);
    write_sums(LEDGER_BY_MODEL, LEDGER_TABLE);
    expect_written("MODEL   REQUESTS  ERRORS  COST USD\n"
                   "a              1       1      1.50\n"
                   "(none)         1       1      0.25\n"
                   "total          2       2      1.75\n");
}

Test(ledger_report, one_sum_needs_no_name_and_no_total)
{
    add("", 7, 0, 0);
    write_sums(LEDGER_BY_NOTHING, LEDGER_TABLE);
    expect_written("REQUESTS  ERRORS  COST USD\n"
                   "       7       1      0.00\n");
}

Test(ledger_report, json_has_all_and_a_total)
{
    struct error err;
    struct cJSON *json CLEANUP(json_free_at) = NULL;
    uint64_t number = 0;
    add("checkout", 1, 5, 10);
    add("search", 2, 6, UINT64_MAX);
    write_sums(LEDGER_BY_TENANT, LEDGER_JSON);
    cr_assert_eq(fclose(out), 0);
    cr_assert_eq(json_parse(slice_make(text, text_len),
                            &(struct json_limits){.bytes = 100000, .depth = 10}, &json, &err),
                 STATUS_OK, "%s", err.message);
    cr_expect_eq(json_count(json_get(json, "usage")), 2U);
    const struct cJSON *total = json_get(json, "total");
    cr_expect(json_uint(json_get(total, "input_tokens"), &number));
    cr_expect_eq(number, 11U);
    struct slice cost;
    cr_expect(json_string(json_get(total, "cost_usd"), &cost));
    cr_expect(slice_equal(cost, SLICE("18446744073.709551615")));
}

Test(ledger_report, csv_has_a_head_and_ends_its_lines_as_rfc_4180_says)
{
    add("=cmd", 1, 5, 10);
    write_sums(LEDGER_BY_MODEL, LEDGER_CSV);
    expect_written("model,requests,errors,estimated,input_tokens,cache_read_tokens,"
                   "cache_write_tokens,output_tokens,reasoning_tokens,audio_tokens,images,"
                   "characters,milliseconds,messages,segments,searches,audio_output_tokens,"
                   "image_input_tokens,image_output_tokens,request_bytes,response_bytes,"
                   "cost_usd\r\n"
                   "\"'=cmd\",1,1,0,5,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.000000010\r\n");
}

static void write_objects(enum ledger_form form)
{
    struct ledger_row row;
    open_out();
    struct ledger_objects_report objects = {.form = form, .out = out};
    ledger_objects_begin(&objects);
    for (unsigned i = 0; i < 2; i++) {
        fill_row(&row, 1);
        row.object = (struct ledger_object){.id = "pi_1",
                                            .type = "payment_intent",
                                            .status = "succeeded",
                                            .currency = "eur",
                                            .amount = -1250,
                                            .has_amount = i == 0};
        row.cost = 1500;
        LEDGER_TEXT(row.object.status, i == 0 ? SLICE("succeeded") : SLICE("=x"));
        ledger_objects_add(&objects, &row);
    }
    ledger_objects_end(&objects);
}

Test(ledger_report, objects_are_a_line_each)
{
    write_objects(LEDGER_TABLE);
    expect_written(
        "TIME                      TENANT            ROUTE             TYPE              "
        "    ID                              STATUS                AMOUNT (SMALLEST UNIT)"
        "     COST USD  REQUEST\n"
        "2024-10-04T00:00:00.000Z  checkout          openai            payment_intent    "
        "    pi_1                            succeeded                          -1250 eur"
        "  0.000001500  00000000000000000000000000000001\n"
        "2024-10-04T00:00:00.000Z  checkout          openai            payment_intent    "
        "    pi_1                            =x                                       eur"
        "  0.000001500  00000000000000000000000000000001\n");
    write_objects(LEDGER_CSV);
    expect_written("time,request_id,tenant,route,type,id,status,amount,currency,cost_usd\r\n"
                   "2024-10-04T00:00:00.000Z,00000000000000000000000000000001,checkout,openai,"
                   "payment_intent,pi_1,succeeded,-1250,eur,0.000001500\r\n"
                   "2024-10-04T00:00:00.000Z,00000000000000000000000000000001,checkout,openai,"
                   "payment_intent,pi_1,\"'=x\",,eur,0.000001500\r\n");
}

Test(ledger_report, objects_are_json)
{
    struct error err;
    struct cJSON *json CLEANUP(json_free_at) = NULL;
    write_objects(LEDGER_JSON);
    cr_assert_eq(fclose(out), 0);
    cr_assert_eq(json_parse(slice_make(text, text_len),
                            &(struct json_limits){.bytes = 100000, .depth = 10}, &json, &err),
                 STATUS_OK, "%s", err.message);
    cr_expect_eq(json_count(json_get(json, "objects")), 2U);
}
