#include "gateway/upstream/judge.h"

#include <stddef.h>

bool judge_idempotent(enum http1_method method)
{
    switch (method) {
    case HTTP1_GET:
    case HTTP1_HEAD:
    case HTTP1_PUT:
    case HTTP1_DELETE:
    case HTTP1_OPTIONS:
        return true;
    case HTTP1_METHOD_OTHER:
    case HTTP1_POST:
    case HTTP1_PATCH:
    case HTTP1_CONNECT:
    case HTTP1_TRACE:
        return false;
    }
    return false;
}

static bool answered(const struct judge_case *it)
{
    return it->fault == ATTEMPT_OK;
}

/* A 429, or what the profile says is one. */
static bool throttled(const struct judge_case *it)
{
    return answered(it) && (it->status == 429 || (it->advice != NULL && it->advice->throttled));
}

static bool possibly_executed(const struct judge_case *it)
{
    if (!answered(it)) {
        return it->sent;
    }
    return !throttled(it) && !(it->advice != NULL && it->advice->unprocessed);
}

/* Works, but does not know the method or the version: no failure of the upstream. */
static bool says_not_implemented(unsigned status)
{
    return status == 501 || status == 505;
}

static enum breaker_outcome outcome_of(const struct judge_case *it)
{
    switch (it->fault) {
    case ATTEMPT_OK:
        break;
    case ATTEMPT_EGRESS_REFUSED: /* our own rule */
        return BREAKER_NEUTRAL;
    case ATTEMPT_TIMEOUT_CONNECT:
        return BREAKER_CONNECT_FAILURE;
    case ATTEMPT_UNREACHABLE: /* sent: reset before an answer */
        return it->sent ? BREAKER_FAILURE : BREAKER_CONNECT_FAILURE;
    case ATTEMPT_TIMEOUT_FIRST_BYTE:
    case ATTEMPT_TIMEOUT_IDLE:
    case ATTEMPT_INVALID:
    case ATTEMPT_BROKEN_OFF:
        return BREAKER_FAILURE;
    }
    if (throttled(it)) {
        return BREAKER_NEUTRAL;
    }
    return it->status >= 500 && !says_not_implemented(it->status) ? BREAKER_FAILURE
                                                                  : BREAKER_SUCCESS;
}

/* What retries are about, whether this route wants them or not. */
static bool usual(unsigned status)
{
    return status == 408 || status == 425 || status == 429 ||
           (status >= 500 && !says_not_implemented(status));
}

/* Is it of a kind that is tried again at all? JUDGE_AGAIN: it is. */
static enum judge_reason kind_of(const struct judge_case *it)
{
    if (!answered(it)) {
        return it->lasting || it->fault == ATTEMPT_EGRESS_REFUSED ? JUDGE_STATUS : JUDGE_AGAIN;
    }
    unsigned status = throttled(it) ? 429 : it->status;
    if (status < 400) {
        return JUDGE_DONE;
    }
    if (retry_policy_has(it->policy, status) ||
        (status > 511 && retry_policy_has(it->policy, 500)) ||
        (it->advice != NULL && it->advice->word == ADVICE_AGAIN)) {
        return JUDGE_AGAIN;
    }
    return usual(status) ? JUDGE_STATUS : JUDGE_DONE;
}

static enum judge_reason reason_of(const struct judge_case *it, bool executed, usec_t retry_after,
                                   usec_t wait)
{
    enum judge_reason kind = kind_of(it);
    if (kind != JUDGE_AGAIN) {
        return kind;
    }
    if (executed && !it->harmless) {
        return JUDGE_MAY_HAVE_RUN;
    }
    if (!it->body_held) {
        return JUDGE_BODY_GONE;
    }
    if (answered(it) && it->advice != NULL && it->advice->word == ADVICE_NOT_AGAIN) {
        return JUDGE_TOLD_NOT_TO;
    }
    if (it->made >= it->policy->attempts) {
        return JUDGE_ATTEMPTS;
    }
    if (retry_after > RETRY_AFTER_LONGEST) {
        return JUDGE_TOO_LONG;
    }
    return wait < it->time_left ? JUDGE_AGAIN : JUDGE_DEADLINE;
}

struct judgement judge(const struct judge_case *it)
{
    usec_t retry_after = answered(it) && it->advice != NULL ? it->advice->retry_after : -1;
    usec_t wait = retry_wait(it->policy, it->made, retry_after, it->random);
    struct judgement verdict = {
        .executed = possibly_executed(it),
        .outcome = outcome_of(it),
        .throttled = throttled(it),
        .key_refused = answered(it) && it->advice != NULL && it->advice->key_refused,
    };
    verdict.reason = reason_of(it, verdict.executed, retry_after, wait);
    /* Who was told a long wait may come back after it; where the gateway tries once only, trying
     * again is the caller's. */
    verdict.spent = verdict.reason == JUDGE_ATTEMPTS && it->policy->attempts > 1 &&
                    retry_after <= RETRY_AFTER_LONGEST;
    verdict.wait = verdict.reason == JUDGE_AGAIN ? wait : 0;
    return verdict;
}

const char *judge_reason_text(enum judge_reason reason)
{
    static const char *const texts[] = {
        [JUDGE_DONE] = "done",           [JUDGE_AGAIN] = "again",
        [JUDGE_STATUS] = "status",       [JUDGE_MAY_HAVE_RUN] = "may_have_run",
        [JUDGE_BODY_GONE] = "body_gone", [JUDGE_TOLD_NOT_TO] = "told_not_to",
        [JUDGE_TOO_LONG] = "too_long",   [JUDGE_DEADLINE] = "deadline",
        [JUDGE_ATTEMPTS] = "attempts",   [JUDGE_BUDGET] = "budget",
        [JUDGE_CIRCUIT] = "circuit",     [JUDGE_QUOTA] = "quota",
    };
    return (size_t)reason < sizeof(texts) / sizeof(texts[0]) ? texts[reason] : "unknown";
}
