/*
 * ledger_row: what the ledger keeps of one request. A plain block of memory of a fixed size, for it
 * lies in a file that outlives the process (ledger_ring.h): no pointers; texts end with a zero and
 * are cut where they are too long. Money is integer nano-USD, times are microseconds.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* What can be counted of a call. Kinds of tokens do not overlap, but for reasoning (of the output)
 * and those that are said to be of another: together they are all that a price asks for.
 * X(name, what SQL and JSON call it) */
#define LEDGER_UNITS(X)                                                                            \
    X(INPUT, "input_tokens")                                                                       \
    X(CACHE_READ, "cache_read_tokens")                                                             \
    X(CACHE_WRITE, "cache_write_tokens")                                                           \
    X(OUTPUT, "output_tokens")                                                                     \
    X(REASONING, "reasoning_tokens")                                                               \
    X(AUDIO, "audio_tokens")                                                                       \
    X(IMAGES, "images")                                                                            \
    X(CHARACTERS, "characters")                                                                    \
    X(MILLISECONDS, "milliseconds") /* of sound */                                                 \
    X(MESSAGES, "messages")                                                                        \
    X(SEGMENTS, "segments")                                                                        \
    X(SEARCHES, "searches")                                                                        \
    X(AUDIO_OUTPUT, "audio_output_tokens") /* of AUDIO */                                          \
    X(IMAGE_INPUT, "image_input_tokens")   /* of INPUT */                                          \
    X(IMAGE_OUTPUT, "image_output_tokens") /* of OUTPUT */                                         \
    X(REQUEST_BYTES, "request_bytes")                                                              \
    X(RESPONSE_BYTES, "response_bytes")

#define LEDGER_UNIT_NAME(name, text) LEDGER_UNIT_##name,
enum ledger_unit { LEDGER_UNITS(LEDGER_UNIT_NAME) LEDGER_UNIT_COUNT };
#undef LEDGER_UNIT_NAME

enum ledger_flag {
    LEDGER_ESTIMATED = 1,      /* the answer did not tell: units and cost are the estimate */
    LEDGER_PRICE_FALLBACK = 2, /* the model has no price: the dearest of its provider stood in */
    LEDGER_GATEWAY_DIED = 4,   /* it was open when the process was killed: the full charge */
    LEDGER_METERED = 8,        /* units of tokens and cost mean something */
    LEDGER_EXACT = 16,         /* the cost is its model's price times its units, of one attempt */
    LEDGER_REPRICED = 32,      /* the cost was computed again, by a later price */
    LEDGER_TOLD = 64,          /* only while it is open: the client has been told the cost */
    LEDGER_SETTLED = 128,      /* the cost is what a later event of the provider said */
};

/* What the answer says was made: a payment, a subscription, a message, by the profile. */
struct ledger_object {
    char id[80]; /* empty: none */
    char type[40];
    char status[32];
    char currency[8];
    int64_t amount; /* in the currency's smallest unit, as the provider says it */
    bool has_amount;
};

/* Epochs that no shared store has. */
enum {
    LEDGER_EPOCH_MEMORY, /* counted by a store in memory */
    LEDGER_EPOCH_ALONE,  /* while the shared one was away: whatever data it has is to be told */
};

/* What a quota's calendar window was charged with: what is reserved until the row closes, so that a
 * killed gateway's row has the full charge, then what was used. */
struct ledger_charge {
    uint64_t hash;            /* ledger_key_hash() of the quota's key */
    uint64_t epoch;           /* of the shared store's data that counts it, or LEDGER_EPOCH_* */
    int64_t start_ms, end_ms; /* the window, since 1970-01-01 UTC */
    uint64_t amount;          /* in the unit of the quota */
};

enum { LEDGER_CHARGES_MAX = 32 }; /* a bit each in ledger_row.object_charges */

/* What a store that others share may not have been told yet: how much of a reservation's demand is
 * to be charged. */
struct ledger_settle {
    uint64_t used; /* in the unit of the quota */
    uint8_t index; /* of the demand */
    char first;    /* digit of the reservation's id, whose others are the exchange's */
};

enum { LEDGER_SETTLES_MAX = 32 };

struct ledger_row {
    char id[33]; /* the exchange's, 32 hex digits */
    usec_t opened_at, closed_at;
    char tenant[64], route[64]; /* route: the one that was asked for */
    char served_by[64];         /* the route that answered; empty: the same */
    char provider[32], model[96];
    char method[12], path[192]; /* without the query */
    char label[80];             /* the client's X-Request-Id */
    char upstream_id[80];       /* the provider's id of the request */
    char credential[64];        /* the secret's name, never its value */
    uint16_t status, upstream_status;
    uint16_t attempts;
    char code[28]; /* of the gateway's own error */
    char ended_by[12], step[12];
    uint32_t flags; /* enum ledger_flag */
    uint64_t units[LEDGER_UNIT_COUNT];
    uint64_t cost;
    /* What it was charged with until it closes: what a killed gateway's row is closed with, unless
     * LEDGER_TOLD. */
    uint64_t reserved_tokens, reserved_cost;
    int64_t duration, upstream_duration, first_byte, overhead; /* -1: not known */
    struct ledger_object object;
    char details[1024];   /* a JSON object for `explain`: quotas before and after, attempts, price;
                             empty: none, or it was too long */
    uint64_t object_cost; /* of `cost`: of the attempt that was answered, which made the object */
    uint32_t object_charges; /* bit i: charges[i] is of a quota on cost that counts that attempt */
    uint32_t settle_count, charge_count;
    struct ledger_charge charges[LEDGER_CHARGES_MAX]; /* the last: not zeroed, nor read, beyond */
    struct ledger_settle settles[LEDGER_SETTLES_MAX]; /* likewise */
};

/* All numbers 0, all texts empty; what is behind the end of a text stays as it is, and so do
 * charges and settles beyond their counts. */
void ledger_row_clear(struct ledger_row *row);

/* It was answered with 400 or more, or not at all, or was cut. */
static inline bool ledger_row_failed(const struct ledger_row *row)
{
    return row->status >= 400 || row->status == 0 || row->ended_by[0] != '\0';
}

/* Cut at a whole UTF-8 character; what is no UTF-8, or a control character, becomes '?'. */
void ledger_text(char *ret, size_t size, struct slice text);
#define LEDGER_TEXT(field, text) ledger_text((field), sizeof(field), (text))
