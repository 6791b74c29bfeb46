/* The sending half of an attempt over HTTP/2, and what its end means. */
#include "gateway/upstream/attempt_h2.h"

#include "base/memory.h"
#include "base/secret.h"
#include "gateway/loop/loop.h"
#include "gateway/upstream/endpoint.h"
#include "gateway/upstream/h2_connection.h"
#include "gateway/upstream/h2_pool.h"
#include "gateway/upstream/upstream_side.h"
#include "routes/origin.h"

#include <assert.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

enum { FRAME_HEAD_BYTES = 9 }; /* RFC 9113, section 4.1 */

/* ---- failing ---- */

void attempt_h2_fail(struct attempt_h2 *attempt, enum attempt_fault fault, const char *format, ...)
{
    struct attempt_failure *failure = &attempt->base.failure;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(failure->message, sizeof(failure->message), format, args);
    va_end(args);
    failure->fault = fault;
    failure->sent = attempt->base.facts.sent_bytes > 0;
    h2_pool_leave(attempt);
    if (attempt->connection != NULL) {
        h2_connection_leave(attempt->connection, attempt);
    }
    timer_stop(&attempt->timer);
    wake(attempt->request.waiter);
}

void attempt_h2_set_deadline(struct attempt_h2 *attempt, enum attempt_fault meaning, usec_t after)
{
    attempt->deadline = meaning;
    attempt->patience = after;
    loop_timer(attempt->side->loop, &attempt->timer, after);
}

static void on_deadline(struct timer *timer)
{
    struct attempt_h2 *attempt =
        (struct attempt_h2 *)((char *)timer - offsetof(struct attempt_h2, timer));
    const struct attempt_timeouts *timeouts = &attempt->request.timeouts;
    const char *host = attempt->request.origin->host;
    if (attempt->connection != NULL) {
        h2_connection_doubt(attempt->connection, clock_now() - attempt->patience / 2);
    }
    if (attempt->deadline == ATTEMPT_TIMEOUT_CONNECT) {
        attempt_h2_fail(attempt, attempt->deadline,
                        "no connection to %s within timeouts.connect (%lld ms)", host,
                        (long long)(timeouts->connect / MSEC));
    } else if (attempt->deadline == ATTEMPT_TIMEOUT_FIRST_BYTE) {
        attempt_h2_fail(attempt, attempt->deadline,
                        "no answer from %s within timeouts.first_byte (%lld ms)", host,
                        (long long)(timeouts->first_byte / MSEC));
    } else {
        attempt_h2_fail(attempt, attempt->deadline, "%s %s nothing for timeouts.idle (%lld ms)",
                        host, attempt->final_seen ? "sent" : "took",
                        (long long)(timeouts->idle / MSEC));
    }
}

/* ---- ends that are told by the connection ---- */

/* Nothing has left that cannot be sent again. */
static bool is_whole(const struct attempt_h2 *attempt)
{
    return attempt->request.body_whole || !attempt->stream_sent;
}

/* On another connection; only once, and that is no retry. */
static void send_again(struct attempt_h2 *attempt)
{
    attempt->base.facts.resent = true;
    attempt->base.facts.reused = false;
    attempt->base.facts.connected_at = 0;
    attempt->base.facts.sent_bytes = 0;
    attempt->held_sent = 0;
    attempt->whole_sent = false;
    attempt->paused = false;
    attempt->reset_by_peer = false;
    h2_pool_join(attempt);
}

/* RFC 9113, sections 6.8 and 8.7: the provider has not looked at it. */
static void on_not_executed(struct attempt_h2 *attempt, enum h2_ending ending)
{
    const char *host = attempt->request.origin->host;
    attempt->base.facts.sent_bytes = 0;
    bool usual = ending == H2_GOING_AWAY || attempt->on_trust;
    if (usual && is_whole(attempt) && !attempt->base.facts.resent) {
        send_again(attempt);
    } else if (ending == H2_GOING_AWAY) {
        attempt_h2_fail(attempt, ATTEMPT_UNREACHABLE,
                        "%s ended the connection before it looked at the request", host);
    } else {
        attempt_h2_fail(attempt, ATTEMPT_UNREACHABLE,
                        "%s refused the request before it looked at it (REFUSED_STREAM)", host);
    }
}

