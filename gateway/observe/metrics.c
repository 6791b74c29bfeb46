#include "gateway/observe/metrics.h"

#include "base/memory.h"
#include "gateway/observe/metrics_block.h"

#include <assert.h>
#include <string.h>

enum {
    REQUEST_SERIES_MAX = 20000, /* a block; further ones are counted under __other__ */
    ROUTE_SERIES_MAX = 1000,
    KEY_MAX_BYTES = 512,
};

static const char other[] = "__other__";

#define BOUNDS(...)                                                                                \
    .bounds = (const usec_t[]){__VA_ARGS__},                                                       \
    .bound_count = sizeof((const usec_t[]){__VA_ARGS__}) / sizeof(usec_t)

/* clang-format off */
const struct histogram_shape histogram_shapes[HISTOGRAM_KINDS] = {
    [HISTOGRAM_REQUEST] = {
        .name = "request_duration_seconds",
        .help = "From the first byte of a request's head to the last byte of its answer.",
        BOUNDS(MSEC, 2500 * USEC, 5 * MSEC, 10 * MSEC, 25 * MSEC, 50 * MSEC, 100 * MSEC, 250 * MSEC,
               500 * MSEC, SEC, 2500 * MSEC, 5 * SEC, 10 * SEC, 30 * SEC, 60 * SEC, 300 * SEC)},
    [HISTOGRAM_UPSTREAM] = {
        .name = "upstream_duration_seconds",
        .help = "From the start of the upstream call to the end of its answer.",
        BOUNDS(MSEC, 2500 * USEC, 5 * MSEC, 10 * MSEC, 25 * MSEC, 50 * MSEC, 100 * MSEC, 250 * MSEC,
               500 * MSEC, SEC, 2500 * MSEC, 5 * SEC, 10 * SEC, 30 * SEC, 60 * SEC, 300 * SEC)},
    [HISTOGRAM_OVERHEAD] = {
        .name = "overhead_duration_seconds",
        .help = "What the gateway itself added: a request's time less waiting for both ends.",
        BOUNDS(10 * USEC, 25 * USEC, 50 * USEC, 100 * USEC, 250 * USEC, 500 * USEC, MSEC,
               2500 * USEC, 5 * MSEC, 10 * MSEC, 25 * MSEC, 50 * MSEC, 100 * MSEC, SEC)},
    [HISTOGRAM_FIRST_BYTE] = {
        .name = "time_to_first_byte_seconds",
        .help = "From the first byte of a request's head to the first byte of its answer.",
        BOUNDS(MSEC, 2500 * USEC, 5 * MSEC, 10 * MSEC, 25 * MSEC, 50 * MSEC, 100 * MSEC, 250 * MSEC,
               500 * MSEC, SEC, 2500 * MSEC, 5 * SEC, 10 * SEC, 30 * SEC, 60 * SEC)},
    [HISTOGRAM_STORE] = {
        .name = "store_duration_seconds",
        .help = "From asking the shared store of quotas to its verdict.",
        BOUNDS(100 * USEC, 250 * USEC, 500 * USEC, MSEC, 2500 * USEC, 5 * MSEC, 10 * MSEC, 25 * MSEC,
               50 * MSEC, 100 * MSEC, 250 * MSEC, SEC)},
};
/* clang-format on */

struct metrics *metrics_new(unsigned workers)
{
    struct metrics *metrics = MEMORY_NEW(struct metrics);
    metrics->started = clock_wall();
    metrics->workers = workers;
    metrics->count = workers + 4;
    metrics->blocks = memory_alloc(metrics->count * sizeof(struct metrics_block *));
    for (unsigned i = 0; i < metrics->count; i++) {
        metrics->blocks[i] = MEMORY_NEW(struct metrics_block);
    }
    return metrics;
}

