/* Two writers, each in its own block, and a reader that renders the page all the while. No trace's
 * id is seen half written. */
#include "base/buffer.h"
#include "gateway/observe/metrics.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { WORKERS = 2, REQUESTS = 30000, NAMES = 3000, PAGE_MAX_BYTES = 16 * 1024 * 1024 };

static void *count_requests(void *ctx)
{
    struct metrics_block *block = ctx;
    char tenant[16];
    char route[16];
    char trace[33] = {0};
    for (unsigned i = 0; i < REQUESTS; i++) {
        (void)snprintf(tenant, sizeof(tenant), "t%u", i % NAMES);
        (void)snprintf(route, sizeof(route), "r%u", i % 50);
        memset(trace, "0123456789abcdef"[i % 16], sizeof(trace) - 1);
        metrics_request(block, &(struct request_metrics){.tenant = tenant,
                                                         .route = route,
                                                         .method = "GET",
                                                         .status = 200,
                                                         .duration = i,
                                                         .upstream_duration = -1,
                                                         .overhead_duration = i,
                                                         .time_to_first_byte = i,
                                                         .trace_id = slice_from(trace),
                                                         .ended_wall = (usec_t)i + 1});
        metrics_add(block, METRIC_connections_total, 1);
        metrics_set(block, METRIC_exchanges, i);
    }
    return NULL;
}

/* All digits of an id are the same. */
static bool traces_are_whole(struct slice page)
{
    static const char mark[] = "trace_id=\"";
    const char *end = page.ptr + page.len;
    bool whole = true;
    for (const char *at = page.ptr;
         (at = memmem(at, (size_t)(end - at), mark, sizeof(mark) - 1)) != NULL;) {
        at += sizeof(mark) - 1;
        for (unsigned i = 1; i < 32; i++) {
            whole = whole && at[i] == at[0];
        }
    }
    return whole;
}

int main(void)
{
    bool whole = true;
    struct metrics *metrics = metrics_new(WORKERS);
    pthread_t threads[WORKERS];
    for (unsigned i = 0; i < WORKERS; i++) {
        if (pthread_create(&threads[i], NULL, count_requests, metrics_block(metrics, i)) != 0) {
            return 2;
        }
    }
    struct buffer page;
    buffer_init(&page, PAGE_MAX_BYTES);
    while (metrics_get(metrics, METRIC_connections_total) < (int64_t)WORKERS * REQUESTS) {
        buffer_consume(&page, buffer_len(&page));
        (void)metrics_render_exemplars(metrics, &page);
        whole = whole && traces_are_whole(buffer_bytes(&page));
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    whole = whole && buffer_len(&page) > 0;
    buffer_fini(&page);
    metrics_free(metrics);
    return whole ? 0 : 1;
}
