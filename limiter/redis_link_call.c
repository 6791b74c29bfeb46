#include "limiter/redis_link_call.h"

#include "base/memory.h"

#include <stdio.h>

#include <event2/event.h>

struct redis_call {
    struct redis_call_settings settings;
    struct event_base *base;   /* owned */
    struct timer_queue timers; /* the link's */
    struct redis_link *link;   /* owned */
    void (*reply)(void *ctx, const struct redis_reply *reply);
    void *reply_ctx;
    unsigned left; /* replies that are due */
    bool up, down;
    char why[300];
};

static void on_up(void *ctx)
{
    struct redis_call *call = ctx;
    call->up = true;
}

static void on_reply(void *ctx, const struct redis_reply *reply)
{
    struct redis_call *call = ctx;
    call->left--;
    call->reply(call->reply_ctx, reply);
}

static void on_down(void *ctx, const char *why)
{
    struct redis_call *call = ctx;
    call->down = true;
    (void)snprintf(call->why, sizeof(call->why), "%s", why);
}

/* Runs the loop until it is done, in steps, so that timers of the link are seen. */
static enum status wait_for(struct redis_call *call, bool (*done)(const struct redis_call *call),
                            struct error *err)
{
    usec_t end = call->settings.now() + call->settings.timeout;
    static const struct timeval step = {.tv_usec = 5000};
    while (!done(call)) {
        if (call->down) {
            FAIL(err, STATUS_UNAVAILABLE, "%s", call->why);
        }
        if (call->settings.now() >= end) {
            FAIL(err, STATUS_TIMEOUT, "%s does not answer in time",
                 call->settings.address->url_shown);
        }
        (void)event_base_loopexit(call->base, &step);
        (void)event_base_loop(call->base, EVLOOP_ONCE);
        (void)timer_queue_run(&call->timers, call->settings.now(), 100);
    }
    return STATUS_OK;
}

static bool is_up(const struct redis_call *call)
{
    return call->up;
}

static bool has_all(const struct redis_call *call)
{
    return call->left == 0;
}

enum status redis_call_open(const struct redis_call_settings *settings, struct redis_call **ret,
                            struct error *err)
{
    static const struct redis_link_ops ops = {.up = on_up, .reply = on_reply, .down = on_down};
    struct redis_call *call = MEMORY_NEW(struct redis_call);
    call->settings = *settings;
    call->base = event_base_new();
    call->link = redis_link_new(&(struct redis_link_settings){
        .base = call->base,
        .timers = &call->timers,
        .now = settings->now,
        .address = settings->address,
        .tls = settings->tls,
        .connect_timeout = settings->timeout,
        .ops = &ops,
        .ctx = call,
    });
    redis_link_open(call->link);
    enum status status = wait_for(call, is_up, err);
    if (status != STATUS_OK) {
        redis_call_close(call);
        return status;
    }
    *ret = call;
    return STATUS_OK;
}

void redis_call_close(struct redis_call *call)
{
    if (call != NULL) {
        redis_link_free(call->link);
        timer_queue_fini(&call->timers);
        event_base_free(call->base);
        memory_free(call);
    }
}

struct buffer *redis_call_output(struct redis_call *call)
{
    return redis_link_output(call->link);
}

enum status redis_call_run(struct redis_call *call, unsigned replies,
                           void (*reply)(void *ctx, const struct redis_reply *reply), void *ctx,
                           struct error *err)
{
    call->reply = reply;
    call->reply_ctx = ctx;
    call->left = replies;
    redis_link_expect(call->link, replies);
    redis_link_flush(call->link);
    return wait_for(call, has_all, err);
}
