/*
 * attempt: one try to send a request to a provider and to read its answer, over HTTP/1.1 or HTTP/2.
 *
 * Callers see heads and body bytes, never framing. It belongs to one loop. News is told by the
 * waiter only. Reading happens when the caller asks, so that a slow client slows the provider;
 * bytes wait in the kernel, over HTTP/2 here, as many as a stream's window allows.
 */
#pragma once

#include "base/clock.h"
#include "base/http1.h"
#include "base/status.h"

#include <stdatomic.h>
#include <stdbool.h>

struct attempt;
struct egress_policy;
struct loop;
struct origin;
struct upstream_side;
struct waiter;

struct attempt_timeouts {
    usec_t connect;    /* DNS, TCP and TLS */
    usec_t first_byte; /* from the whole request sent (or last byte taken) to the answer's head */
    usec_t idle;       /* between two reads, while the caller wants to read; also between two
                          writes, while the provider takes none */
};

struct attempt_request {
    const struct origin *origin;        /* borrowed: outlives the attempt (snapshot) */
    const struct egress_policy *egress; /* borrowed: likewise */
    struct attempt_timeouts timeouts;
    enum http1_method method;
    struct slice head; /* whole, with the empty line; copied */
    struct slice body; /* held part of the body, or its beginning; borrowed until attempt_end() */
    enum http1_framing framing; /* of the whole body: NO_BODY, LENGTH or CHUNKED; as `head` says */
    bool body_whole;            /* `body` is all of it: nothing will be written */
    bool repeatable;       /* may be sent again on a fresh connection, if a kept one died before any
                              byte of the answer, although bytes of it had been sent */
    struct waiter *waiter; /* borrowed */
};

/* Why an attempt failed, with the error code that the caller of the gateway sees. */
enum attempt_fault {
    ATTEMPT_OK,
    ATTEMPT_UNREACHABLE,    /* DNS, connect, TLS, or reset before an answer: upstream_unreachable */
    ATTEMPT_EGRESS_REFUSED, /* the address is not allowed: egress_refused */
    ATTEMPT_TIMEOUT_CONNECT, /* upstream_timeout */
    ATTEMPT_TIMEOUT_FIRST_BYTE,
    ATTEMPT_TIMEOUT_IDLE,
    ATTEMPT_INVALID,    /* the answer breaks HTTP: upstream_invalid_response */
    ATTEMPT_BROKEN_OFF, /* closed inside the answer */
};

enum attempt_result {
    ATTEMPT_READY,   /* *ret is set */
    ATTEMPT_PENDING, /* the waiter is woken when there is news */
    ATTEMPT_END,     /* the answer is complete */
    ATTEMPT_FAILED,  /* see attempt_failure() */
};

struct attempt_failure {
    enum attempt_fault fault;
    bool sent;         /* a byte of the request had left: it may have been executed */
    bool lasting;      /* trying again does not mend it: a certificate that does not verify */
    char message[200]; /* for the log; names no secret */
};

/* What is known for logs and metrics. */
struct attempt_facts {
    bool reused;          /* on a kept connection */
    bool resent;          /* the kept one died: sent again, on a fresh one */
    usec_t connected_at;  /* 0: not yet */
    usec_t first_byte_at; /* of the answer; 0: not yet */
    uint64_t sent_bytes;
    uint64_t received_bytes;
};

/* Connects or takes a kept connection and sends. Fails only by attempt_head(). */
struct attempt *attempt_start(struct upstream_side *side, const struct attempt_request *request);

/* The answer's head. A 1xx other than 100 is given, too: after it call attempt_next_head(). The
 * fields live until attempt_next_head() or attempt_end(). */
enum attempt_result attempt_head(struct attempt *attempt, const struct http1_response **ret);
void attempt_next_head(struct attempt *attempt);

/* The next body bytes, decoded; they live until the next call or until the turn ends. What is not
 * consumed is kept and given again. ATTEMPT_PENDING re-arms the reading. */
enum attempt_result attempt_read(struct attempt *attempt, struct slice *ret_data);
void attempt_consume(struct attempt *attempt, size_t count);
/* After ATTEMPT_END: the raw trailer section, or empty. */
struct slice attempt_trailers(const struct attempt *attempt);

/* For a streamed request body: how many bytes it wants now (0: wait for news), the bytes (copied,
 * framed as request.framing says), and the end. Once the provider has answered or failed, writes
 * are dropped and the room is unlimited. */
size_t attempt_room(struct attempt *attempt);
void attempt_write(struct attempt *attempt, struct slice bytes);
void attempt_write_end(struct attempt *attempt);

const struct attempt_failure *attempt_failure(const struct attempt *attempt);
const struct attempt_facts *attempt_facts(const struct attempt *attempt);

/* Frees it, NULL allowed, in any state. The connection is kept if request and answer were complete
 * and both sides want to, else closed at once. Nothing is called back afterwards. */
void attempt_end(struct attempt *attempt);

/* All upstream connections of a worker. */
struct upstream_side *upstream_side_new(struct loop *loop);
/* From now on what waits here for its callers is counted in `held_bytes`, which outlives it:
 * answers over HTTP/2. Over HTTP/1.1 that waits in the kernel. Nobody is refused for it, for
 * windows bound it. */
void upstream_side_count_held(struct upstream_side *side, atomic_size_t *held_bytes);
void upstream_side_free(struct upstream_side *side); /* all attempts must have ended */
/* Kept idle connections, open connections, running name lookups. */
struct upstream_counts {
    unsigned idle, open, connecting;
};
struct upstream_counts upstream_side_counts(const struct upstream_side *side);
/* Closes kept connections of origins that are not used any more: those idle now. After a reload. */
void upstream_side_close_idle(struct upstream_side *side);
/* Once a process, before threads. */
void upstream_global_init(void);
