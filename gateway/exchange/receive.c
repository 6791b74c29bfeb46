/*
 * receive: holds a body of up to retry.buffer until it is whole, so that a slow client does not
 * occupy the provider and the request can be sent again. Longer ones are streamed, unless something
 * is read or put in that needs all of it.
 */
#include "config/snapshot.h"
#include "gateway/client/connection.h"
#include "gateway/exchange/call_body.h"
#include "gateway/exchange/metering.h"
#include "gateway/exchange/sign.h"
#include "gateway/exchange/steps.h"
#include "routes/route.h"

enum {
    HOLD_BYTES = 64 * 1024, /* even where nothing is tried again */
    UNCOUNTED_BYTES = 4096, /* a body in one piece that costs no more than a head */
};

static enum step_result too_large(struct exchange *exchange)
{
    return exchange_fail(exchange, ENDED_BY_CLIENT, PROBLEM_BODY_TOO_LARGE,
                         "the body is longer than gateway.limits.body_bytes (%zu bytes)",
                         (size_t)exchange->snapshot->gateway.limits.body_bytes);
}

/* Where a rule or a quota needs the body, it is asked now. */
static enum step_result received(struct exchange *exchange)
{
    exchange->body_received = true;
    if (exchange->inspect_behind) {
        return exchange_go(exchange, EXCHANGE_INSPECT);
    }
    return exchange_go(exchange, exchange->admit_behind ? EXCHANGE_ADMIT : EXCHANGE_JOIN);
}

/* What is held so that it can be sent again; a length that is not known may be any. */
static uint64_t repeat_at_most(const struct exchange *exchange)
{
    const struct retry_policy *retry = &exchange->route->retry;
    if (retry->attempts < 2 && exchange->request->framing != HTTP1_LENGTH) {
        return 0;
    }
    bool small = retry->attempts < 2 || retry->buffer < HOLD_BYTES;
    uint64_t most = small ? HOLD_BYTES : retry->buffer;
    uint64_t limit = exchange->snapshot->gateway.limits.body_bytes;
    return most < limit ? most : limit;
}

/* How much is held: all that a quota or an edit needs, or would be good to have. */
static uint64_t hold_at_most(const struct exchange *exchange)
{
    const struct http1_request *request = exchange->request;
    uint64_t most = repeat_at_most(exchange);
    bool fits = request->framing == HTTP1_LENGTH && request->content_length <= most;
    return exchange->hold_whole || (!fits && metering_wants_body(exchange))
               ? exchange->snapshot->gateway.limits.body_bytes
               : most;
}

enum step_result receive_begin(struct exchange *exchange)
{
    const struct http1_request *request = exchange->request;

    if (request->framing == HTTP1_NO_BODY) {
        exchange->body_ended = true;
        exchange->body_mode = BODY_NONE;
        return received(exchange);
    }
    if (request->framing == HTTP1_LENGTH &&
        request->content_length > exchange->snapshot->gateway.limits.body_bytes) {
        return too_large(exchange);
    }
    exchange_limit_time(exchange);
    connection_continue(exchange->connection);
    exchange->hold_whole =
        exchange->hold_whole || call_body_is_edited(exchange) || sign_needs_body(exchange);
    uint64_t most = hold_at_most(exchange);
    bool known = request->framing == HTTP1_LENGTH;
    bool streams =
        known ? request->content_length > most : most == 0 || sign_renews_chunks(exchange);
    if (streams && !exchange->hold_whole) {
        exchange->body_mode = BODY_STREAMED;
        return received(exchange);
    }
    exchange->body_mode = BODY_WHOLE;
    buffer_init(&exchange->body, (size_t)(known ? request->content_length : most));
    return receive_resume(exchange);
}

static enum step_result overloaded(struct exchange *exchange)
{
    return exchange_fail(exchange, ENDED_BY_GATEWAY, PROBLEM_OVERLOADED,
                         "gateway.limits.buffered_bytes is used up: try again later");
}

static enum step_result whole(struct exchange *exchange, struct slice body)
{
    exchange->body_slice = body;
    exchange->facts.request_bytes = body.len;
    if (!call_body_take(exchange, exchange->route)) {
        return overloaded(exchange);
    }
    return received(exchange);
}

/* It is longer than what is held: what there is goes first, the rest as it comes. (The bytes that
 * did not fit stay with the connection.) */
static enum step_result stream_on(struct exchange *exchange, size_t counted)
{
    exchange_side_release(exchange->side, counted);
    exchange->held_bytes -= counted;
    exchange->body_mode = BODY_STREAMED;
    exchange->outgoing = buffer_bytes(&exchange->body);
    exchange->facts.request_bytes = exchange->outgoing.len;
    return received(exchange);
}

/* Counts the body against buffered_bytes: the whole of it at once where its length is known, else
 * `more` of it. */
static bool hold(struct exchange *exchange, size_t more)
{
    if (exchange->request->framing == HTTP1_LENGTH) {
        more = exchange->held_bytes == 0 ? (size_t)exchange->request->content_length : 0;
    }
    if (!exchange_side_hold(exchange->side, more)) {
        return false;
    }
    exchange->held_bytes += more;
    return true;
}

static bool in_one_piece(const struct exchange *exchange, struct slice data)
{
    return exchange->request->framing == HTTP1_LENGTH &&
           data.len == exchange->request->content_length;
}

/* There is no memory for it, or for `more` of it. */
static enum step_result no_memory(struct exchange *exchange, size_t more)
{
    uint64_t len = exchange->request->framing == HTTP1_LENGTH ? exchange->request->content_length
                                                              : buffer_len(&exchange->body) + more;
    bool needed = exchange->hold_whole || len <= repeat_at_most(exchange);
    return needed ? overloaded(exchange) : stream_on(exchange, 0);
}

static enum step_result no_room(struct exchange *exchange, size_t counted)
{
    return exchange->hold_whole ? too_large(exchange) : stream_on(exchange, counted);
}

enum step_result receive_resume(struct exchange *exchange)
{
    for (;;) {
        struct slice data;
        struct http1_fault fault;
        switch (connection_read(exchange->connection, &data, &fault)) {
        case CONNECTION_BODY_DATA:
            if (in_one_piece(exchange, data)) { /* it stays where it is */
                bool counts = data.len > UNCOUNTED_BYTES;
                return counts && !hold(exchange, data.len) ? no_memory(exchange, data.len)
                                                           : whole(exchange, data);
            }
            if (!hold(exchange, data.len)) { /* before the first byte is copied */
                return no_memory(exchange, data.len);
            }
            if (buffer_append(&exchange->body, data) != STATUS_OK) {
                return no_room(exchange, data.len);
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
