#include "gateway/observe/live.h"

#include "base/buffer.h"
#include "base/encode.h"
#include "base/memory.h"
#include "gateway/observe/metrics_block.h"

#include <inttypes.h>

enum live_class { LIVE_OK, LIVE_CLIENT, LIVE_LIMITED, LIVE_SERVER, LIVE_GONE, LIVE_CLASSES };

static const char *const class_names[LIVE_CLASSES] = {
    [LIVE_OK] = "ok",           [LIVE_CLIENT] = "client_errors",
    [LIVE_LIMITED] = "limited", [LIVE_SERVER] = "server_errors",
    [LIVE_GONE] = "gone",
};

static enum live_class class_of(unsigned status)
{
    return status == 0     ? LIVE_GONE
           : status == 429 ? LIVE_LIMITED
           : status < 400  ? LIVE_OK
           : status < 500  ? LIVE_CLIENT
                           : LIVE_SERVER;
}

/* A route, of all blocks. */
struct live_row {
    struct live_row *next;
    struct slice route;
    uint64_t classes[LIVE_CLASSES];
    uint64_t buckets[HISTOGRAM_BUCKETS_MAX];
};

struct live_rows {
    struct arena arena;
    struct table by_route;
    struct live_row *first;
};

static void free_rows(struct live_rows *rows)
{
    table_fini(&rows->by_route);
    arena_fini(&rows->arena);
}

static struct live_row *row_of(struct live_rows *rows, struct slice route)
{
    struct live_row *row = table_get(&rows->by_route, route);
    if (row == NULL) {
        row = ARENA_NEW(&rows->arena, struct live_row);
        row->route = route;
        row->next = rows->first;
        rows->first = row;
        (void)table_add(&rows->by_route, route, row);
    }
    return row;
}

static void add_block(struct live_rows *rows, const struct metrics_block *block)
{
    const struct request_series *requests =
        atomic_load_explicit(&block->requests, memory_order_acquire);
    for (; requests != NULL; requests = requests->next) {
        struct live_row *row = row_of(rows, slice_from(requests->route));
        row->classes[class_of(requests->status)] +=
            atomic_load_explicit(&requests->count, memory_order_relaxed);
    }
    const struct route_series *routes = atomic_load_explicit(&block->routes, memory_order_acquire);
    for (; routes != NULL; routes = routes->next) {
        struct live_row *row = row_of(rows, routes->route);
        const struct histogram *histogram = &routes->histograms[HISTOGRAM_REQUEST];
        for (unsigned i = 0; i < HISTOGRAM_BUCKETS_MAX; i++) {
            row->buckets[i] += atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
        }
    }
}

static enum status put_row(const struct live_row *row, struct buffer *out)
{
    uint64_t requests = 0;
    TRY(buffer_append(out, SLICE("{\"route\":")));
    TRY(encode_json_string(row->route, out));
    for (unsigned i = 0; i < LIVE_CLASSES; i++) {
        requests += row->classes[i];
        TRY(buffer_print(out, ",\"%s\":%" PRIu64, class_names[i], row->classes[i]));
    }
    TRY(buffer_print(out, ",\"requests\":%" PRIu64 ",\"latency\":[", requests));
    for (unsigned i = 0; i <= histogram_shapes[HISTOGRAM_REQUEST].bound_count; i++) {
        TRY(buffer_print(out, "%s%" PRIu64, i == 0 ? "" : ",", row->buckets[i]));
    }
    return buffer_append(out, SLICE("]}"));
}

static enum status put_bounds(struct buffer *out)
{
    const struct histogram_shape *shape = &histogram_shapes[HISTOGRAM_REQUEST];
    TRY(buffer_append(out, SLICE("\"bounds_ms\":[")));
    for (unsigned i = 0; i < shape->bound_count; i++) {
        usec_t bound = shape->bounds[i];
        TRY(buffer_print(out, "%s%" PRId64 "%s", i == 0 ? "" : ",", bound / MSEC,
                         bound % MSEC == 0 ? "" : ".5"));
    }
    return buffer_append(out, SLICE("],"));
}

enum status live_render(const struct metrics *metrics, struct buffer *out)
{
    CLEANUP(free_rows) struct live_rows rows = {0};
    for (unsigned i = 0; i < metrics->count; i++) {
        add_block(&rows, metrics->blocks[i]);
    }
    TRY(buffer_print(
        out,
        "{\"uptime_ms\":%" PRId64 ",\"in_flight\":%" PRId64 ",\"connections\":%" PRId64
        ",\"buffered_bytes\":%" PRId64 ",\"refused\":%" PRId64 ",",
        (clock_wall() - metrics->started) / MSEC, metrics_get(metrics, METRIC_exchanges),
        metrics_get(metrics, METRIC_connections_open), metrics_get(metrics, METRIC_buffered_bytes),
        metrics_get(metrics, METRIC_requests_refused_total)));
    TRY(put_bounds(out));
    TRY(buffer_append(out, SLICE("\"routes\":[")));
    for (const struct live_row *row = rows.first; row != NULL; row = row->next) {
        TRY(put_row(row, out));
        TRY(buffer_append(out, row->next == NULL ? SLICE("") : SLICE(",")));
    }
    return buffer_append(out, SLICE("]}\n"));
}
