#include "gateway/server_webhooks.h"

#include "base/memory.h"
#include "config/snapshot.h"
#include "gateway/loop/mailbox.h"
#include "gateway/observe/metrics.h"
#include "gateway/server_state.h"
#include "gateway/webhook/delivery.h"
#include "gateway/webhook/queue.h"
#include "gateway/webhook/source_rates.h"

/* By the queue's thread. Until there is somebody who delivers nothing is lost: they begin by
 * asking.
 */
static void on_due(void *ctx)
{
    struct server *server = ctx;
    struct delivery *delivery = atomic_load(&server->delivery);
    if (delivery != NULL) {
        delivery_due(delivery);
    }
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

static enum status start_delivery(struct server *server, struct snapshot *snapshot,
                                  struct error *err)
{
    unsigned workers = snapshot->gateway.workers;
    const struct delivery_settings settings = {
        .queue = server->queue,
        .metrics = metrics_block(server->metrics, workers + 1), /* behind the main thread's */
    };
    struct delivery *delivery = NULL;
    TRY(delivery_start(&settings, snapshot, &delivery, err));
    atomic_store(&server->delivery, delivery);
    return STATUS_OK;
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
        return status;
    }
    return start_delivery(server, snapshot, err);
}

void server_webhooks_adopt(struct server *server)
{
    if (server->queue != NULL && server->snapshot->queue.path != NULL) {
        struct queue_settings settings = settings_of(server, &server->snapshot->queue);
        queue_set_limits(server->queue, &settings);
    }
    struct delivery *delivery = atomic_load(&server->delivery);
    if (delivery != NULL) {
        delivery_adopt(delivery, server->snapshot);
    }
}

/* ---- drain and stop ---- */

struct drained_letter {
    struct letter letter;
    void (*drained)(void *server);
};

static void on_drained_letter(struct letter *letter, void *receiver)
{
    struct drained_letter *drained = (struct drained_letter *)letter;
    drained->drained(receiver);
    memory_free(drained);
}

/* By the delivery's thread. */
static void on_drained(void *ctx)
{
    struct server *server = ctx;
    struct drained_letter *letter = MEMORY_NEW(struct drained_letter);
    *letter = (struct drained_letter){.letter.run = on_drained_letter,
                                      .drained = server->webhooks_drained};
    mailbox_post(server->mailbox, &letter->letter);
}

bool server_webhooks_drain(struct server *server, void (*drained)(void *server))
{
    struct delivery *delivery = atomic_load(&server->delivery);
    if (delivery == NULL) {
        return false;
    }
    server->webhooks_drained = drained;
    delivery_drain(delivery, on_drained, server);
    return true;
}

/* What is still under way has had its time: it is cut. */
void server_webhooks_stop(struct server *server)
{
    struct delivery *delivery = atomic_load(&server->delivery);
    delivery_stop(delivery, 0);
    queue_stop(server->queue);
    server->queue = NULL;
    delivery_free(delivery);
    source_rates_free(server->source_rates);
}
