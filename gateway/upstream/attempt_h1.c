#include "gateway/upstream/attempt_h1.h"

#include "base/memory.h"
#include "base/secret.h"
#include "gateway/loop/loop.h"
#include "gateway/upstream/connector.h"
#include "gateway/upstream/link.h"
#include "gateway/upstream/upstream_side.h"
#include "routes/origin.h"

#include <assert.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

/* ---- failing ---- */

static void drop_link(struct attempt_h1 *attempt)
{
    if (attempt->connecting != NULL) {
        connector_cancel(TAKE(attempt->connecting));
    }
    if (attempt->link != NULL) {
        link_close(TAKE(attempt->link));
    }
}

void attempt_h1_fail(struct attempt_h1 *attempt, enum attempt_fault fault, const char *format, ...)
{
    struct attempt_failure *failure = &attempt->base.failure;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(failure->message, sizeof(failure->message), format, args);
    va_end(args);
    failure->fault = fault;
    failure->sent = attempt->base.facts.sent_bytes > 0;
    drop_link(attempt);
    timer_stop(&attempt->timer);
}

void attempt_h1_set_deadline(struct attempt_h1 *attempt, enum attempt_fault meaning, usec_t after)
{
    attempt->deadline = meaning;
    loop_timer(attempt->side->loop, &attempt->timer, after);
}

static void on_deadline(struct timer *timer)
{
    struct attempt_h1 *attempt =
        (struct attempt_h1 *)((char *)timer - offsetof(struct attempt_h1, timer));
    const struct attempt_timeouts *timeouts = &attempt->request.timeouts;
    const char *host = attempt->request.origin->host;
    if (attempt->deadline == ATTEMPT_TIMEOUT_CONNECT) {
        attempt_h1_fail(attempt, attempt->deadline,
                        "no connection to %s within timeouts.connect (%lld ms)", host,
                        (long long)(timeouts->connect / MSEC));
    } else if (attempt->deadline == ATTEMPT_TIMEOUT_FIRST_BYTE) {
        attempt_h1_fail(attempt, attempt->deadline,
                        "no answer from %s within timeouts.first_byte (%lld ms)", host,
                        (long long)(timeouts->first_byte / MSEC));
    } else {
        attempt_h1_fail(attempt, attempt->deadline, "%s %s nothing for timeouts.idle (%lld ms)",
                        host, attempt->head == NULL ? "took" : "sent",
                        (long long)(timeouts->idle / MSEC));
    }
    wake(attempt->request.waiter);
}

/* ---- sending ---- */

void attempt_h1_await_answer(struct attempt_h1 *attempt)
{
    bool awaits = attempt->link != NULL && attempt->head == NULL && outbox_done(&attempt->outbox);
    if (awaits && !attempt->send_lost) {
        attempt_h1_set_deadline(attempt, ATTEMPT_TIMEOUT_FIRST_BYTE,
                                attempt->request.timeouts.first_byte);
    }
}

static void on_send_lost(struct attempt_h1 *attempt)
{
    if (attempt->link_sent_bytes == 0) { /* then no answer can have come */
        attempt_h1_lost_before_answer(attempt);
    } else {
        attempt->send_lost = true;
        attempt->link->readable = true; /* reading tells what there was */
        timer_stop(&attempt->timer);
    }
    wake(attempt->request.waiter);
}

void attempt_h1_flush(struct attempt_h1 *attempt)
{
    struct link *link = attempt->link;
    struct outbox *outbox = &attempt->outbox;
    if (link == NULL || attempt->sending_over || attempt->send_lost || outbox_empty(outbox)) {
        return;
    }
    bool progress = false;
    while (!outbox_empty(outbox) && link->writable) {
        struct iovec pieces[OUTBOX_PIECES];
        size_t sent = 0;
        enum link_io io = link_write(link, pieces, outbox_pieces(outbox, pieces), &sent);
        if (io == LINK_LOST) {
            on_send_lost(attempt);
            return;
        }
        outbox_sent(outbox, sent);
        progress |= sent > 0;
        attempt->base.facts.sent_bytes += sent;
        attempt->link_sent_bytes += sent;
    }
    if (outbox_done(outbox)) {
        attempt_h1_await_answer(attempt);
    } else if (outbox_empty(outbox)) { /* the rest is up to our caller */
        timer_stop(&attempt->timer);
    } else if (progress || attempt->timer.due == 0) {
        attempt_h1_set_deadline(attempt, ATTEMPT_TIMEOUT_IDLE, attempt->request.timeouts.idle);
    }
}

