/* ingress_side: what all webhooks that come in on a worker share. */
#include "base/memory.h"
#include "gateway/exchange/exchange_side.h"
#include "gateway/webhook/ingress.h"

struct ingress_side {
    struct ingress_settings settings;
};

struct ingress_side *ingress_side_new(const struct ingress_settings *settings)
{
    struct ingress_side *side = MEMORY_NEW(struct ingress_side);
    side->settings = *settings;
    return side;
}

void ingress_side_free(struct ingress_side *side)
{
    memory_free(side);
}

unsigned ingress_side_count(const struct ingress_side *side)
{
    (void)side;
    return 0;
}

void ingress_side_set_queue(struct ingress_side *side, struct queue *queue)
{
    if (queue != NULL) {
        side->settings.queue = queue;
    }
}

void ingress_side_close(struct ingress_side *side)
{
    (void)side;
}

bool ingress_side_busy(const struct ingress_side *side)
{
    (void)side;
    return false;
}

static struct exchange_side *exchanges_of(void *ctx)
{
    return ((struct ingress_side *)ctx)->settings.exchanges;
}

static struct waiter *on_begin(void *ctx, struct connection *connection)
{
    return exchange_connection_ops.begin(exchanges_of(ctx), connection);
}

static void on_refuse(void *ctx, struct connection *connection, const struct http1_fault *fault)
{
    exchange_connection_ops.refuse(exchanges_of(ctx), connection, fault);
}

static const struct connection_limits *on_limits(void *ctx)
{
    return exchange_connection_ops.limits(exchanges_of(ctx));
}

const struct connection_ops ingress_connection_ops = {
    .begin = on_begin,
    .refuse = on_refuse,
    .limits = on_limits,
};
