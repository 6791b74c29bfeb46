/*
 * metering_state: what metering.c (before the answer) and metering_answer.c (from its head on)
 * share.
 */
#pragma once

#include "base/buffer.h"
#include "gateway/exchange/metering.h"
#include "gateway/meter/request_facts.h"
#include "gateway/meter/usage_scan.h"
#include "routes/usage_table.h"

struct call;
struct event_drop;
struct price;

struct metering {
    bool by_quota;           /* a quota needs it, and a reservation goes with it; else it only
                                watches */
    bool counts_usage;       /* the usage is looked for, and counts */
    bool by_request;         /* it costs the same whatever it tells */
    const struct call *call; /* NULL: none that the profile knows */
    struct request_facts facts;
    struct usage_figures known; /* of `call`, before the answer; if there is one */
    const struct price *price;  /* of the snapshot; NULL: the provider has no prices */
    bool price_fallback;        /* the model's own is not known */
    bool counts_output;         /* a quota of tokens or cost applies */
    bool counts_bytes;
    uint64_t input_bound;  /* tokens */
    uint64_t output_bound; /* tokens, of all choices together */
    uint64_t output_limit; /* written into the body; 0: none */
    bool asks_usage;       /* that a stream tells its usage is written into the body */
    struct buffer body;    /* with one of these; empty until it is needed */

    struct usage_scan *scan; /* owned; NULL: nothing to be found in this answer */
    struct event_drop *drop; /* owned; NULL: nothing is taken out of this answer */
    bool events;             /* the answer is an event stream */
    bool plain;              /* it is JSON */
    bool complete;           /* the answer came to its end */
    uint64_t answer_bytes;   /* passed so far */
    uint64_t text_bytes;     /* the same, decoded */
    uint64_t bytes_covered;  /* of the answer, by the reservation */
    bool extending;          /* an extension was asked for, and its answer not looked at yet */
    bool wants_output;       /* what it asked for */
    uint64_t wants_bytes;

    /* Of attempts that are lost. */
    struct usage spent;
    uint64_t spent_nanousd;
    bool lost;               /* there was one that was charged */
    uint64_t granted_before; /* of the reservation's output, what was granted for them */

    bool running; /* an attempt, which is not counted yet */
    bool sent;    /* a byte of one that is counted had left */
    bool closed;  /* what was used is found */
    bool charged; /* something was used */
    bool estimated;
    struct usage usage;
    uint64_t cost_nanousd;
};

/* The price of its model; else the dearest of the provider stands in. */
void metering_find_price(const struct exchange *exchange, struct metering *metering);

/* Whether the call is counted in tokens; its model may have other prices. */
bool metering_has_tokens(const struct metering *metering);
/* What the call may use, or is believed to have used, that is no tokens: images, characters... */
struct usage metering_units(const struct exchange *exchange);

/* Output that the reservation covers for the attempt that runs. */
uint64_t metering_granted(const struct exchange *exchange);

static inline uint64_t at_most(uint64_t value, uint64_t max)
{
    return value < max ? value : max;
}
