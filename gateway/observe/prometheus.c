/* prometheus: the metrics as a page in Prometheus' text format 0.0.4, summed over the blocks, and
 * what OpenMetrics has beyond it: a trace behind a bucket. */
#include "base/buffer.h"
#include "base/memory.h"
#include "gateway/observe/metrics_block.h"
#include "gateway/observe/page.h"
#include "gateway/observe/process_stats.h"

#include <inttypes.h>

static const struct {
    const char *name;
    const char *type;
    const char *help;
    bool of_worker; /* a value each, in microseconds; else one sum */
} simple_metrics[METRIC_COUNT] = {
#define METRIC_COUNTER(name, help)        [METRIC_##name] = {#name, "counter", help, false},
#define METRIC_GAUGE(name, help)          [METRIC_##name] = {#name, "gauge", help, false},
#define METRIC_WORKER_SECONDS(name, help) [METRIC_##name] = {#name, "gauge", help, true},
#include "gateway/observe/metrics.def"
#undef METRIC_COUNTER
#undef METRIC_GAUGE
#undef METRIC_WORKER_SECONDS
};

enum status page_put_family(struct buffer *out, const char *name, const char *type,
                            const char *help)
{
    return buffer_print(out, "# HELP sallyport_%s %s\n# TYPE sallyport_%s %s\n", name, help, name,
                        type);
}

/* Label values may hold anything; backslash, quote and newline are escaped. */
enum status page_put_label(struct buffer *out, const char *name, const char *value)
{
    TRY(buffer_print(out, "%s=\"", name));
    for (const char *at = value; *at != '\0'; at++) {
        if (*at == '\n') {
            TRY(buffer_append(out, SLICE("\\n")));
            continue;
        }
        if (*at == '"' || *at == '\\') {
            TRY(buffer_append(out, SLICE("\\")));
        }
        TRY(buffer_append(out, slice_make(at, 1)));
    }
    return buffer_append(out, SLICE("\""));
}

/* Microseconds as seconds, without zeros at the end. */
enum status page_put_seconds(struct buffer *out, usec_t duration)
{
    char digits[7];
    usec_t rest = duration % SEC;
    size_t len = 0;
    for (usec_t unit = SEC / 10; rest > 0; unit /= 10) {
        digits[len++] = (char)('0' + rest / unit);
        rest %= unit;
    }
    return buffer_print(out, "%" PRId64 "%s%.*s", duration / SEC, len == 0 ? "" : ".", (int)len,
                        digits);
}

static enum status put_workers(const struct metrics *metrics, enum metric metric,
                               struct buffer *out)
{
    for (unsigned i = 0; i < metrics->workers; i++) {
        TRY(buffer_print(out, "sallyport_%s{worker=\"%u\"} ", simple_metrics[metric].name, i));
        TRY(page_put_seconds(
            out, atomic_load_explicit(&metrics->blocks[i]->values[metric], memory_order_relaxed)));
        TRY(buffer_append(out, SLICE("\n")));
    }
    return STATUS_OK;
}

static enum status put_simple(const struct metrics *metrics, struct buffer *out)
{
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        enum metric metric = (enum metric)i;
        TRY(page_put_family(out, simple_metrics[i].name, simple_metrics[i].type,
                            simple_metrics[i].help));
        TRY(simple_metrics[i].of_worker
                ? put_workers(metrics, metric, out)
                : buffer_print(out, "sallyport_%s %" PRId64 "\n", simple_metrics[i].name,
                               metrics_get(metrics, metric)));
    }
    return STATUS_OK;
}

/* The same series of all blocks. */
struct request_row {
    struct request_row *next;
    const struct request_series *series;
    uint64_t count;
};

struct request_rows {
    struct arena arena;
    struct table by_key;
    struct request_row *first;
};

static void add_request_series(struct request_rows *rows, const struct request_series *series)
{
    struct request_row *row = table_get(&rows->by_key, series->key);
    if (row == NULL) {
        row = ARENA_NEW(&rows->arena, struct request_row);
        row->series = series;
        row->next = rows->first;
        rows->first = row;
        (void)table_add(&rows->by_key, series->key, row);
    }
    row->count += atomic_load_explicit(&series->count, memory_order_relaxed);
}

static enum status put_request_row(struct buffer *out, const struct request_row *row)
{
    TRY(buffer_append(out, SLICE("sallyport_requests_total{")));
    TRY(page_put_label(out, "tenant", row->series->tenant));
    TRY(buffer_append(out, SLICE(",")));
    TRY(page_put_label(out, "route", row->series->route));
    TRY(buffer_append(out, SLICE(",")));
    TRY(page_put_label(out, "method", row->series->method));
    if (row->series->status == 0) {
        return buffer_print(out, ",status=\"none\"} %" PRIu64 "\n", row->count);
    }
    return buffer_print(out, ",status=\"%u\"} %" PRIu64 "\n", row->series->status, row->count);
}

