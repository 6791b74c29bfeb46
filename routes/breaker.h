/*
 * breaker: the circuit of one upstream: closed while it works, open while it does not, then a few
 * probes that decide. Pure: time and chance are passed in; the caller locks.
 *
 * It opens at a failure rate within a sliding window, after failed connects in a row, or, if set,
 * at a rate of slow calls. The open time doubles each time the probes fail, up to max_open, each
 * ±20 %. A probe that is slow, where that counts, has failed. A manual reset closes it and forgets
 * all.
 */
#pragma once

#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>

enum { BREAKER_SLICES = 10 }; /* of the window */

struct breaker_policy {
    bool off;
    usec_t window;
    unsigned min_requests; /* in the window, before a rate counts */
    unsigned failure_rate; /* percent */
    unsigned consecutive;  /* failed connects in a row */
    usec_t open, max_open;
    unsigned probes;    /* that must succeed, one failure opens again; as many at once at most */
    usec_t slow;        /* a call that took longer to its answer's head is slow; 0: none is */
    unsigned slow_rate; /* percent of calls in the window */
};

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

enum breaker_outcome {
    BREAKER_SUCCESS,         /* any answer but a failure; 4xx, too */
    BREAKER_FAILURE,         /* an answer of 500 or more, broken, none in time, or broken off */
    BREAKER_CONNECT_FAILURE, /* not even a connection: refused, no name, no TLS, no time */
    BREAKER_NEUTRAL,         /* says nothing of the upstream: 429, given up by us or the client */
};

/* A call that was let through; given back once, by breaker_report(). */
struct breaker_permit {
    unsigned epoch; /* of the state that gave it: an older one says nothing of the present */
    bool held;
    bool probe;
};

struct breaker_slice {
    unsigned calls, failures, slow;
};

struct breaker {
    enum breaker_state state;
    unsigned epoch; /* counts changes of state and resets */
    struct breaker_slice slices[BREAKER_SLICES];
    usec_t slice_began; /* of the newest */
    unsigned newest;
    unsigned connect_failures; /* in a row */
    unsigned opened;           /* times in a row without having been closed */
    usec_t open_until;
    usec_t changed_at;
    unsigned probing, probed; /* that run; that succeeded */
};

/* May a call go now? False: *ret_after is how long the circuit stays open at least (>= 0). */
bool breaker_admit(struct breaker *breaker, const struct breaker_policy *policy, usec_t now,
                   struct breaker_permit *ret, usec_t *ret_after);
/* What became of it. `took`: until the answer's head. True: the state has changed. */
bool breaker_report(struct breaker *breaker, const struct breaker_policy *policy,
                    struct breaker_permit *permit, enum breaker_outcome outcome, usec_t took,
                    usec_t now, uint64_t random);
/* Would breaker_admit() let one through? Changes nothing. */
bool breaker_would_admit(const struct breaker *breaker, const struct breaker_policy *policy,
                         usec_t now);
/* A health check found the upstream well: an open circuit may probe at once. True: changed. */
bool breaker_hint_well(struct breaker *breaker, usec_t now);
void breaker_reset(struct breaker *breaker, usec_t now);
/* Calls, failures and slow calls of the window that ends now. For people. */
struct breaker_slice breaker_counts(const struct breaker *breaker,
                                    const struct breaker_policy *policy, usec_t now);
const char *breaker_state_name(enum breaker_state state); /* "closed" "open" "half_open" */
