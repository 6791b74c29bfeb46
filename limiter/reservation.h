/*
 * reservation: what one request asks of its limits, what it was given, and what it used in the end.
 *
 * It is filled in by who asks (gateway/exchange/admit), answered by a store, extended by streams,
 * and settled exactly once. All of a request's limits are in one reservation: all or none.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"
#include "limiter/limit.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct waiter;

enum {
    RESERVATION_DEMANDS_MAX = 32, /* rules that may apply to one request; checked by config/link */
    RESERVATION_ID_LEN = 32,
};

/* One rule's part. An amount is fixed + output * per_output, in the rule's unit. */
struct demand {
    const struct limit *limit; /* borrowed from the snapshot */
    struct slice key;          /* the limit's own, or in the reservation's memory */
    uint64_t key_hash;         /* table_hash() of it; 0: it is made where it is needed */
    uint64_t fixed;            /* wanted whatever the output; at most LIMIT_AMOUNT_MAX */
    uint64_t per_output;       /* for one token of output: 1 of LIMIT_TOKENS, nano-USD rounded up of
                                  LIMIT_COST, else 0 */
    uint64_t used;             /* set before reservation_settle: what it really was */

    /* The store's answer; also of rules with room, where another one refused. */
    uint64_t granted;   /* reserved now, extensions included; 0 after a refusal */
    uint64_t left;      /* what is left for others, after this */
    uint64_t whole;     /* burst of a rate, else the limit's amount: what `left` is a part of */
    usec_t room_after;  /* refused: when it would fit; -1: never */
    usec_t reset_after; /* when all is there again: bucket full, next window; 0: of concurrency */
    /* Of windows: the one that was taken of last, and what of `granted` was taken of former ones.
     */
    int64_t window_start_ms, window_end_ms;
    uint64_t former;
    bool refused; /* by this rule (of LIMIT_DENY) */
    bool over;    /* LIMIT_WARN: it did not fit, and was taken all the same */
    bool crossed; /* warn_percent was crossed by this very request, or `over` began */
    /* The store's own: where in the bucket, or in which window, it was taken. */
    uint64_t position;    /* bucket_take(); start_ms of a window */
    uint64_t last_taken;  /* by the last step, which `position` is of */
    uint64_t taken_alone; /* of `granted`, by this gateway's own share, the store being away */
};

enum reservation_state {
    RESERVATION_NEW,
    RESERVATION_ASKED,       /* no answer yet: the waiter is woken when there is */
    RESERVATION_HELD,        /* admitted; settle it */
    RESERVATION_REFUSED,     /* by one limit or more; nothing was taken */
    RESERVATION_UNAVAILABLE, /* no store, and its rule says deny; nothing is taken */
};

/* Who answered. */
enum reservation_basis {
    BASIS_STORE, /* exact */
    BASIS_LOCAL, /* this gateway's share of what was left when the store was last seen */
    BASIS_NONE,  /* on_failure: allow: nothing was counted */
};

struct reservation {
    char id[RESERVATION_ID_LEN + 1]; /* the exchange's; hex */
    unsigned step;                   /* of asks and extensions, from 1: makes each idempotent */
    const char *tenant;              /* borrowed: its tag in the store */
    usec_t lifetime;         /* from the ask to its deadline: the store settles it in full then */
    uint64_t output_want;    /* tokens of output wanted, by this step */
    uint64_t output_granted; /* by all steps: the output that is covered */
    unsigned output_share;   /* 1: the output may be cut down to what is left, if that is at
                                least 1; 4: to a quarter of it; 0: all or nothing */
    enum reservation_state state;
    enum reservation_basis basis;
    uint64_t epoch;               /* of the shared store's data that it was taken of; 0: of none */
    bool extending;               /* state ASKED: an extension, so what was held before still is */
    bool extension_refused;       /* of the last extension; what was held before still is */
    struct waiter *waiter;        /* borrowed; woken once an answer is there; NULL: none wants it */
    usec_t asked_at;              /* monotonic; for durations */
    void *store_data;             /* the store's own */
    void (*release)(void *owner); /* called with `owner` when it is freed, */
    void *owner;                  /* which keeps alive what it borrows; NULL: nothing */
    size_t key_room, key_bytes;   /* for keys behind the demands, and of that used */
    unsigned count;
    struct demand demands[]; /* then the keys */
};

/* Room for `count` demands and `key_bytes` bytes of keys; zeroed. */
struct reservation *reservation_new(unsigned count, size_t key_bytes);
void reservation_free(struct reservation *reservation);
/* Copies the key behind the demands. Not more than key_bytes in all. */
struct slice reservation_keep_key(struct reservation *reservation, struct slice key);

/* Something is held, be it that more is asked for. */
static inline bool reservation_is_held(const struct reservation *reservation)
{
    return reservation->state == RESERVATION_HELD ||
           (reservation->state == RESERVATION_ASKED && reservation->extending);
}

/* Before it is asked for, or asked for again: nothing was granted yet. */
void reservation_begin(struct reservation *reservation);

/* The hash of its key, for tables. */
uint64_t demand_hash(const struct demand *demand);

/* What it comes to in the last of its windows: all that was granted there, and, once it is settled
 * (`used` is set), what was used beyond the former ones; as every store counts. */
uint64_t demand_window_reserved(const struct demand *demand);
uint64_t demand_window_charge(const struct demand *demand);

/* The amount of a demand for so many tokens of output; saturates at LIMIT_AMOUNT_MAX + 1, which no
 * limit has room for. */
uint64_t demand_amount(const struct demand *demand, uint64_t output);

/* How many tokens of output fit into `left` beside the fixed part: see output_share, which is not
 * 0 here. UINT64_MAX: any. */
uint64_t demand_output_room(const struct demand *demand, uint64_t left, unsigned share);

/* Which refusal is told: one without `wait`, else the one that takes longest; NULL if none refused.
 */
const struct demand *reservation_refusal(const struct reservation *reservation);
