/*
 * price_memo: the prices that a worker has found lately, for its next request mostly is of a model
 * that one before it was of: by the name of the model, and as the ledger tells them. Forgotten with
 * the snapshot that they are in.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct buffer;
struct price;
struct price_list;

enum {
    PRICE_MEMO_SLOTS = 8,
    PRICE_MEMO_NAME = 64,   /* longer names are looked for each time */
    PRICE_MEMO_SHOWN = 160, /* likewise written */
};

struct price_memo {
    struct {
        const struct price_list *list; /* NULL: the slot is free */
        const struct price *price;
        bool stands_in;
        uint8_t len;
        char name[PRICE_MEMO_NAME];
    } found[PRICE_MEMO_SLOTS];
    struct {
        const struct price *price; /* likewise */
        uint8_t len;
        char text[PRICE_MEMO_SHOWN];
    } shown[PRICE_MEMO_SLOTS];
};

void price_memo_forget(struct price_memo *memo);

/* As price_for(). */
const struct price *price_memo_find(struct price_memo *memo, const struct price_list *list,
                                    struct slice model, bool *ret_stands_in);

/* {"model":…,"input":…,"output":…}, in nano-USD for a million tokens. */
MUST_USE enum status price_memo_write(struct price_memo *memo, const struct price *price,
                                      struct buffer *out);
