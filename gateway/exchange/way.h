/*
 * way: where an exchange's attempts go: which route of its fallback chain, with which credential,
 * under which permits; what is known of those that were made. Part of struct exchange; only for
 * gateway/exchange.
 */
#pragma once

#include "base/buffer.h"
#include "base/clock.h"
#include "gateway/upstream/credential_pool.h"
#include "gateway/upstream/judge.h"
#include "routes/breaker.h"

#include <stdbool.h>
#include <stdint.h>

struct metering;
struct route;

/* One attempt, for the log. */
struct
try {
    const struct route *route;
    const char *credential; /* the secret's name; NULL: none */
    unsigned status;        /* 0: no answer came: */
    enum attempt_fault fault;
    bool sent;
    usec_t took;
    enum judge_reason then;
    usec_t wait; /* JUDGE_AGAIN: before the next one */
};

/* Kept from the first attempt on that did not end the request: most requests have none. */
struct tries {
    struct try *list; /* owned */
    unsigned count, size;
};

/* While a fallback's quotas are asked: where the request comes from, and goes back to if they
 * refuse it. */
struct way_before {
    const struct route *route;      /* NULL: none are asked */
    struct slice path, query, rest; /* on that route; in the connection's memory or in `mapped` */
    struct buffer mapped;           /* owned */
    struct metering *metering; /* owned; its reservation is the last one of exchange->earlier */
    bool reserved;             /* there is one */
    unsigned made;
    uint32_t tried;
};

struct way {
    const struct route *asked;    /* that the path names; exchange->route is where it goes now */
    const struct route *entered;  /* counted as in flight there; NULL: nowhere */
    bool tenant_entered;          /* likewise */
    struct slice rest, query;     /* of the target, behind its path */
    unsigned next_fallback;       /* of asked->fallback */
    struct buffer mapped;         /* path and query on a fallback's route; owned */
    struct buffer mapped_body;    /* with another model's name; owned */
    struct breaker_permit permit; /* of the route's circuit */
    struct pool_choice choice;
    bool chosen;        /* `choice` is for the next attempt */
    uint32_t tried;     /* bits of the route's credentials */
    unsigned made;      /* attempts on this route */
    bool executed;      /* one may have been executed */
    bool spent;         /* what the caller's SDK is told: do not try again */
    usec_t began;       /* the attempt that runs */
    usec_t until;       /* a pace or a back-off lasts; loop time */
    bool refused;       /* by a circuit: the answer says for how long */
    usec_t circuit_for; /* how long the circuit that refused stays open */
    struct way_before before;
    struct tries tries;
};
