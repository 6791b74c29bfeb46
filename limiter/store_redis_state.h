/*
 * store_redis_state: what the files of store_redis share: the process's part, a worker's side, and
 * the operations in flight.
 */
#pragma once

#include "limiter/local_shares.h"
#include "limiter/redis_commands.h"
#include "limiter/store_redis.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    OPERATIONS_MAX = 65536, /* that wait to be confirmed, a side; further ones are given up */
    DEBTS_A_TURN = 64,
    TENANTS_A_BEAT = 32,
};

#define BEAT_EVERY       (5 * SEC)
#define GREETING_TIMEOUT (2 * SEC)
#define BACKOFF_MIN      (50 * MSEC)
#define BACKOFF_MAX      (2 * SEC)

/* What all sides know of the store: copied out under the lock. */
struct store_facts {
    char gateway[17];
    char epoch[17];
    bool has_beaten;
    int64_t offset_ms; /* the server's clock less ours */
};

struct store_redis {
    struct store_redis_settings settings;
    struct redis_address address; /* its texts are owned */
    char *name;                   /* owned */
    struct ssl_ctx_st *tls;       /* ref; NULL: plain */
    struct redis_scripts *scripts;
    struct local_shares *shares;
    pthread_mutex_t lock; /* of facts and said_policy; never held over a callback */
    struct store_facts facts;
    atomic_uint facts_version; /* counts changes */
    bool said_policy;
    atomic_uint sides_up; /* and sides, for news once a process */
    atomic_bool said_down;
};

enum operation_kind {
    OPERATION_LOAD,
    OPERATION_POLICY, /* CONFIG GET: its reply is of two texts, or an error */
    OPERATION_BEAT,
    OPERATION_ASK,
    OPERATION_EXTEND,
    OPERATION_SETTLE,
    OPERATION_CALL_OFF,
    OPERATION_HAND_OVER,
};

/* One command: in flight, or waiting for the next link. */
struct operation {
    struct operation *next;
    enum operation_kind kind;
    bool repeated; /* after NOSCRIPT, or with the clock corrected */
    bool orphan;   /* an ask whose exchange has left; the reservation is this operation's */
    usec_t due;    /* its answer */
    struct reservation *reservation; /* owned but by OPERATION_ASK and _EXTEND without orphan */
    struct local_debt *debt;         /* owned; of OPERATION_HAND_OVER */
};

struct operations {
    struct operation *first, *last;
    unsigned count;
};

enum side_state {
    SIDE_AWAY,     /* no link: decisions are made alone */
    SIDE_GREETING, /* linked; what was left over is being said */
    SIDE_UP,
};

struct store_redis_side {
    struct store_redis *store; /* borrowed */
    struct redis_link *link;
    struct timer_queue *timers; /* borrowed */
    enum side_state state;
    struct redis_namespace ns;
    unsigned facts_version;
    int64_t offset_ms;
    struct operations flight; /* sent, in order */
    struct operations again;  /* to be said on the next link */
    struct timer patience;    /* the oldest in flight is due */
    struct timer retry;       /* opens the link again */
    struct timer beat;
    usec_t backoff;
    const char *const *tenants; /* borrowed */
    unsigned tenant_count, next_tenant;
    struct store_redis_counts counts;
};

/* ---- store_redis.c ---- */

/* The process's facts into ns, if they have changed. */
void store_redis_refresh(struct store_redis_side *side);
/* What an answer tells of epoch, clock and life; says what an operator should hear. */
void store_redis_learn(struct store_redis_side *side, const struct redis_answer *answer);
void store_redis_say(struct store_redis *store, enum store_news kind, const char *text);
void store_redis_note_policy(struct store_redis *store, struct slice policy);
/* A side came up, or went away: said once for all of them. */
void store_redis_note_up(struct store_redis *store);
void store_redis_note_away(struct store_redis *store, const char *why, bool was_up);

/* ---- store_redis_flight.c ---- */

struct operation *operation_new(enum operation_kind kind, struct reservation *reservation);
void operation_free(struct operation *operation); /* with what it owns */
void operations_push(struct operations *list, struct operation *operation);
struct operation *operations_pop(struct operations *list); /* NULL: none */

/* Writes the command and puts the operation into flight. False: it does not fit, nothing is
 * changed. */
MUST_USE bool flight_send(struct store_redis_side *side, struct operation *operation);
/* For later, if it matters then; else frees it. Bounded. */
void flight_keep(struct store_redis_side *side, struct operation *take_operation);
/* The reply to the oldest. False: the link makes no sense any more, `why` says how. */
MUST_USE bool flight_reply(struct store_redis_side *side, const struct redis_reply *reply,
                           char *why, size_t size);
/* None of them will be answered: asks are decided alone, the rest is kept. */
void flight_lost(struct store_redis_side *side);
void flight_free(struct store_redis_side *side);
/* By the local shares, or on_failure. */
void side_decide_alone(struct store_redis_side *side, struct reservation *reservation);
/* When the oldest is due. */
void flight_set_patience(struct store_redis_side *side);

/* ---- store_redis_side.c ---- */

/* Is that a message that the link should be dropped for? */
void side_fail(struct store_redis_side *side, const char *why);
void side_write_beat(struct store_redis_side *side);
void side_greeting_over(struct store_redis_side *side);
