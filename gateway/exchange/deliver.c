/*
 * deliver: relays the answer, with back-pressure both ways: nothing is read from the provider that
 * the client has no room for. An answer that breaks off is cut, never completed.
 */
#include "gateway/client/connection.h"
#include "gateway/exchange/clean_text.h"
#include "gateway/exchange/decoding.h"
#include "gateway/exchange/entry.h"
#include "gateway/exchange/hold.h"
#include "gateway/exchange/metering.h"
#include "gateway/exchange/object_watch.h"
#include "gateway/exchange/quota_counts.h"
#include "gateway/exchange/receipt.h"
#include "gateway/exchange/steps.h"
#include "gateway/meter/event_drop.h"
#include "gateway/observe/metrics.h"
#include "limiter/reservation.h"

#include <assert.h>

enum {
    RELAY_BYTES_A_TURN = 256 * 1024,
    END_MAX_BYTES = 16 * 1024, /* closing events of a stream that a quota ends */
    PIECE_COSTS_BYTES = 64,    /* so much work is a piece, however short */
    RECEIPT_MAX_BYTES = 256,
};

_Static_assert((int)EVENT_DROP_HELD <= (int)CONNECTION_OUTPUT_BYTES, "no more than a read brings");

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

/* Passes body bytes on, without the credential; encoded ones were looked at, and cannot be changed.
 */
