/*
 * otlp_metrics: the page of /metrics as the body of a request to /v1/metrics, so that both have the
 * same figures under the same names. Pure.
 *
 * Counters become cumulative monotonic sums, gauges gauges, histograms histograms with explicit
 * bounds. Numbers are written as the page has them.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"
#include "base/status.h"

struct buffer;

struct otlp_page {
    struct slice text; /* Prometheus' text format 0.0.4, as this program writes it: a family's HELP
                          and TYPE before its samples, `le` the last label, buckets ascending */
    usec_t started;    /* since 1970: what is counted began then */
    usec_t now;        /* since 1970 */
};

/* Lines that are not of that form are left out. STATUS_TOO_LARGE: the buffer is full; it holds
 * nothing of use then. */
MUST_USE enum status otlp_metrics_write(const struct otlp_page *page, struct slice service,
                                        struct buffer *out);
