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
    OPERATIONS_MAX = 65536, /* that wait for a link, a side; further ones are given up */
    BACKLOG_AT_ONCE = 128,  /* of them in flight, so that no ask stands behind all */
    DEBTS_A_TURN = 64,
    TENANTS_A_BEAT = 32,
};

enum { STORE_NAME_BYTES = 8 }; /* of a gateway's and an epoch's name: 16 hex digits */

#define GATHER           (500) /* µs: about the way to a server nearby and back */
#define BEAT_EVERY       (5 * SEC)
#define BEAT_FILLING     (250 * MSEC) /* while gateways wait for each other */
#define FILL_PATIENCE    (60 * SEC)   /* so long for one that does not hand in */
#define GREETING_TIMEOUT (2 * SEC)    /* nobody waits for that */
#define BACKOFF_MIN      (50 * MSEC)
#define BACKOFF_MAX      (2 * SEC)
#define STEADY_AFTER     (5 * SEC) /* a link that held so long begins with BACKOFF_MIN again */
#define WARN_EVERY       (60 * SEC)

/* What all sides know of the store: copied out under the lock. */
struct store_facts {
    char gateway[17];
    unsigned incarnation; /* counts the names of this gateway */
    char epoch[17];
    bool has_beaten;
    char ledger[17]; /* who hands in */
    bool has_ledger, handed_in;
    unsigned known;    /* gateways when data was lost; 0: it was not, or all of it is done */
    int64_t offset_ms; /* the server's clock less ours */
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
    OPERATION_HAND_IN,
};

/* One command: in flight, or waiting for the next link. */
struct operation {
    struct operation *next;
    enum operation_kind kind;
    bool repeated;        /* after NOSCRIPT, or with the clock corrected */
    bool orphan;          /* an ask whose exchange has left; the reservation is this operation's */
    unsigned incarnation; /* of OPERATION_BEAT: whose heartbeat it is */
    usec_t due;           /* its answer */
    struct reservation *reservation; /* owned but by OPERATION_ASK and _EXTEND without orphan;
                                        NULL: an extension that was settled meanwhile */
    struct local_debt *debt;         /* owned; of OPERATION_HAND_OVER */
    struct hand_in *hand_in;         /* owned, with its key behind it; of OPERATION_HAND_IN */
};

struct operations {
    struct operation *first, *last;
    unsigned count;
};

struct store_redis {
    struct store_redis_settings settings;
    struct redis_address address; /* its texts are owned */
    char *name;                   /* owned */
    struct ssl_ctx_st *tls;       /* owned; NULL: plain */
    struct redis_scripts *scripts;
    struct local_shares *shares;
    pthread_mutex_t lock; /* of what follows; never held over a callback */
    struct store_facts facts;
    atomic_uint facts_version;    /* counts changes */
    unsigned gateways;            /* alive, when it was told last and no data was lost */
    struct operations hand_ins;   /* owned; until a side takes them */
    atomic_uint handing_in;       /* of those, and in flight */
    atomic_uint hand_ins_lost;    /* that were given up */
    atomic_uint handing_over;     /* hand-overs: in flight, or kept for the next link */
    atomic_uint handed_over;      /* that have ended */
    _Atomic usec_t filling_until; /* windows follow on_failure till then; 0: they do not */
    unsigned sides, sides_up;
    bool said_down, said_policy;
    usec_t may_warn_at;
};

enum side_state {
    SIDE_AWAY,     /* no link: decisions are made alone */
    SIDE_GREETING, /* linked; what was left over is being said */
    SIDE_UP,
};

/* As in struct store_redis_counts; written by the side's thread alone. */
struct side_counts {
    atomic_bool up;
    atomic_uint waiting, pending;
    _Atomic uint64_t timeouts, failures, local, uncounted, denied, unsettled;
};

