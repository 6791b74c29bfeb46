#include "base/buffer.h"
#include "gateway/observe/metrics.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <criterion/criterion.h>

enum { PAGE_MAX_BYTES = 32 * 1024 * 1024 };

static const struct request_metrics ordinary = {
    .tenant = "checkout",
    .route = "openai",
    .method = "POST",
    .status = 200,
    .duration = 30 * MSEC,
    .upstream_duration = 29 * MSEC,
    .overhead_duration = 20,
    .time_to_first_byte = 12 * MSEC,
    .store_duration = -1,
};

/* NUL-terminated. */
static const char *render(const struct metrics *metrics, struct buffer *page)
{
    buffer_init(page, PAGE_MAX_BYTES);
    metrics_render(metrics, page);
    cr_assert_eq(buffer_append(page, slice_make("", 1)), STATUS_OK);
    return buffer_bytes(page).ptr;
}

static void expect_line(const struct metrics *metrics, const char *line)
{
    struct buffer page CLEANUP(buffer_fini);
    cr_expect_not_null(strstr(render(metrics, &page), line), "no line %s", line);
}

Test(metrics, counters_are_summed_over_the_blocks)
{
    struct metrics *metrics = metrics_new(2);
    metrics_add(metrics_block(metrics, 0), METRIC_connections_total, 2);
    metrics_add(metrics_block(metrics, 1), METRIC_connections_total, 3);
    metrics_set(metrics_block(metrics, 2), METRIC_connections_open, 7);
    metrics_set(metrics_block(metrics, 2), METRIC_connections_open, 4);
    cr_expect_eq(metrics_get(metrics, METRIC_connections_total), 5);
    cr_expect_eq(metrics_get(metrics, METRIC_connections_open), 4);
    expect_line(metrics, "# TYPE sallyport_connections_total counter\n"
                         "sallyport_connections_total 5\n");
    metrics_free(metrics);
}

Test(metrics, requests_of_two_workers_make_one_series)
{
    struct metrics *metrics = metrics_new(2);
    metrics_request(metrics_block(metrics, 0), &ordinary);
    metrics_request(metrics_block(metrics, 0), &ordinary);
    metrics_request(metrics_block(metrics, 1), &ordinary);
    expect_line(metrics, "\nsallyport_requests_total{tenant=\"checkout\",route=\"openai\","
                         "method=\"POST\",status=\"200\"} 3\n");
    expect_line(metrics, "\nsallyport_request_duration_seconds_count{route=\"openai\"} 3\n");
    metrics_free(metrics);
}

Test(metrics, a_client_that_left_before_an_answer_has_status_none)
{
    struct metrics *metrics = metrics_new(1);
    struct request_metrics gone = ordinary;
    gone.status = 0;
    metrics_request(metrics_block(metrics, 0), &gone);
    expect_line(metrics, ",status=\"none\"} 1\n");
    metrics_free(metrics);
}

Test(metrics, a_duration_falls_into_the_bucket_whose_bound_it_does_not_exceed)
{
    struct metrics *metrics = metrics_new(1);
    static const usec_t overheads[] = {0, 10, 11, 2 * SEC};
    for (size_t i = 0; i < 4; i++) {
        struct request_metrics request = ordinary;
        request.overhead_duration = overheads[i];
        metrics_request(metrics_block(metrics, 0), &request);
    }
    expect_line(metrics, "_duration_seconds_bucket{route=\"openai\",le=\"0.00001\"} 2\n");
    expect_line(metrics, "_duration_seconds_bucket{route=\"openai\",le=\"0.000025\"} 3\n");
    expect_line(metrics, "overhead_duration_seconds_bucket{route=\"openai\",le=\"1\"} 3\n");
    expect_line(metrics, "overhead_duration_seconds_bucket{route=\"openai\",le=\"+Inf\"} 4\n");
    expect_line(metrics, "overhead_duration_seconds_sum{route=\"openai\"} 2.000021\n");
    metrics_free(metrics);
}

Test(metrics, an_unknown_duration_is_not_observed)
{
    struct metrics *metrics = metrics_new(1);
    struct request_metrics refused = ordinary;
    refused.upstream_duration = -1;
    metrics_request(metrics_block(metrics, 0), &refused);
    expect_line(metrics, "sallyport_upstream_duration_seconds_count{route=\"openai\"} 0\n");
    expect_line(metrics, "sallyport_request_duration_seconds_count{route=\"openai\"} 1\n");
    metrics_free(metrics);
}

Test(metrics, label_values_are_escaped)
{
    struct metrics *metrics = metrics_new(1);
    struct request_metrics odd = ordinary;
    odd.tenant = "a\"b\\c\nd";
    metrics_request(metrics_block(metrics, 0), &odd);
    expect_line(metrics, "{tenant=\"a\\\"b\\\\c\\nd\",");
    metrics_free(metrics);
}

/* The names lie in memory that a reload frees and uses again. */
Test(metrics, a_reused_address_does_not_name_the_old_series)
{
    struct metrics *metrics = metrics_new(1);
    char name[16] = "old";
    struct request_metrics request = ordinary;
    request.tenant = name;
    metrics_request(metrics_block(metrics, 0), &request);
    (void)snprintf(name, sizeof(name), "new");
    metrics_request(metrics_block(metrics, 0), &request);
    expect_line(metrics, "{tenant=\"old\",route=\"openai\",method=\"POST\",status=\"200\"} 1\n");
    expect_line(metrics, "{tenant=\"new\",route=\"openai\",method=\"POST\",status=\"200\"} 1\n");
    metrics_free(metrics);
}