static enum status put_requests(const struct metrics *metrics, struct buffer *out)
{
    struct request_rows rows = {0};
    for (unsigned i = 0; i < metrics->count; i++) {
        const struct request_series *series =
            atomic_load_explicit(&metrics->blocks[i]->requests, memory_order_acquire);
        for (; series != NULL; series = series->next) {
            add_request_series(&rows, series);
        }
    }
    enum status status =
        page_put_family(out, "requests_total", "counter", "Requests by their end.");
    for (struct request_row *row = rows.first; row != NULL && status == STATUS_OK;
         row = row->next) {
        status = put_request_row(out, row);
    }
    table_fini(&rows.by_key);
    arena_fini(&rows.arena);
    return status;
}

/* The durations of a route, of all blocks. */
struct duration_row {
    struct duration_row *next;
    const char *route;
    struct {
        uint64_t buckets[HISTOGRAM_BUCKETS_MAX];
        int64_t sum;
        struct exemplar_view traces[HISTOGRAM_BUCKETS_MAX]; /* the newest; wall 0: none */
    } histograms[HISTOGRAM_KINDS];
};

struct duration_rows {
    struct arena arena;
    struct table by_route;
    struct duration_row *first;
    bool exemplars; /* are shown */
};

static void add_traces(struct duration_row *row, const struct route_exemplars *exemplars)
{
    for (unsigned kind = 0; kind < HISTOGRAM_KINDS; kind++) {
        for (unsigned i = 0; i < HISTOGRAM_BUCKETS_MAX; i++) {
            struct exemplar_view view;
            struct exemplar_view *newest = &row->histograms[kind].traces[i];
            if (exemplar_read(&exemplars->buckets[kind][i], &view) && view.wall > newest->wall) {
                *newest = view;
            }
        }
    }
}

static void add_route_series(struct duration_rows *rows, const struct route_series *series)
{
    struct duration_row *row = table_get(&rows->by_route, series->route);
    if (row == NULL) {
        row = ARENA_NEW(&rows->arena, struct duration_row);
        row->route = series->route.ptr;
        row->next = rows->first;
        rows->first = row;
        (void)table_add(&rows->by_route, series->route, row);
    }
    for (unsigned kind = 0; kind < HISTOGRAM_KINDS; kind++) {
        const struct histogram *histogram = &series->histograms[kind];
        row->histograms[kind].sum += atomic_load_explicit(&histogram->sum, memory_order_relaxed);
        for (unsigned i = 0; i < HISTOGRAM_BUCKETS_MAX; i++) {
            row->histograms[kind].buckets[i] +=
                atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
        }
    }
    const struct route_exemplars *exemplars =
        atomic_load_explicit(&series->exemplars, memory_order_acquire);
    if (rows->exemplars && exemplars != NULL) {
        add_traces(row, exemplars);
    }
}

/* ' # {trace_id="..."} VALUE TIME', behind a bucket's count. */
static enum status put_trace(struct buffer *out, const struct exemplar_view *trace)
{
    TRY(buffer_append(out, SLICE(" # {trace_id=\"")));
    TRY(buffer_append(out, slice_make(trace->id, sizeof(trace->id))));
    TRY(buffer_append(out, SLICE("\"} ")));
    TRY(page_put_seconds(out, trace->value));
    TRY(buffer_append(out, SLICE(" ")));
    return page_put_seconds(out, trace->wall);
}

/* OpenMetrics wants a point in each of them, so that a bound is written in one way only. */
static enum status put_bound(struct buffer *out, const struct histogram_shape *shape,
                             unsigned index, bool pointed)
{
    if (index == shape->bound_count) {
        return buffer_append(out, SLICE("+Inf"));
    }
    TRY(page_put_seconds(out, shape->bounds[index]));
    bool whole = shape->bounds[index] % SEC == 0;
    return buffer_append(out, pointed && whole ? SLICE(".0") : SLICE(""));
}

