#include "gateway/server_webhooks_admin.h"

#include "gateway/observe/metrics.h"
#include "gateway/server_state.h"

static enum status no_queue(struct error *err)
{
    FAIL(err, STATUS_NOT_FOUND, "there is no queue of webhooks");
}

enum status server_webhooks_list(const struct server *server,
                                 const struct webhook_question *question, struct buffer *out,
                                 struct error *err)
{
    (void)server;
    (void)question;
    (void)out;
    return no_queue(err);
}

enum status server_webhooks_sums(struct server *server, struct buffer *out, struct error *err)
{
    (void)server;
    (void)out;
    return no_queue(err);
}

enum status server_webhooks_show(const struct server *server, const char *id,
                                 enum webhook_parts parts, struct buffer *out, struct error *err)
{
    (void)server;
    (void)id;
    (void)parts;
    (void)out;
    return no_queue(err);
}

enum status server_webhooks_change(struct server *server, const struct webhook_question *question,
                                   enum webhook_change kind, struct admin_later *take_later,
                                   struct error *err)
{
    (void)server;
    (void)question;
    (void)kind;
    (void)take_later;
    return no_queue(err);
}

void server_webhooks_count(const struct server *server)
{
    metrics_set(server->metrics_block, METRIC_webhooks_queue_up, 1);
}

enum status server_webhooks_readiness(const struct server *server, struct buffer *out)
{
    (void)server;
    (void)out;
    return STATUS_OK;
}

void server_webhooks_admin_stop(struct server *server)
{
    (void)server;
}