static void write_clean(struct exchange *exchange, struct slice data)
{
    const struct scrubber *scrubber =
        exchange->decoding != NULL ? NULL : exchange_scrubber(exchange);
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

/* The same, without the event of usage that the gateway has asked for. */
static void relay(struct exchange *exchange, struct slice data)
{
    struct slice piece;
    struct event_drop *drop = metering_drop(exchange);
    if (drop == NULL) {
        write_clean(exchange, data);
        return;
    }
    while (event_drop_next(drop, &data, &piece)) {
        write_clean(exchange, piece);
    }
}

static void relay_rest(struct exchange *exchange)
{
    if (metering_drop(exchange) != NULL) {
        write_clean(exchange, event_drop_end(metering_drop(exchange)));
    }
    if (exchange->scrub.held_len == 0 || exchange->decoding != NULL) {
        return;
    }
    struct buffer *clean = &exchange->side->clean;
    enum status status = scrub_end(&exchange->scrub, clean);
    assert(status == STATUS_OK);
    write_piece(exchange, buffer_bytes(clean));
    buffer_consume(clean, buffer_len(clean));
}

/* What the stream cost, behind it. */
static void write_receipt(struct exchange *exchange)
{
    struct buffer receipt CLEANUP(buffer_fini);
    buffer_init(&receipt, RECEIPT_MAX_BYTES);
    metering_close(exchange);
    if (receipt_write(exchange, &receipt) == STATUS_OK) {
        connection_write(exchange->connection, buffer_bytes(&receipt));
    }
}

static void write_end(struct exchange *exchange, struct slice trailers)
{
    if (exchange->answer_framing != HTTP1_CHUNKED) {
        return;
    }
    connection_write(exchange->connection, SLICE("0\r\n"));
    if (trailers.len > 0 && exchange->request->te_trailers) {
        answer_trailers_write(exchange, trailers);
    }
    if (receipt_trails(exchange)) {
        write_receipt(exchange);
    }
    connection_write(exchange->connection, SLICE("\r\n"));
}

/* All of the answer is written. */
static enum step_result ended(struct exchange *exchange)
{
    settle_before_end(exchange);
    connection_flush(exchange->connection);
    exchange->ending = exchange->answer_keep_alive ? ENDING_KEEP : ENDING_CLOSE;
    return exchange_go(exchange, EXCHANGE_SETTLE);
}

static enum step_result complete(struct exchange *exchange)
{
    if (exchange->metering != NULL) {
        metering_complete(exchange);
    }
    relay_rest(exchange);
    write_end(exchange, attempt_trailers(exchange->attempt));
    return ended(exchange);
}

static enum step_result broken_off(struct exchange *exchange)
{
    const struct attempt_failure *failure = attempt_failure(exchange->attempt);
    if (exchange->facts.status != 0) { /* else it was held, and an error can still be answered */
        metrics_add(exchange->side->metrics, METRIC_responses_cut_total, 1);
    }
    return exchange_fail(exchange, ENDED_BY_UPSTREAM, weigh_problem(failure->fault), "%s",
                         failure->message);
}

/* ---- more room in the quotas ---- */

/* Between two events the stream can be ended as if the model had come to its limit; an encoded one
 * can only be cut. */
static enum step_result end_early(struct exchange *exchange)
{
    struct buffer end CLEANUP(buffer_fini);
    buffer_init(&end, END_MAX_BYTES);
    const struct demand *demand = reservation_refusal(exchange->reservation);
    if (demand != NULL) { /* else the store is away */
        quota_note_refusal(exchange, demand);
    }
    exchange_note_end(exchange, ENDED_BY_QUOTA);
    if (exchange->answer_framing == HTTP1_LENGTH || exchange->decoding != NULL ||
        metering_write_end(exchange, &end) != STATUS_OK || buffer_len(&end) == 0) {
        metrics_add(exchange->side->metrics, METRIC_responses_cut_total, 1);
        return exchange_go(exchange, EXCHANGE_SETTLE);
    }
    relay_rest(exchange);
    write_piece(exchange, buffer_bytes(&end));
    write_end(exchange, slice_make("", 0));
    return ended(exchange);
}

/* False: *ret is what the step comes to. */
static bool write_head(struct exchange *exchange, enum step_result *ret)
{
    if (exchange->facts.status == 0 && answer_head_write(exchange) != STATUS_OK) {
        *ret = exchange_fail(exchange, ENDED_BY_UPSTREAM, PROBLEM_UPSTREAM_INVALID_RESPONSE,
                             "the answer's head is too large");
        return false;
    }
    return true;
}

/* Has the answer what it needs of the quotas, and is its head out, or held? False: *ret is what the
 * step comes to. While nothing of it has left, a refusal can still be an error. */
static bool may_go_on(struct exchange *exchange, enum step_result *ret)
{
    bool begun = exchange->facts.status != 0;
    if (exchange->metering != NULL) {
        switch (metering_extended(exchange)) {
        case METERING_ASKED:
            connection_flush(exchange->connection);
            *ret = STEP_WAIT;
            return false;
        case METERING_REFUSED:
            *ret = begun
                       ? end_early(exchange)
                       : exchange_fail_quota(exchange, reservation_refusal(exchange->reservation));
            return false;
        case METERING_GRANTED:
            break;
        }
    }
    return exchange->hold.state == HOLD_FILLING || decoding_keeps_head(exchange) ||
           write_head(exchange, ret);
}

enum step_result deliver_begin(struct exchange *exchange)
{
    entry_answered(exchange, exchange->response);
    object_watch_begin(exchange, exchange->response);
    enum step_result result = STEP_WAIT;
    bool extend = exchange->metering != NULL && metering_head(exchange, exchange->response);
    if (!decoding_begin(exchange, &result)) {
        return result;
    }
    if (extend) {
        metering_extend(exchange);
    }
    hold_begin(exchange);
    return deliver_resume(exchange);
}

/* Bytes that were moved or decoded so far. */
static uint64_t progress(const struct exchange *exchange)
{
    return attempt_facts(exchange->attempt)->received_bytes + exchange->hold.emptied +
           decoding_work(exchange);
}

/* Others want their turn, too: also if what comes is framing with hardly a byte in it. */
static bool had_its_turn(const struct exchange *exchange, uint64_t before, unsigned pieces)
{
    uint64_t moved = progress(exchange) - before;
    return moved + (uint64_t)pieces * PIECE_COSTS_BYTES >= RELAY_BYTES_A_TURN;
}

/* Relays or holds a piece. False: *ret is what the step comes to. */
static bool pass_on(struct exchange *exchange, struct slice data, enum step_result *ret)
{
    enum metering_pass pass = METERING_PASS;
    size_t count = data.len;
    if (exchange->metering != NULL) {
        pass = metering_look(exchange, data, &count);
    }
    struct slice piece = slice_make(data.ptr, count);
    if (exchange->decoding == NULL) {
        object_watch_look(exchange, piece);
    }
    if (exchange->hold.state != HOLD_FILLING || !hold_put(exchange, piece)) {
        if (!write_head(exchange, ret)) {
            return false;
        }
        relay(exchange, piece);
    }
    if (exchange->decoding != NULL) {
        decoding_consume(exchange, count);
    } else {
        attempt_consume(exchange->attempt, count);
    }
    if (pass == METERING_EXTEND) {
        metering_extend(exchange);
    }
    bool held = exchange->hold.state == HOLD_EMPTYING; /* no more: its head may go */
    return (pass == METERING_PASS && !held) || may_go_on(exchange, ret);
}

/* Relays what is held, before anything else goes. */
static void empty(struct exchange *exchange, size_t room)
{
    struct hold *hold = &exchange->hold;
    struct slice held = buffer_bytes(&hold->answer);
    held.len = held.len < room ? held.len : room;
    relay(exchange, held);
    hold->emptied += held.len;
    buffer_consume(&hold->answer, held.len);
    if (buffer_len(&hold->answer) == 0) {
        hold->state = HOLD_NONE;
        hold_fini(exchange);
    }
}

/* The answer has come to its end. False: *ret is what the step comes to; else what is held goes. */
static bool end(struct exchange *exchange, enum step_result *ret)
{
    if (exchange->hold.state != HOLD_FILLING) {
        if (write_head(exchange, ret)) {
            *ret = complete(exchange);
        }
        return false;
    }
    hold_complete(exchange);
    return may_go_on(exchange, ret);
}

/* Is there room for a piece, and time for it in this turn? False: *ret is what the step comes to.
 */
static bool may_read(struct exchange *exchange, uint64_t before, unsigned pieces, size_t *ret_room,
                     enum step_result *ret)
{
    *ret = STEP_WAIT;
    *ret_room = connection_room(exchange->connection);
    if (*ret_room == 0) {
        connection_flush(exchange->connection);
        *ret_room = connection_room(exchange->connection);
        if (connection_gone(exchange->connection)) {
            exchange_note_end(exchange, ENDED_BY_CLIENT);
            *ret = exchange_go(exchange, EXCHANGE_SETTLE);
            return false;
        }
    }
    if (*ret_room > 0 && had_its_turn(exchange, before, pieces)) {
        wake(&exchange->waiter);
        connection_flush(exchange->connection);
        return false;
    }
    return *ret_room > 0;
}

/* A piece of the answer as it came. False: *ret is what the step comes to. */
static bool relay_next(struct exchange *exchange, size_t room, enum step_result *ret)
{
    struct slice data;
    switch (attempt_read(exchange->attempt, &data)) {
    case ATTEMPT_READY:
        data.len = data.len < room ? data.len : room;
        return pass_on(exchange, data, ret);
    case ATTEMPT_PENDING:
        connection_flush(exchange->connection);
        *ret = STEP_WAIT;
        return false;
    case ATTEMPT_END:
        return end(exchange, ret);
    case ATTEMPT_FAILED:
        break;
    }
    *ret = broken_off(exchange);
    return false;
}

/* A piece of an encoded answer that was read. */
static bool relay_decoded(struct exchange *exchange, size_t room, enum step_result *ret)
{
    struct slice data;
    switch (decoding_read(exchange, &data)) {
    case DECODING_READY:
        data.len = data.len < room ? data.len : room;
        return pass_on(exchange, data, ret);
    case DECODING_BUSY:
        return true;
    case DECODING_EXTEND:
        metering_extend(exchange);
        return may_go_on(exchange, ret);
    case DECODING_PENDING:
        connection_flush(exchange->connection);
        *ret = STEP_WAIT;
        return false;
    case DECODING_END:
        return end(exchange, ret);
    case DECODING_REFUSED:
        *ret = decoding_refuse(exchange);
        return false;
    case DECODING_FAILED:
        break;
    }
    *ret = broken_off(exchange);
    return false;
}

enum step_result deliver_resume(struct exchange *exchange)
{
    enum step_result result = STEP_WAIT;
    bool going = may_go_on(exchange, &result);
    uint64_t before = going ? progress(exchange) : 0;
    for (unsigned pieces = 0; going; pieces++) {
        size_t room;
        if (!may_read(exchange, before, pieces, &room, &result)) {
            break;
        }
        if (exchange->hold.state == HOLD_EMPTYING) {
            empty(exchange, room);
        } else if (exchange->hold.whole) {
            going = end(exchange, &result);
        } else if (exchange->decoding != NULL) {
            going = relay_decoded(exchange, room, &result);
        } else {
            going = relay_next(exchange, room, &result);
        }
    }
    return result;
}
