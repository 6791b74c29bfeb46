#include "gateway/upstream/judge.h"

#include <criterion/criterion.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const struct retry_policy usual = {
    .attempts = 3,
    .base = SEC,
    .factor = 2,
    .cap = 20 * SEC,
    .jitter = RETRY_JITTER_NONE,
    .statuses = {408, 429, 500, 502, 503, 504},
    .status_count = 6,
};

static const struct advice says_nothing = {.retry_after = -1, .reset_after = -1};

/* A first attempt that was answered, all of whose circumstances allow another. */
static struct judge_case answer(unsigned status)
{
    return (struct judge_case){
        .policy = &usual,
        .status = status,
        .advice = &says_nothing,
        .sent = true,
        .harmless = true,
        .body_held = true,
        .made = 1,
        .time_left = 600 * SEC,
    };
}

static struct judge_case lost(enum attempt_fault fault, bool sent)
{
    struct judge_case it = answer(0);
    it.fault = fault;
    it.sent = sent;
    it.advice = NULL;
    return it;
}

static enum judge_reason reason(struct judge_case it)
{
    return judge(&it).reason;
}

/* ---- faults: what was sent decides ---- */

struct fault_case {
    enum attempt_fault fault;
    bool sent;
    enum judge_reason harmless; /* the verdict where repeating is */
    enum judge_reason harmful;
    enum breaker_outcome outcome;
};

Test(judge, faults_by_what_was_sent)
{
    static const struct fault_case cases[] = {
        {ATTEMPT_UNREACHABLE, false, JUDGE_AGAIN, JUDGE_AGAIN, BREAKER_CONNECT_FAILURE},
        {ATTEMPT_UNREACHABLE, true, JUDGE_AGAIN, JUDGE_MAY_HAVE_RUN, BREAKER_FAILURE},
        {ATTEMPT_EGRESS_REFUSED, false, JUDGE_STATUS, JUDGE_STATUS, BREAKER_NEUTRAL},
        {ATTEMPT_EGRESS_REFUSED, true, JUDGE_STATUS, JUDGE_STATUS, BREAKER_NEUTRAL},
        {ATTEMPT_TIMEOUT_CONNECT, false, JUDGE_AGAIN, JUDGE_AGAIN, BREAKER_CONNECT_FAILURE},
        {ATTEMPT_TIMEOUT_CONNECT, true, JUDGE_AGAIN, JUDGE_MAY_HAVE_RUN, BREAKER_CONNECT_FAILURE},
        {ATTEMPT_TIMEOUT_FIRST_BYTE, false, JUDGE_AGAIN, JUDGE_AGAIN, BREAKER_FAILURE},
        {ATTEMPT_TIMEOUT_FIRST_BYTE, true, JUDGE_AGAIN, JUDGE_MAY_HAVE_RUN, BREAKER_FAILURE},
        {ATTEMPT_TIMEOUT_IDLE, false, JUDGE_AGAIN, JUDGE_AGAIN, BREAKER_FAILURE},
        {ATTEMPT_TIMEOUT_IDLE, true, JUDGE_AGAIN, JUDGE_MAY_HAVE_RUN, BREAKER_FAILURE},
        {ATTEMPT_INVALID, false, JUDGE_AGAIN, JUDGE_AGAIN, BREAKER_FAILURE},
        {ATTEMPT_INVALID, true, JUDGE_AGAIN, JUDGE_MAY_HAVE_RUN, BREAKER_FAILURE},
        {ATTEMPT_BROKEN_OFF, false, JUDGE_AGAIN, JUDGE_AGAIN, BREAKER_FAILURE},
        {ATTEMPT_BROKEN_OFF, true, JUDGE_AGAIN, JUDGE_MAY_HAVE_RUN, BREAKER_FAILURE},
    };
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        struct judge_case it = lost(cases[i].fault, cases[i].sent);
        struct judgement verdict = judge(&it);
        cr_expect_eq(verdict.reason, cases[i].harmless, "%u", i);
        cr_expect_eq(verdict.outcome, cases[i].outcome, "%u", i);
        cr_expect_eq(verdict.executed, cases[i].sent, "%u", i);
        cr_expect_not(verdict.throttled || verdict.key_refused || verdict.spent, "%u", i);
        cr_expect_eq(verdict.wait, verdict.reason == JUDGE_AGAIN ? SEC : 0, "%u", i);
        it.harmless = false;
        cr_expect_eq(reason(it), cases[i].harmful, "%u", i);
    }
}

