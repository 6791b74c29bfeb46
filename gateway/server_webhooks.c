#include "gateway/server_webhooks.h"

#include "config/snapshot.h"
#include "gateway/server_state.h"
#include "gateway/webhook/queue.h"
#include "gateway/webhook/source_rates.h"

/* By the queue's thread. Nobody delivers yet. */
static void on_due(void *ctx)
{
    (void)ctx;
}

static struct queue_settings settings_of(struct server *server, const struct queue_config *config)
{
    return (struct queue_settings){
        .path = config->path,
        .keep = config->keep,
        .max_age = config->max_age,
        .max_events = config->max_events,
        .max_bytes = config->max_bytes,
        .due = on_due,
        .due_ctx = server,
    };
}

enum status server_webhooks_start(struct server *server, struct error *err)
{
    server->source_rates = source_rates_new();
    return server_webhooks_prepare(server, server->snapshot, err);
}

enum status server_webhooks_prepare(struct server *server, struct snapshot *snapshot,
                                    struct error *err)
{
    if (server->queue != NULL || snapshot->queue.path == NULL) {
        return STATUS_OK; /* it stays, even if no hook is left, for what waits in it */
    }
    struct queue_settings settings = settings_of(server, &snapshot->queue);
    enum status status = queue_start(&settings, &server->queue, err);
    if (status != STATUS_OK) {
        error_prefix(err, "webhook_queue.url");
    }
    return status;
}

void server_webhooks_adopt(struct server *server)
{
    if (server->queue != NULL && server->snapshot->queue.path != NULL) {
        struct queue_settings settings = settings_of(server, &server->snapshot->queue);
        queue_set_limits(server->queue, &settings);
    }
}

void server_webhooks_stop(struct server *server)
{
    queue_stop(server->queue);
    server->queue = NULL;
    source_rates_free(server->source_rates);
}
