/*
 * judge: what an attempt that has ended, or whose answer's head is here, means: may the request be
 * tried again, when, and what does it tell of the upstream and the credential. One table for all of
 * it; pure.
 *
 * Not executed: no byte was sent, or the provider says that it refused the request unprocessed.
 * That may be tried again with any method. Possibly executed: all else. That only if repeating is
 * harmless: an idempotent method, a key that makes it one, or a call that the profile calls
 * repeatable.
 */
#pragma once

#include "gateway/upstream/attempt.h"
#include "routes/advice.h"
#include "routes/breaker.h"
#include "routes/retry.h"

#include <stdbool.h>

/* What is asked. */
struct judge_case {
    const struct retry_policy *policy;
    enum attempt_fault fault;    /* ATTEMPT_OK: there is an answer: */
    unsigned status;             /* its status */
    const struct advice *advice; /* of the answer; NULL without one */
    bool sent;                   /* a byte of the request had left */
    bool lasting;                /* attempt_failure.lasting */
    bool harmless;               /* to repeat: method, key, or call */
    bool body_held;              /* it can be sent once more */
    unsigned made;               /* attempts so far, this one included */
    usec_t time_left;            /* until the request's deadline */
    uint64_t random;             /* for the wait */
};

/* Why it is, or is not, tried again: of several reasons the first that is true. For log, metrics
 * (retries_total) and `explain`.
 *
 * retry.statuses narrows answers, not faults. In it a status above 511, which no RFC knows, counts
 * as 500 (RFC 9110, section 15), and what is a 429 under another name as 429. The provider's word
 * adds to it and takes from it, and never makes harmless what is not. */
enum judge_reason {
    JUDGE_DONE,         /* an answer that nobody retries: it goes to the caller */
    JUDGE_AGAIN,        /* tried again after `wait` */
    JUDGE_STATUS,       /* not in retry.statuses, or a fault that trying does not mend */
    JUDGE_MAY_HAVE_RUN, /* possibly executed, and repeating could do harm */
    JUDGE_BODY_GONE,    /* the body was longer than retry.buffer */
    JUDGE_TOLD_NOT_TO,  /* the provider's own word */
    JUDGE_TOO_LONG,     /* it asks for a wait above RETRY_AFTER_LONGEST */
    JUDGE_DEADLINE,     /* the wait would pass the request's deadline */
    JUDGE_ATTEMPTS,     /* all have been made */
    /* Found by who asks, after the verdict: */
    JUDGE_BUDGET,  /* the upstream's retry budget is spent */
    JUDGE_CIRCUIT, /* its circuit is open */
    JUDGE_QUOTA,   /* a quota refused to reserve again */
    JUDGE_REASONS  /* not a reason; keep last */
};

struct judgement {
    enum judge_reason reason;
    bool executed;                /* possibly */
    enum breaker_outcome outcome; /* for the circuit */
    bool throttled;               /* the credential is to cool */
    bool key_refused;             /* the credential is to be read anew */
    bool spent;                   /* it would have been tried again, but all attempts (more than
                                     one) were made: the caller's SDK is told not to, either */
    usec_t wait;                  /* JUDGE_AGAIN: before the next attempt */
};

struct judgement judge(const struct judge_case *it);
const char *
judge_reason_text(enum judge_reason reason); /* "again", "attempts", ... for log and metrics */

/* Repeating such a method is harmless: RFC 9110, section 9.2.2, without TRACE. */
bool judge_idempotent(enum http1_method method);
