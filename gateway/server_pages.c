#include "gateway/server_pages.h"

#include "base/buffer.h"
#include "base/encode.h"
#include "config/snapshot.h"
#include "gateway/ledger/ledger_query.h"
#include "gateway/observe/live.h"
#include "gateway/observe/metrics.h"
#include "gateway/observe/timestamp.h"
#include "gateway/quotas.h"
#include "gateway/request_report.h"
#include "gateway/server_secrets.h"
#include "gateway/server_state.h"
#include "gateway/tenant_report.h"
#include "limiter/zone.h"

#include <inttypes.h>

/* ---- pieces ---- */

/* "name":"text", with a comma behind it. */
static enum status put_text(struct buffer *out, const char *name, const char *text)
{
    TRY(buffer_print(out, "\"%s\":", name));
    TRY(encode_json_string(slice_from(text), out));
    return buffer_append(out, SLICE(","));
}

static enum status put_slice(struct buffer *out, const char *name, struct slice text)
{
    TRY(buffer_print(out, "\"%s\":", name));
    TRY(encode_json_string(text, out));
    return buffer_append(out, SLICE(","));
}

static enum status put_moment(struct buffer *out, const char *name, usec_t wall)
{
    char text[TIMESTAMP_LEN];
    size_t len = timestamp_write(wall, text);
    return put_slice(out, name, slice_make(text, len));
}

/* An item of a list, behind a comma if it is not the first. */
static enum status put_item(struct buffer *out, unsigned index, const char *text)
{
    TRY(buffer_append(out, index == 0 ? SLICE("") : SLICE(",")));
    return encode_json_string(slice_from(text), out);
}

/* ---- status ---- */

static enum status put_config_state(const struct server *server, struct buffer *out)
{
    const char *problem = server->reload_err.message;
    TRY(buffer_append(out, SLICE("\"config\":{")));
    TRY(put_text(out, "file", server->config_path));
    TRY(put_moment(out, "taken", server->config_taken));
    TRY(put_text(out, "problem", problem));
    TRY(buffer_print(out, "\"generation\":%" PRIu64 ",\"last_reload_success\":%s},",
                     server->snapshot->generation, problem[0] == '\0' ? "true" : "false"));
    return STATUS_OK;
}

static enum status put_store_state(const struct server *server, struct buffer *out)
{
    const struct store_settings *store = &server->snapshot->store;
    TRY(buffer_append(out, SLICE("\"store\":{")));
    TRY(put_text(out, "url", store->redis ? store->address.url_shown : "memory:"));
    TRY(put_text(out, "name", store->name));
    return buffer_print(out, "\"up\":%s},", quotas_store_up(server->quotas) ? "true" : "false");
}

static enum status show_status(const struct server *server, struct buffer *out)
{
    const struct metrics *metrics = server->metrics;
    TRY(buffer_append(out, SLICE("{")));
    TRY(put_text(out, "version", SALLYPORT_VERSION));
    TRY(put_text(out, "state", server->draining ? "draining" : "serving"));
    TRY(put_moment(out, "now", clock_wall()));
    TRY(put_moment(out, "started", metrics_started(metrics)));
    TRY(buffer_print(out, "\"uptime_seconds\":%" PRId64 ",",
                     (clock_wall() - metrics_started(metrics)) / SEC));
    TRY(put_config_state(server, out));
    TRY(put_store_state(server, out));
    TRY(buffer_print(out, "\"ledger\":%s,\"webhooks\":%s,",
                     server->snapshot->ledger.path == NULL ? "false" : "true",
                     server->queue == NULL ? "false" : "true"));
    TRY(put_text(out, "time_zone", zone_name(server->snapshot->gateway.zone)));
    TRY(buffer_print(out, "\"workers\":%u,\"routes\":%u,\"tenants\":%u,", server->worker_count,
                     server->snapshot->route_count, server->snapshot->tenant_count));
    TRY(buffer_print(out,
                     "\"requests\":{\"in_flight\":%" PRId64 ",\"refused_early\":%" PRId64
                     "},\"connections\":%" PRId64 ",\"buffered_bytes\":%" PRId64 "}\n",
                     metrics_get(metrics, METRIC_exchanges),
                     metrics_get(metrics, METRIC_requests_refused_total),
                     metrics_get(metrics, METRIC_connections_open),
                     metrics_get(metrics, METRIC_buffered_bytes)));
    return STATUS_OK;
}

/* ---- config ---- */