static void free_block(struct metrics_block *block)
{
    for (struct request_series *series = atomic_load(&block->requests); series != NULL;) {
        struct request_series *next = series->next;
        memory_free(series);
        series = next;
    }
    for (struct route_series *series = atomic_load(&block->routes); series != NULL;) {
        struct route_series *next = series->next;
        memory_free(atomic_load(&series->exemplars));
        memory_free(series);
        series = next;
    }
    for (struct family_series *series = atomic_load(&block->families); series != NULL;) {
        struct family_series *next = series->next;
        memory_free(series);
        series = next;
    }
    for (size_t i = 0; i < block->models_by_name.size; i++) {
        memory_free(block->models_by_name.entries[i].value);
    }
    table_fini(&block->models_by_name);
    table_fini(&block->families_by_key);
    table_fini(&block->requests_by_key);
    table_fini(&block->routes_by_name);
    memory_free(block);
}

void metrics_free(struct metrics *metrics)
{
    if (metrics == NULL) {
        return;
    }
    for (unsigned i = 0; i < metrics->count; i++) {
        free_block(metrics->blocks[i]);
    }
    memory_free(metrics->blocks);
    memory_free(metrics);
}

struct metrics_block *metrics_block(struct metrics *metrics, unsigned index)
{
    assert(index < metrics->count);
    return metrics->blocks[index];
}

/* One writer: no atomic addition is needed, only a store that a reader may see at any time. */
static void add_count(_Atomic uint64_t *count)
{
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

static void add_amount(_Atomic int64_t *value, int64_t amount)
{
    atomic_store_explicit(value, atomic_load_explicit(value, memory_order_relaxed) + amount,
                          memory_order_relaxed);
}

void metrics_add(struct metrics_block *block, enum metric metric, int64_t amount)
{
    add_amount(&block->values[metric], amount);
}

void metrics_set(struct metrics_block *block, enum metric metric, int64_t value)
{
    atomic_store_explicit(&block->values[metric], value, memory_order_relaxed);
}

usec_t metrics_started(const struct metrics *metrics)
{
    return metrics->started;
}

int64_t metrics_get(const struct metrics *metrics, enum metric metric)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < metrics->count; i++) {
        sum += atomic_load_explicit(&metrics->blocks[i]->values[metric], memory_order_relaxed);
    }
    return sum;
}

static struct route_series *find_route(struct metrics_block *block, const char *name)
{
    struct route_series *series = table_get(&block->routes_by_name, slice_from(name));
    if (series != NULL) {
        return series;
    }
    if (block->routes_by_name.count >= ROUTE_SERIES_MAX && strcmp(name, other) != 0) {
        return find_route(block, other);
    }
    size_t len = strlen(name);
    series = memory_alloc(sizeof(*series) + len + 1);
    char *copy = (char *)(series + 1);
    memcpy(copy, name, len + 1);
    series->route = slice_make(copy, len);
    series->next = atomic_load_explicit(&block->routes, memory_order_relaxed);
    (void)table_add(&block->routes_by_name, series->route, series);
    atomic_store_explicit(&block->routes, series, memory_order_release);
    return series;
}

static char *put_text(char *at, const char *text)
{
    size_t len = strlen(text) + 1;
    memcpy(at, text, len);
    return at + len;
}

/* "tenant\0route\0method\0" and two bytes of status: as long as it fits; else an empty slice. */
static struct slice make_key(const struct request_metrics *request, char out[KEY_MAX_BYTES])
{
    size_t len = strlen(request->tenant) + strlen(request->route) + strlen(request->method) + 5;
    if (len > KEY_MAX_BYTES) {
        return slice_make(out, 0);
    }
    char *end = put_text(put_text(put_text(out, request->tenant), request->route), request->method);
    end[0] = (char)(request->status >> 8);
    end[1] = (char)(request->status & 0xff);
    return slice_make(out, len);
}

static struct request_series *add_series(struct metrics_block *block, struct slice key,
                                         const struct request_metrics *request)
{
    struct request_series *series = memory_alloc(sizeof(*series) + key.len);
    char *copy = (char *)(series + 1);
    memcpy(copy, key.ptr, key.len);
    series->key = slice_make(copy, key.len);
    series->tenant = copy;
    series->route = series->tenant + strlen(series->tenant) + 1;
    series->method = series->route + strlen(series->route) + 1;
    series->status = request->status;
    series->durations = find_route(block, series->route);
    series->next = atomic_load_explicit(&block->requests, memory_order_relaxed);
    (void)table_add(&block->requests_by_key, series->key, series);
    atomic_store_explicit(&block->requests, series, memory_order_release);
    return series;
}

