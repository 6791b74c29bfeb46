#include "gateway/upstream/fetch.h"
#include "gateway/webhook/delivery_schedule.h"

#include <criterion/criterion.h>

#define WALL (1800000000 * SEC)

static struct hook_target target = {
    .schedule = {0, 10 * SEC, 100 * SEC},
    .schedule_count = 3,
};

static const uint64_t middle = 2 * SEC; /* of the jitter of 10 s: adds nothing */

static struct delivery_verdict judge(unsigned attempts, const struct fetch_result *result,
                                     uint64_t random)
{
    return delivery_judge(&target, attempts, delivery_end_of(result), result, WALL, random);
}

Test(delivery_schedule, tells_ends_apart)
{
    static const struct {
        struct fetch_result result;
        const char *name;
        enum breaker_outcome outcome;
    } CASES[] = {
        {{.status = 200}, "2xx", BREAKER_SUCCESS},
        {{.status = 204}, "2xx", BREAKER_SUCCESS},
        {{.status = 301}, "3xx", BREAKER_SUCCESS},
        {{.status = 400}, "4xx", BREAKER_SUCCESS},
        {{.status = 410}, "410", BREAKER_SUCCESS},
        {{.status = 429}, "4xx", BREAKER_NEUTRAL},
        {{.status = 500}, "5xx", BREAKER_FAILURE},
        {{.fault = ATTEMPT_TIMEOUT_CONNECT}, "timeout", BREAKER_CONNECT_FAILURE},
        {{.fault = ATTEMPT_TIMEOUT_FIRST_BYTE, .sent = true}, "timeout", BREAKER_FAILURE},
        {{.fault = ATTEMPT_TIMEOUT_IDLE, .sent = true, .status = 200}, "timeout", BREAKER_FAILURE},
        {{.fault = ATTEMPT_UNREACHABLE}, "unreachable", BREAKER_CONNECT_FAILURE},
        {{.fault = ATTEMPT_UNREACHABLE, .sent = true}, "broken", BREAKER_FAILURE},
        {{.fault = ATTEMPT_EGRESS_REFUSED}, "unreachable", BREAKER_CONNECT_FAILURE},
        {{.fault = ATTEMPT_INVALID, .sent = true}, "broken", BREAKER_FAILURE},
        {{.fault = ATTEMPT_BROKEN_OFF, .sent = true, .status = 200}, "broken", BREAKER_FAILURE},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        enum delivery_end end = delivery_end_of(&CASES[i].result);
        cr_assert_str_eq(delivery_end_name(end), CASES[i].name, "case %zu", i);
        cr_assert_eq(delivery_breaker_outcome(end, &CASES[i].result), CASES[i].outcome, "case %zu",
                     i);
    }
}

Test(delivery_schedule, any_2xx_is_delivered)
{
    for (unsigned status = 200; status < 300; status++) {
        cr_assert_eq(judge(0, &(struct fetch_result){.status = status}, 0).outcome,
                     QUEUE_DELIVERED);
    }
    /* Half an answer is none, whatever it said. */
    cr_assert_eq(
        judge(0, &(struct fetch_result){.fault = ATTEMPT_BROKEN_OFF, .status = 200}, 0).outcome,
        QUEUE_AGAIN);
}

Test(delivery_schedule, gone_is_dead_at_once)
{
    cr_assert_eq(judge(0, &(struct fetch_result){.status = 410}, 0).outcome, QUEUE_DEAD);
}

