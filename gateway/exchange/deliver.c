/*
 * deliver: relays the answer, with back-pressure both ways: nothing is read from the provider that
 * the client has no room for. An answer that breaks off is cut, never completed.
 */
#include "auth/secrets/secret_store.h"
#include "gateway/client/connection.h"
#include "gateway/exchange/steps.h"
#include "gateway/observe/metrics.h"

#include <assert.h>

enum {
    RELAY_BYTES_A_TURN = 256 * 1024,
    PIECE_COSTS_BYTES = 64, /* so much work is a piece, however short */
};

static void write_piece(struct exchange *exchange, struct slice data)
{
    if (data.len == 0) {
        return;
    }
    exchange->facts.response_bytes += data.len;
    if (exchange->answer_framing != HTTP1_CHUNKED) {
        connection_write(exchange->connection, data);
        return;
    }
    char *out = connection_reserve(exchange->connection, HTTP1_CHUNK_HEAD_BYTES + data.len + 2);
    size_t len = http1_write_chunk_head(out, data.len);
    memcpy(out + len, data.ptr, data.len);
    memcpy(out + len + data.len, "\r\n", 2);
    connection_wrote(exchange->connection, len + data.len + 2);
}

/* Passes body bytes on, without the credential. */
static void relay(struct exchange *exchange, struct slice data)
{
    const struct scrubber *scrubber =
        exchange->credential == NULL ? NULL : exchange->credential->scrubber;
    if (scrubber == NULL || (exchange->scrub.held_len == 0 && scrub_is_clean(scrubber, data))) {
        write_piece(exchange, data);
        return;
    }
    struct buffer *clean = &exchange->side->clean;
    enum status status = scrub(scrubber, &exchange->scrub, data, clean);
    assert(status == STATUS_OK); /* its maximum is one read and all that can be held */
    write_piece(exchange, buffer_bytes(clean));
    buffer_consume(clean, buffer_len(clean));
}

static void relay_rest(struct exchange *exchange)
{
    if (exchange->scrub.held_len == 0) {
        return;
    }
    struct buffer *clean = &exchange->side->clean;
    enum status status = scrub_end(&exchange->scrub, clean);
    assert(status == STATUS_OK);
    write_piece(exchange, buffer_bytes(clean));
    buffer_consume(clean, buffer_len(clean));
}

static void write_end(struct exchange *exchange)
{
    if (exchange->answer_framing != HTTP1_CHUNKED) {
        return;
    }
    struct slice trailers = attempt_trailers(exchange->attempt);
    connection_write(exchange->connection, SLICE("0\r\n"));
    if (trailers.len > 0 && exchange->request->te_trailers) {
        answer_trailers_write(exchange, trailers);
    }
    connection_write(exchange->connection, SLICE("\r\n"));
}

static enum step_result complete(struct exchange *exchange)
{
    relay_rest(exchange);
    write_end(exchange);
    connection_flush(exchange->connection);
    exchange->ending = exchange->answer_keep_alive ? ENDING_KEEP : ENDING_CLOSE;
    return exchange_go(exchange, EXCHANGE_SETTLE);
}

static enum step_result broken_off(struct exchange *exchange)
{
    const struct attempt_failure *failure = attempt_failure(exchange->attempt);
    metrics_add(exchange->side->metrics, METRIC_responses_cut_total, 1);
    return exchange_fail(exchange, ENDED_BY_UPSTREAM, PROBLEM_UPSTREAM_UNREACHABLE, "%s",
                         failure->message);
}

enum step_result deliver_begin(struct exchange *exchange)
{
    if (answer_head_write(exchange) != STATUS_OK) {
        return exchange_fail(exchange, ENDED_BY_UPSTREAM, PROBLEM_UPSTREAM_INVALID_RESPONSE,
                             "the answer's head is too large");
    }
    return deliver_resume(exchange);
}

/* Others want their turn, too: also if what comes is framing with hardly a byte in it. */
static bool had_its_turn(const struct exchange *exchange, uint64_t received_before, unsigned pieces)
{
    uint64_t received = attempt_facts(exchange->attempt)->received_bytes - received_before;
    return received + (uint64_t)pieces * PIECE_COSTS_BYTES >= RELAY_BYTES_A_TURN;
}

enum step_result deliver_resume(struct exchange *exchange)
{
    uint64_t received_before = attempt_facts(exchange->attempt)->received_bytes;
    for (unsigned pieces = 0;; pieces++) {
        size_t room = connection_room(exchange->connection);
        if (room == 0) {
            connection_flush(exchange->connection);
            room = connection_room(exchange->connection);
            if (connection_gone(exchange->connection)) {
                exchange_note_end(exchange, ENDED_BY_CLIENT);
                return exchange_go(exchange, EXCHANGE_SETTLE);
            }
            if (room == 0) {
                return STEP_WAIT;
            }
        }
        if (had_its_turn(exchange, received_before, pieces)) {
            wake(&exchange->waiter);
            connection_flush(exchange->connection);
            return STEP_WAIT;
        }
        struct slice data;
        switch (attempt_read(exchange->attempt, &data)) {
        case ATTEMPT_READY:
            data.len = data.len < room ? data.len : room;
            relay(exchange, data);
            attempt_consume(exchange->attempt, data.len);
            break;
        case ATTEMPT_PENDING:
            connection_flush(exchange->connection);
            return STEP_WAIT;
        case ATTEMPT_END:
            return complete(exchange);
        case ATTEMPT_FAILED:
            return broken_off(exchange);
        }
    }
}