struct store_redis_side {
    struct store_redis *store; /* borrowed */
    struct redis_link *link;
    struct timer_queue *timers; /* borrowed */
    enum side_state state;
    struct redis_namespace ns;
    struct redis_windows windows; /* ns.windows: looked up once each */
    unsigned facts_version;
    unsigned incarnation;
    int64_t offset_ms;
    struct operations flight; /* sent, in order */
    unsigned loading;         /* of them OPERATION_LOAD */
    unsigned unsent;          /* of them, the last: written since the last send */
    usec_t sent_at;           /* the last send */
    struct operations again;  /* to be said when the link is up, or has room */
    struct timer patience;    /* the oldest in flight is due */
    usec_t lenient_until;     /* this thread itself was late, and may have answers to read; 0: no */
    struct timer retry;       /* opens the link again */
    struct timer beat;
    usec_t backoff, up_since;
    char policy[40];            /* maxmemory-policy, until maxmemory is known */
    char why[400];              /* the link is dropped, or a command given up */
    const char *const *tenants; /* borrowed */
    unsigned tenant_count, next_tenant;
    struct side_counts counts;
};

static inline void count_up(_Atomic uint64_t *count)
{
    (void)atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
}

/* ---- store_redis.c ---- */

/* The process's facts into ns, if they have changed. */
void store_redis_refresh(struct store_redis_side *side);
/* What a heartbeat tells of data that was lost, and is being filled in. */
void store_redis_learn_filling(struct store_redis_side *side, const struct redis_answer *answer);
/* NULL: none. */
struct operation *store_redis_next_hand_in(struct store_redis *store);
void store_redis_hand_in_ends(struct store_redis *store);
void store_redis_hand_in_is_lost(struct store_redis *store);
void store_redis_hand_over_begins(struct store_redis *store);
void store_redis_hand_over_ends(struct store_redis *store); /* also of one that is given up */
/* What an answer tells of epoch, clock and life; says what an operator should hear. `incarnation`:
 * of a heartbeat, whose it was. */
void store_redis_learn(struct store_redis_side *side, const struct redis_answer *answer,
                       unsigned incarnation);
void store_redis_note_policy(struct store_redis *store, const char *policy);
/* The store refuses a command that others are not like; said once a minute. */
void store_redis_warn(struct store_redis *store, const char *text);
/* A side is there (away); came up; went away, or could not come up. Said once for all of them. */
void store_redis_note_side(struct store_redis *store);
void store_redis_note_up(struct store_redis *store);
void store_redis_note_away(struct store_redis *store, const char *why, bool was_up);
void store_redis_note_gone(struct store_redis *store, bool was_up);

/* ---- store_redis_flight.c ---- */

struct operation *operation_new(enum operation_kind kind, struct reservation *reservation);
void operation_free(struct operation *operation); /* with what it owns */

/* Writes the command and puts the operation into flight. False: it does not fit, nothing is
 * changed. */
MUST_USE bool flight_send(struct store_redis_side *side, struct operation *operation);
/* The same for what was just written by the caller. */
void flight_expect(struct store_redis_side *side, struct operation *operation);
/* The scripts, unless they are on their way. False: they do not fit, the link is of no use. */
MUST_USE bool flight_load(struct store_redis_side *side);
struct operation *flight_pop(struct store_redis_side *side); /* NULL: none */
/* For later. Bounded. */
void flight_keep(struct store_redis_side *side, struct operation *take_operation);
/* Who waits for its end is told that it is given up. Does not free. */
void flight_give_up(struct store_redis_side *side, const struct operation *operation);
/* As much of what was kept as may be in flight at once. */
void flight_send_kept(struct store_redis_side *side);
/* An ask is in doubt: the store is told to forget it as soon as possible. */
void flight_call_off(struct store_redis_side *side, const struct reservation *reservation);

/* It will not be answered: asks are decided alone, what the store must know is kept. */
enum loss { LOSS_OF_TIME, LOSS_OF_LINK };
void flight_lose(struct store_redis_side *side, struct operation *take_operation, enum loss loss);
/* None of them will. */
void flight_lost(struct store_redis_side *side, enum loss loss);
void flight_free(struct store_redis_side *side);
/* By the local shares, or on_failure. */
void side_decide_alone(struct store_redis_side *side, struct reservation *reservation);
void side_extend_alone(struct store_redis_side *side, struct reservation *reservation);

/* ---- store_redis_answers.c ---- */

/* The reply to the oldest. False: the link makes no sense any more, side->why says how. */
MUST_USE bool flight_reply(struct store_redis_side *side, const struct redis_reply *reply);

/* ---- store_redis_side.c ---- */

/* False: it does not fit. */
MUST_USE bool side_write_beat(struct store_redis_side *side);
