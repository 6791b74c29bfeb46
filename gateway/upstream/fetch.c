#include "gateway/upstream/fetch.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "gateway/loop/loop.h"
#include "routes/origin.h"

#include <stddef.h>
#include <stdio.h>

/* The whole has a timer of its own: those of the attempt, whose messages name a route's settings,
 * must not come before it. */
#define BEHIND_THE_WHOLE SEC

struct fetch {
    struct waiter waiter;        /* first: see on_news() */
    struct timer timer;          /* of the whole */
    struct loop *loop;           /* borrowed */
    const struct origin *origin; /* borrowed */
    usec_t timeout;
    usec_t began;
    struct attempt *attempt;               /* owned */
    const struct http1_response *response; /* the attempt's; NULL: no head came */
    struct buffer body;
    bool cut;
    void *ctx;
    void (*done)(void *ctx, const struct fetch_result *result);
};

static void free_fetch(struct fetch *fetch)
{
    waiter_cancel(&fetch->waiter);
    timer_cancel(&fetch->loop->timers, &fetch->timer);
    attempt_end(fetch->attempt);
    buffer_wipe(&fetch->body);
    memory_free(fetch);
}

static void end(struct fetch *fetch, enum attempt_fault fault, bool sent, const char *message)
{
    struct fetch_result result = {
        .fault = fault,
        .sent = sent,
        .message = message,
        .body = buffer_bytes(&fetch->body),
        .cut = fetch->cut,
        .took = fetch->loop->now - fetch->began,
    };
    if (fetch->response != NULL) {
        result.status = fetch->response->status;
        result.fields = fetch->response->fields;
        result.field_count = fetch->response->field_count;
    }
    fetch->done(fetch->ctx, &result);
    free_fetch(fetch);
}

static void end_failed(struct fetch *fetch)
{
    const struct attempt_failure *failure = attempt_failure(fetch->attempt);
    end(fetch, failure->fault, failure->sent, failure->message);
}

static void end_answered(struct fetch *fetch)
{
    end(fetch, ATTEMPT_OK, true, "");
}

static void on_timeout(struct timer *timer)
{
    struct fetch *fetch = (struct fetch *)((char *)timer - offsetof(struct fetch, timer));
    const struct attempt_facts *facts = attempt_facts(fetch->attempt);
    enum attempt_fault fault = ATTEMPT_TIMEOUT_IDLE;
    const char *what = "whole answer from";
    char message[200];
    if (facts->connected_at == 0) {
        fault = ATTEMPT_TIMEOUT_CONNECT;
        what = "connection to";
    } else if (fetch->response == NULL) {
        fault = ATTEMPT_TIMEOUT_FIRST_BYTE;
        what = "answer from";
    }
    (void)snprintf(message, sizeof(message), "no %s %s within %lld ms", what, fetch->origin->host,
                   (long long)(fetch->timeout / MSEC));
    end(fetch, fault, facts->sent_bytes > 0, message);
}

/* ---- the answer ---- */

/* False: it has not come yet, or the fetch is gone. */
static bool look_at_head(struct fetch *fetch)
{
    const struct http1_response *response;
    while (fetch->response == NULL) {
        switch (attempt_head(fetch->attempt, &response)) {
        case ATTEMPT_PENDING:
            return false;
        case ATTEMPT_READY:
            if (response->status >= 200) {
                fetch->response = response;
            } else {
                attempt_next_head(fetch->attempt);
            }
            break;
        case ATTEMPT_END:
        case ATTEMPT_FAILED:
            end_failed(fetch);
            return false;
        }
    }
    return true;
}

/* All of it that there is room for. */
static void gather(struct fetch *fetch, struct slice data)
{
    size_t room = buffer_room(&fetch->body);
    fetch->cut = data.len > room;
    enum status status =
        buffer_append(&fetch->body, slice_make(data.ptr, fetch->cut ? room : data.len));
    (void)status; /* there is room */
    attempt_consume(fetch->attempt, data.len);
}

static void look_at_body(struct fetch *fetch)
{
    struct slice data;
    while (!fetch->cut) {
        switch (attempt_read(fetch->attempt, &data)) {
        case ATTEMPT_PENDING:
            return;
        case ATTEMPT_READY:
            gather(fetch, data);
            break;
        case ATTEMPT_END:
            end_answered(fetch);
            return;
        case ATTEMPT_FAILED:
            end_failed(fetch);
            return;
        }
    }
    end_answered(fetch);
}

static void on_news(struct waiter *waiter)
{
    struct fetch *fetch = (struct fetch *)waiter;
    if (look_at_head(fetch)) {
        look_at_body(fetch);
    }
}

/* ---- life ---- */

struct fetch *fetch_start(const struct fetch_request *request, void *ctx,
                          void (*done)(void *ctx, const struct fetch_result *result))
{
    struct fetch *fetch = MEMORY_NEW(struct fetch);
    struct loop *loop = request->loop;
    usec_t most = request->timeout + BEHIND_THE_WHOLE;
    usec_t connect = request->connect_timeout < request->timeout ? request->connect_timeout : most;
    waiter_init(&fetch->waiter, &loop->ready, on_news);
    timer_init(&fetch->timer, on_timeout);
    buffer_init(&fetch->body, request->answer_bytes);
    if (request->answer_secret) {
        enum status status = buffer_reserve(&fetch->body, request->answer_bytes);
        (void)status; /* it may be so long */
    }
    fetch->loop = loop;
    fetch->origin = request->origin;
    fetch->timeout = request->timeout;
    fetch->began = loop->now;
    fetch->ctx = ctx;
    fetch->done = done;
    fetch->attempt = attempt_start(
        request->upstreams, &(struct attempt_request){
                                .origin = request->origin,
                                .egress = request->egress,
                                .timeouts = {.connect = connect, .first_byte = most, .idle = most},
                                .method = request->method,
                                .head = request->head,
                                .body = request->body,
                                .framing = request->body.len > 0 ? HTTP1_LENGTH : HTTP1_NO_BODY,
                                .body_whole = true,
                                .repeatable = request->repeatable,
                                .waiter = &fetch->waiter,
                            });
    loop_timer(loop, &fetch->timer, request->timeout);
    wake(&fetch->waiter);
    return fetch;
}

void fetch_cancel(struct fetch *fetch)
{
    if (fetch != NULL) {
        free_fetch(fetch);
    }
}

const char *fetch_fault_text(enum attempt_fault fault)
{
    switch (fault) {
    case ATTEMPT_OK:
    case ATTEMPT_UNREACHABLE:
    case ATTEMPT_EGRESS_REFUSED:
    case ATTEMPT_TIMEOUT_CONNECT:
        break;
    case ATTEMPT_TIMEOUT_FIRST_BYTE:
    case ATTEMPT_TIMEOUT_IDLE:
        return "did not answer in time";
    case ATTEMPT_INVALID:
    case ATTEMPT_BROKEN_OFF:
        return "gave no whole answer";
    }
    return "cannot be reached";
}