Test(metrics, series_beyond_the_cap_are_counted_together)
{
    struct metrics *metrics = metrics_new(1);
    struct request_metrics request = ordinary;
    char name[16];
    request.tenant = name;
    for (unsigned i = 0; i < 20010; i++) {
        (void)snprintf(name, sizeof(name), "t%u", i);
        metrics_request(metrics_block(metrics, 0), &request);
    }
    expect_line(metrics, "{tenant=\"t19999\",route=\"openai\"");
    expect_line(metrics, "{tenant=\"__other__\",route=\"__other__\",method=\"__other__\","
                         "status=\"200\"} 10\n");
    metrics_free(metrics);
}

Test(metrics, routes_beyond_the_cap_share_their_durations)
{
    struct metrics *metrics = metrics_new(1);
    struct request_metrics request = ordinary;
    char name[16];
    request.route = name;
    for (unsigned i = 0; i < 1005; i++) {
        (void)snprintf(name, sizeof(name), "r%u", i);
        metrics_request(metrics_block(metrics, 0), &request);
    }
    expect_line(metrics, "sallyport_request_duration_seconds_count{route=\"r999\"} 1\n");
    expect_line(metrics, "sallyport_request_duration_seconds_count{route=\"__other__\"} 5\n");
    metrics_free(metrics);
}

Test(metrics, labels_of_any_length_are_counted)
{
    struct metrics *metrics = metrics_new(1);
    char name[2000];
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    struct request_metrics request = ordinary;
    request.tenant = name;
    metrics_request(metrics_block(metrics, 0), &request);
    expect_line(metrics, "{tenant=\"__other__\"");
    metrics_free(metrics);
}

Test(metrics, a_gauge_of_each_worker_is_shown_for_each_in_seconds)
{
    struct metrics *metrics = metrics_new(2);
    metrics_set(metrics_block(metrics, 0), METRIC_loop_longest_turn_seconds, 1500);
    metrics_set(metrics_block(metrics, 1), METRIC_loop_longest_turn_seconds, 2 * SEC);
    expect_line(metrics, "\nsallyport_loop_longest_turn_seconds{worker=\"0\"} 0.0015\n");
    expect_line(metrics, "\nsallyport_loop_longest_turn_seconds{worker=\"1\"} 2\n");
    struct buffer page CLEANUP(buffer_fini);
    cr_expect_null(strstr(render(metrics, &page), "worker=\"2\"")); /* main has no turns */
    metrics_free(metrics);
}

Test(metrics, the_page_tells_version_and_process)
{
    struct metrics *metrics = metrics_new(1);
    expect_line(metrics, "sallyport_build_info{version=\"");
    struct buffer page CLEANUP(buffer_fini);
    const char *text = render(metrics, &page);
    static const char *const names[] = {"\nprocess_resident_memory_bytes ", "\nprocess_open_fds ",
                                        "\nprocess_max_fds ", "\nprocess_cpu_seconds_total ",
                                        "\nprocess_start_time_seconds "};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *line = strstr(text, names[i]);
        cr_assert_not_null(line, "%s", names[i]);
        cr_expect_gt(strtod(line + strlen(names[i]), NULL), 0, "%s", names[i]);
    }
    metrics_free(metrics);
}

Test(metrics, a_page_that_does_not_fit_ends_with_a_whole_line)
{
    struct metrics *metrics = metrics_new(1);
    metrics_request(metrics_block(metrics, 0), &ordinary);
    for (size_t max = 0; max < 3000; max += 97) {
        struct buffer page CLEANUP(buffer_fini);
        buffer_init(&page, max);
        metrics_render(metrics, &page);
        struct slice text = buffer_bytes(&page);
        cr_expect(text.len == 0 || text.ptr[text.len - 1] == '\n');
    }
    metrics_free(metrics);
}

struct writer {
    struct metrics_block *block;
    unsigned requests;
};

static void *write_series(void *ctx)
{
    struct writer *writer = ctx;
    struct request_metrics request = ordinary;
    char name[16];
    request.tenant = name;
    for (unsigned i = 0; i < writer->requests; i++) {
        (void)snprintf(name, sizeof(name), "t%u", i % 700);
        metrics_request(writer->block, &request);
    }
    return NULL;
}

Test(metrics, a_scrape_beside_a_writer_loses_nothing)
{
    struct metrics *metrics = metrics_new(1);
    struct writer writer = {metrics_block(metrics, 0), 20000};
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, write_series, &writer), 0);
    for (unsigned i = 0; i < 5; i++) {
        struct buffer page CLEANUP(buffer_fini);
        cr_expect_not_null(strstr(render(metrics, &page), "# TYPE sallyport_requests_total"));
    }
    cr_assert_eq(pthread_join(thread, NULL), 0);
    expect_line(metrics, "sallyport_request_duration_seconds_count{route=\"openai\"} 20000\n");
    metrics_free(metrics);
}

Test(metrics, promtool_finds_no_fault)
{
    if (system("command -v promtool >/dev/null 2>&1") != 0) {
        cr_skip_test("promtool (Debian package prometheus) is not installed");
    }
    struct metrics *metrics = metrics_new(1);
    metrics_request(metrics_block(metrics, 0), &ordinary);
    struct buffer page CLEANUP(buffer_fini);
    buffer_init(&page, PAGE_MAX_BYTES);
    metrics_render(metrics, &page);
    FILE *promtool = popen("promtool check metrics", "w");
    cr_assert_not_null(promtool);
    struct slice text = buffer_bytes(&page);
    cr_expect_eq(fwrite(text.ptr, 1, text.len, promtool), text.len);
    cr_expect_eq(pclose(promtool), 0);
    metrics_free(metrics);
}