/* ---- the link ---- */

static void on_link_news(struct link *link)
{
    struct attempt_h1 *attempt = link->owner;
    if (link->readable && attempt->head != NULL) { /* it does send; when it is read is up to us */
        timer_stop(&attempt->timer);
    }
    wake(attempt->request.waiter);
}

static void adopt(struct attempt_h1 *attempt, struct link *link)
{
    attempt->link = link;
    attempt->link_sent_bytes = 0;
    attempt->link_received_bytes = 0;
    link_set_owner(link, on_link_news, attempt);
}

static void on_connected(void *ctx, struct link *take_link, const struct attempt_failure *failure)
{
    struct attempt_h1 *attempt = ctx;
    attempt->connecting = NULL;
    if (take_link == NULL) {
        attempt->base.failure.lasting = failure->lasting;
        attempt_h1_fail(attempt, failure->fault, "%s", failure->message);
        wake(attempt->request.waiter);
        return;
    }
    take_link->generation = attempt->generation;
    adopt(attempt, take_link);
    attempt->base.facts.connected_at = clock_now();
    timer_stop(&attempt->timer);
    wake(attempt->request.waiter); /* which sends */
}

static void connect_anew(struct attempt_h1 *attempt)
{
    struct connect_settings settings = {
        .origin = attempt->request.origin,
        .egress = attempt->request.egress,
        .endpoint = attempt->endpoint,
        .timeout = attempt->request.timeouts.connect,
        .done = on_connected,
        .ctx = attempt,
    };
    attempt_h1_set_deadline(attempt, ATTEMPT_TIMEOUT_CONNECT, attempt->request.timeouts.connect);
    attempt->generation = attempt->side->generation;
    attempt->connecting = connector_start(attempt->side->connector, &settings);
}

/* A kept link may have been closed by the provider while the request was on its way. Sending once
 * more is right only if the request cannot have been executed, or may be executed twice. */
static bool may_repeat(const struct attempt_h1 *attempt)
{
    return attempt->base.facts.reused && attempt->link_received_bytes == 0 &&
           (attempt->link_sent_bytes == 0 ||
            (attempt->request.repeatable && attempt->request.body_whole));
}

void attempt_h1_lost_before_answer(struct attempt_h1 *attempt)
{
    if (may_repeat(attempt)) {
        drop_link(attempt);
        outbox_rewind(&attempt->outbox);
        attempt->base.facts.reused = false; /* so this is done only once */
        attempt->base.facts.resent = true;
        attempt->base.facts.connected_at = 0;
        attempt->send_lost = false;
        connect_anew(attempt);
    } else if (attempt->link_received_bytes > 0) {
        attempt_h1_fail(attempt, ATTEMPT_BROKEN_OFF,
                        "%s closed the connection inside the answer's head",
                        attempt->request.origin->host);
    } else {
        int alert = attempt->link == NULL ? 0 : attempt->link->alert;
        attempt_h1_fail(attempt, ATTEMPT_UNREACHABLE,
                        "%s closed the connection without an answer%s%s",
                        attempt->request.origin->host, alert == 0 ? "" : "; its alert says: ",
                        alert == 0 ? "" : SSL_alert_desc_string_long(alert));
    }
}

/* ---- a streamed request body ---- */

static size_t room(struct attempt *base)
{
    struct attempt_h1 *attempt = (struct attempt_h1 *)base;
    if (attempt_h1_failed(attempt) || attempt->sending_over || attempt->send_lost) {
        return SIZE_MAX;
    }
    size_t room = outbox_room(&attempt->outbox);
    if (room < OUTBOX_STREAM_BYTES / 4) {
        attempt_h1_flush(attempt);
        bool over = attempt_h1_failed(attempt) || attempt->send_lost;
        room = over ? SIZE_MAX : outbox_room(&attempt->outbox);
    }
    return room;
}

static void write_bytes(struct attempt *base, struct slice bytes)
{
    struct attempt_h1 *attempt = (struct attempt_h1 *)base;
    if (!attempt_h1_failed(attempt) && !attempt->sending_over && !attempt->send_lost) {
        outbox_write(&attempt->outbox, bytes);
    }
}

