/*
 * metrics_block: how the counts lie in memory; for metrics.c, which writes, and prometheus.c,
 * which reads from another thread.
 *
 * A block has one writer. It publishes a new series by a release store of the list's head; what a
 * node says of itself never changes afterwards, and its numbers are relaxed atomics. Nodes live
 * until metrics_free(), so a reader needs no lock.
 */
#pragma once

#include "base/slice.h"
#include "base/table.h"
#include "gateway/observe/exemplar.h"
#include "gateway/observe/families.h"
#include "gateway/observe/metrics.h"

#include <stdatomic.h>
#include <stdint.h>

enum { HISTOGRAM_BUCKETS_MAX = 20 };

enum histogram_kind {
    HISTOGRAM_REQUEST,
    HISTOGRAM_UPSTREAM,
    HISTOGRAM_OVERHEAD,
    HISTOGRAM_FIRST_BYTE,
    HISTOGRAM_STORE,
    HISTOGRAM_KINDS /* not a kind; keep last */
};

struct histogram {
    _Atomic uint64_t buckets[HISTOGRAM_BUCKETS_MAX]; /* not cumulated; the last one is +Inf */
    _Atomic int64_t sum;                             /* microseconds */
};

struct histogram_shape {
    const char *name; /* behind sallyport_ */
    const char *help;
    const usec_t *bounds; /* upper, inclusive, ascending */
    unsigned bound_count; /* < HISTOGRAM_BUCKETS_MAX */
};

extern const struct histogram_shape histogram_shapes[HISTOGRAM_KINDS];

/* Of each bucket of each histogram. */
struct route_exemplars {
    struct exemplar buckets[HISTOGRAM_KINDS][HISTOGRAM_BUCKETS_MAX];
};

/* All durations of a route. */
struct route_series {
    struct route_series *next;
    struct slice route; /* follows in the same allocation */
    struct histogram histograms[HISTOGRAM_KINDS];
    _Atomic(struct route_exemplars *) exemplars; /* owned; NULL until a request was traced */
};

/* One line of requests_total. The texts follow in the same allocation, NUL-terminated. */
struct request_series {
    struct request_series *next;
    struct route_series *durations;
    const char *tenant, *route, *method;
    struct slice key; /* all labels, for tables */
    unsigned status;
    _Atomic uint64_t count;
};

/* One line of a family (families.h). The key follows in the same allocation. */
struct family_series {
    struct family_series *next;
    enum metric_family family;
    struct slice key; /* the family, then the labels' values, each with a NUL behind it */
    _Atomic uint64_t value;
};

enum { SERIES_CACHE_SIZE = 512 };

struct metrics_block {
    _Atomic int64_t values[METRIC_COUNT];
    _Atomic(struct request_series *) requests; /* newest first */
    _Atomic(struct route_series *) routes;
    _Atomic(struct family_series *) families;
    /* The writer's alone: how it finds a series. */
    struct request_series *cache[SERIES_CACHE_SIZE];
    struct family_series *families_cache[SERIES_CACHE_SIZE];
    struct table requests_by_key;
    struct table routes_by_name;
    struct table families_by_key;
    struct table models_by_name; /* the keys are in the values, which are owned texts */
};

struct metrics {
    usec_t started; /* since 1970-01-01 UTC */
    unsigned workers;
    unsigned count;                /* of the blocks: theirs, and two more */
    struct metrics_block **blocks; /* owned */
};
