#include "base/buffer.h"
#include "base/json.h"
#include "gateway/otlp/otlp_spans.h"
#include "gateway/otlp/span_record.h"

#include <string.h>

#include <criterion/criterion.h>

enum { MAX_BYTES = 1024 * 1024 };

#define TRACE "0af7651916cd43dd8448eb211c80319c"

static struct buffer records, out;

static void setup(void)
{
    buffer_init(&records, MAX_BYTES);
    buffer_init(&out, MAX_BYTES);
}

static void teardown(void)
{
    buffer_fini(&records);
    buffer_fini(&out);
}

TestSuite(otlp_spans, .init = setup, .fini = teardown);

static struct span_record ordinary(void)
{
    struct span_record record = {.start = 1700000000 * SEC + 1,
                                 .end = 1700000001 * SEC,
                                 .call_start = 1700000000 * SEC + 500,
                                 .status = 200,
                                 .upstream_status = 200,
                                 .attempts = 2,
                                 .port = 443,
                                 .metered = true,
                                 .input_tokens = 12,
                                 .output_tokens = 34,
                                 .cost_nanousd = 1230000045};
    record.texts[SPAN_TRACE_ID] = SLICE(TRACE);
    record.texts[SPAN_ID] = SLICE("b7ad6b7169203331");
    record.texts[SPAN_CALL_ID] = SLICE("00f067aa0ba902b7");
    record.texts[SPAN_METHOD] = SLICE("POST");
    record.texts[SPAN_PATH] = SLICE("/openai/v1/x");
    record.texts[SPAN_TENANT] = SLICE("app");
    record.texts[SPAN_ROUTE] = SLICE("openai");
    record.texts[SPAN_SERVER] = SLICE("api.openai.com");
    record.texts[SPAN_OPERATION] = SLICE("chat");
    record.texts[SPAN_PROVIDER] = SLICE("openai");
    record.texts[SPAN_MODEL] = SLICE("gpt-4o");
    return record;
}

static void add(const struct span_record *record)
{
    cr_assert_eq(span_record_write(record, &records), STATUS_OK);
}

/* As a NUL-terminated text that is JSON. */
static const char *write_all(void)
{
    static const struct json_limits limits = {
        .bytes = MAX_BYTES, .depth = 32, .names = JSON_NAMES_ONCE};
    struct cJSON *parsed CLEANUP(json_free_at) = NULL;
    struct error err = {0};
    cr_assert_eq(otlp_spans_write(buffer_bytes(&records), SLICE("gw"), &out), STATUS_OK);
    cr_assert_eq(json_parse(buffer_bytes(&out), &limits, &parsed, &err), STATUS_OK, "%s\n%.*s",
                 err.message, SLICE_ARG(buffer_bytes(&out)));
    cr_assert_eq(buffer_append(&out, slice_make("", 1)), STATUS_OK);
    return buffer_bytes(&out).ptr;
}

static void expect_part(const char *text, const char *part)
{
    cr_expect_not_null(strstr(text, part), "no %s in %s", part, text);
}

Test(otlp_spans, records_are_read_as_they_were_written)
{
    struct span_record record = ordinary();
    struct span_record read;
    char longest[2 * SPAN_TEXT_MAX];
    memset(longest, 'x', sizeof(longest));
    record.texts[SPAN_PATH] = slice_make(longest, sizeof(longest));
    cr_assert_eq(buffer_append(&records, SLICE("odd")), STATUS_OK); /* they may lie anywhere */
    add(&record);
    add(&record);
    struct slice bytes = slice_skip(buffer_bytes(&records), 3);
    size_t len = span_record_read(bytes, &read);
    cr_expect_eq(2 * len, bytes.len);
    cr_expect_eq(read.cost_nanousd, record.cost_nanousd);
    cr_expect_eq(read.texts[SPAN_PATH].len, (size_t)SPAN_TEXT_MAX);
    cr_expect(slice_equal(read.texts[SPAN_MODEL], SLICE("gpt-4o")));
    cr_expect_eq(read.texts[SPAN_ERROR].len, 0U);
}

