/*
 * settle_read: what an event says of an earlier request, by the rules of its hook: which object,
 * and what that cost or what became of it. Pure.
 */
#pragma once

#include "base/slice.h"
#include "gateway/ledger/ledger_settlement.h"

#include <stdbool.h>
#include <stdint.h>

struct hook;

enum settle_verdict {
    SETTLE_NOTHING,    /* it says nothing of that */
    SETTLE_SAID,       /* `settlement` is what it says */
    SETTLE_CURRENCY,   /* a cost in another currency than USD; `text`: which */
    SETTLE_UNREADABLE, /* what stands where the cost should is no amount; `text`: what */
};

enum {
    SETTLE_TEXT_MAX = 64,
    SETTLE_ELEMENTS_MAX = 1000, /* of an array; the rest is not read */
};

/* What an event says, or an element of one that is an array. */
struct settle_said {
    enum settle_verdict verdict;
    struct ledger_settlement settlement; /* object, provider, cost, status, and which element */
    char text[SETTLE_TEXT_MAX];
};

/* Calls for all that it says, but for SETTLE_NOTHING; `type`: the event's, empty: it has none.
 * Returns how many elements there are beyond SETTLE_ELEMENTS_MAX. */
uint64_t settle_read(const struct hook *hook, struct slice type, struct slice body, void *ctx,
                     void (*each)(void *ctx, struct settle_said *said));

/* A decimal number, as JSON writes it or without digits on one side of its point, as nano-USD:
 * exactly, what is below a nano-USD rounded up. `digits`: of nano-USD in its unit: 9 of USD, 7 of
 * cents. A minus before it means nothing: providers say so what is taken off an account. False: it
 * is none, or more than LIMIT_AMOUNT_MAX. */
bool settle_amount(struct slice text, int digits, uint64_t *ret);