/* As over HTTP/1.1: a kept connection may have died while the request was on its way. */
static bool may_repeat(const struct attempt_h2 *attempt)
{
    return attempt->base.facts.reused && is_whole(attempt) &&
           (attempt->base.facts.sent_bytes == 0 || attempt->request.repeatable);
}

static void on_cut(struct attempt_h2 *attempt, enum h2_ending ending, uint32_t code)
{
    const char *host = attempt->request.origin->host;
    const char *what = ending == H2_RESET ? nghttp2_http2_strerror(code) : "the connection is gone";
    if (ending == H2_LOST && !attempt->received && may_repeat(attempt)) {
        send_again(attempt);
    } else if (attempt->final_seen) {
        attempt_h2_fail(attempt, ATTEMPT_BROKEN_OFF, "%s broke off inside the answer's body: %s",
                        host, what);
    } else if (attempt->received) {
        attempt_h2_fail(attempt, ATTEMPT_BROKEN_OFF, "%s broke off before the answer: %s", host,
                        what);
    } else {
        attempt_h2_fail(attempt, ATTEMPT_UNREACHABLE, "%s ended the request without an answer: %s",
                        host, what);
    }
}

void attempt_h2_on_close(struct attempt_h2 *attempt, enum h2_ending ending, uint32_t code)
{
    if (attempt_h2_failed(attempt) || attempt->over) {
        return; /* nothing more was to come */
    }
    switch (ending) {
    case H2_CLOSED:
        break;
    case H2_INVALID:
        attempt_h2_fail(attempt, ATTEMPT_INVALID, "invalid answer from %s: %s",
                        attempt->request.origin->host,
                        attempt->invalid != NULL ? attempt->invalid : "it breaks HTTP/2");
        break;
    case H2_REFUSED:
    case H2_GOING_AWAY:
        if (!attempt->received) {
            on_not_executed(attempt, ending);
            break;
        }
        on_cut(attempt, H2_RESET, code);
        break;
    case H2_RESET:
    case H2_LOST:
        on_cut(attempt, ending, code);
        break;
    }
}

/* ---- sending ---- */

void attempt_h2_await_answer(struct attempt_h2 *attempt)
{
    if (attempt->whole_sent && !attempt->final_seen && !attempt_h2_failed(attempt)) {
        attempt_h2_set_deadline(attempt, ATTEMPT_TIMEOUT_FIRST_BYTE,
                                attempt->request.timeouts.first_byte);
    }
}

void attempt_h2_on_sent(struct attempt_h2 *attempt, size_t bytes)
{
    attempt->base.facts.sent_bytes += bytes + FRAME_HEAD_BYTES;
}

void attempt_h2_on_whole_sent(struct attempt_h2 *attempt)
{
    attempt->whole_sent = true;
    attempt_h2_await_answer(attempt);
}

static size_t unsent(const struct attempt_h2 *attempt)
{
    return attempt->request.body.len - attempt->held_sent + buffer_len(&attempt->stream);
}

/* While there is something to be sent, it has to be taken in time. */
static void watch_sending(struct attempt_h2 *attempt, bool progress)
{
    if (attempt->final_seen) {
        return;
    }
    if (unsent(attempt) == 0) { /* the rest is up to our caller */
        if (!attempt->whole_sent) {
            timer_stop(&attempt->timer);
        }
    } else if (progress || attempt->timer.due == 0) {
        attempt_h2_set_deadline(attempt, ATTEMPT_TIMEOUT_IDLE, attempt->request.timeouts.idle);
    }
}

void attempt_h2_watch_sending(struct attempt_h2 *attempt)
{
    watch_sending(attempt, false);
}

