/*
 * hedge: a second attempt beside the first one, where that is slow: for idempotent methods alone,
 * if the route asks for it and the retry budget has room. The first good answer is taken, the other
 * attempt ended.
 */
#include "gateway/exchange/hedge.h"

#include "base/memory.h"
#include "gateway/exchange/exchange.h"
#include "gateway/exchange/sign.h"
#include "gateway/exchange/steps.h"
#include "gateway/observe/families.h"
#include "gateway/observe/metrics.h"
#include "gateway/upstream/standing.h"

enum { GOOD_BELOW = 500 };

void hedge_arm(struct exchange *exchange)
{
    usec_t after = exchange->route->hedge_after;
    exchange->hedge_due = false;
    if (after > 0 && judge_idempotent(exchange->request->method) &&
        exchange->body_mode != BODY_STREAMED && !sign_is_bound(exchange)) {
        loop_timer(exchange->side->loop, &exchange->hedge_timer, after);
    }
}

static void count(const struct exchange *exchange, const char *result)
{
    const char *const labels[] = {exchange->route->name, result};
    metrics_count(exchange->side->metrics, FAMILY_hedges_total, labels, 1);
}

void hedge_start(struct exchange *exchange)
{
    exchange->hedge_due = false;
    if (!route_standing_take_retry(exchange->route->standing, exchange->side->loop->now)) {
        count(exchange, "withheld");
        return;
    }
    if (prepare_head(exchange) == STATUS_OK) {
        exchange->hedge = send_attempt(exchange);
        count(exchange, "sent");
    }
}

void hedge_end(struct exchange *exchange)
{
    timer_stop(&exchange->hedge_timer);
    exchange->hedge_due = false;
    attempt_end(TAKE(exchange->hedge));
}

/* Its interim answers are nobody's: the first attempt's go to the client. */
static enum attempt_result look(struct exchange *exchange, const struct http1_response **ret)
{
    enum attempt_result result;
    while ((result = attempt_head(exchange->hedge, ret)) == ATTEMPT_READY && (*ret)->status < 200) {
        attempt_next_head(exchange->hedge);
    }
    return result;
}

static bool good(enum attempt_result result, const struct http1_response *response)
{
    return result == ATTEMPT_READY && response->status < GOOD_BELOW;
}

/* The second one is the attempt from now on. */
static void swap(struct exchange *exchange)
{
    struct attempt *loser = exchange->attempt;
    exchange->attempt = exchange->hedge;
    exchange->hedge = loser;
    hedge_end(exchange);
}

enum attempt_result hedge_race(struct exchange *exchange, enum attempt_result first,
                               const struct http1_response **response)
{
    const struct http1_response *other = NULL;
    if (good(first, *response)) {
        hedge_end(exchange);
        return first;
    }
    enum attempt_result second = look(exchange, &other);
    if (good(second, other)) {
        count(exchange, "won");
        swap(exchange);
        *response = other;
        return second;
    }
    if (second == ATTEMPT_PENDING) {
        if (first != ATTEMPT_PENDING) { /* the second one may still come */
            swap(exchange);
        }
        return ATTEMPT_PENDING;
    }
    hedge_end(exchange); /* no better than the first */
    return first;
}