Test(judge, a_fault_is_tried_again_whatever_the_statuses_are)
{
    struct retry_policy none = usual;
    struct judge_case it = lost(ATTEMPT_UNREACHABLE, false);
    none.status_count = 0;
    it.policy = &none;
    cr_expect_eq(reason(it), JUDGE_AGAIN);
}

Test(judge, a_certificate_that_does_not_verify_is_not_tried_again)
{
    struct judge_case it = lost(ATTEMPT_UNREACHABLE, false);
    it.lasting = true;
    struct judgement verdict = judge(&it);
    cr_expect_eq(verdict.reason, JUDGE_STATUS);
    cr_expect_eq(verdict.outcome, BREAKER_CONNECT_FAILURE);
    cr_expect_not(verdict.executed);
}

/* What the head of an answer said means nothing once the answer is broken. */
Test(judge, a_broken_answer_has_no_advice)
{
    const struct advice advice = {
        .retry_after = 5 * SEC, .throttled = true, .unprocessed = true, .key_refused = true};
    struct judge_case it = lost(ATTEMPT_BROKEN_OFF, true);
    it.status = 429;
    it.advice = &advice;
    struct judgement verdict = judge(&it);
    cr_expect(verdict.executed);
    cr_expect_not(verdict.throttled || verdict.key_refused);
    cr_expect_eq(verdict.wait, SEC);
    cr_expect_eq(verdict.outcome, BREAKER_FAILURE);
}

/* ---- answers ---- */

struct status_case {
    unsigned status;
    enum judge_reason harmless, harmful;
    bool executed;
    enum breaker_outcome outcome;
};

Test(judge, statuses)
{
    static const struct status_case cases[] = {
        {200, JUDGE_DONE, JUDGE_DONE, true, BREAKER_SUCCESS},
        {204, JUDGE_DONE, JUDGE_DONE, true, BREAKER_SUCCESS},
        {302, JUDGE_DONE, JUDGE_DONE, true, BREAKER_SUCCESS},
        {400, JUDGE_DONE, JUDGE_DONE, true, BREAKER_SUCCESS},
        {401, JUDGE_DONE, JUDGE_DONE, true, BREAKER_SUCCESS},
        {404, JUDGE_DONE, JUDGE_DONE, true, BREAKER_SUCCESS},
        {408, JUDGE_AGAIN, JUDGE_MAY_HAVE_RUN, true, BREAKER_SUCCESS},
        {409, JUDGE_DONE, JUDGE_DONE, true, BREAKER_SUCCESS},
        {425, JUDGE_STATUS, JUDGE_STATUS, true, BREAKER_SUCCESS}, /* not in the list */
        {429, JUDGE_AGAIN, JUDGE_AGAIN, false, BREAKER_NEUTRAL},
        {500, JUDGE_AGAIN, JUDGE_MAY_HAVE_RUN, true, BREAKER_FAILURE},
        {501, JUDGE_DONE, JUDGE_DONE, true, BREAKER_SUCCESS},
        {502, JUDGE_AGAIN, JUDGE_MAY_HAVE_RUN, true, BREAKER_FAILURE},
        {503, JUDGE_AGAIN, JUDGE_MAY_HAVE_RUN, true, BREAKER_FAILURE},
        {504, JUDGE_AGAIN, JUDGE_MAY_HAVE_RUN, true, BREAKER_FAILURE},
        {505, JUDGE_DONE, JUDGE_DONE, true, BREAKER_SUCCESS},
        {507, JUDGE_STATUS, JUDGE_STATUS, true, BREAKER_FAILURE},
        {511, JUDGE_STATUS, JUDGE_STATUS, true, BREAKER_FAILURE},
        {520, JUDGE_AGAIN, JUDGE_MAY_HAVE_RUN, true, BREAKER_FAILURE},
        {529, JUDGE_AGAIN, JUDGE_MAY_HAVE_RUN, true, BREAKER_FAILURE},
    };
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        struct judge_case it = answer(cases[i].status);
        struct judgement verdict = judge(&it);
        cr_expect_eq(verdict.reason, cases[i].harmless, "%u", cases[i].status);
        cr_expect_eq(verdict.executed, cases[i].executed, "%u", cases[i].status);
        cr_expect_eq(verdict.outcome, cases[i].outcome, "%u", cases[i].status);
        cr_expect_eq(verdict.throttled, cases[i].status == 429, "%u", cases[i].status);
        it.advice = NULL; /* as if it said nothing */
        cr_expect_eq(reason(it), cases[i].harmless, "%u", cases[i].status);
        it.harmless = false;
        cr_expect_eq(reason(it), cases[i].harmful, "%u", cases[i].status);
    }
}

