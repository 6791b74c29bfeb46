/*
 * receive: holds a small body until it is whole, so that a slow client does not occupy the
 * provider and the request can be sent again on a fresh connection. Longer ones are streamed.
 */
#include "config/snapshot.h"
#include "gateway/client/connection.h"
#include "gateway/exchange/steps.h"
#include "routes/route.h"

enum {
    HOLD_BYTES = 64 * 1024,
    UNCOUNTED_BYTES = 4096, /* a body in one piece that costs no more than a head */
};

static enum step_result too_large(struct exchange *exchange)
{
    return exchange_fail(exchange, ENDED_BY_CLIENT, PROBLEM_BODY_TOO_LARGE,
                         "the body is longer than gateway.limits.body_bytes (%zu bytes)",
                         (size_t)exchange->snapshot->gateway.limits.body_bytes);
}

enum step_result receive_begin(struct exchange *exchange)
{
    const struct http1_request *request = exchange->request;

    if (request->framing == HTTP1_NO_BODY) {
        exchange->body_ended = true;
        exchange->body_mode = BODY_NONE;
        return exchange_go(exchange, EXCHANGE_PREPARE);
    }
    if (request->framing == HTTP1_LENGTH &&
        request->content_length > exchange->snapshot->gateway.limits.body_bytes) {
        return too_large(exchange);
    }
    loop_timer(exchange->side->loop, &exchange->total, exchange->route->timeouts.total);
    connection_continue(exchange->connection);
    if (request->framing != HTTP1_LENGTH || request->content_length > HOLD_BYTES) {
        exchange->body_mode = BODY_STREAMED;
        return exchange_go(exchange, EXCHANGE_PREPARE);
    }
    exchange->body_mode = BODY_WHOLE;
    buffer_init(&exchange->body, (size_t)request->content_length);
    return receive_resume(exchange);
}

static enum step_result whole(struct exchange *exchange, struct slice body)
{
    exchange->body_slice = body;
    exchange->facts.request_bytes = body.len;
    return exchange_go(exchange, EXCHANGE_PREPARE);
}

static enum step_result overloaded(struct exchange *exchange)
{
    return exchange_fail(exchange, ENDED_BY_GATEWAY, PROBLEM_OVERLOADED,
                         "gateway.limits.buffered_bytes is used up: try again later");
}

/* Counts the whole body against buffered_bytes, once. */
static bool hold(struct exchange *exchange)
{
    size_t len = (size_t)exchange->request->content_length;
    if (exchange->held_bytes == 0) {
        if (!exchange_side_hold(exchange->side, len)) {
            return false;
        }
        exchange->held_bytes = len;
    }
    return true;
}

enum step_result receive_resume(struct exchange *exchange)
{
    for (;;) {
        struct slice data;
        struct http1_fault fault;
        switch (connection_read(exchange->connection, &data, &fault)) {
        case CONNECTION_BODY_DATA:
            if (data.len == exchange->request->content_length) { /* it stays where it is */
                bool counts = data.len > UNCOUNTED_BYTES;
                return counts && !hold(exchange) ? overloaded(exchange) : whole(exchange, data);
            }
            if (!hold(exchange)) { /* before the first byte is copied */
                return overloaded(exchange);
            }
            if (buffer_append(&exchange->body, data) != STATUS_OK) {
                return too_large(exchange);
            }
            connection_consume(exchange->connection, data.len);
            break;
        case CONNECTION_BODY_PENDING:
            return STEP_WAIT;
        case CONNECTION_BODY_END:
            exchange->body_ended = true;
            return whole(exchange, buffer_bytes(&exchange->body));
        case CONNECTION_BODY_BAD:
            return exchange_fail_request(exchange, &fault);
        }
    }
}
