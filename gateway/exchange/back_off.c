/*
 * back_off: between two attempts: what the lost one may have used is charged and as much reserved
 * again, then the time is waited for.
 */
#include "gateway/exchange/metering.h"
#include "gateway/exchange/steps.h"
#include "limiter/reservation.h"

enum { DISCARD_BYTES = 64 * 1024 }; /* of an answer that nobody gets, so that its link is kept */

/* Reads what is there of the answer; its connection is kept if that is all of it. */
static void discard(struct exchange *exchange)
{
    size_t left = DISCARD_BYTES;
    struct slice data;
    while (exchange->response != NULL && left > 0 &&
           attempt_read(exchange->attempt, &data) == ATTEMPT_READY) {
        attempt_consume(exchange->attempt, data.len);
        left = data.len < left ? left - data.len : 0;
    }
    exchange->response = NULL;
    exchange_end_attempt(exchange);
}

/* The answer goes to the caller after all. */
static enum step_result refused(struct exchange *exchange)
{
    struct tries *tries = &exchange->way.tries;
    exchange->reservation->extension_refused = false;
    tries->list[tries->count - 1].then = JUDGE_QUOTA;
    way_give_back(exchange);
    return weigh_final(exchange);
}

enum step_result back_off_begin(struct exchange *exchange)
{
    usec_t now = exchange->side->loop->now;
    if (exchange->metering != NULL) {
        metering_lose(exchange);
    }
    if (exchange->way.until > now) {
        loop_timer(exchange->side->loop, &exchange->room, exchange->way.until - now);
    }
    return back_off_resume(exchange);
}

enum step_result back_off_resume(struct exchange *exchange)
{
    if (exchange->metering != NULL) {
        switch (metering_extended(exchange)) {
        case METERING_ASKED:
            return STEP_WAIT;
        case METERING_REFUSED:
            return refused(exchange);
        case METERING_GRANTED:
            break;
        }
    }
    if (exchange->attempt != NULL) {
        discard(exchange);
    }
    if (exchange->side->loop->now < exchange->way.until) {
        return STEP_WAIT;
    }
    if (exchange->metering != NULL) {
        metering_held(exchange);
    }
    return exchange_go(exchange, EXCHANGE_CHOOSE);
}
