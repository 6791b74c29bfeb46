/*
 * reprice_sums: what requests cost and what they cost by the prices of today, model by model; and
 * what is left alone, and why. Filled by ledger_reprice().
 */
#pragma once

#include "base/table.h"
#include "gateway/reprice.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct ledger_row;
struct snapshot;

struct reprice_sum {
    char *model; /* owned; "": none is named */
    uint64_t requests, changed;
    uint64_t before, after; /* nano-USD, at most UINT64_MAX */
};

struct reprice_sums {
    const struct snapshot *snapshot; /* borrowed: whose prices count */
    struct reprice_sum **models;     /* owned */
    unsigned count, size;
    struct table index;
    struct reprice_sum total;
    struct reprice_sum left[REPRICE_VERDICTS]; /* what stays as it is, by why; `after` is 0 */
};

/* ledger_repricing's `price`; ctx are the sums. */
bool reprice_sums_row(void *ctx, const struct ledger_row *row, uint64_t *ret_cost,
                      bool *ret_fallback);
void reprice_sums_fini(struct reprice_sums *sums);

/* `written`: rows that were changed. */
void reprice_sums_table(struct reprice_sums *sums, FILE *out);
void reprice_sums_json(struct reprice_sums *sums, bool write, uint64_t written, FILE *out);
