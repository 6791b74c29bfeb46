/*
 * ledger_settlement: what an event of a provider says, later, of a request: what it cost, or what
 * became of what it made. The ledger's thread looks for the request that made the object, changes
 * its cost with all sums that have it, and tells by how much the quotas' windows changed. Nobody
 * waits for it. ADR 0013 has the reasons.
 */
#pragma once

#include "gateway/ledger/ledger_row.h"

#include <stdbool.h>
#include <stdint.h>

struct ledger;

enum {
    LEDGER_SETTLEMENTS_MAX = 10000, /* that wait; beyond it the estimate stays */
    LEDGER_SETTLED_HOOKS_MAX = 256, /* that are counted apart; then all together */
};

struct ledger_settlement {
    char object[80];   /* as a row has it: LEDGER_TEXT() */
    char provider[32]; /* of the request; empty: any */
    bool has_cost;
    uint64_t cost;            /* of the call that made the object, in nano-USD */
    char status[32];          /* of the object; empty: it stays */
    char hook[64], event[48]; /* ids of events grow with time */
    unsigned element;         /* of an event that is an array, from 1; 0: it is none */
    bool again; /* it was said before, and may not have been heard: its row is there, or never is */
};

enum ledger_settle_result {
    LEDGER_SETTLE_COST,   /* it is what the event says; it may have been by chance */
    LEDGER_SETTLE_STATUS, /* only the object's status has changed */
    LEDGER_SETTLE_SAME,   /* the ledger says so already */
    LEDGER_SETTLE_UNKNOWN_OBJECT,
    LEDGER_SETTLE_OVERFLOW, /* there was no room for it to wait */
    LEDGER_SETTLE_BROKEN,   /* the block that its row lies in cannot be read, or be packed again */
    LEDGER_SETTLE_RESULTS,  /* not a result; keep last */
};
const char *ledger_settle_result_name(enum ledger_settle_result result);

/* Whose rows can be settled, if they name an object: those of these providers' profiles. */
struct ledger_settleable {
    bool any;       /* of all */
    unsigned count; /* else of these */
    char providers[16][32];
};
/* From now on. Any thread. */
void ledger_set_settleable(struct ledger *ledger, const struct ledger_settleable *settleable);
/* Copies it. What finds no place is counted. Any thread. */
void ledger_settle(struct ledger *ledger, const struct ledger_settlement *settlement);
/* How many more would find a place now. Any thread. */
unsigned ledger_settle_room(struct ledger *ledger);

/* What became of those of a hook. */
struct ledger_settled {
    char hook[64]; /* "__other__": of several */
    uint64_t results[LEDGER_SETTLE_RESULTS];
    uint64_t added, taken_off; /* nano-USD, of the ledger's rows */
};
/* Since it was called last. Any thread. */
void ledger_take_settled(struct ledger *ledger, void *ctx,
                         void (*each)(void *ctx, const struct ledger_settled *settled));

/* By how much windows that are not over are charged more, or less, than they were counted. */
struct ledger_difference {
    struct ledger_charge window; /* without an amount; its epoch says who counts it */
    int64_t change;              /* since it was told last */
    /* Of a store that others share: all changes together, kept with the rows. It replaces what was
     * said before with an older `since`, or the same and an older `edition`. */
    int64_t sum;
    int64_t since, edition;
    struct slice key; /* its text, if it was noted (ledger_note_key()) */
};
/* Which there are since it was called last; after a start, all sums. Any thread; one at a time. */
void ledger_take_differences(struct ledger *ledger, void *ctx,
                             void (*each)(void *ctx, const struct ledger_difference *difference));
/* A shared store may have missed some: all sums there are, once more. Any thread. */
void ledger_tell_differences_again(struct ledger *ledger);
