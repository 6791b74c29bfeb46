/* ingress_side: what all webhooks that come in on a worker share, and which requests are some. */
#include "config/snapshot.h"
#include "gateway/exchange/exchange_side.h"
#include "gateway/webhook/ingress_state.h"

#include <assert.h>

struct ingress_side *ingress_side_new(const struct ingress_settings *settings)
{
    struct ingress_side *side = MEMORY_NEW(struct ingress_side);
    side->exchanges = settings->exchanges;
    side->queue = settings->queue;
    side->mailbox = settings->mailbox;
    side->rates = settings->rates;
    side->keys = verify_keys_new(side->exchanges->loop, side->exchanges->upstreams);
    return side;
}

void ingress_side_free(struct ingress_side *side)
{
    if (side == NULL) {
        return;
    }
    assert(side->puts == 0);
    while (side->first != NULL) {
        ingress_abort(side->first);
    }
    verify_keys_free(side->keys);
    memory_free(side);
}

unsigned ingress_side_count(const struct ingress_side *side)
{
    return side->count;
}

void ingress_side_set_queue(struct ingress_side *side, struct queue *queue)
{
    if (queue != NULL) {
        side->queue = queue;
    }
}

void ingress_side_close(struct ingress_side *side)
{
    side->closed = true;
}

bool ingress_side_busy(const struct ingress_side *side)
{
    return side->puts > 0;
}

/* ---- the owner's side of connections ---- */

static const struct hook *find_hook(const struct ingress_side *side,
                                    const struct connection *connection)
{
    const struct http1_request *request = connection_request(connection);
    struct slice path = slice_make(request->path.ptr, slice_find(request->path, '?'));
    return hook_table_find(&side->exchanges->snapshot->hook_table, request->host, path);
}

static struct waiter *on_begin(void *ctx, struct connection *connection)
{
    struct ingress_side *side = ctx;
    const struct hook *hook = find_hook(side, connection);
    return hook == NULL ? exchange_connection_ops.begin(side->exchanges, connection)
                        : &ingress_start(side, connection, hook)->waiter;
}

static struct waiter *on_begin_only(void *ctx, struct connection *connection)
{
    struct ingress_side *side = ctx;
    return &ingress_start(side, connection, find_hook(side, connection))->waiter;
}

static void on_refuse(void *ctx, struct connection *connection, const struct http1_fault *fault)
{
    exchange_connection_ops.refuse(((struct ingress_side *)ctx)->exchanges, connection, fault);
}

static void on_refuse_only(void *ctx, struct connection *connection,
                           const struct http1_fault *fault)
{
    ingress_refuse_head(ctx, connection, fault);
}

static const struct connection_limits *on_limits(void *ctx)
{
    return exchange_connection_ops.limits(((struct ingress_side *)ctx)->exchanges);
}

const struct connection_ops ingress_connection_ops = {
    .begin = on_begin,
    .refuse = on_refuse,
    .limits = on_limits,
};

const struct connection_ops ingress_only_connection_ops = {
    .begin = on_begin_only,
    .refuse = on_refuse_only,
    .limits = on_limits,
};
