/*
 * fetch: one whole call over an attempt: sends a held body, gathers an answer of bounded length,
 * within a bounded time. For what the gateway asks by itself: keys, confirmations, deliveries of
 * webhooks. Not for exchanges. Belongs to one loop. Redirects are answers like others.
 */
#pragma once

#include "base/clock.h"
#include "base/http1.h"
#include "gateway/upstream/attempt.h"

#include <stdbool.h>

struct fetch;
struct loop;

struct fetch_request {
    struct loop *loop;                  /* borrowed */
    struct upstream_side *upstreams;    /* borrowed */
    const struct origin *origin;        /* borrowed: outlives the fetch */
    const struct egress_policy *egress; /* likewise */
    usec_t connect_timeout;
    usec_t timeout; /* of the whole */
    enum http1_method method;
    struct slice head;   /* whole, with the empty line; copied */
    struct slice body;   /* borrowed until it has ended */
    size_t answer_bytes; /* more of the body is cut off, and `cut` says so */
    bool repeatable;     /* as of attempts: it does no harm if it comes twice */
    bool answer_secret;  /* the answer's body is a secret: it is wiped, and no copies are left */
};

struct fetch_result {
    enum attempt_fault fault;         /* ATTEMPT_OK: there is an answer */
    bool sent;                        /* a byte of the request had left */
    const char *message;              /* of a fault, for the log; lives during the call */
    unsigned status;                  /* 0: no head came; with a fault: the answer is not whole */
    const struct http1_field *fields; /* live during the call */
    unsigned field_count;
    struct slice body; /* likewise */
    bool cut;
    usec_t took;
};

/* Why there is no answer, behind the name of who was asked: "cannot be reached". */
const char *fetch_fault_text(enum attempt_fault fault);

/* `done` is called once, from the loop, never within this call; the fetch is gone then. Its
 * connection is free for another one when `done` has returned. */
struct fetch *fetch_start(const struct fetch_request *request, void *ctx,
                          void (*done)(void *ctx, const struct fetch_result *result));
/* `done` is not called any more. NULL is allowed. */
void fetch_cancel(struct fetch *fetch);
