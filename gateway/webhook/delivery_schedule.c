#include "gateway/webhook/delivery_schedule.h"

#include "gateway/upstream/fetch.h"
#include "routes/advice.h"

enum { JITTER_PERCENT = 20 };

const char *delivery_end_name(enum delivery_end end)
{
    switch (end) {
    case DELIVERY_2XX:
        return "2xx";
    case DELIVERY_3XX:
        return "3xx";
    case DELIVERY_410:
        return "410";
    case DELIVERY_4XX:
        return "4xx";
    case DELIVERY_5XX:
        return "5xx";
    case DELIVERY_TIMEOUT:
        return "timeout";
    case DELIVERY_UNREACHABLE:
        return "unreachable";
    case DELIVERY_BROKEN:
        return "broken";
    }
    return "broken";
}

static enum delivery_end end_of_status(unsigned status)
{
    if (status == 410) {
        return DELIVERY_410;
    }
    switch (status / 100) {
    case 2:
        return DELIVERY_2XX;
    case 3:
        return DELIVERY_3XX;
    case 4:
        return DELIVERY_4XX;
    default:
        return DELIVERY_5XX;
    }
}

enum delivery_end delivery_end_of(const struct fetch_result *result)
{
    switch (result->fault) {
    case ATTEMPT_OK:
        return end_of_status(result->status);
    case ATTEMPT_TIMEOUT_CONNECT:
    case ATTEMPT_TIMEOUT_FIRST_BYTE:
    case ATTEMPT_TIMEOUT_IDLE:
        return DELIVERY_TIMEOUT;
    case ATTEMPT_UNREACHABLE:
    case ATTEMPT_EGRESS_REFUSED:
        return result->sent ? DELIVERY_BROKEN : DELIVERY_UNREACHABLE;
    case ATTEMPT_INVALID:
    case ATTEMPT_BROKEN_OFF:
        return DELIVERY_BROKEN;
    }
    return DELIVERY_BROKEN;
}

enum breaker_outcome delivery_breaker_outcome(enum delivery_end end,
                                              const struct fetch_result *result)
{
    switch (end) {
    case DELIVERY_2XX:
    case DELIVERY_3XX:
    case DELIVERY_410:
        return BREAKER_SUCCESS;
    case DELIVERY_4XX:
        return result->status == 429 ? BREAKER_NEUTRAL : BREAKER_SUCCESS;
    case DELIVERY_5XX:
    case DELIVERY_BROKEN:
        return BREAKER_FAILURE;
    case DELIVERY_TIMEOUT:
        return result->fault == ATTEMPT_TIMEOUT_CONNECT ? BREAKER_CONNECT_FAILURE : BREAKER_FAILURE;
    case DELIVERY_UNREACHABLE:
        return BREAKER_CONNECT_FAILURE;
    }
    return BREAKER_NEUTRAL;
}

usec_t delivery_jitter(usec_t time, uint64_t random)
{
    usec_t part = time / 100 * JITTER_PERCENT;
    return time - part + (usec_t)(random % (uint64_t)(2 * part + 1));
}

bool delivery_may_begin(const struct hook_target *target, const struct queue_delivery *delivery,
                        usec_t wall, uint64_t random, usec_t *ret_due)
{
    usec_t wait = target->schedule[0];
    usec_t soonest = delivery->received_at + wait - wait / 100 * JITTER_PERCENT;
    *ret_due = delivery->received_at + delivery_jitter(wait, random);
    /* A clock that was set back does not hold it up for longer than the schedule says. */
    return delivery->attempts > 0 || wall >= soonest || wall < delivery->received_at;
}

/* From now on; 0: not said. */
static usec_t retry_after(const struct fetch_result *result, usec_t wall)
{
    const struct http1_response head = {
        .status = result->status,
        .fields = (struct http1_field *)result->fields,
        .field_count = result->field_count,
    };
    const struct advice_facts plain = {0}; /* Retry-After */
    struct advice advice;
    if (result->fault != ATTEMPT_OK || (result->status != 429 && result->status != 503)) {
        return 0;
    }
    advice_read(&plain, &head, wall, &advice);
    if (advice.retry_after <= 0) {
        return 0;
    }
    return advice.retry_after < DELIVERY_RETRY_AFTER_MAX ? advice.retry_after
                                                         : DELIVERY_RETRY_AFTER_MAX;
}

/* NOLINTNEXTLINE(readability-function-size): time and chance are passed in, each for itself. */
struct delivery_verdict delivery_judge(const struct hook_target *target, unsigned attempts,
                                       enum delivery_end end, const struct fetch_result *result,
                                       usec_t wall, uint64_t random)
{
    if (end == DELIVERY_2XX) {
        return (struct delivery_verdict){.outcome = QUEUE_DELIVERED};
    }
    /* The schedule may have become shorter. */
    if (end == DELIVERY_410 || attempts + 1 >= target->schedule_count) {
        return (struct delivery_verdict){.outcome = QUEUE_DEAD};
    }
    usec_t wait = delivery_jitter(target->schedule[attempts + 1], random);
    usec_t asked = retry_after(result, wall);
    return (struct delivery_verdict){.outcome = QUEUE_AGAIN,
                                     .due = wall + (wait > asked ? wait : asked)};
}
