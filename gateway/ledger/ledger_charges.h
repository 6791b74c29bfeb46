/*
 * ledger_charges: sums by window of a quota, gathered in memory as ledger_minutes are. Bounded: of
 * windows beyond that many the amounts are lost, and counted. One thread at a time. Internal to
 * ledger/.
 */
#pragma once

#include "base/memory.h"
#include "base/table.h"
#include "gateway/ledger/ledger_row.h"

enum { LEDGER_WINDOWS_MAX = 256 * 1024 };

struct ledger_window {
    struct ledger_charge sum; /* hash, epoch and end are its key; the amount is at most 2^63 - 1 */
    struct slice key;         /* its text, in the arena, if it was looked up */
    struct ledger_window *next;
};

/* Zero-initialized is empty. */
struct ledger_charges {
    struct arena arena;
    struct table index;
    struct ledger_window *first; /* in the arena */
    unsigned count;
    uint64_t lost; /* charges that found no place */
};

void ledger_charges_add(struct ledger_charges *charges, const struct ledger_charge *charge);
void ledger_charges_fini(struct ledger_charges *charges); /* it is empty then */