static enum status show_config(const struct server *server, struct buffer *out)
{
    TRY(buffer_append(out, SLICE("{")));
    TRY(put_config_state(server, out));
    TRY(buffer_append(out, SLICE("\"in_force\":")));
    TRY(buffer_append(out, server->snapshot->shown));
    return buffer_append(out, SLICE("}\n"));
}

/* ---- routes ---- */

static enum status put_route(const struct route *route, struct buffer *out)
{
    TRY(buffer_append(out, route->index == 0 ? SLICE("{") : SLICE(",\n{")));
    TRY(put_text(out, "route", route->name));
    TRY(put_slice(out, "path", route->path));
    TRY(put_slice(out, "host", route->host));
    TRY(put_text(out, "provider", route->profile->name));
    TRY(buffer_append(out, SLICE("\"upstream\":\"")));
    TRY(buffer_append(out, route->origin.tls ? SLICE("https://") : SLICE("http://")));
    TRY(encode_json(slice_from(route->origin.authority), out));
    TRY(encode_json(route->base_path, out));
    TRY(buffer_append(out, SLICE("\",\"secrets\":[")));
    for (unsigned i = 0; i < route->credential_count; i++) {
        TRY(put_item(out, i, route->credentials[i].secret_name));
    }
    TRY(buffer_append(out, SLICE("],\"fallback\":[")));
    for (unsigned i = 0; i < route->fallback_count; i++) {
        TRY(put_item(out, i, route->fallback[i]->name));
    }
    return buffer_print(out,
                        "],\"timeouts_ms\":{\"connect\":%" PRId64 ",\"first_byte\":%" PRId64
                        ",\"idle\":%" PRId64 ",\"total\":%" PRId64 "},\"max_in_flight\":%u}",
                        route->timeouts.connect / MSEC, route->timeouts.first_byte / MSEC,
                        route->timeouts.idle / MSEC, route->timeouts.total / MSEC,
                        route->max_in_flight);
}

static enum status show_routes(const struct snapshot *snapshot, struct buffer *out)
{
    TRY(buffer_append(out, SLICE("{\"routes\":[\n")));
    for (unsigned i = 0; i < snapshot->route_count; i++) {
        TRY(put_route(snapshot->routes[i], out));
    }
    return buffer_append(out, SLICE("\n]}\n"));
}

/* ---- errors ---- */

enum { ERRORS_SHOWN = 60 };

struct rows {
    struct buffer *out;
    unsigned count;
    enum status status;
};

static enum status put_row(struct rows *rows, const struct ledger_row *row)
{
    TRY(rows->status);
    TRY(buffer_append(rows->out, rows->count++ == 0 ? SLICE("") : SLICE(",")));
    return request_report_write(row, rows->out);
}

static void add_row(void *ctx, const struct ledger_row *row)
{
    struct rows *rows = ctx;
    rows->status = put_row(rows, row);
}

static enum status show_errors(const struct server *server, struct buffer *out, struct error *err)
{
    struct ledger_reader *reader = NULL;
    struct rows rows = {.out = out};
    if (server->snapshot->ledger.path == NULL) {
        FAIL(err, STATUS_NOT_FOUND, "there is no ledger, which would know the errors of late");
    }
    TRY(buffer_append(out, SLICE("{\"errors\":[\n")));
    TRY(ledger_reader_open(server->snapshot->ledger.path, &reader, err));
    enum status status = ledger_recent(reader, true, ERRORS_SHOWN, &rows, add_row, err);
    ledger_reader_close(reader);
    TRY(status);
    TRY(rows.status);
    return buffer_append(out, SLICE("]}\n"));
}

static enum status put_page(const struct server *server, enum admin_page page, struct buffer *out,
                            struct error *err)
{
    switch (page) {
    case ADMIN_STATUS:
        return show_status(server, out);
    case ADMIN_CONFIG:
        return show_config(server, out);
    case ADMIN_ROUTES:
        return show_routes(server->snapshot, out);
    case ADMIN_TENANTS:
        return tenant_report_write(server->snapshot, clock_wall(), out);
    case ADMIN_SECRETS:
        return server_secrets_show(server, out);
    case ADMIN_LIVE:
        return live_render(server->metrics, out);
    case ADMIN_ERRORS:
        return show_errors(server, out, err);
    }
    return STATUS_INVALID;
}

enum status server_page(const struct server *server, enum admin_page page, struct buffer *out,
                        struct error *err)
{
    enum status status = put_page(server, page, out, err);
    if (status == STATUS_TOO_LARGE) {
        FAIL(err, STATUS_INVALID, "this is too much for one answer");
    }
    return status;
}
