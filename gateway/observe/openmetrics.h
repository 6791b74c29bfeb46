/*
 * openmetrics: a page in Prometheus' text format as one of OpenMetrics 1.0
 * (https://prometheus.io/docs/specs/om/open_metrics_spec/), which names counters otherwise, may
 * have traces beside the buckets of histograms, and has a word of its own for where it ends. Pure.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>

struct buffer;

/* Does a scraper with this Accept field (NULL: it sent none) like OpenMetrics best? */
bool openmetrics_wanted(const char *accept);

/* `page`: whole lines as metrics_render_exemplars() and page.h write them; every counter's name
 * ends in "_total", and none is called as another family but for that. Appends it with its end. */
MUST_USE enum status openmetrics_write(struct slice page, struct buffer *out);
