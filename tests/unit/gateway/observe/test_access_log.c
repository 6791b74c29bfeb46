#include "base/buffer.h"
#include "gateway/observe/access_log.h"

#include <criterion/criterion.h>

static const struct access_record ordinary = {
    .wall_time = 1767323045678901, /* 2026-01-02T03:04:05.678901Z */
    .id = "0123456789abcdef0123456789abcdef",
    .label = {NULL, 0},
    .peer = "192.0.2.7",
    .tenant = "checkout",
    .route = "openai",
    .method = SLICE_INIT("POST"),
    .path = SLICE_INIT("/openai/v1/chat/completions"),
    .status = 200,
    .code = "",
    .ended_by = "",
    .step = "",
    .reason = "",
    .upstream = "api.openai.com",
    .upstream_status = 200,
    .attempts = 1,
    .reused = true,
    .request_bytes = 1024,
    .response_bytes = 18446744073709551615U,
    .duration = 31007,
    .upstream_duration = 30000,
    .time_to_first_byte = 999,
    .overhead = 0,
};

/* NUL-terminated. */
static const char *format(const struct access_record *record, struct buffer *out)
{
    buffer_init(out, 64 * 1024);
    cr_assert(access_log_format(record, out));
    cr_assert_eq(buffer_append(out, slice_make("", 1)), STATUS_OK);
    return buffer_bytes(out).ptr;
}

Test(access_log, an_ordinary_request_is_one_line)
{
    struct buffer out CLEANUP(buffer_fini);
    cr_expect_str_eq(
        format(&ordinary, &out),
        "{\"time\":\"2026-01-02T03:04:05.678Z\",\"id\":\"0123456789abcdef0123456789abcdef\","
        "\"peer\":\"192.0.2.7\",\"tenant\":\"checkout\",\"route\":\"openai\",\"method\":\"POST\","
        "\"path\":\"/openai/v1/chat/completions\",\"status\":200,\"upstream\":\"api.openai.com\","
        "\"upstream_status\":200,\"attempts\":1,\"reused\":true,\"request_bytes\":1024,"
        "\"response_bytes\":18446744073709551615,\"duration_ms\":31.007,\"upstream_ms\":30.000,"
        "\"first_byte_ms\":0.999,\"overhead_ms\":0.000}\n");
}

Test(access_log, a_refusal_says_who_ended_it_where_and_why)
{
    struct access_record refused = ordinary;
    refused.status = 403;
    refused.label = SLICE("trace-1");
    refused.code = "route_not_allowed";
    refused.ended_by = "gateway";
    refused.step = "identify";
    refused.reason = "allow names no rule";
    refused.upstream = "";
    refused.upstream_duration = -1;
    struct buffer out CLEANUP(buffer_fini);
    const char *line = format(&refused, &out);
    cr_expect_not_null(strstr(line, "\"label\":\"trace-1\""));
    cr_expect_not_null(strstr(line, "\"status\":403,\"code\":\"route_not_allowed\","
                                    "\"ended_by\":\"gateway\",\"step\":\"identify\","
                                    "\"reason\":\"allow names no rule\",\"request_bytes\""));
    cr_expect_null(strstr(line, "upstream"), "%s", line);
}

Test(access_log, what_a_client_sent_cannot_break_the_line)
{
    static const struct {
        struct slice path;
        const char *expected;
    } cases[] = {
        {SLICE_INIT("/a\"b"), "\"path\":\"/a\\\"b\""},
        {SLICE_INIT("/a\\b"), "\"path\":\"/a\\\\b\""},
        {SLICE_INIT("/0123456\nx"), "\"path\":\"/0123456\\nx\""},
        {SLICE_INIT("/012345678\x01"), "\"path\":\"/012345678\\u0001\""},
        {SLICE_INIT("/\xc3\xa4/01234567"), "\"path\":\"/\xc3\xa4/01234567\""},
        {SLICE_INIT("/01234567\xff"), "\"path\":\"/01234567\xef\xbf\xbd\""},
        {SLICE_INIT("/tilde~/~~~~~~~~~\x7f"), "\"path\":\"/tilde~/~~~~~~~~~\x7f\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct access_record record = ordinary;
        record.path = cases[i].path;
        struct buffer out CLEANUP(buffer_fini);
        const char *line = format(&record, &out);
        cr_expect_not_null(strstr(line, cases[i].expected), "%s", line);
        cr_expect_eq(strchr(line, '\n'), line + strlen(line) - 1);
    }
}

Test(access_log, a_very_long_path_is_cut)
{
    static char path[20000];
    memset(path, '\x02', sizeof(path)); /* the worst to escape */
    struct access_record record = ordinary;
    record.path = slice_make(path, sizeof(path));
    struct buffer out CLEANUP(buffer_fini);
    struct buffer usual CLEANUP(buffer_fini);
    cr_expect_eq(strlen(format(&record, &out)),
                 strlen(format(&ordinary, &usual)) - ordinary.path.len + (size_t)2048 * 6);
}

Test(access_log, says_when_it_does_not_fit)
{
    struct buffer out CLEANUP(buffer_fini);
    buffer_init(&out, 100);
    cr_expect_not(access_log_format(&ordinary, &out));
    cr_expect_eq(buffer_len(&out), 0);
}
