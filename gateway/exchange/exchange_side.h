/*
 * exchange_side: what all exchanges of a worker share: the snapshot for new ones, the upstreams,
 * the metrics, the log lines of a turn. It is the owner's side of gateway/client/connection.h.
 */
#pragma once

#include "base/buffer.h"
#include "base/timer.h"
#include "gateway/client/connection.h"
#include "gateway/exchange/price_memo.h"
#include "gateway/exchange/quota_side.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct exchange;
struct issuer_keys;
struct ledger;
struct ledger_ring;
struct loop;
struct metrics_block;
struct otlp;
struct scribe;
struct signing_keys;
struct snapshot;
struct token_cache;
struct tokens;
struct upstream_side;

enum { RANDOM_POOL_BYTES = 2048 };

struct exchange_side {
    struct loop *loop;                 /* borrowed */
    struct upstream_side *upstreams;   /* owned */
    struct issuer_keys *issuer_keys;   /* owned */
    struct token_cache *tokens;        /* owned; NULL: none was verified yet */
    struct signing_keys *signing_keys; /* owned; NULL: nothing was signed yet */
    struct metrics_block *metrics;     /* borrowed */
    struct otlp *otlp;                 /* borrowed; takes spans */
    struct tokens *minted;             /* borrowed; the process's; had for secrets */
    struct scribe *scribe;             /* borrowed; NULL: no access log */
    struct snapshot *snapshot;         /* ref; for new exchanges */
    struct connection_limits limits;   /* of that snapshot */
    struct buffer head;                /* an upstream head being built, within one step */
    struct buffer clean;               /* scrubbed body bytes, within one step */
    struct buffer spans;               /* records for the exporter, of this turn */
    unsigned span_count;               /* in them */
    struct buffer log;                 /* access log lines that are not handed over yet */
    struct timer log_timer;            /* hands them over at the latest */
    struct ledger *ledger;             /* borrowed; NULL: none */
    struct ledger_ring *ring;          /* borrowed; the ledger's, of this worker; NULL: none */
    bool rows_closed;                  /* this turn, in the ring */
    atomic_size_t *buffered_bytes;     /* borrowed; the process's held bodies */
    struct price_memo prices;          /* of that snapshot, mostly */
    struct quota_side quota;           /* set by the worker before it serves */
    struct exchange *first;            /* all exchanges in flight */
    unsigned count;
    unsigned char random[RANDOM_POOL_BYTES];
    unsigned random_left;
};

struct exchange_side_settings {
    struct loop *loop;
    struct metrics_block *metrics;
    struct otlp *otlp;
    struct tokens *minted;
    struct scribe *scribe;
    struct ledger *ledger; /* NULL: none */
    struct ledger_ring *ring;
    atomic_size_t *buffered_bytes;
};

extern const struct connection_ops exchange_connection_ops; /* ctx: the exchange_side */

/* Takes a reference to the snapshot. */
void exchange_side_init(struct exchange_side *side, const struct exchange_side_settings *settings,
                        struct snapshot *snapshot);
/* Ends all exchanges in flight by cutting their clients. */
void exchange_side_fini(struct exchange_side *side);

/* For requests that begin from now on. Takes a reference. */
void exchange_side_adopt(struct exchange_side *side, struct snapshot *snapshot);

/* Hands log lines over, if they are many, tells the ledger of closed rows, and gives memory back;
 * once a turn. */
void exchange_side_after_turn(struct exchange_side *side);

/* Counts bytes of held bodies against gateway.limits.buffered_bytes. False: it would be too many,
 * nothing was counted. */
bool exchange_side_hold(struct exchange_side *side, size_t bytes);
void exchange_side_release(struct exchange_side *side, size_t bytes);

/* Random bits, from the same pool as the ids. */
uint64_t exchange_side_random(struct exchange_side *side);

enum { EXCHANGE_ID_LEN = 32 };
/* 128 random bits as hex, NUL-terminated. */
void exchange_side_new_id(struct exchange_side *side, char out[EXCHANGE_ID_LEN + 1]);
