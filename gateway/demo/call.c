#include "gateway/demo/call.h"

#include "gateway/demo/query.h"

#include <stdio.h>
#include <strings.h>
#include <time.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <evhtp.h>

static const struct {
    unsigned status;
    const char *reason;
} reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {413, "Content Too Large"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {529, "Overloaded"},
};

static const char *reason_of(unsigned status)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == status) {
            return reasons[i].reason;
        }
    }
    return "Unnamed";
}

static struct evbuffer *output_of(const struct call *call)
{
    return bufferevent_get_output(evhtp_connection_get_bev(call->connection));
}

static bool keeps_alive(const struct call *call)
{
    return (call->request->flags & EVHTP_REQ_FLAG_KEEPALIVE) != 0;
}

struct slice call_header(const struct call *call, const char *name)
{
    return slice_from(evhtp_header_find(call->request->headers_in, name));
}

const struct evhtp_kv *call_next_header(const struct call *call, const struct evhtp_kv *before)
{
    return before == NULL ? TAILQ_FIRST(call->request->headers_in) : TAILQ_NEXT(before, next);
}

uint64_t call_number(const struct call *call, const char *name, uint64_t fallback, uint64_t max)
{
    uint64_t number = 0;
    bool usable = query_number(query_find(call->query, name), &number) && number <= max;
    return usable ? number : fallback;
}

bool call_is(const struct call *call, const char *method)
{
    return strcmp(call->method, method) == 0;
}

void call_add_header(struct call *call, const char *name, const char *value)
{
    (void)evbuffer_add_printf(call->head, "%s: %s\r\n", name, value);
}

static void add_date(struct evbuffer *out)
{
    char text[40];
    struct tm parts;
    time_t now = (time_t)(clock_wall() / SEC);
    if (gmtime_r(&now, &parts) != NULL &&
        strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts) > 0) {
        (void)evbuffer_add_printf(out, "Date: %s\r\n", text);
    }
}

/* RFC 9112, section 6: what says where the body ends. HTTP/1.0 has no chunks: the close says it. */
static void add_framing(struct call *call, struct evbuffer *out, int64_t length, bool bodyless)
{
    bool old = call->request->proto != EVHTP_PROTO_11;
    call->chunked = length == CALL_CHUNKED && !old;
    if (call->chunked) {
        (void)evbuffer_add_printf(out, "Transfer-Encoding: chunked\r\n");
    } else if (length >= 0 && !bodyless) {
        (void)evbuffer_add_printf(out, "Content-Length: %lld\r\n", (long long)length);
    } else if (!bodyless) {
        evhtp_request_set_keepalive(call->request, 0);
    }
    if (!keeps_alive(call)) {
        (void)evbuffer_add_printf(out, "Connection: close\r\n");
    } else if (old) {
        (void)evbuffer_add_printf(out, "Connection: keep-alive\r\n");
    }
}

void call_begin(struct call *call, unsigned status, const char *type, int64_t length)
{
    struct evbuffer *out = output_of(call);
    bool bodyless = status == 204 || status == 304;
    (void)evbuffer_add_printf(out, "HTTP/1.1 %u %s\r\n", status, reason_of(status));
    add_date(out);
    (void)evbuffer_add_printf(out, "Server: sallyport-demo\r\n");
    if (!bodyless) {
        (void)evbuffer_add_printf(out, "Content-Type: %s\r\n", type);
    }
    add_framing(call, out, bodyless ? 0 : length, bodyless);
    (void)evbuffer_add_buffer(out, call->head);
    (void)evbuffer_add(out, "\r\n", 2);
    if (bodyless || call_is(call, "HEAD")) {
        call->chunked = false;
        call_end(call);
    }
}

void call_answer(struct call *call, unsigned status, const char *type, struct evbuffer *body)
{
    call_begin(call, status, type, (int64_t)evbuffer_get_length(body));
    if (call->ended) {
        (void)evbuffer_drain(body, evbuffer_get_length(body));
        return;
    }
    (void)evbuffer_add_buffer(output_of(call), body);
    call_end(call);
}

void call_write(struct call *call, struct slice bytes)
{
    struct evbuffer *out = output_of(call);
    if (bytes.len == 0) {
        return; /* an empty chunk would end the body */
    }
    if (call->chunked) {
        (void)evbuffer_add_printf(out, "%zx\r\n", bytes.len);
    }
    (void)evbuffer_add(out, bytes.ptr, bytes.len);
    if (call->chunked) {
        (void)evbuffer_add(out, "\r\n", 2);
    }
}

/* front.c goes on when the output has drained; sees to it that it does. */
static void wake_if_drained(struct call *call)
{
    if (call_pending(call) == 0) {
        bufferevent_trigger(evhtp_connection_get_bev(call->connection), EV_WRITE,
                            BEV_TRIG_DEFER_CALLBACKS);
    }
}

void call_end(struct call *call)
{
    if (call->chunked) {
        (void)evbuffer_add(output_of(call), "0\r\n\r\n", 5);
    }
    call->ended = true;
    evhtp_send_reply_end(call->request);
    wake_if_drained(call);
}

void call_break(struct call *call)
{
    call->broken = true;
    wake_if_drained(call);
}

void call_later(struct call *call, usec_t delay, call_function *on_time)
{
    struct timeval after = {.tv_sec = delay / SEC, .tv_usec = delay % SEC};
    call->on_time = on_time;
    (void)evtimer_add(call->timer, &after);
}

void call_when_drained(struct call *call, call_function *on_drained)
{
    call->on_drained = on_drained;
    if (on_drained != NULL) {
        wake_if_drained(call);
    }
}

size_t call_pending(const struct call *call)
{
    return evbuffer_get_length(output_of(call));
}