Test(otlp_spans, what_does_not_fit_leaves_nothing)
{
    struct span_record record = ordinary();
    buffer_fini(&records);
    buffer_init(&records, 100);
    cr_expect_eq(span_record_write(&record, &records), STATUS_TOO_LARGE);
    cr_expect_eq(buffer_len(&records), 0U);
    buffer_fini(&out);
    buffer_init(&out, 1000);
    buffer_fini(&records);
    buffer_init(&records, MAX_BYTES);
    add(&record);
    cr_expect_eq(otlp_spans_write(buffer_bytes(&records), SLICE("gw"), &out), STATUS_TOO_LARGE);
}

Test(otlp_spans, a_batch_is_cut_between_records)
{
    unsigned spans;
    struct span_record both = ordinary();
    struct span_record one = ordinary();
    one.call_start = 0;
    add(&both);
    size_t first = buffer_len(&records);
    add(&one);
    add(&both);
    struct slice all = buffer_bytes(&records);
    cr_expect_eq(otlp_spans_cut(all, 512, &spans), all.len);
    cr_expect_eq(spans, 5U);
    cr_expect_eq(otlp_spans_cut(all, 4, &spans), 2 * first);
    cr_expect_eq(spans, 3U);
    cr_expect_eq(otlp_spans_cut(all, 2, &spans), first);
    cr_expect_eq(otlp_spans_cut(all, 1, &spans), first); /* one at least, so that it goes on */
    cr_expect_eq(spans, 2U);
    cr_expect_eq(otlp_spans_cut(slice_make("", 0), 1, &spans), 0U);
}

Test(otlp_spans, a_request_and_its_call)
{
    struct span_record record = ordinary();
    add(&record);
    const char *text = write_all();
    expect_part(text, "{\"key\":\"service.name\",\"value\":{\"stringValue\":\"gw\"}}");
    expect_part(text, "{\"traceId\":\"" TRACE
                      "\",\"spanId\":\"b7ad6b7169203331\",\"name\":\"POST openai\",\"kind\":2,"
                      "\"startTimeUnixNano\":\"1700000000000001000\",\"endTimeUnixNano\":"
                      "\"1700000001000000000\"");
    expect_part(
        text, "{\"traceId\":\"" TRACE
              "\",\"spanId\":\"00f067aa0ba902b7\",\"parentSpanId\":\"b7ad6b7169203331\","
              "\"name\":\"chat gpt-4o\",\"kind\":3,\"startTimeUnixNano\":\"1700000000000500000\"");
    expect_part(text, "{\"key\":\"sallyport.attempts\",\"value\":{\"intValue\":\"2\"}}");
    expect_part(text, "{\"key\":\"gen_ai.usage.output_tokens\",\"value\":{\"intValue\":\"34\"}}");
    expect_part(text,
                "{\"key\":\"sallyport.cost_usd\",\"value\":{\"stringValue\":\"1.230000045\"}}");
    cr_expect_null(strstr(text, "\"status\""));
    cr_expect_null(strstr(text, "error.type"));
    cr_expect_null(strstr(text, "traceState"));
}

Test(otlp_spans, what_does_not_apply_is_left_out)
{
    struct span_record record = ordinary();
    record.call_start = 0;
    record.status = 0;
    record.failed = true;
    record.texts[SPAN_ROUTE] = slice_make("", 0);
    record.texts[SPAN_PARENT_ID] = SLICE("00f067aa0ba902b7");
    record.texts[SPAN_STATE] = SLICE("a=\"1\"");
    record.texts[SPAN_ERROR] = SLICE("client_gone");
    add(&record);
    const char *text = write_all();
    expect_part(text, "\"parentSpanId\":\"00f067aa0ba902b7\",\"traceState\":\"a=\\\"1\\\"\","
                      "\"name\":\"POST\",\"kind\":2");
    expect_part(text, "\"status\":{\"code\":2}}]}]}]}");
    expect_part(text, "{\"key\":\"error.type\",\"value\":{\"stringValue\":\"client_gone\"}}");
    cr_expect_null(strstr(text, "status_code"));
    cr_expect_null(strstr(text, "sallyport.route"));
    cr_expect_null(strstr(text, "\"kind\":3"));
}

Test(otlp_spans, whatever_a_caller_sends_is_json_in_the_end)
{
    struct span_record record = ordinary();
    record.texts[SPAN_METHOD] = SLICE("P\"\\\x01");
    record.texts[SPAN_PATH] = SLICE("/\xff\xc3\x28\n\"}]");
    record.texts[SPAN_MODEL] = SLICE("\xed\xa0\x80\"");
    add(&record);
    add(&record);
    (void)write_all();
}
