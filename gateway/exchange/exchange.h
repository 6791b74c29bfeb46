/*
 * exchange: one client request and everything done for it, from its head to settlement.
 *
 *   match > identify > admit > receive > join > choose > mint > prepare > send > deliver > settle
 *                                                  ^                         v
 *                                                  +-------- back_off -------+
 *
 * Where a quota needs the body, admit leads to receive and is entered again behind it; so it is
 * where a fallback leads to another route. Where a rule goes by the body, it is received and
 * inspected before all that: identify > receive > inspect > admit.
 *
 * Any step may refuse: then an error in the provider's own shape is answered. If the client has
 * gone, it settles at once. Every exchange settles exactly once. It belongs to one worker and is
 * touched only on that thread; it waits for one thing at a time.
 */
#pragma once

#include "auth/outbound/scrub.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/http1.h"
#include "base/status.h"
#include "base/timer.h"
#include "base/waiter.h"
#include "gateway/client/problem.h"
#include "gateway/exchange/exchange_side.h"
#include "gateway/exchange/hold.h"
#include "gateway/exchange/way.h"
#include "gateway/loop/loop.h"
#include "gateway/upstream/attempt.h"
#include "gateway/web/issuer_keys.h"
#include "routes/route.h"
#include "routes/usage.h"

#include <stdbool.h>
#include <stdint.h>

struct connection;
struct credential;
struct decoding;
struct demand;
struct idempotency_use;
struct ledger_row;
struct metering;
struct object_watch;
struct reservation;
struct route;
struct sign_state;
struct tenant;
struct token_wait;
struct wait_place;

enum exchange_state {
    EXCHANGE_MATCH,    /* find the route */
    EXCHANGE_IDENTIFY, /* which tenant, and may it call this  (waits for an issuer's keys) */
    EXCHANGE_ADMIT,    /* reserve in all quotas that apply      (waits for the store, for room) */
    EXCHANGE_RECEIVE,  /* hold a small body                     (waits for the client) */
    EXCHANGE_INSPECT,  /* what rules say of the body */
    EXCHANGE_JOIN,    /* the idempotency key                   (waits for one that runs under it) */
    EXCHANGE_CHOOSE,  /* circuit, credential, or another route (waits for its pace) */
    EXCHANGE_MINT,    /* the token that is sent for it        (waits for who fetches it) */
    EXCHANGE_PREPARE, /* build the upstream request, with the credential */
    EXCHANGE_SEND,    /* one attempt, until its answer's head  (waits for both ends) */
    EXCHANGE_BACK_OFF, /* reserve again, wait for the next one  (waits for the store, the time) */
    EXCHANGE_DELIVER,  /* relay the answer                      (waits for both ends) */
    EXCHANGE_REFUSE,   /* answer with an error of our own */
    EXCHANGE_SETTLE,   /* release, count, log */
    EXCHANGE_STATES    /* not a state; keep last */
};

enum step_result {
    STEP_NEXT, /* the state changed: begin the new one */
    STEP_WAIT, /* the waiter is armed: the step is resumed at news */
    STEP_END,  /* settled: freed when this loop turn ends */
};

/* How the request's body goes upstream. */
enum body_mode {
    BODY_NONE,
    BODY_WHOLE,    /* held, and all of it is there before sending */
    BODY_STREAMED, /* passed on as it comes */
};

/* What becomes of the client's connection when the exchange settles. */
enum ending { ENDING_CUT, ENDING_KEEP, ENDING_CLOSE };

/* Who ended it before its natural end. */
enum ended_by {
    ENDED_NORMALLY,
    ENDED_BY_CLIENT,
    ENDED_BY_GATEWAY,
    ENDED_BY_UPSTREAM,
    ENDED_BY_QUOTA,
};

struct refusal {
    enum problem_code code;
    unsigned status;  /* if it differs from the code's own; 0: it does not */
    bool close;       /* the connection cannot be used any more */
    struct error why; /* for caller and log; never a secret */
};

/* What is found out on the way, for log and metrics. */
struct exchange_facts {
    usec_t started; /* first byte of the head */
    usec_t started_wall;
    usec_t sent;                            /* the attempt was started; 0: never */
    usec_t first_byte_out;                  /* our answer's head went to the client; 0: never */
    usec_t settled_at;                      /* its books are closed; 0: not yet */
    usec_t running_since;                   /* when the steps that run now were begun */
    usec_t store_wait;                      /* for the verdict of a shared store; 0: none */
    usec_t overhead;                        /* time in our own steps, all runs */
    usec_t waits_since;                     /* when it began to wait; 0: it never did */
    usec_t waited[EXCHANGE_STATES];         /* in each step, all together */
    uint64_t request_bytes, response_bytes; /* of bodies, decoded */
    unsigned status;                        /* sent to the client; 0: none */
    unsigned upstream_status;
    unsigned attempts;
    bool reused;
};

