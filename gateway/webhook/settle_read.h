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
    SETTLE_SAID,       /* *ret is what it says */
    SETTLE_CURRENCY,   /* a cost in another currency than USD; *ret_text: which */
    SETTLE_UNREADABLE, /* what stands where the cost should is no amount; *ret_text: what */
};

enum { SETTLE_TEXT_MAX = 64 };

/* `type`: the event's, empty: it has none. Sets object, provider, cost and status of *ret. */
enum settle_verdict settle_read(const struct hook *hook, struct slice type, struct slice body,
                                struct ledger_settlement *ret, char ret_text[SETTLE_TEXT_MAX]);

/* A decimal number, as JSON writes it or without digits on one side of its point, as nano-USD:
 * exactly, what is below a nano-USD rounded up. `digits`: of nano-USD in its unit: 9 of USD, 7 of
 * cents. A minus before it means nothing: providers say so what is taken off an account. False: it
 * is none, or more than LIMIT_AMOUNT_MAX. */
bool settle_amount(struct slice text, int digits, uint64_t *ret);