Test(delivery_schedule, all_else_is_tried_again_until_the_schedule_is_over)
{
    static const struct fetch_result RESULTS[] = {
        {.status = 302},
        {.status = 400},
        {.status = 500},
        {.fault = ATTEMPT_UNREACHABLE},
        {.fault = ATTEMPT_TIMEOUT_FIRST_BYTE, .sent = true},
    };
    for (size_t i = 0; i < sizeof(RESULTS) / sizeof(RESULTS[0]); i++) {
        struct delivery_verdict first = judge(0, &RESULTS[i], middle);
        cr_assert_eq(first.outcome, QUEUE_AGAIN);
        cr_assert_eq(first.due, WALL + 10 * SEC);
        struct delivery_verdict second = judge(1, &RESULTS[i], 10 * middle);
        cr_assert_eq(second.outcome, QUEUE_AGAIN);
        cr_assert_eq(second.due, WALL + 100 * SEC);
        cr_assert_eq(judge(2, &RESULTS[i], 0).outcome, QUEUE_DEAD);
        cr_assert_eq(judge(7, &RESULTS[i], 0).outcome, QUEUE_DEAD, "the schedule was cut");
    }
}

Test(delivery_schedule, waits_are_spread_by_a_fifth)
{
    cr_assert_eq(delivery_jitter(10 * SEC, 0), 8 * SEC);
    cr_assert_eq(delivery_jitter(10 * SEC, 2 * SEC), 10 * SEC);
    cr_assert_eq(delivery_jitter(10 * SEC, 4 * SEC), 12 * SEC);
    cr_assert_eq(delivery_jitter(10 * SEC, 4 * SEC + 1), 8 * SEC);
    cr_assert_eq(delivery_jitter(0, 12345), 0);
    for (uint64_t i = 0; i < 1000; i++) {
        usec_t time = delivery_jitter(10 * SEC, i * UINT64_C(0x9e3779b97f4a7c15));
        cr_assert(time >= 8 * SEC && time <= 12 * SEC);
    }
}

static struct delivery_verdict judge_with(unsigned status, const char *retry_after)
{
    struct http1_field field = {.name = SLICE("Retry-After"),
                                .value = slice_from(retry_after),
                                .hash = http1_name_hash(SLICE("retry-after"))};
    return judge(0, &(struct fetch_result){.status = status, .fields = &field, .field_count = 1},
                 middle);
}

Test(delivery_schedule, a_receiver_says_when_to_come_again)
{
    static const struct {
        unsigned status;
        const char *text;
        usec_t after;
    } CASES[] = {
        {429, "60", 60 * SEC},
        {503, "60", 60 * SEC},
        {503, "3", 10 * SEC}, /* not before the schedule */
        {500, "60", 10 * SEC},
        {302, "60", 10 * SEC},
        {503, "soon", 10 * SEC},
        {503, "-5", 10 * SEC},
        {503, "99999999", DELIVERY_RETRY_AFTER_MAX},
        {503, "Fri, 15 Jan 2027 08:01:00 GMT", 60 * SEC},
        {503, "Fri, 15 Jan 2027 07:59:00 GMT", 10 * SEC},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct delivery_verdict verdict = judge_with(CASES[i].status, CASES[i].text);
        cr_assert_eq(verdict.outcome, QUEUE_AGAIN);
        cr_assert_eq(verdict.due, WALL + CASES[i].after, "case %zu: %lld", i,
                     (long long)(verdict.due - WALL));
    }
    cr_assert_eq(judge_with(410, "60").outcome, QUEUE_DEAD);
}

Test(delivery_schedule, the_first_attempt_may_have_to_wait)
{
    struct hook_target patient = {.schedule = {10 * SEC}, .schedule_count = 1};
    struct queue_delivery delivery = {.received_at = WALL};
    usec_t due;
    cr_assert(delivery_may_begin(&target, &delivery, WALL, 0, &due));
    cr_assert_not(delivery_may_begin(&patient, &delivery, WALL + SEC, 0, &due));
    cr_assert_eq(due, WALL + 8 * SEC);
    cr_assert(delivery_may_begin(&patient, &delivery, due, 4 * SEC, &due), "it was said once");
    cr_assert(delivery_may_begin(&patient, &delivery, WALL - SEC, 0, &due), "clock set back");
    delivery.attempts = 1;
    cr_assert(delivery_may_begin(&patient, &delivery, WALL, 0, &due));
}
