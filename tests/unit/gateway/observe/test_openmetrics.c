#include "base/buffer.h"
#include "gateway/observe/metrics.h"
#include "gateway/observe/openmetrics.h"
#include "gateway/observe/page.h"

#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { PAGE_MAX_BYTES = 1024 * 1024 };

struct preference {
    const char *accept;
    bool wanted;
};

Test(openmetrics, is_given_to_scrapers_that_like_it_best)
{
    static const struct preference cases[] = {
        {NULL, false},
        {"", false},
        {"*/*", false},
        {"text/plain", false},
        {"application/openmetrics-text", true},
        {"Application/OpenMetrics-Text; Version=1.0.0", true},
        {"application/openmetrics-text;version=1.0.0,application/"
         "openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
         true},
        {"application/openmetrics-text;version=0.0.1, text/plain;q=0.1", false},
        {"application/openmetrics-text; version=2.0.0", false},
        {"text/plain;q=0.5, application/openmetrics-text;q=0.50", true},
        {"text/plain;q=0.6, application/openmetrics-text;q=0.5", false},
        {"text/plain, application/openmetrics-text", true},
        {"application/openmetrics-text;q=0", false},
        {"application/openmetrics-text;q=0.000", false},
        {"application/openmetrics-text;q=0.001", true},
        {"application/openmetrics-textual", false},
        {",;,;q=,;;", false},
        {"application/openmetrics-text;q=", true},
        {"application/openmetrics-text;q=x", true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        cr_expect_eq(openmetrics_wanted(cases[i].accept), cases[i].wanted, "%s", cases[i].accept);
    }
}

static void expect_page(const char *plain, const char *wanted)
{
    struct buffer out CLEANUP(buffer_fini);
    buffer_init(&out, PAGE_MAX_BYTES);
    cr_assert_eq(openmetrics_write(slice_from(plain), &out), STATUS_OK);
    cr_expect(slice_equal(buffer_bytes(&out), slice_from(wanted)), "\n%.*s\nis not\n%s",
              SLICE_ARG(buffer_bytes(&out)), wanted);
}

Test(openmetrics, an_empty_page_has_an_end)
{
    expect_page("", "# EOF\n");
}

Test(openmetrics, counters_are_called_without_total_and_their_samples_with_it)
{
    expect_page("# HELP a_total Of a_total.\n# TYPE a_total counter\na_total{x=\"y\"} 1\n",
                "# HELP a Of a_total.\n# TYPE a counter\na_total{x=\"y\"} 1\n# EOF\n");
    expect_page("# HELP a G.\n# TYPE a gauge\na 1.5\n",
                "# HELP a G.\n# TYPE a gauge\na 1.5\n# EOF\n");
}

Test(openmetrics, samples_stay_as_they_are)
{
    static const char samples[] = "a{b=\"_total \\\"# HELP x_total\\\\\\n\"} 1\n"
                                  "a_bucket{le=\"+Inf\"} 2 # {trace_id=\"aa\"} 3 4\n";
    struct buffer out CLEANUP(buffer_fini);
    buffer_init(&out, PAGE_MAX_BYTES);
    cr_assert_eq(openmetrics_write(slice_from(samples), &out), STATUS_OK);
    cr_expect(slice_starts_with(buffer_bytes(&out), slice_from(samples)));
    cr_expect_eq(buffer_len(&out), strlen(samples) + strlen("# EOF\n"));
}

Test(openmetrics, a_page_that_does_not_fit_has_no_end)
{
    struct buffer out CLEANUP(buffer_fini);
    buffer_init(&out, 13);
    cr_expect_eq(openmetrics_write(SLICE("a 1\nb 1\n"), &out), STATUS_TOO_LARGE);
    cr_expect(slice_equal(buffer_bytes(&out), SLICE("a 1\nb 1\n")));
}

/* ---- exemplars ---- */

static void request(struct metrics_block *block, const char *trace, usec_t duration, usec_t wall)
{
    metrics_request(block, &(struct request_metrics){.tenant = "t",
                                                     .route = "r",
                                                     .method = "GET",
                                                     .status = 200,
                                                     .duration = duration,
                                                     .upstream_duration = duration,
                                                     .overhead_duration = -1,
                                                     .time_to_first_byte = duration,
                                                     .store_duration = -1,
                                                     .trace_id = slice_from(trace),
                                                     .ended_wall = wall});
}

#define TRACE_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define TRACE_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define TRACE_C "cccccccccccccccccccccccccccccccc"

static void expect_line(const char *page, const char *line, bool there)
{
    cr_expect_eq(strstr(page, line) != NULL, there, "%s line %s", there ? "no" : "a", line);
}

/* NUL-terminated. */
static const char *render(const struct metrics *metrics, bool exemplars, struct buffer *page)
{
    buffer_consume(page, buffer_len(page));
    cr_assert(exemplars ? metrics_render_exemplars(metrics, page) : metrics_render(metrics, page));
    cr_assert_eq(buffer_append(page, slice_make("", 1)), STATUS_OK);
    return buffer_bytes(page).ptr;
}

Test(openmetrics, a_bucket_has_the_last_trace_of_all_workers)
{
    struct metrics *metrics = metrics_new(2);
    struct buffer page CLEANUP(buffer_fini);
    buffer_init(&page, PAGE_MAX_BYTES);
    request(metrics_block(metrics, 0), TRACE_A, 30 * MSEC, 1000 * SEC);
    request(metrics_block(metrics, 1), TRACE_B, 31 * MSEC, 1001 * SEC + 500 * MSEC);
    request(metrics_block(metrics, 0), TRACE_C, 2 * SEC, 999 * SEC);
    request(metrics_block(metrics, 0), NULL, 31 * MSEC, 2000 * SEC);
    const char *text = render(metrics, true, &page);
    static const char *const kinds[] = {"request_duration", "upstream_duration",
                                        "time_to_first_byte"};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        char line[256];
        (void)snprintf(line, sizeof(line),
                       "sallyport_%s_seconds_bucket{route=\"r\",le=\"0.05\"} 3 # "
                       "{trace_id=\"" TRACE_B "\"} 0.031 1001.5\n",
                       kinds[i]);
        expect_line(text, line, true);
    }
    expect_line(text,
                "request_duration_seconds_bucket{route=\"r\",le=\"2.5\"} 4 # {trace_id=\"" TRACE_C
                "\"} 2 999\n",
                true);
    expect_line(text, "request_duration_seconds_bucket{route=\"r\",le=\"0.1\"} 3\n", true);
    expect_line(text, TRACE_A, false);
    metrics_free(metrics);
}

