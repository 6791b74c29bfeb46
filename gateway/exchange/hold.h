/*
 * hold: a plain answer of a metered call is held to its end, up to the route's meter.hold, so that
 * its head can tell what it cost. Part of struct exchange; only for gateway/exchange.
 *
 * Nothing of the answer leaves while it is filled: if it breaks off, the caller gets an error, not
 * a part. What is held counts against gateway.limits.buffered_bytes; where that is used up, or the
 * answer is longer, it goes as any other does, without a receipt.
 */
#pragma once

#include "base/buffer.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct exchange;

enum hold_state {
    HOLD_NONE,    /* nothing is held */
    HOLD_FILLING, /* nothing of the answer has left */
    HOLD_EMPTYING /* what is held goes before anything else */
};

struct hold {
    enum hold_state state;
    bool whole;           /* what is held is the end of the answer */
    struct buffer answer; /* owned */
    uint64_t emptied;     /* bytes of it that went on */
};

/* The answer's head is here: will the rest be held? */
void hold_begin(struct exchange *exchange);
/* While filling: takes the next piece. False: it is all of the answer, and need not be held: it can
 * go on as it is. May end the filling. */
bool hold_put(struct exchange *exchange, struct slice piece);
/* While filling: the answer has come to its end. */
void hold_complete(struct exchange *exchange);
void hold_fini(struct exchange *exchange);
