#include "gateway/server_otlp.h"

#include "base/buffer.h"
#include "config/snapshot.h"
#include "gateway/observe/metrics.h"
#include "gateway/otlp/otlp.h"
#include "gateway/server_admin.h"
#include "gateway/server_state.h"

enum { PAGE_MAX_BYTES = 16 * 1024 * 1024 };

/* What /metrics shows. */
static void send_metrics(struct server *server)
{
    struct buffer page CLEANUP(buffer_fini);
    buffer_init(&page, PAGE_MAX_BYTES);
    server_admin_ops.metrics(server, &page);
    otlp_write_metrics(server->otlp, buffer_bytes(&page), metrics_started(server->metrics));
}

enum status server_otlp_start(struct server *server, struct error *err)
{
    server->otlp = otlp_new();
    TRY(otlp_prepare(server->otlp, server->snapshot, err));
    otlp_adopt(server->otlp, server->snapshot);
    return STATUS_OK;
}

void server_otlp_tick(struct server *server)
{
    metrics_set(server->metrics_block, METRIC_otlp_dropped_total,
                (int64_t)otlp_dropped(server->otlp));
    if (otlp_wants_metrics(server->otlp)) {
        send_metrics(server);
    }
}

void server_otlp_stop(struct server *server)
{
    if (server->otlp != NULL && otlp_exports_metrics(server->otlp)) {
        send_metrics(server); /* the last requests are in it */
    }
    otlp_stop(server->otlp);
}
