#include "base/buffer.h"
#include "base/json.h"
#include "gateway/webhook_report.h"

#include <criterion/criterion.h>

#define TIME (INT64_C(1764201600) * SEC) /* 2025-11-27T00:00:00Z */

static struct buffer out;

static void begin(void)
{
    buffer_init(&out, 65536);
}

static void finish(void)
{
    buffer_fini(&out);
}

TestSuite(webhook_report, .init = begin, .fini = finish);

static void expect(const char *text)
{
    cr_expect(slice_equal(buffer_bytes(&out), slice_from(text)), "%.*s",
              SLICE_ARG(buffer_bytes(&out)));
}

static const struct queue_entry dead = {
    .number = 7,
    .id = SLICE_INIT("msg_1"),
    .hook = SLICE_INIT("stripe"),
    .target = SLICE_INIT("billing"),
    .event_id = SLICE_INIT("evt_1"),
    .type = SLICE_INIT("invoice.paid"),
    .state = QUEUE_STATE_DEAD,
    .attempts = 8,
    .received_at = TIME,
    .due = TIME + SEC,
    .ended_at = TIME + 2 * SEC,
    .status = 500,
    .error = SLICE_INIT("500 \"no\""),
    .bytes = 12,
};

Test(webhook_report, a_delivery_has_what_applies)
{
    cr_assert_eq(webhook_report_entry(&dead, &out), STATUS_OK);
    expect("{\"number\":7,\"target\":\"billing\",\"state\":\"dead\",\"attempts\":8,"
           "\"ended\":\"2025-11-27T00:00:02.000Z\",\"status\":500,\"error\":\"500 \\\"no\\\"\","
           "\"id\":\"msg_1\",\"hook\":\"stripe\",\"event_id\":\"evt_1\",\"type\":\"invoice.paid\","
           "\"received\":\"2025-11-27T00:00:00.000Z\",\"suspect\":false,\"bytes\":12}");
}

Test(webhook_report, what_waits_says_until_when)
{
    struct queue_entry entry = {.state = QUEUE_STATE_WAITING, .due = TIME, .suspect = true};
    cr_assert_eq(webhook_report_entry(&entry, &out), STATUS_OK);
    expect("{\"number\":0,\"target\":\"\",\"state\":\"waiting\",\"attempts\":0,"
           "\"due\":\"2025-11-27T00:00:00.000Z\",\"id\":\"\",\"hook\":\"\",\"event_id\":\"\","
           "\"type\":\"\",\"suspect\":true,\"bytes\":0}");
}

/* Whatever it is that a provider sends, our own reader takes the answer. */
Test(webhook_report, hostile_texts_stay_texts)
{
    static const struct slice texts[] = {
        SLICE_INIT("\"},{\"state\":\"delivered"),
        SLICE_INIT("a\0b"),
        SLICE_INIT("\0"),
        SLICE_INIT("\xff\xfe\xed\xa0\x80"),
        SLICE_INIT("\x1b[2J\r\n\x7f"),
        SLICE_INIT("<script>alert(1)</script>"),
        SLICE_INIT("\xe2\x80\xa8\xf0\x9f\x98\x80"),
    };
    static const struct json_limits limits = {.bytes = 65536, .depth = 8};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct queue_entry entry = dead;
        struct cJSON *parsed = NULL;
        struct slice type = {0};
        struct error err;
        entry.type = texts[i];
        entry.event_id = texts[i];
        entry.error = texts[i];
        buffer_reset(&out);
        cr_assert_eq(webhook_report_entry(&entry, &out), STATUS_OK);
        cr_assert_eq(json_parse(buffer_bytes(&out), &limits, &parsed, &err), STATUS_OK, "%zu: %s",
                     i, err.message);
        cr_expect(json_string(json_get(parsed, "type"), &type) && type.len > 0);
        cr_expect_eq(json_count(parsed), 14);
        json_free(parsed);
    }
}

Test(webhook_report, headers_come_in_their_order)
{
    cr_assert_eq(webhook_report_content(SLICE("A: 1\r\nb:two: \"2\" \r\n\r\nC\r\n"),
                                        SLICE("{\"x\":1}"), &out),
                 STATUS_OK);
    expect("\"headers\":[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"b\",\"value\":\"two: "
           "\\\"2\\\"\"},{\"name\":\"C\",\"value\":\"\"}],\"body\":\"{\\\"x\\\":1}\"");
}

Test(webhook_report, a_body_that_is_no_text_comes_as_base64)
{
    static const struct {
        struct slice body;
        const char *text;
    } cases[] = {
        {SLICE_INIT(""), "\"headers\":[],\"body\":\"\""},
        {SLICE_INIT("a\xff"), "\"headers\":[],\"body_base64\":\"Yf8=\""},
        {SLICE_INIT("a\0b"), "\"headers\":[],\"body_base64\":\"YQBi\""},
        {SLICE_INIT("\xc3\xa4\n"), "\"headers\":[],\"body\":\"\xc3\xa4\\n\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buffer_reset(&out);
        cr_assert_eq(webhook_report_content(SLICE(""), cases[i].body, &out), STATUS_OK);
        expect(cases[i].text);
    }
}

Test(webhook_report, what_does_not_fit_is_no_answer)
{
    struct buffer small;
    buffer_init(&small, 100);
    cr_expect_eq(webhook_report_entry(&dead, &small), STATUS_TOO_LARGE);
    buffer_fini(&small);
    buffer_init(&small, 100);
    char body[200];
    memset(body, '\xff', sizeof(body));
    cr_expect_eq(webhook_report_content(SLICE(""), slice_make(body, sizeof(body)), &small),
                 STATUS_TOO_LARGE);
    buffer_fini(&small);
}

Test(webhook_report, sums_tell_how_old_the_oldest_is)
{
    struct webhook_sum sum = {.hook = "h",
                              .target = "t",
                              .configured = true,
                              .count = {1, 2, 3, 4},
                              .oldest = TIME - 90 * SEC,
                              .breaker = "open",
                              .in_flight = 5};
    cr_assert_eq(webhook_report_sum(&sum, TIME, &out), STATUS_OK);
    expect("{\"hook\":\"h\",\"target\":\"t\",\"waiting\":1,\"held_back\":2,\"delivered\":3,"
           "\"dead\":4,\"oldest\":\"2025-11-26T23:58:30.000Z\",\"oldest_seconds\":90,"
           "\"breaker\":\"open\",\"in_flight\":5,\"configured\":true}");
    buffer_reset(&out);
    cr_assert_eq(webhook_report_sum(&(struct webhook_sum){.hook = "h", .target = "t"}, TIME, &out),
                 STATUS_OK);
    expect("{\"hook\":\"h\",\"target\":\"t\",\"waiting\":0,\"held_back\":0,\"delivered\":0,"
           "\"dead\":0,\"in_flight\":0,\"configured\":false}");
}

Test(webhook_report, a_clock_that_was_set_back_makes_nothing_negative)
{
    struct queue_stats stats = {.writable = true, .waiting = 1, .oldest = TIME + SEC};
    cr_assert_eq(webhook_report_queue(&stats, TIME, &out), STATUS_OK);
    expect("{\"writable\":true,\"events\":0,\"bytes\":0,\"waiting\":1,\"held_back\":0,"
           "\"delivered\":0,\"dead\":0,\"oldest\":\"2025-11-27T00:00:01.000Z\","
           "\"oldest_seconds\":0,\"commits\":0,\"failures\":0}");
}
