#include "base/buffer.h"
#include "base/json.h"
#include "gateway/otlp/otlp_metrics.h"

#include <string.h>

#include <criterion/criterion.h>

enum { MAX_BYTES = 1024 * 1024 };

static struct buffer out;

static void setup(void)
{
    buffer_init(&out, MAX_BYTES);
}

static void teardown(void)
{
    buffer_fini(&out);
}

TestSuite(otlp_metrics, .init = setup, .fini = teardown);

/* What is between the brackets of "metrics", NUL-terminated; the whole is JSON. */
static const char *convert(const char *page)
{
    static const struct json_limits limits = {
        .bytes = MAX_BYTES, .depth = 32, .names = JSON_NAMES_ONCE};
    struct cJSON *parsed CLEANUP(json_free_at) = NULL;
    struct error err = {0};
    struct otlp_page input = {.text = slice_from(page), .started = 1 * SEC, .now = 2 * SEC};
    buffer_consume(&out, buffer_len(&out));
    cr_assert_eq(otlp_metrics_write(&input, SLICE("gw"), &out), STATUS_OK);
    cr_assert_eq(json_parse(buffer_bytes(&out), &limits, &parsed, &err), STATUS_OK, "%s\n%.*s",
                 err.message, SLICE_ARG(buffer_bytes(&out)));
    out.end -= strlen("]}]}]}");
    cr_assert_eq(buffer_append(&out, slice_make("", 1)), STATUS_OK);
    return strstr(buffer_bytes(&out).ptr, "\"metrics\":[") + strlen("\"metrics\":[");
}

static void expect(const char *page, const char *wanted)
{
    const char *got = convert(page);
    cr_expect_str_eq(got, wanted, "\n%s\nis not\n%s", got, wanted);
}

#define TIMES "\"startTimeUnixNano\":\"1000000000\",\"timeUnixNano\":\"2000000000\""
#define LABELS(name, value)                                                                        \
    "{\"attributes\":[{\"key\":\"" name "\",\"value\":{\"stringValue\":\"" value "\"}}],"

Test(otlp_metrics, counters_are_cumulative_monotonic_sums)
{
    expect("# HELP a_total Of \"a\".\n# TYPE a_total counter\na_total{x=\"y\"} 3\na_total 4\n",
           "{\"name\":\"a_total\",\"description\":\"Of "
           "\\\"a\\\".\",\"sum\":{\"aggregationTemporality\":2,"
           "\"isMonotonic\":true,\"dataPoints\":[" LABELS("x", "y") TIMES
           ",\"asInt\":\"3\"},"
           "{\"attributes\":[]," TIMES ",\"asInt\":\"4\"}]}}");
}

Test(otlp_metrics, gauges_have_a_unit_and_no_start)
{
    expect(
        "# HELP a_bytes A.\n# TYPE a_bytes gauge\na_bytes -7\n# HELP b_seconds B.\n# TYPE "
        "b_seconds gauge\n"
        "b_seconds 0.25\n",
        "{\"name\":\"a_bytes\",\"description\":\"A.\",\"unit\":\"By\",\"gauge\":{\"dataPoints\":["
        "{\"attributes\":[],\"timeUnixNano\":\"2000000000\",\"asInt\":\"-7\"}]}},"
        "{\"name\":\"b_seconds\",\"description\":\"B.\",\"unit\":\"s\",\"gauge\":{\"dataPoints\":["
        "{\"attributes\":[],\"timeUnixNano\":\"2000000000\",\"asDouble\":0.25}]}}");
}

Test(otlp_metrics, histograms_have_bounds_and_counts_of_each_bucket)
{
    expect("# HELP h_seconds H.\n# TYPE h_seconds histogram\n"
           "h_seconds_bucket{r=\"a\",le=\"0.5\"} 1\nh_seconds_bucket{r=\"a\",le=\"1\"} 3\n"
           "h_seconds_bucket{r=\"a\",le=\"+Inf\"} 7\nh_seconds_sum{r=\"a\"} "
           "9.5\nh_seconds_count{r=\"a\"} 7\n"
           "h_seconds_bucket{le=\"+Inf\"} 0\nh_seconds_sum 0\nh_seconds_count 0\n",
           "{\"name\":\"h_seconds\",\"description\":\"H.\",\"unit\":\"s\",\"histogram\":{"
           "\"aggregationTemporality\":2,\"dataPoints\":[" LABELS("r", "a") TIMES
           ",\"count\":\"7\",\"sum\":9.5,\"bucketCounts\":[\"1\",\"2\",\"4\"],\"explicitBounds\":["
           "0.5,1]},"
           "{\"attributes\":[]," TIMES ",\"count\":\"0\",\"sum\":0,\"bucketCounts\":[\"0\"],"
           "\"explicitBounds\":[]}]}}");
}

Test(otlp_metrics, labels_lose_the_page_s_escapes_and_gain_json_s)
{
    const char *text =
        convert("# HELP a A.\n# TYPE a gauge\na{x=\"q\\\"b\\\\n\\n,}{ =\",y=\"\",z=\"\xff\"} 1\n");
    cr_expect_not_null(
        strstr(text, "{\"key\":\"x\",\"value\":{\"stringValue\":\"q\\\"b\\\\n\\n,}{ =\"}}"), "%s",
        text);
    cr_expect_null(strstr(text, "\"y\""), "an empty label is none");
    cr_expect_not_null(strstr(text, "\"key\":\"z\""), "%s", text);
}

Test(otlp_metrics, families_without_samples_and_other_lines_are_left_out)
{
    expect("", "");
    expect("# HELP a A.\n# TYPE a gauge\n# HELP b B.\n# TYPE b counter\n", "");
    expect("stray 1\n# HELP a A.\n# TYPE a summary\na 1\n\n{} 1\na\n", "");
    expect("# HELP a A.\n# TYPE a gauge\na NaN\na +Inf\na 1e5\na 1.\na .5\na -\na 1.2.3\nb 1\n",
           "");
    expect("# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_sum 1\nh_count 2\n", "");
    expect("# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 5\nh_bucket{le=\"+Inf\"} 2\nh_sum "
           "1\nh_count 2\n",
           "");
    expect("# HELP h H.\n# TYPE h histogram\nh_count 2\n", "");
    expect("# TYPE", "");
    expect("# HELP a A.\n# TYPE a gauge\na{x=\"", "");
}

Test(otlp_metrics, a_body_that_does_not_fit_is_refused)
{
    struct otlp_page page = {.text = SLICE("# HELP a A.\n# TYPE a gauge\na 1\n")};
    buffer_fini(&out);
    buffer_init(&out, 200);
    cr_expect_eq(otlp_metrics_write(&page, SLICE("gw"), &out), STATUS_TOO_LARGE);
}