static struct request_series *find_series(struct metrics_block *block,
                                          const struct request_metrics *request)
{
    char bytes[KEY_MAX_BYTES];
    struct slice key = make_key(request, bytes);
    struct request_series *series = table_get(&block->requests_by_key, key);
    if (series != NULL) {
        return series;
    }
    bool full = block->requests_by_key.count >= REQUEST_SERIES_MAX || key.len == 0;
    if (full && request->tenant != other) {
        struct request_metrics folded = *request;
        folded.tenant = other;
        folded.route = other;
        folded.method = other;
        return find_series(block, &folded); /* as many as there are statuses */
    }
    return add_series(block, key, request);
}

static bool matches(const struct request_series *series, const struct request_metrics *request)
{
    return series != NULL && series->status == request->status &&
           strcmp(series->tenant, request->tenant) == 0 &&
           strcmp(series->route, request->route) == 0 &&
           strcmp(series->method, request->method) == 0;
}

/* By the addresses of the names, for they seldom change; the names themselves decide. */
static struct request_series **cache_place(struct metrics_block *block,
                                           const struct request_metrics *request)
{
    uint64_t hash = (uint64_t)(uintptr_t)request->tenant * 0x9e3779b97f4a7c15U;
    hash = (hash ^ (uint64_t)(uintptr_t)request->route) * 0xff51afd7ed558ccdU;
    hash = (hash ^ (uint64_t)(uintptr_t)request->method ^ request->status) * 0xc4ceb9fe1a85ec53U;
    return &block->cache[(hash >> 48) % SERIES_CACHE_SIZE];
}

static unsigned find_bucket(enum histogram_kind kind, usec_t duration)
{
    const struct histogram_shape *shape = &histogram_shapes[kind];
    unsigned low = 0;
    unsigned high = shape->bound_count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (duration <= shape->bounds[middle]) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

/* Memory for them only where requests are traced at all. */
static struct route_exemplars *find_exemplars(struct route_series *series)
{
    struct route_exemplars *found = atomic_load_explicit(&series->exemplars, memory_order_relaxed);
    if (found == NULL) {
        found = MEMORY_NEW(struct route_exemplars);
        atomic_store_explicit(&series->exemplars, found, memory_order_release);
    }
    return found;
}

/* `trace` is NULL where there is none. */
static void observe(struct route_series *series, enum histogram_kind kind, usec_t duration,
                    struct exemplar_view *trace)
{
    if (duration < 0) {
        return;
    }
    unsigned bucket = find_bucket(kind, duration);
    add_count(&series->histograms[kind].buckets[bucket]);
    add_amount(&series->histograms[kind].sum, duration);
    if (trace != NULL) {
        trace->value = duration;
        exemplar_write(&find_exemplars(series)->buckets[kind][bucket], trace);
    }
}

void metrics_request(struct metrics_block *block, const struct request_metrics *request)
{
    struct request_series **place = cache_place(block, request);
    if (!matches(*place, request)) {
        *place = find_series(block, request);
    }
    struct request_series *series = *place;
    struct exemplar_view view;
    struct exemplar_view *trace = NULL;
    if (request->trace_id.len == sizeof(view.id)) {
        trace = &view;
        memcpy(view.id, request->trace_id.ptr, sizeof(view.id));
        view.wall = request->ended_wall;
    }
    add_count(&series->count);
    observe(series->durations, HISTOGRAM_REQUEST, request->duration, trace);
    observe(series->durations, HISTOGRAM_UPSTREAM, request->upstream_duration, trace);
    observe(series->durations, HISTOGRAM_OVERHEAD, request->overhead_duration, trace);
    observe(series->durations, HISTOGRAM_FIRST_BYTE, request->time_to_first_byte, trace);
    observe(series->durations, HISTOGRAM_STORE, request->store_duration, trace);
}