Test(judge, statuses_narrow)
{
    struct retry_policy narrow = usual;
    struct judge_case it = answer(429);
    narrow.statuses[0] = 503;
    narrow.status_count = 1;
    it.policy = &narrow;
    cr_expect_eq(reason(it), JUDGE_STATUS);
    it.status = 500;
    cr_expect_eq(reason(it), JUDGE_STATUS);
    it.status = 529; /* as 500 */
    cr_expect_eq(reason(it), JUDGE_STATUS);
    it.status = 503;
    cr_expect_eq(reason(it), JUDGE_AGAIN);
    narrow.statuses[0] = 404; /* whoever asks for it */
    it.status = 404;
    cr_expect_eq(reason(it), JUDGE_AGAIN);
    narrow.statuses[0] = 200;
    it.status = 200;
    cr_expect_eq(reason(it), JUDGE_DONE);
}

/* GitHub's 403, AWS' 400: with any method, and no failure of the upstream. */
Test(judge, a_429_under_another_name)
{
    static const unsigned statuses[] = {400, 403, 503};
    const struct advice advice = {.retry_after = 3 * SEC, .throttled = true, .unprocessed = true};
    for (unsigned i = 0; i < COUNT_OF(statuses); i++) {
        struct judge_case it = answer(statuses[i]);
        it.advice = &advice;
        it.harmless = false;
        struct judgement verdict = judge(&it);
        cr_expect_eq(verdict.reason, JUDGE_AGAIN);
        cr_expect_eq(verdict.wait, 3 * SEC);
        cr_expect(verdict.throttled);
        cr_expect_not(verdict.executed);
        cr_expect_eq(verdict.outcome, BREAKER_NEUTRAL);

        struct retry_policy no_429 = usual;
        no_429.statuses[1] = 425;
        it.policy = &no_429;
        cr_expect_eq(reason(it), JUDGE_STATUS);
    }
}

Test(judge, refused_unprocessed_is_for_any_method)
{
    const struct advice advice = {.retry_after = -1, .unprocessed = true};
    struct judge_case it = answer(503);
    it.advice = &advice;
    it.harmless = false;
    struct judgement verdict = judge(&it);
    cr_expect_eq(verdict.reason, JUDGE_AGAIN);
    cr_expect_not(verdict.executed);
    cr_expect_not(verdict.throttled);
    cr_expect_eq(verdict.outcome, BREAKER_FAILURE); /* it does not work, all the same */
}

/* ---- the provider's word ---- */

struct word_case {
    enum advice_word word;
    unsigned status;
    bool harmless;
    enum judge_reason reason;
};

Test(judge, the_providers_word)
{
    static const struct word_case cases[] = {
        {ADVICE_AGAIN, 409, true, JUDGE_AGAIN}, /* outside the list */
        {ADVICE_AGAIN, 507, true, JUDGE_AGAIN},
        {ADVICE_AGAIN, 409, false, JUDGE_MAY_HAVE_RUN}, /* never against the classes */
        {ADVICE_AGAIN, 500, false, JUDGE_MAY_HAVE_RUN},
        {ADVICE_AGAIN, 200, true, JUDGE_DONE},
        {ADVICE_NOT_AGAIN, 500, true, JUDGE_TOLD_NOT_TO},
        {ADVICE_NOT_AGAIN, 429, false, JUDGE_TOLD_NOT_TO},
        {ADVICE_NOT_AGAIN, 500, false, JUDGE_MAY_HAVE_RUN}, /* says more */
        {ADVICE_NOT_AGAIN, 400, true, JUDGE_DONE},          /* nobody would */
        {ADVICE_NOT_AGAIN, 507, true, JUDGE_STATUS},
    };
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        const struct advice advice = {.retry_after = -1, .word = cases[i].word};
        struct judge_case it = answer(cases[i].status);
        it.advice = &advice;
        it.harmless = cases[i].harmless;
        cr_expect_eq(reason(it), cases[i].reason, "%u", i);
    }
}

