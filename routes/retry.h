/*
 * retry: how a route's requests are tried again: how often, after what wait, on which statuses.
 * Whether one may be is decided by gateway/upstream/judge. Pure.
 */
#pragma once

#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    RETRY_ATTEMPTS_MAX = 10,
    RETRY_STATUSES_MAX = 32,
    RETRY_FACTOR_MAX = 10,
};
/* A provider that asks for a longer wait ends the retries: its answer goes to the caller. */
#define RETRY_AFTER_LONGEST (30 * SEC)

enum retry_jitter {
    RETRY_JITTER_FULL, /* random in [0, what it would be) */
    RETRY_JITTER_NONE,
};

struct retry_policy {
    unsigned attempts; /* in all, the first included; 1: nothing is tried again */
    usec_t base;       /* > 0 */
    unsigned factor;   /* 1 to RETRY_FACTOR_MAX */
    usec_t cap;        /* >= base */
    unsigned jitter;   /* enum retry_jitter */
    uint16_t statuses[RETRY_STATUSES_MAX];
    unsigned status_count;
    unsigned budget; /* retries in percent of first attempts; see retry_budget.h */
    uint64_t buffer; /* bodies up to so many bytes are held; longer ones stream */
};

bool retry_policy_has(const struct retry_policy *policy, unsigned status);

/* How long to wait when `made` attempts have been made (>= 1). `random` is uniform in 64 bits. At
 * least `retry_after` (what the provider asked for; 0 or less: nothing), with up to a tenth of it,
 * at most a second, on top where there is jitter, so that those who were told the same do not come
 * back together. */
usec_t retry_wait(const struct retry_policy *policy, unsigned made, usec_t retry_after,
                  uint64_t random);