bool attempt_h2_take_body(struct attempt_h2 *attempt, char *into, size_t size, size_t *ret_len,
                          bool *ret_end)
{
    struct slice held = slice_skip(attempt->request.body, attempt->held_sent);
    struct slice from = held.len > 0 ? held : buffer_bytes(&attempt->stream);
    size_t len = from.len < size ? from.len : size;
    attempt->paused = from.len == 0 && !attempt->ended;
    if (attempt->paused) {
        return false;
    }
    memcpy(into, from.ptr, len);
    if (held.len > 0) {
        attempt->held_sent += len;
    } else if (len > 0) {
        buffer_consume(&attempt->stream, len);
        attempt->stream_sent = true;
        wake(attempt->request.waiter); /* there is room */
    }
    *ret_len = len;
    *ret_end = attempt->ended && unsent(attempt) == 0;
    watch_sending(attempt, true);
    return true;
}

/* After the answer's head it is of no use any more. */
static bool drops_writes(const struct attempt_h2 *attempt)
{
    return attempt_h2_failed(attempt) || attempt->final_seen;
}

static size_t room(struct attempt *base)
{
    struct attempt_h2 *attempt = (struct attempt_h2 *)base;
    return drops_writes(attempt) ? SIZE_MAX : buffer_room(&attempt->stream);
}

static void go_on(struct attempt_h2 *attempt)
{
    watch_sending(attempt, false);
    if (attempt->connection != NULL && attempt->paused) {
        attempt->paused = false;
        h2_connection_resume(attempt->connection, attempt->stream_id);
    }
}

static void write_bytes(struct attempt *base, struct slice bytes)
{
    struct attempt_h2 *attempt = (struct attempt_h2 *)base;
    if (!drops_writes(attempt) && bytes.len > 0) {
        enum status status = buffer_append(&attempt->stream, bytes);
        assert(status == STATUS_OK); /* room() was asked */
        go_on(attempt);
    }
}

static void write_end(struct attempt *base)
{
    struct attempt_h2 *attempt = (struct attempt_h2 *)base;
    attempt->ended = true;
    if (!attempt_h2_failed(attempt)) {
        go_on(attempt);
    }
}

/* ---- life ---- */

static void end(struct attempt *base)
{
    struct attempt_h2 *attempt = (struct attempt_h2 *)base;
    struct upstream_side *side = attempt->side;
    h2_pool_leave(attempt);
    if (attempt->connection != NULL) {
        h2_connection_leave(attempt->connection, attempt);
    }
    timer_cancel(&side->loop->timers, &attempt->timer);
    endpoint_unuse(attempt->endpoint);
    while (attempt->heads != NULL) {
        struct kept_head *head = attempt->heads;
        attempt->heads = head->next;
        memory_free(head);
    }
    if (attempt->trailers.len > 0) {
        memory_free((char *)attempt->trailers.ptr);
    }
    buffer_fini(&attempt->stream);
    buffer_fini(&attempt->fields);
    attempt_h2_let_go(attempt, buffer_len(&attempt->data));
    buffer_fini(&attempt->data);
    secret_wipe(attempt->head_copy, attempt->request.head.len);
    memory_free(attempt);
    side->attempts--;
}

static const struct attempt_ops ops = {
    .head = attempt_h2_head,
    .next_head = attempt_h2_next_head,
    .read = attempt_h2_read,
    .consume = attempt_h2_consume,
    .trailers = attempt_h2_trailers,
    .room = room,
    .write = write_bytes,
    .write_end = write_end,
    .end = end,
};

struct attempt *attempt_h2_start(struct upstream_side *side, const struct attempt_request *request)
{
    struct attempt_h2 *attempt = memory_alloc(sizeof(*attempt) + request->head.len);
    attempt->base.ops = &ops;
    timer_init(&attempt->timer, on_deadline);
    attempt->side = side;
    attempt->endpoint = endpoint_use(&side->endpoints, request->origin->key);
    attempt->request = *request;
    memcpy(attempt->head_copy, request->head.ptr, request->head.len);
    attempt->request.head = slice_make(attempt->head_copy, request->head.len);
    attempt->ended = request->body_whole || request->framing == HTTP1_NO_BODY;
    attempt->trailers = slice_make("", 0);
    attempt->last = &attempt->heads;
    buffer_init(&attempt->stream, H2_STREAM_BYTES);
    buffer_init(&attempt->fields, ATTEMPT_HEAD_BYTES);
    buffer_init(&attempt->data, H2_WINDOW_BYTES);
    side->attempts++;
    h2_pool_join(attempt);
    return &attempt->base;
}