/* ---- waits ---- */

struct wait_case {
    unsigned status, made;
    usec_t retry_after, time_left;
    enum judge_reason reason;
    usec_t wait;
};

Test(judge, waits_and_deadlines)
{
    static const struct wait_case cases[] = {
        {429, 1, -1, 600 * SEC, JUDGE_AGAIN, SEC},
        {429, 2, -1, 600 * SEC, JUDGE_AGAIN, 2 * SEC},
        {429, 1, 0, 600 * SEC, JUDGE_AGAIN, SEC},
        {429, 1, 12 * SEC, 600 * SEC, JUDGE_AGAIN, 12 * SEC},
        {503, 1, 12 * SEC, 600 * SEC, JUDGE_AGAIN, 12 * SEC},
        {429, 1, 30 * SEC, 600 * SEC, JUDGE_AGAIN, 30 * SEC},
        {429, 1, 30 * SEC + 1, 600 * SEC, JUDGE_TOO_LONG, 0},
        {503, 1, ADVICE_LONGEST, 600 * SEC, JUDGE_TOO_LONG, 0},
        {429, 1, 12 * SEC, 12 * SEC, JUDGE_DEADLINE, 0},
        {429, 1, 12 * SEC, 12 * SEC + 1, JUDGE_AGAIN, 12 * SEC},
        {429, 1, 31 * SEC, 12 * SEC, JUDGE_TOO_LONG, 0},
        {500, 1, -1, SEC, JUDGE_DEADLINE, 0},
        {500, 1, -1, 0, JUDGE_DEADLINE, 0},
        {500, 1, -1, -5, JUDGE_DEADLINE, 0},
        {500, 3, -1, 0, JUDGE_ATTEMPTS, 0},
        {200, 1, 12 * SEC, 600 * SEC, JUDGE_DONE, 0},
    };
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        const struct advice advice = {.retry_after = cases[i].retry_after};
        struct judge_case it = answer(cases[i].status);
        it.advice = &advice;
        it.made = cases[i].made;
        it.time_left = cases[i].time_left;
        struct judgement verdict = judge(&it);
        cr_expect_eq(verdict.reason, cases[i].reason, "%u", i);
        cr_expect_eq(verdict.wait, cases[i].wait, "%u", i);
    }
}

/* ---- attempts, and what the caller's SDK is told ---- */

struct spent_case {
    unsigned attempts, made;
    usec_t retry_after;
    bool harmless, body_held;
    enum judge_reason reason;
    bool spent;
};

Test(judge, spent_is_what_only_the_count_ends)
{
    static const struct spent_case cases[] = {
        {3, 2, -1, true, true, JUDGE_AGAIN, false},
        {3, 3, -1, true, true, JUDGE_ATTEMPTS, true},
        {3, 4, -1, true, true, JUDGE_ATTEMPTS, true},
        {3, 3, 60 * SEC, true, true, JUDGE_ATTEMPTS, false}, /* it may come back after that */
        {3, 3, -1, false, true, JUDGE_MAY_HAVE_RUN, false},
        {3, 3, -1, true, false, JUDGE_BODY_GONE, false},
        {1, 1, -1, true, true, JUDGE_ATTEMPTS, false}, /* retries are the caller's */
    };
    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        struct retry_policy policy = usual;
        const struct advice advice = {.retry_after = cases[i].retry_after};
        struct judge_case it = answer(500);
        policy.attempts = cases[i].attempts;
        it.policy = &policy;
        it.advice = &advice;
        it.made = cases[i].made;
        it.harmless = cases[i].harmless;
        it.body_held = cases[i].body_held;
        struct judgement verdict = judge(&it);
        cr_expect_eq(verdict.reason, cases[i].reason, "%u", i);
        cr_expect_eq(verdict.spent, cases[i].spent, "%u", i);
    }
}