static enum status put_histogram(struct buffer *out, const struct duration_row *row,
                                 enum histogram_kind kind, bool exemplars)
{
    const struct histogram_shape *shape = &histogram_shapes[kind];
    uint64_t count = 0;
    for (unsigned i = 0; i <= shape->bound_count; i++) {
        count += row->histograms[kind].buckets[i];
        TRY(buffer_print(out, "sallyport_%s_bucket{", shape->name));
        TRY(page_put_label(out, "route", row->route));
        TRY(buffer_append(out, SLICE(",le=\"")));
        TRY(put_bound(out, shape, i, exemplars));
        TRY(buffer_print(out, "\"} %" PRIu64, count));
        if (row->histograms[kind].traces[i].wall > 0) {
            TRY(put_trace(out, &row->histograms[kind].traces[i]));
        }
        TRY(buffer_append(out, SLICE("\n")));
    }
    TRY(buffer_print(out, "sallyport_%s_sum{", shape->name));
    TRY(page_put_label(out, "route", row->route));
    TRY(buffer_append(out, SLICE("} ")));
    TRY(page_put_seconds(out, row->histograms[kind].sum));
    TRY(buffer_print(out, "\nsallyport_%s_count{", shape->name));
    TRY(page_put_label(out, "route", row->route));
    return buffer_print(out, "} %" PRIu64 "\n", count);
}

static enum status put_duration_rows(struct buffer *out, const struct duration_rows *rows)
{
    for (unsigned kind = 0; kind < HISTOGRAM_KINDS; kind++) {
        TRY(page_put_family(out, histogram_shapes[kind].name, "histogram",
                            histogram_shapes[kind].help));
        for (const struct duration_row *row = rows->first; row != NULL; row = row->next) {
            TRY(put_histogram(out, row, (enum histogram_kind)kind, rows->exemplars));
        }
    }
    return STATUS_OK;
}

static enum status put_durations(const struct metrics *metrics, bool exemplars, struct buffer *out)
{
    struct duration_rows rows = {.exemplars = exemplars};
    for (unsigned i = 0; i < metrics->count; i++) {
        const struct route_series *series =
            atomic_load_explicit(&metrics->blocks[i]->routes, memory_order_acquire);
        for (; series != NULL; series = series->next) {
            add_route_series(&rows, series);
        }
    }
    enum status status = put_duration_rows(out, &rows);
    table_fini(&rows.by_route);
    arena_fini(&rows.arena);
    return status;
}

static enum status put_process(const struct metrics *metrics, struct buffer *out)
{
    struct process_stats stats = process_stats_read();
    TRY(page_put_family(out, "build_info", "gauge", "Always 1; the version is a label."));
    TRY(buffer_append(out, SLICE("sallyport_build_info{version=\"" SALLYPORT_VERSION "\"} 1\n")));
    TRY(buffer_print(out,
                     "# HELP process_resident_memory_bytes Resident memory.\n"
                     "# TYPE process_resident_memory_bytes gauge\n"
                     "process_resident_memory_bytes %" PRId64 "\n"
                     "# HELP process_open_fds Open file descriptors.\n"
                     "# TYPE process_open_fds gauge\n"
                     "process_open_fds %" PRId64 "\n"
                     "# HELP process_max_fds Most file descriptors that may be open.\n"
                     "# TYPE process_max_fds gauge\n"
                     "process_max_fds %" PRId64 "\n",
                     stats.resident_bytes, stats.open_fds, stats.max_fds));
    TRY(buffer_append(out, SLICE("# HELP process_cpu_seconds_total User and system CPU time.\n"
                                 "# TYPE process_cpu_seconds_total counter\n"
                                 "process_cpu_seconds_total ")));
    TRY(page_put_seconds(out, stats.cpu_time));
    TRY(buffer_append(out, SLICE("\n# HELP process_start_time_seconds Start, since the epoch.\n"
                                 "# TYPE process_start_time_seconds gauge\n"
                                 "process_start_time_seconds ")));
    TRY(page_put_seconds(out, metrics->started));
    return buffer_append(out, SLICE("\n"));
}

static enum status put_page(const struct metrics *metrics, bool exemplars, struct buffer *out)
{
    TRY(put_process(metrics, out));
    TRY(put_simple(metrics, out));
    TRY(put_requests(metrics, out));
    TRY(page_put_families(metrics, out));
    return put_durations(metrics, exemplars, out);
}

/* Takes back what stands behind the last newline that was put after `before` bytes. */
static void drop_partial_line(struct buffer *out, size_t before)
{
    struct slice bytes = buffer_bytes(out);
    while (bytes.len > before && bytes.ptr[bytes.len - 1] != '\n') {
        bytes.len--;
    }
    out->end = out->start + bytes.len;
}

static bool render(const struct metrics *metrics, bool exemplars, struct buffer *out)
{
    size_t before = buffer_len(out);
    bool fits = put_page(metrics, exemplars, out) == STATUS_OK;
    if (!fits) {
        drop_partial_line(out, before);
    }
    return fits;
}

bool metrics_render(const struct metrics *metrics, struct buffer *out)
{
    return render(metrics, false, out);
}

bool metrics_render_exemplars(const struct metrics *metrics, struct buffer *out)
{
    return render(metrics, true, out);
}
