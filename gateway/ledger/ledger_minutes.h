/*
 * ledger_minutes: sums by minute, tenant, route and model, and by window of a quota, gathered in
 * memory: of a batch, and of rows that found no place. Bounded: beyond that many, sums lose their
 * model, then all but their minute; never an amount. One thread at a time. Internal to ledger/.
 */
#pragma once

#include "base/memory.h"
#include "base/table.h"
#include "gateway/ledger/ledger_charges.h"
#include "gateway/ledger/ledger_row.h"

#define LEDGER_OTHER "__other__"

enum { LEDGER_MINUTES_MAX = 16 * 1024 };

/* Texts are filled up with zeros. */
struct ledger_minute_key {
    int64_t minute; /* since 1970, in which the request was opened: as quotas count it */
    char tenant[64], route[64], model[96];
};

struct ledger_minute {
    struct ledger_minute_key key;
    uint64_t requests, errors, estimated, units[LEDGER_UNIT_COUNT],
        cost; /* each at most 2^63 - 1 */
    struct ledger_minute *next;
};

/* Zero-initialized is empty. */
struct ledger_minutes {
    struct arena arena;
    struct table index;
    struct ledger_minute *first; /* in the arena */
    struct ledger_minute *last;  /* that was found; NULL: none */
    unsigned count;
    struct ledger_charges charges; /* of the same rows, and some alone */
};

static inline bool ledger_minutes_any(const struct ledger_minutes *minutes)
{
    return minutes->count > 0 || minutes->charges.count > 0;
}

void ledger_minutes_add(struct ledger_minutes *minutes, const struct ledger_row *row);
void ledger_minutes_fini(struct ledger_minutes *minutes); /* it is empty then */
