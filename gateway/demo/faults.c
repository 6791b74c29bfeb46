/*
 * faults: answers that are refused, slow, long, streamed or broken off, as the request asks.
 */
#include "base/memory.h"
#include "gateway/demo/answers.h"
#include "gateway/demo/provider.h"
#include "gateway/demo/query.h"

#include <stdio.h>

#include <event2/buffer.h>

enum {
    SLOW_MAX_MS = 60000,
    BYTES_MAX = 1 << 30,
    EVENTS_MAX = 1000000,
    PIECE_BYTES = 32 << 10,
    PENDING_MAX_BYTES = 256 << 10, /* a stream waits while a client has that much to take */
};

struct fault {
    uint64_t left; /* bytes or events */
    uint64_t done;
    usec_t every;
};

static const char *type_of(unsigned status)
{
    return status == 401 || status == 403 ? "authentication_error"
           : status == 429                ? "rate_limit_error"
           : status >= 500                ? "api_error"
                                          : "invalid_request_error";
}

void faults_status(struct call *call)
{
    uint64_t status = 0;
    char message[80];
    struct evbuffer *body = NULL;
    struct slice text = slice_skip(call->path, SLICE("/status/").len);
    if (!query_number(text, &status) || status < 200 || status > 599) {
        answers_refuse(call, &(struct refusal){.status = 400,
                                               .type = "invalid_request_error",
                                               .message = "Write /status/NNN with 200 to 599."});
        return;
    }
    if (status == 429 || status == 503) {
        call_add_header(call, "Retry-After", "1");
    }
    if (status >= 400) {
        (void)snprintf(message, sizeof(message), "Status %u, as asked for.", (unsigned)status);
        answers_refuse(call, &(struct refusal){.status = (unsigned)status,
                                               .type = type_of((unsigned)status),
                                               .code = status == 429 ? "rate_limit_exceeded" : NULL,
                                               .message = message});
        return;
    }
    if (status >= 300) {
        call_add_header(call, "Location", "/echo");
    }
    body = evbuffer_new();
    (void)evbuffer_add_printf(body, "{\"status\":%u}\n", (unsigned)status);
    answers_json(call, (unsigned)status, body);
    evbuffer_free(body);
}

static void answer_slowly(struct call *call)
{
    const struct fault *fault = call->state;
    struct evbuffer *body = evbuffer_new();
    (void)evbuffer_add_printf(body, "{\"waited_ms\":%lld}\n", (long long)(fault->every / MSEC));
    answers_json(call, 200, body);
    evbuffer_free(body);
}

void faults_slow(struct call *call)
{
    struct fault *fault = MEMORY_NEW(struct fault);
    fault->every = (usec_t)call_number(call, "ms", 2000, SLOW_MAX_MS) * MSEC;
    call->state = fault;
    call_later(call, fault->every, answer_slowly);
}

/* One piece whenever the last one has left, so that a client that reads nothing costs little. */
static void write_piece(struct call *call)
{
    static const char line[] = "0123456789abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQ\n";
    struct fault *fault = call->state;
    char piece[PIECE_BYTES];
    size_t len = fault->left < sizeof(piece) ? (size_t)fault->left : sizeof(piece);
    for (size_t i = 0; i < len; i++) {
        piece[i] = line[(fault->done + i) % (sizeof(line) - 1)];
    }
    call_write(call, slice_make(piece, len));
    fault->left -= len;
    fault->done += len;
    if (fault->left == 0) {
        call_end(call);
    }
}

void faults_bytes(struct call *call)
{
    struct fault *fault = MEMORY_NEW(struct fault);
    bool chunked = call_number(call, "chunked", 0, 1) == 1;
    fault->left = call_number(call, "n", 1024, BYTES_MAX);
    call->state = fault;
    call_begin(call, 200, "text/plain; charset=utf-8",
               chunked ? CALL_CHUNKED : (int64_t)fault->left);
    if (!call->ended) {
        call_when_drained(call, write_piece);
        write_piece(call);
    }
}

static void write_event(struct call *call)
{
    struct fault *fault = call->state;
    char event[120];
    if (call_pending(call) < PENDING_MAX_BYTES) {
        int len = snprintf(event, sizeof(event), "id: %llu\nevent: tick\ndata: {\"n\":%llu}\n\n",
                           (unsigned long long)fault->done, (unsigned long long)fault->done);
        call_write(call, slice_make(event, (size_t)len));
        fault->done++;
        fault->left--;
    }
    if (fault->left == 0) {
        call_end(call);
    } else {
        call_later(call, fault->every, write_event);
    }
}

void faults_stream(struct call *call)
{
    struct fault *fault = MEMORY_NEW(struct fault);
    fault->left = call_number(call, "events", 10, EVENTS_MAX);
    fault->every = (usec_t)call_number(call, "every_ms", 100, SLOW_MAX_MS) * MSEC;
    call->state = fault;
    call_add_header(call, "Cache-Control", "no-cache");
    call_begin(call, 200, "text/event-stream", CALL_CHUNKED);
    if (call->ended) {
        return;
    }
    if (fault->left == 0) {
        call_end(call);
    } else {
        write_event(call);
    }
}

void faults_cut(struct call *call)
{
    static const char half[] = "{\"answer\":\"this sentence is not";
    bool chunked = call_number(call, "chunked", 0, 1) == 1;
    call_begin(call, 200, "application/json", chunked ? CALL_CHUNKED : 1000);
    if (!call->ended) {
        call_write(call, slice_make(half, sizeof(half) - 1));
        call_break(call);
    }
}
