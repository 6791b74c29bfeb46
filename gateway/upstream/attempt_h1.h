/*
 * attempt_h1: what the two halves of an attempt over HTTP/1.1 share: attempt_h1.c connects and
 * sends, attempt_answer.c reads. Nobody else looks in here.
 *
 * Events and timers only note what happened and wake the caller. All sending and reading is done
 * from within its calls: attempt_start(), attempt_room(), attempt_head(), attempt_read().
 */
#pragma once

#include "base/timer.h"
#include "gateway/upstream/attempt_ops.h"
#include "gateway/upstream/intake.h"
#include "gateway/upstream/kept_head.h"
#include "gateway/upstream/outbox.h"

struct connecting;
struct endpoint;
struct link;

struct attempt_h1 {
    struct attempt base; /* first */
    struct timer timer;
    enum attempt_fault deadline;    /* what it means when the timer fires */
    struct upstream_side *side;     /* borrowed: outlives it */
    struct endpoint *endpoint;      /* in use */
    struct attempt_request request; /* its head is ours; see head_copy */

    struct connecting *connecting; /* either this, */
    struct link *link;             /* or this, or neither after a failure */
    uint64_t link_sent_bytes;      /* on this link */
    uint64_t link_received_bytes;
    unsigned generation; /* of the side, when connecting began */

    struct outbox outbox;
    bool sending_over; /* the provider has answered: it gets no more */
    bool send_lost;    /* it takes no more; it may have answered all the same */

    struct intake intake;
    size_t seen_bytes;      /* of a head that is not whole, those looked at */
    struct kept_head *head; /* owned */
    unsigned interim_answers;

    struct http1_body body;
    size_t data_len;       /* decoded bytes at the front of the unread ones */
    size_t data_tail_len;  /* framing behind those that is used up with them */
    bool over;             /* the answer is complete */
    struct slice trailers; /* owned */

    char head_copy[]; /* wiped at the end */
};

static inline bool attempt_h1_failed(const struct attempt_h1 *attempt)
{
    return attempt->base.failure.fault != ATTEMPT_OK;
}

/* Notes it and lets the link go. Wakes nobody. */
void attempt_h1_fail(struct attempt_h1 *attempt, enum attempt_fault fault, const char *format, ...)
    PRINTF_LIKE(3, 4);
void attempt_h1_set_deadline(struct attempt_h1 *attempt, enum attempt_fault meaning, usec_t after);

/* Sends what it can. A loss is noted only, for an answer may have come before it. */
void attempt_h1_flush(struct attempt_h1 *attempt);
/* If the request is sent whole, its answer's time begins. */
void attempt_h1_await_answer(struct attempt_h1 *attempt);
/* Sends once more on a fresh link, if that is right, or fails. */
void attempt_h1_lost_before_answer(struct attempt_h1 *attempt);

/* What struct attempt_ops asks for; those that read. */
enum attempt_result attempt_h1_head(struct attempt *base, const struct http1_response **ret);
void attempt_h1_next_head(struct attempt *base);
enum attempt_result attempt_h1_read(struct attempt *base, struct slice *ret_data);
void attempt_h1_consume(struct attempt *base, size_t count);
struct slice attempt_h1_trailers(const struct attempt *base);
