/*
 * metrics: what is counted, a block a worker, written by that worker alone and summed at a scrape.
 *
 * No locks on the way of a request: plain relaxed stores by one writer. Label values come from the
 * config; the number of series is capped, the rest is counted as __other__.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct buffer;
struct metrics;
struct metrics_block;

/* The lines of metrics.def. */
enum metric {
#define METRIC_COUNTER(name, help)        METRIC_##name,
#define METRIC_GAUGE(name, help)          METRIC_##name,
#define METRIC_WORKER_SECONDS(name, help) METRIC_##name,
#include "gateway/observe/metrics.def"
#undef METRIC_COUNTER
#undef METRIC_GAUGE
#undef METRIC_WORKER_SECONDS
    METRIC_COUNT
};

struct request_metrics {
    const char *tenant;        /* borrowed during the call; "" if unknown */
    const char *route;         /* likewise */
    const char *method;        /* known methods as they are, others "OTHER" */
    unsigned status;           /* 0: the client was gone before there was one: shown as "none" */
    usec_t duration;           /* first byte of the head to last byte of the answer */
    usec_t upstream_duration;  /* -1: no upstream was asked */
    usec_t overhead_duration;  /* duration less waiting for client and upstream; -1: unknown */
    usec_t time_to_first_byte; /* of the answer; -1: none */
    usec_t store_duration;     /* waiting for the quotas' store; -1: it was not asked, or is here */
    struct slice trace_id;     /* 32 digits, borrowed during the call; empty: nobody traces it */
    usec_t ended_wall;         /* since 1970; of what is traced */
};

/* Blocks 0..workers-1, then one of the main thread, then one of the thread that delivers webhooks,
 * then one of the thread that fetches tokens, and one of the thread that asks for secrets. */
struct metrics *metrics_new(unsigned workers);
void metrics_free(struct metrics *metrics);
struct metrics_block *metrics_block(struct metrics *metrics, unsigned index);

/* By the block's own thread. */
void metrics_add(struct metrics_block *block, enum metric metric, int64_t amount);
void metrics_set(struct metrics_block *block, enum metric metric, int64_t value);
void metrics_request(struct metrics_block *block, const struct request_metrics *request);

/* Any thread: the sum over blocks, and the whole page in Prometheus' text format 0.0.4. False: the
 * page does not fit, and ends with its last whole line. */
usec_t metrics_started(const struct metrics *metrics); /* since 1970: when they were made */
int64_t metrics_get(const struct metrics *metrics, enum metric metric);
bool metrics_render(const struct metrics *metrics, struct buffer *out);
/* The same as openmetrics_write() takes it: a trace behind each bucket that has one, and bounds
 * that have a point always. */
bool metrics_render_exemplars(const struct metrics *metrics, struct buffer *out);
