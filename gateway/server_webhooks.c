#include "gateway/server_webhooks.h"

#include "config/snapshot.h"
#include "gateway/server_state.h"
#include "gateway/webhook/source_rates.h"

enum status server_webhooks_start(struct server *server, struct error *err)
{
    server->source_rates = source_rates_new();
    return server_webhooks_prepare(server, server->snapshot, err);
}

enum status server_webhooks_prepare(struct server *server, struct snapshot *snapshot,
                                    struct error *err)
{
    (void)err;
    if (server->queue != NULL || snapshot->queue.path == NULL) {
        return STATUS_OK; /* it stays, even if no hook is left, for what waits in it */
    }
    return STATUS_OK;
}

void server_webhooks_adopt(struct server *server)
{
    (void)server;
}

void server_webhooks_stop(struct server *server)
{
    source_rates_free(server->source_rates);
}
