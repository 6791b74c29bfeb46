#include "gateway/exchange/hold.h"

#include "gateway/exchange/entry.h"
#include "gateway/exchange/exchange.h"
#include "gateway/exchange/metering.h"

#include <assert.h>

enum { PIECE_BYTES = 80 * 1024 }; /* the longest that an attempt gives at a time */

static bool fits(const struct exchange *exchange)
{
    const struct http1_response *response = exchange->response;
    return response->framing != HTTP1_NO_BODY &&
           (response->framing != HTTP1_LENGTH ||
            response->content_length <= exchange->route->meter_hold);
}

void hold_begin(struct exchange *exchange)
{
    if (exchange->route->meter_hold > 0 && metering_tells(exchange) && fits(exchange)) {
        exchange->hold.state = HOLD_FILLING;
    }
}

static bool all_of_it(const struct exchange *exchange, struct slice piece)
{
    return exchange->response->framing == HTTP1_LENGTH &&
           piece.len == exchange->response->content_length;
}

/* Counts `more` bytes; of an answer whose length is known all of it, with its first piece. */
static bool count(struct exchange *exchange, size_t more)
{
    if (exchange->response->framing == HTTP1_LENGTH) {
        bool first = exchange->hold.answer.max == 0;
        more = first ? (size_t)exchange->response->content_length : 0;
    }
    if (!exchange_side_hold(exchange->side, more)) {
        return false;
    }
    exchange->held_bytes += more;
    return true;
}

bool hold_put(struct exchange *exchange, struct slice piece)
{
    struct hold *hold = &exchange->hold;
    assert(hold->state == HOLD_FILLING);
    if (all_of_it(exchange, piece)) {
        hold->state = HOLD_NONE;
        metering_complete(exchange);
        metering_close(exchange);
        entry_used(exchange);
        return false;
    }
    bool counted = count(exchange, piece.len);
    size_t most = (size_t)exchange->route->meter_hold;
    if (hold->answer.max == 0) {
        buffer_init(&hold->answer, most + PIECE_BYTES);
    }
    enum status status = buffer_append(&hold->answer, piece);
    assert(status == STATUS_OK); /* it has room for one piece more */
    if (!counted || buffer_len(&hold->answer) > most) {
        hold->state = HOLD_EMPTYING;
    }
    return true;
}

void hold_complete(struct exchange *exchange)
{
    metering_complete(exchange);
    metering_close(exchange);
    entry_used(exchange);
    exchange->hold.whole = true;
    exchange->hold.state = HOLD_EMPTYING;
}

void hold_fini(struct exchange *exchange)
{
    buffer_fini(&exchange->hold.answer);
}