struct exchange {
    struct waiter waiter;
    struct reapable reapable;
    struct exchange *next, *prev; /* of exchange_side.first */
    struct exchange_side *side;   /* borrowed */
    struct snapshot *snapshot;    /* ref: the config that this request started with */
    enum exchange_state state;
    struct connection *connection;       /* borrowed; finished or cut by settle */
    const struct http1_request *request; /* borrowed from the connection */
    const struct route *route;           /* in the snapshot; NULL until matched; see way.asked */
    const struct tenant *tenant;         /* likewise; NULL until identified */
    struct issuer_wait key_wait;         /* for the keys of its token's issuer */
    struct credential *credential;       /* ref; of the attempt that runs: what is sent */
    struct credential *secret;           /* ref; what the token that is sent was had for */
    struct token_wait *token_wait;       /* that it waits for; NULL: for none */
    const struct route *tokenless_of;    /* whose credentials' bits are in: */
    uint32_t tokenless;                  /* those that no token is to be had for */
    bool token_renewed;                  /* it was sent once more for that */
    struct way way;
    usec_t patience;                /* the caller's own deadline, from the start; 0: none */
    struct slice path, query, rest; /* of the target; rest is behind the route's path */
    struct slice path_key;    /* what stood in the path as a key; empty: nothing (path_key.h) */
    struct route *made_route; /* owned; for a host that an entry with '*' covers; NULL: none */
    char *cut_path;           /* owned: path and query without it; NULL: nothing was cut */
    size_t cut_path_len;      /* of the path alone */
    struct slice user_token;  /* of an end user, which goes through: the whole field; empty: none */
    char id[EXCHANGE_ID_LEN + 1];

    enum body_mode body_mode;
    bool hold_whole;            /* a quota, or what is put into it, needs all of it */
    bool admit_behind;          /* `admit` is entered again when it is there */
    bool inspect_behind;        /* before that, `inspect` */
    bool body_received;         /* `receive` is through: the body is held, or streams */
    bool body_ended;            /* all of the request's body was read */
    struct buffer body;         /* held, if it did not come in one piece */
    struct slice body_slice;    /* BODY_WHOLE: the body, in the connection's memory or in `body` */
    struct slice call_body;     /* BODY_WHOLE: with the model's name of the route it goes to */
    struct slice outgoing;      /* BODY_WHOLE: what goes upstream: the body, or what became of it */
    struct buffer keyed;        /* BODY_WHOLE: with an idempotency key put in; owned */
    struct buffer injected;     /* BODY_WHOLE: with the credential put in; owned, wiped */
    bool copy_held;             /* the copy with what metering puts in is counted */
    struct sign_state *signing; /* owned; NULL: nothing is signed, or not yet (sign.h) */
    size_t held_bytes;          /* counted in exchange_side.buffered_bytes */

    struct ledger_row *entry;    /* open, in the worker's ring; NULL: none (entry.h) */
    struct metering *metering;   /* owned; NULL: there is nothing to be metered */
    struct object_watch *object; /* owned; NULL: nothing is to be found (object_watch.h) */
    struct usage carried;        /* used on the routes before this one, with its cost */
    uint64_t carried_nanousd;
    bool carries;                    /* there was such a charge */
    struct reservation *reservation; /* owned until settle gives it to the store; NULL: no quota */
    struct reservation *earlier[ROUTE_FALLBACKS_MAX]; /* owned; of the routes before this one;
                                                         `used` is set */
    unsigned earlier_count;
    bool asking;                      /* the reservation is with the store */
    const struct demand *refused_by;  /* of the reservation; NULL: no quota refused */
    const char *refused_quota;        /* its name, in the snapshot; NULL: none */
    struct wait_place *place;         /* owned; in a line */
    struct idempotency_use *key;      /* owned; NULL: this call takes none */
    const struct demand *line_demand; /* whose line that is */
    struct timer room;                /* the head of a line asks again; a back-off is over */
    usec_t waiting_since;             /* the first time it had to wait for room; 0: never */

    struct attempt *attempt; /* owned */
    struct attempt *hedge;   /* owned; a second one beside it; NULL: none */
    struct timer hedge_timer;
    bool hedge_due;
    struct timer total; /* the whole request's deadline */
    bool timed_out;

    const struct http1_response *response; /* borrowed from the attempt */
    enum http1_framing answer_framing;     /* towards the client */
    bool answer_keep_alive;
    struct hold hold;          /* of the answer */
    struct scrub_state scrub;  /* of the body; of an encoded one, of what it decodes to */
    struct decoding *decoding; /* owned; NULL: it is not encoded, or passes as it is */

    enum ending ending;
    bool refused;
    enum ended_by ended_by;
    enum exchange_state ended_in;
    struct exchange_facts facts;
    struct refusal refusal; /* the last: its message is not zeroed */
};

/* A head is here: begins, and runs as far as it goes without waiting. */
struct exchange *exchange_start(struct exchange_side *side, struct connection *connection);

/* A head was refused by the connection: answers, logs, ends. */
void exchange_refuse_head(struct exchange_side *side, struct connection *connection,
                          const struct http1_fault *fault);

/* Cuts the client and settles, in any state; for a worker that stops. */
void exchange_abort(struct exchange *exchange);

const char *exchange_state_name(enum exchange_state state);

/* What the request has reserved so far, from 0, on the routes before this one and on this one;
 * NULL: nothing further. */
static inline struct reservation *exchange_reservation(const struct exchange *exchange,
                                                       unsigned index)
{
    return index < exchange->earlier_count    ? exchange->earlier[index]
           : index == exchange->earlier_count ? exchange->reservation
                                              : NULL;
}