Test(judge, what_is_gone_cannot_be_sent_again)
{
    struct judge_case it = answer(429);
    it.body_held = false;
    cr_expect_eq(reason(it), JUDGE_BODY_GONE);
    it = lost(ATTEMPT_UNREACHABLE, false);
    it.body_held = false;
    cr_expect_eq(reason(it), JUDGE_BODY_GONE);
}

Test(judge, a_refused_key_is_told)
{
    const struct advice advice = {.retry_after = -1, .key_refused = true};
    struct judge_case it = answer(401);
    it.advice = &advice;
    struct judgement verdict = judge(&it);
    cr_expect(verdict.key_refused);
    cr_expect_eq(verdict.reason, JUDGE_DONE);
    cr_expect_eq(verdict.outcome, BREAKER_SUCCESS);
}

/* ---- the promise, over everything at once ---- */

/* Whatever the circumstances are: what may have been executed and could do harm is never repeated,
 * nor is anything without its body, out of time, against the provider's word or too often. */
Test(judge, never_repeats_what_it_must_not)
{
    static const unsigned statuses[] = {200, 403, 408, 409, 425, 429, 500, 503, 529};
    static const usec_t afters[] = {-1, 0, 10 * SEC, 31 * SEC};
    unsigned again = 0;
    for (unsigned bits = 0; bits < 1U << 11; bits++) {
        for (unsigned n = 0; n < COUNT_OF(statuses) * COUNT_OF(afters); n++) {
            const struct advice advice = {
                .retry_after = afters[n % COUNT_OF(afters)],
                .word = (enum advice_word)((bits & 3) % 3),
                .throttled = bits >> 2 & 1,
                .unprocessed = bits >> 3 & 1,
            };
            struct judge_case it = answer(statuses[n / COUNT_OF(afters)]);
            it.advice = bits >> 4 & 1 ? &advice : NULL;
            it.harmless = bits >> 5 & 1;
            it.body_held = bits >> 6 & 1;
            it.made = 2 + (bits >> 7 & 1);
            it.time_left = bits >> 8 & 1 ? 5 * SEC : 600 * SEC;
            it.sent = bits >> 9 & 1;
            it.fault = bits >> 10 & 1 ? ATTEMPT_TIMEOUT_FIRST_BYTE : ATTEMPT_OK;
            struct judgement verdict = judge(&it);
            if (verdict.reason != JUDGE_AGAIN) {
                cr_assert_eq(verdict.wait, 0);
                continue;
            }
            again++;
            bool heard = it.fault == ATTEMPT_OK && it.advice != NULL;
            bool refused =
                it.fault == ATTEMPT_OK
                    ? it.status == 429 || (heard && (advice.throttled || advice.unprocessed))
                    : !it.sent;
            cr_assert(refused || it.harmless);
            cr_assert(it.body_held);
            cr_assert_lt(it.made, usual.attempts);
            cr_assert_lt(verdict.wait, it.time_left);
            cr_assert_not(heard && advice.word == ADVICE_NOT_AGAIN);
            cr_assert(!heard || verdict.wait >= advice.retry_after);
            cr_assert_not(heard && advice.retry_after > RETRY_AFTER_LONGEST);
        }
    }
    cr_expect_gt(again, 1000);
}

/* ---- methods and words ---- */

Test(judge, idempotent_methods)
{
    static const enum http1_method methods[] = {HTTP1_GET, HTTP1_HEAD, HTTP1_PUT, HTTP1_DELETE,
                                                HTTP1_OPTIONS};
    static const enum http1_method others[] = {HTTP1_POST, HTTP1_PATCH, HTTP1_CONNECT, HTTP1_TRACE,
                                               HTTP1_METHOD_OTHER};
    for (unsigned i = 0; i < COUNT_OF(methods); i++) {
        cr_expect(judge_idempotent(methods[i]), "%u", i);
        cr_expect_not(judge_idempotent(others[i]), "%u", i);
    }
}

Test(judge, each_reason_has_a_word_of_its_own)
{
    for (unsigned i = 0; i < JUDGE_REASONS; i++) {
        const char *text = judge_reason_text((enum judge_reason)i);
        cr_assert_not_null(text);
        cr_expect_neq(text[0], '\0');
        for (unsigned other = 0; other < i; other++) {
            cr_expect_str_neq(text, judge_reason_text((enum judge_reason)other));
        }
    }
    cr_expect_str_eq(judge_reason_text(JUDGE_REASONS), "unknown");
}
