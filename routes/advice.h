/*
 * advice: what the head of a provider's answer says about coming again: when, whether at all, that
 * nothing was done, that the key itself was refused, how much of a rate limit is left. Read by the
 * profile's "retry" and "limits" (profiles/README.md). Pure; never trusts a number.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct http1_response;
struct profile;

/* How a header says when: none is trusted beyond ADVICE_LONGEST; what is in the past, negative,
 * absurd or broken counts as not said. */
enum advice_form {
    ADVICE_SECONDS_OR_DATE, /* Retry-After: "120", "1.5", or an HTTP date */
    ADVICE_MILLISECONDS,
    ADVICE_SECONDS,  /* with a fraction, perhaps */
    ADVICE_DURATION, /* Go's: "6m0s", "120ms", "1.2s"; plain digits are seconds */
    ADVICE_EPOCH,    /* Unix seconds, perhaps with a fraction; milliseconds if > 10^11 */
    ADVICE_TIME,     /* RFC 3339 */
};
#define ADVICE_LONGEST (10 * 365 * 86400 * SEC)

/* A header that says when to come again. */
struct advice_after {
    struct slice header; /* lower case */
    uint32_t hash;       /* http1_name_hash() */
    enum advice_form form;
};

/* Headers that say what is left of one of the provider's limits. Where nothing is, the reset says
 * when a throttled request may come again, unless another header does. */
struct advice_limit {
    struct slice limit, remaining, reset; /* lower case; reset may be empty */
    uint32_t limit_hash, remaining_hash, reset_hash;
    enum advice_form form; /* of reset */
};

/* The answer is of this kind if its status is this and, unless empty, the header has this value, in
 * any case. Of a field what is between '#' and ':' is compared, for AWS writes names with either:
 * "space#ThrottlingException", "ThrottlingException:http://...". */
struct advice_mark {
    unsigned status;     /* 0: any of 400 or more */
    struct slice header; /* lower case; empty: the status alone says it */
    struct slice value;  /* empty: the header is there */
    uint32_t hash;
};

/* The profile's facts. */
struct advice_facts {
    const struct advice_after *after; /* the first that says something counts; empty: Retry-After */
    unsigned after_count;
    struct slice should_retry; /* header whose "true" or "false" decides; empty: none */
    uint32_t should_retry_hash;
    const struct advice_mark *unprocessed; /* refused before any work was done; 429 always is */
    unsigned unprocessed_count;
    const struct advice_mark *throttled; /* is a 429 under another name (AWS, GitHub's 403) */
    unsigned throttled_count;
    const struct advice_mark *key_refused; /* the key itself was refused: not an end user, not a
                                              right that it lacks */
    unsigned key_refused_count;
    const struct advice_limit *limits;
    unsigned limit_count;
    struct slice docs_url; /* the provider's page; may be empty */
};

enum advice_word { ADVICE_NO_WORD, ADVICE_AGAIN, ADVICE_NOT_AGAIN };

struct advice {
    usec_t retry_after;    /* from now, >= 0; -1: not said */
    enum advice_word word; /* should_retry */
    bool throttled;        /* 429, or what counts as one */
    bool unprocessed;      /* nothing was executed; a throttled one is */
    bool key_refused;
    bool has_limit; /* of the limits, the one with the least share left: */
    uint64_t limit, remaining;
    usec_t reset_after; /* from now; -1: not said */
};

/* `wall`: since 1970-01-01 UTC. Of an answer below 400 only the limits are read. */
void advice_read(const struct advice_facts *facts, const struct http1_response *response,
                 usec_t wall, struct advice *ret);