static void write_end(struct attempt *base)
{
    struct attempt_h1 *attempt = (struct attempt_h1 *)base;
    bool all_sent = outbox_empty(&attempt->outbox);
    outbox_end(&attempt->outbox);
    if (all_sent && outbox_done(&attempt->outbox)) { /* the end takes no byte */
        attempt_h1_await_answer(attempt);
    } else {
        attempt_h1_flush(attempt);
    }
}

/* ---- life ---- */

/* "Keep-Alive: timeout=5" (RFC 2068, 19.7.1.1; servers still say it). Leaves a second's margin. */
static usec_t idle_allowed(const struct http1_response *response)
{
    static const struct slice prefix = SLICE_INIT("timeout=");
    for (unsigned i = 0; i < response->field_count; i++) {
        if (response->fields[i].id != HTTP1_KEEP_ALIVE) {
            continue;
        }
        struct slice value = response->fields[i].value;
        if (!slice_starts_with_nocase(value, prefix)) {
            continue;
        }
        usec_t seconds = 0;
        for (size_t at = prefix.len; at < value.len && seconds < 1000; at++) {
            if (value.ptr[at] < '0' || value.ptr[at] > '9') {
                break;
            }
            seconds = seconds * 10 + (value.ptr[at] - '0');
        }
        return seconds > 1 ? (seconds - 1) * SEC : 0;
    }
    return POOL_MOST_IDLE_AGE;
}

static bool may_be_kept(const struct attempt_h1 *attempt)
{
    return attempt->link != NULL && attempt->over && !attempt_h1_failed(attempt) &&
           attempt->intake.unread.len == 0 && outbox_done(&attempt->outbox) &&
           !attempt->send_lost && attempt->head->response.keep_alive &&
           attempt->head->response.framing != HTTP1_UNTIL_CLOSE &&
           attempt->link->generation == attempt->side->generation;
}

static void end(struct attempt *base)
{
    struct attempt_h1 *attempt = (struct attempt_h1 *)base;
    struct upstream_side *side = attempt->side;
    timer_cancel(&side->loop->timers, &attempt->timer);
    if (may_be_kept(attempt)) {
        pool_put(&side->pool, attempt->endpoint, TAKE(attempt->link),
                 idle_allowed(&attempt->head->response));
    }
    drop_link(attempt);
    endpoint_unuse(attempt->endpoint);
    outbox_fini(&attempt->outbox);
    intake_fini(&attempt->intake);
    memory_free(attempt->head);
    if (attempt->trailers.len > 0) {
        memory_free((char *)attempt->trailers.ptr);
    }
    secret_wipe(attempt->head_copy, attempt->request.head.len);
    memory_free(attempt);
    side->attempts--;
}

static const struct attempt_ops ops = {
    .head = attempt_h1_head,
    .next_head = attempt_h1_next_head,
    .read = attempt_h1_read,
    .consume = attempt_h1_consume,
    .trailers = attempt_h1_trailers,
    .room = room,
    .write = write_bytes,
    .write_end = write_end,
    .end = end,
};

struct attempt *attempt_h1_start(struct upstream_side *side, const struct attempt_request *request)
{
    struct attempt_h1 *attempt = memory_alloc(sizeof(*attempt) + request->head.len);
    attempt->base.ops = &ops;
    timer_init(&attempt->timer, on_deadline);
    attempt->side = side;
    attempt->endpoint = endpoint_use(&side->endpoints, request->origin->key);
    attempt->request = *request;
    memcpy(attempt->head_copy, request->head.ptr, request->head.len);
    attempt->request.head = slice_make(attempt->head_copy, request->head.len);
    attempt->trailers = slice_make("", 0);
    outbox_init(&attempt->outbox, attempt->request.head, request->body, request->framing,
                request->body_whole);
    intake_init(&attempt->intake, &side->scratch);
    side->attempts++;

    struct link *link = pool_take(&side->pool, attempt->endpoint);
    if (link == NULL) {
        connect_anew(attempt);
        return &attempt->base;
    }
    attempt->base.facts.reused = true;
    attempt->base.facts.connected_at = clock_now();
    adopt(attempt, link);
    attempt_h1_flush(attempt);
    return &attempt->base;
}
