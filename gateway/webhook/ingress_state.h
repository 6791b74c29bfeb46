/*
 * ingress_state: one webhook that comes in, from its head to its answer, and what the files of
 * ingress share. For them only.
 *
 *     receive > verify > fetch > verify > confirm > put > end
 *
 * Belongs to one worker. While it is put, its body and headers are the queue's to read: whoever
 * sent it may go meanwhile, the ingress stays until the queue has answered.
 */
#pragma once

#include "auth/inbound/webhook_challenge.h"
#include "base/buffer.h"
#include "base/http1.h"
#include "base/memory.h"
#include "base/timer.h"
#include "base/waiter.h"
#include "gateway/loop/loop.h"
#include "gateway/web/verify_keys.h"
#include "gateway/webhook/ingress.h"
#include "gateway/webhook/queue.h"

#include <stdbool.h>
#include <stdint.h>

struct hook;
struct web_call;

struct ingress_side {
    struct exchange_side *exchanges; /* borrowed */
    struct queue *queue;             /* borrowed; NULL: there is none */
    struct mailbox *mailbox;         /* borrowed */
    struct source_rates *rates;      /* borrowed */
    struct verify_keys *keys;        /* owned */
    struct ingress *first;           /* all that are in flight */
    unsigned count;
    unsigned puts;      /* that the queue has not answered */
    usec_t may_warn_at; /* of what cannot be settled */
    bool closed;        /* nothing is put any more */
};

enum ingress_state {
    INGRESS_RECEIVE, /* the body                                   (waits for the client) */
    INGRESS_FETCH,   /* the key that the signature is checked with (waits for it) */
    INGRESS_CONFIRM, /* a handshake's URL is called                (waits for its answer) */
    INGRESS_PUT,     /* into the queue                             (waits for the disk) */
    INGRESS_END,     /* answered, or cut: freed when the turn ends */
};

/* What became of it, for log and metrics. */
enum ingress_outcome {
    INGRESS_ACCEPTED,
    INGRESS_SUSPECT,   /* stored; its content had come under another id */
    INGRESS_DUPLICATE, /* seen before: acknowledged, not stored */
    INGRESS_DROPPED,   /* no target wants it: acknowledged, seen, not delivered */
    INGRESS_CHALLENGE, /* a handshake was answered */
    INGRESS_REFUSED,
    INGRESS_CLIENT_LEFT,
    INGRESS_CUT, /* the gateway stopped */
};

struct ingress_answer {
    unsigned status;
    const char *reason;      /* of a refusal, as a metric's label; NULL: it is none */
    const char *detail;      /* for the log; NULL: none; lives during the call */
    struct slice media_type; /* empty: there is no body */
    struct slice body;
    usec_t retry_after; /* 0: not said */
};

struct ingress {
    struct waiter waiter;
    struct reapable reapable;
    struct ingress *next, *prev; /* of ingress_side.first */
    struct ingress_side *side;   /* borrowed */
    struct snapshot *snapshot;   /* ref: the config that this request started with */
    const struct hook *hook;     /* in the snapshot; NULL: none is there */
    enum ingress_state state;
    struct connection *connection;       /* borrowed; finished or cut by ingress_end() */
    const struct http1_request *request; /* borrowed from the connection */
    struct timer deadline;               /* of the state */
    bool late;                           /* it has come */
    usec_t started;
    usec_t started_wall;
    struct arena arena;

    struct buffer body; /* owned; empty if it came in one piece */
    struct slice body_slice;
    bool in_one_piece; /* it lies in the connection, and is not consumed */
    bool body_whole;
    size_t held_bytes; /* counted in exchange_side.buffered_bytes */
    bool counted;      /* against the source's rate */

    struct slice url; /* the public one; in the arena, or the hook's */
    struct webhook_result result;
    struct verify_key_wait key_wait;
    bool key_renewed;              /* it was asked for a newer set of keys already */
    struct web_call *confirmation; /* owned; NULL: none runs */
    unsigned confirmed;            /* the status that it came to; 0: none */
    struct webhook_challenge_answer challenge;

    struct buffer fields; /* that are kept */
    struct queue_put put;
    bool put_answered;
    bool wanted; /* by a target at least */

    enum ingress_outcome outcome;
    const char *reason; /* of a refusal */
    char detail[QUEUE_ERROR_BYTES];
    unsigned status; /* sent; 0: none */
    bool closes;     /* the answer says so */
};

/* ---- ingress.c ---- */

struct ingress *ingress_start(struct ingress_side *side, struct connection *connection,
                              const struct hook *hook);
/* Of a listener for webhooks alone: a head that is none. */
void ingress_refuse_head(struct ingress_side *side, struct connection *connection,
                         const struct http1_fault *fault);
/* Cuts it, or says what the queue has answered; not while it is put. */
void ingress_abort(struct ingress *ingress);
/* From now on it waits for that, and `late` is set after `most`. */
void ingress_wait(struct ingress *ingress, enum ingress_state state, usec_t most);

/* ---- ingress_answer.c ---- */

/* Answers and ends it. Not acknowledged: its outcome is INGRESS_REFUSED. */
void ingress_refuse(struct ingress *ingress, const struct ingress_answer *answer);
/* Likewise; it is an acknowledgement. */
void ingress_acknowledge(struct ingress *ingress, enum ingress_outcome outcome,
                         const struct ingress_answer *answer);
/* Says it, and does not end it: something else has to end first. */
void ingress_say(struct ingress *ingress, const struct ingress_answer *answer);
/* Records it and lets go of everything. */
void ingress_end(struct ingress *ingress, enum ingress_outcome outcome);

/* ---- ingress_verify.c: the body is there ---- */

void ingress_verify(struct ingress *ingress);
/* News while a key is fetched, or a URL called. */
void ingress_fetch_resume(struct ingress *ingress);
void ingress_confirm_resume(struct ingress *ingress);

/* ---- ingress_rate.c ---- */

/* It does not verify: counted against its source's rate, and 401; 429 if that has no room. */
void ingress_refuse_unverified(struct ingress *ingress, unsigned status, const char *reason);
/* Has the source room for what may not verify? */
bool ingress_source_fits(const struct ingress *ingress);
/* The same; false: it was refused. */
bool ingress_source_has_room(struct ingress *ingress);
/* Against that room, once. */
void ingress_count(struct ingress *ingress);

/* ---- ingress_put.c: it is verified ---- */

void ingress_put(struct ingress *ingress);
void ingress_put_resume(struct ingress *ingress);

/* ---- ingress_settle.c: it is on disk, and no repeat ---- */

/* Tells the ledger what it says of an earlier request. */
void ingress_settle(struct ingress *ingress);

/* ---- ingress_record.c ---- */

void ingress_record(const struct ingress *ingress);
const char *ingress_outcome_name(enum ingress_outcome outcome);
