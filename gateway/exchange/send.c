/* send: one attempt, from its start to the head of its answer; streams the request's body. */
#include "auth/secrets/secret_store.h"
#include "config/snapshot.h"
#include "gateway/client/connection.h"
#include "gateway/exchange/steps.h"

enum { PUMP_BYTES_A_TURN = 256 * 1024 };

static bool repeatable(enum http1_method method)
{
    switch (method) { /* RFC 9110, section 9.2.2 */
    case HTTP1_GET:
    case HTTP1_HEAD:
    case HTTP1_OPTIONS:
    case HTTP1_PUT:
    case HTTP1_DELETE:
        return true;
    case HTTP1_POST:
    case HTTP1_PATCH:
    case HTTP1_CONNECT:
    case HTTP1_TRACE:
    case HTTP1_METHOD_OTHER:
        return false;
    }
    return false;
}

/* Body bytes so far must stay below the limit, also when no length was announced. */
static bool within_limit(struct exchange *exchange, struct http1_fault *fault)
{
    if (exchange->facts.request_bytes > exchange->snapshot->gateway.limits.body_bytes) {
        *fault = (struct http1_fault){413, "the body is longer than gateway.limits.body_bytes"};
        return false;
    }
    return true;
}

/* Moves body bytes from the client to the attempt. False: the request is broken, *fault says how.
 */
static bool pump_request_body(struct exchange *exchange, struct http1_fault *fault)
{
    size_t budget = PUMP_BYTES_A_TURN;
    while (exchange->body_mode == BODY_STREAMED && !exchange->body_ended) {
        size_t room = attempt_room(exchange->attempt);
        if (room == 0) {
            return true;
        }
        if (budget == 0) { /* others want their turn, too */
            wake(&exchange->waiter);
            return true;
        }
        struct slice data;
        switch (connection_read(exchange->connection, &data, fault)) {
        case CONNECTION_BODY_DATA:
            data.len = data.len < room ? data.len : room;
            data.len = data.len < budget ? data.len : budget;
            budget -= data.len;
            exchange->facts.request_bytes += data.len;
            if (!within_limit(exchange, fault)) {
                return false;
            }
            attempt_write(exchange->attempt, data);
            connection_consume(exchange->connection, data.len);
            break;
        case CONNECTION_BODY_PENDING:
            return true;
        case CONNECTION_BODY_END:
            exchange->body_ended = true;
            attempt_write_end(exchange->attempt);
            return true;
        case CONNECTION_BODY_BAD:
            return false;
        }
    }
    return true;
}

enum step_result send_begin(struct exchange *exchange)
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
        .repeatable = repeatable(exchange->request->method),
        .waiter = &exchange->waiter,
    };
    exchange->facts.sent = clock_now();
    exchange->facts.attempts++;
    if (exchange->total.due == 0) { /* else the body had to be waited for */
        exchange_limit_time(exchange);
    }
    exchange->attempt = attempt_start(side->upstreams, &request);
    secret_wipe(side->head.ptr, side->head.end);
    buffer_consume(&side->head, buffer_len(&side->head));
    return send_resume(exchange);
}

static enum step_result attempt_lost(struct exchange *exchange)
{
    const struct attempt_failure *failure = attempt_failure(exchange->attempt);
    enum problem_code code = PROBLEM_UPSTREAM_UNREACHABLE;
    switch (failure->fault) {
    case ATTEMPT_OK:
    case ATTEMPT_UNREACHABLE:
    case ATTEMPT_BROKEN_OFF:
        break;
    case ATTEMPT_EGRESS_REFUSED:
        code = PROBLEM_EGRESS_REFUSED;
        break;
    case ATTEMPT_TIMEOUT_CONNECT:
    case ATTEMPT_TIMEOUT_FIRST_BYTE:
    case ATTEMPT_TIMEOUT_IDLE:
        code = PROBLEM_UPSTREAM_TIMEOUT;
        break;
    case ATTEMPT_INVALID:
        code = PROBLEM_UPSTREAM_INVALID_RESPONSE;
        break;
    }
    return exchange_fail(exchange, ENDED_BY_UPSTREAM, code, "%s", failure->message);
}

/* An encoded answer could hide the credential from the scrubber, and none was asked for. */
static bool encoded(const struct http1_response *response)
{
    for (unsigned i = 0; i < response->field_count; i++) {
        if (http1_field_encodes(&response->fields[i])) {
            return true;
        }
    }
    return false;
}

static enum step_result judge(struct exchange *exchange, const struct http1_response *response)
{
    const struct attempt_facts *facts = attempt_facts(exchange->attempt);
    exchange->response = response;
    exchange->facts.upstream_status = response->status;
    exchange->facts.reused = facts->reused;
    if (response->status == 401 && exchange->route->credential_count > 0) {
        secret_slot_suspect(exchange->route->credentials[0].slot);
    }
    if (encoded(response)) {
        return exchange_fail(exchange, ENDED_BY_UPSTREAM, PROBLEM_UPSTREAM_INVALID_RESPONSE,
                             "the provider sent an encoded answer although none was asked for");
    }
    return exchange_go(exchange, EXCHANGE_DELIVER);
}

/* A client that reads nothing must not be owed one interim answer after another. */
static bool has_room(struct exchange *exchange)
{
    if (connection_room(exchange->connection) == 0) {
        connection_flush(exchange->connection);
    }
    return connection_room(exchange->connection) > 0;
}

enum step_result send_resume(struct exchange *exchange)
{
    struct http1_fault fault = {0};
    if (!pump_request_body(exchange, &fault)) {
        return exchange_fail_request(exchange, &fault);
    }
    for (;;) {
        const struct http1_response *response;
        switch (attempt_head(exchange->attempt, &response)) {
        case ATTEMPT_PENDING:
            return STEP_WAIT;
        case ATTEMPT_READY:
            if (response->status >= 200) {
                return judge(exchange, response);
            }
            if (!has_room(exchange)) {
                return STEP_WAIT;
            }
            answer_head_write_interim(exchange, response);
            attempt_next_head(exchange->attempt);
            break;
        case ATTEMPT_END:
        case ATTEMPT_FAILED:
            return attempt_lost(exchange);
        }
    }
}