Test(openmetrics, the_older_format_knows_no_traces_and_bounds_without_a_point)
{
    struct metrics *metrics = metrics_new(1);
    struct buffer page CLEANUP(buffer_fini);
    buffer_init(&page, PAGE_MAX_BYTES);
    request(metrics_block(metrics, 0), TRACE_A, MSEC, SEC);
    expect_line(render(metrics, false, &page), "trace_id", false);
    expect_line(render(metrics, false, &page),
                "request_duration_seconds_bucket{route=\"r\",le=\"1\"} 1\n", true);
    expect_line(render(metrics, true, &page),
                "request_duration_seconds_bucket{route=\"r\",le=\"1.0\"} 1\n", true);
    expect_line(render(metrics, true, &page),
                "request_duration_seconds_bucket{route=\"r\",le=\"0.5\"} 1\n", true);
    metrics_free(metrics);
}

Test(openmetrics, what_is_no_whole_trace_id_is_none)
{
    struct metrics *metrics = metrics_new(1);
    struct buffer page CLEANUP(buffer_fini);
    buffer_init(&page, PAGE_MAX_BYTES);
    request(metrics_block(metrics, 0), "aaaa", MSEC, SEC);
    request(metrics_block(metrics, 0), TRACE_A "a", MSEC, SEC);
    expect_line(render(metrics, true, &page), "trace_id", false);
    metrics_free(metrics);
}

/* A counter that would be called as a gauge is, or has no "_total", would spoil the page. */
Test(openmetrics, every_family_of_the_page_has_a_name_of_its_own)
{
    struct metrics *metrics = metrics_new(1);
    struct buffer plain CLEANUP(buffer_fini);
    struct buffer page CLEANUP(buffer_fini);
    buffer_init(&plain, PAGE_MAX_BYTES);
    buffer_init(&page, PAGE_MAX_BYTES);
    cr_assert(metrics_render_exemplars(metrics, &plain));
    cr_assert_eq(openmetrics_write(buffer_bytes(&plain), &page), STATUS_OK);
    unsigned families = 0;
    for (struct slice rest = buffer_bytes(&page); rest.len > 0;) {
        struct slice line = slice_make(rest.ptr, slice_find(rest, '\n'));
        rest = slice_skip(rest, line.len + 1);
        char again[256];
        if (slice_starts_with(line, SLICE("# TYPE "))) {
            size_t end = 7 + slice_find(slice_skip(line, 7), ' ') + 1;
            (void)snprintf(again, sizeof(again), "\n%.*s", (int)end, line.ptr);
            cr_expect_null(memmem(rest.ptr, rest.len, again, strlen(again)), "twice: %s", again);
            families++;
        }
    }
    cr_expect_gt(families, 30U);
    metrics_free(metrics);
}
