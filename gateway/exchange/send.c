/* send: one attempt, from its start to the head of its answer; streams the request's body. */
#include "base/secret.h"
#include "config/snapshot.h"
#include "gateway/client/connection.h"
#include "gateway/exchange/entry.h"
#include "gateway/exchange/hedge.h"
#include "gateway/exchange/metering.h"
#include "gateway/exchange/sign.h"
#include "gateway/exchange/steps.h"

enum { PUMP_BYTES_A_TURN = 256 * 1024 };

/* Body bytes so far must stay below the limit, also when no length was announced. */
static bool within_limit(struct exchange *exchange, struct http1_fault *fault)
{
    if (exchange->facts.request_bytes > exchange->snapshot->gateway.limits.body_bytes) {
        *fault = (struct http1_fault){413, "the body is longer than gateway.limits.body_bytes"};
        return false;
    }
    return true;
}

/* Hands as much on as there is room for, and takes it off the budget. False: as below. */
static bool pass_on(struct exchange *exchange, struct slice data, size_t *budget,
                    struct http1_fault *fault)
{
    size_t taken = 0;
    size_t room = attempt_room(exchange->attempt);
    data.len = data.len < room ? data.len : room;
    data.len = data.len < *budget ? data.len : *budget;
    exchange->facts.request_bytes += data.len;
    if (!within_limit(exchange, fault) || !sign_pass(exchange, data, &taken, fault)) {
        return false;
    }
    exchange->facts.request_bytes -= data.len - taken;
    *budget -= taken;
    connection_consume(exchange->connection, taken);
    return true;
}

/* Moves body bytes from the client to the attempt. False: the request is broken, *fault says how.
 */
static bool pump_request_body(struct exchange *exchange, struct http1_fault *fault)
{
    size_t budget = PUMP_BYTES_A_TURN;
    if (attempt_facts(exchange->attempt)->connected_at == 0) {
        return true; /* what is not taken yet can still go another way */
    }
    while (exchange->body_mode == BODY_STREAMED && !exchange->body_ended) {
        if (!sign_flush(exchange) || attempt_room(exchange->attempt) == 0) {
            return true;
        }
        if (budget == 0) { /* others want their turn, too */
            wake(&exchange->waiter);
            return true;
        }
        struct slice data;
        switch (connection_read(exchange->connection, &data, fault)) {
        case CONNECTION_BODY_DATA:
            if (!pass_on(exchange, data, &budget, fault)) {
                return false;
            }
            break;
        case CONNECTION_BODY_PENDING:
            return true;
        case CONNECTION_BODY_END:
            exchange->body_ended = true;
            if (!sign_pass_end(exchange, fault)) {
                return false;
            }
            attempt_write_end(exchange->attempt);
            return true;
        case CONNECTION_BODY_BAD:
            return false;
        }
    }
    return true;
}

struct attempt *send_attempt(struct exchange *exchange)
{
    const struct route *route = exchange->route;
    struct exchange_side *side = exchange->side;
    struct attempt_request request = {
        .origin = &route->origin,
        .egress = &exchange->snapshot->egress,
        .timeouts = {.connect = route->timeouts.connect,
                     .first_byte = route->timeouts.first_byte,
                     .idle = route->timeouts.idle},
        .method = exchange->request->method,
        .head = buffer_bytes(&side->head),
        .body = exchange->outgoing,
        .framing = exchange->body_mode == BODY_WHOLE ? HTTP1_LENGTH : exchange->request->framing,
        .body_whole = exchange->body_mode != BODY_STREAMED,
        .repeatable = judge_idempotent(exchange->request->method) || exchange->key != NULL,
        .waiter = &exchange->waiter,
    };
    struct attempt *attempt = attempt_start(side->upstreams, &request);
    secret_wipe(side->head.ptr, side->head.end);
    buffer_consume(&side->head, buffer_len(&side->head));
    exchange->facts.attempts++;
    return attempt;
}

enum step_result send_begin(struct exchange *exchange)
{
    struct way *way = &exchange->way;
    way->began = clock_now();
    way->made++;
    if (exchange->facts.sent == 0) {
        exchange->facts.sent = way->began;
    }
    if (exchange->total.due == 0) { /* else the body had to be waited for */
        exchange_limit_time(exchange);
    }
    if (exchange->metering != NULL) {
        metering_sent(exchange);
    }
    entry_sent(exchange);
    exchange->facts.upstream_status = 0;
    exchange->attempt = send_attempt(exchange);
    hedge_arm(exchange);
    return send_resume(exchange);
}

/* A client that reads nothing must not be owed one interim answer after another. */
static bool has_room(struct exchange *exchange)
{
    if (connection_room(exchange->connection) == 0) {
        connection_flush(exchange->connection);
    }
    return connection_room(exchange->connection) > 0;
}

/* The final answer's head; interim ones go to the client. */
static enum attempt_result look(struct exchange *exchange, const struct http1_response **ret)
{
    enum attempt_result result;
    while ((result = attempt_head(exchange->attempt, ret)) == ATTEMPT_READY &&
           (*ret)->status < 200) {
        if (!has_room(exchange)) {
            return ATTEMPT_PENDING;
        }
        answer_head_write_interim(exchange, *ret);
        attempt_next_head(exchange->attempt);
    }
    return result;
}

enum step_result send_resume(struct exchange *exchange)
{
    struct http1_fault fault = {0};
    const struct http1_response *response = NULL;
    if (!pump_request_body(exchange, &fault)) {
        return exchange_fail_request(exchange, &fault);
    }
    if (exchange->hedge_due) {
        hedge_start(exchange);
    }
    enum attempt_result result = look(exchange, &response);
    if (exchange->hedge != NULL) {
        result = hedge_race(exchange, result, &response);
    }
    if (result == ATTEMPT_PENDING) {
        return STEP_WAIT;
    }
    hedge_end(exchange);
    return weigh(exchange, result == ATTEMPT_READY ? response : NULL);
}
