/*
 * attempt_h2: what the parts of an attempt over HTTP/2 share: attempt_h2.c sends,
 * attempt_h2_answer.c takes what comes, h2_pool finds a connection, h2_connection moves its frames.
 * Nobody else looks in here.
 *
 * An attempt is one stream. What the connection tells it is noted, and the caller is woken; bytes
 * of the answer wait here, as many as the stream's window allows.
 */
#pragma once

#include "base/buffer.h"
#include "base/timer.h"
#include "gateway/upstream/attempt_ops.h"
#include "gateway/upstream/kept_head.h"

struct endpoint;
struct h2_connection;

enum {
    H2_WINDOW_BYTES = 64 * 1024, /* of a stream's answer, most that waits for its caller */
    H2_STREAM_BYTES = 64 * 1024, /* of a streamed request body, most that waits for the provider */
};

struct attempt_h2 {
    struct attempt base; /* first */
    struct timer timer;
    enum attempt_fault deadline;    /* what it means when the timer fires */
    usec_t patience;                /* how long it was set for */
    struct upstream_side *side;     /* borrowed: outlives it */
    struct endpoint *endpoint;      /* in use */
    struct attempt_request request; /* its head is ours; see head_copy */

    bool waiting; /* for a connection: in its endpoint's line */
    struct attempt_h2 *next_waiting, *previous_waiting;

    struct h2_connection *connection;   /* borrowed; NULL: not yet, or not any more */
    struct attempt_h2 *next, *previous; /* of its connection's */
    int32_t stream_id;
    bool on_trust; /* before the provider had told how many streams it allows */

    size_t held_sent;     /* of request.body */
    struct buffer stream; /* body bytes that come behind it */
    bool stream_sent;     /* some of these have left: nothing can be sent again */
    bool ended;           /* nothing will be added */
    bool paused;          /* the connection asks no more until it is told */
    bool whole_sent;
    bool reset_by_peer;

    struct buffer fields;    /* of the head or the trailers that are coming */
    struct kept_head *heads; /* owned; those that were not taken yet; the final one stays */
    struct kept_head **last;
    unsigned interim_answers;
    bool received;   /* anything of an answer */
    bool final_seen; /* a head that is no interim one */
    struct buffer data;
    bool over;             /* the answer is complete, what waits in `data` included */
    struct slice trailers; /* owned */
    const char *invalid;   /* static; why the answer is none */

    char head_copy[]; /* wiped at the end */
};

/* How a stream ended. */
enum h2_ending {
    H2_CLOSED,     /* by both sides */
    H2_REFUSED,    /* by the provider, which has not looked at it */
    H2_GOING_AWAY, /* likewise, for the connection is about to end */
    H2_RESET,      /* by the provider */
    H2_INVALID,    /* by us: the answer breaks HTTP */
    H2_LOST,       /* with its connection */
};

/* ---- what a connection tells and asks ---- */

/* False: it is no valid answer. */
bool attempt_h2_on_field(struct attempt_h2 *attempt, struct slice name, struct slice value);
bool attempt_h2_on_fields_end(struct attempt_h2 *attempt);
void attempt_h2_on_data(struct attempt_h2 *attempt, struct slice bytes);
void attempt_h2_on_end(struct attempt_h2 *attempt);
/* Body bytes to be sent now. `*ret_end`: with these it is whole. False: none now; the connection
 * is told when. */
bool attempt_h2_take_body(struct attempt_h2 *attempt, char *into, size_t size, size_t *ret_len,
                          bool *ret_end);
void attempt_h2_on_sent(struct attempt_h2 *attempt, size_t bytes);
void attempt_h2_on_whole_sent(struct attempt_h2 *attempt);
/* It has left its connection. `code`: RFC 9113, section 7. */
void attempt_h2_on_close(struct attempt_h2 *attempt, enum h2_ending ending, uint32_t code);

/* ---- among the two halves, and for the pool ---- */

static inline bool attempt_h2_failed(const struct attempt_h2 *attempt)
{
    return attempt->base.failure.fault != ATTEMPT_OK;
}

/* Notes it, leaves the connection or the line, and wakes the caller. */
void attempt_h2_fail(struct attempt_h2 *attempt, enum attempt_fault fault, const char *format, ...)
    PRINTF_LIKE(3, 4);
void attempt_h2_set_deadline(struct attempt_h2 *attempt, enum attempt_fault meaning, usec_t after);
/* Until the final head has come: what is to be sent has to be taken within timeouts.idle. */
void attempt_h2_watch_sending(struct attempt_h2 *attempt);
/* So many bytes of `data` are not held any more. */
void attempt_h2_let_go(struct attempt_h2 *attempt, size_t count);
/* If the request is sent whole, its answer's time begins. */
void attempt_h2_await_answer(struct attempt_h2 *attempt);

/* What struct attempt_ops asks for; those that read. */
enum attempt_result attempt_h2_head(struct attempt *base, const struct http1_response **ret);
void attempt_h2_next_head(struct attempt *base);
enum attempt_result attempt_h2_read(struct attempt *base, struct slice *ret_data);
void attempt_h2_consume(struct attempt *base, size_t count);
struct slice attempt_h2_trailers(const struct attempt *base);
