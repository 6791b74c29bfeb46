/*
 * reprice: what a request of the past costs by the prices of a config: from the units that its row
 * kept, by the same arithmetic that charged it. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct ledger_row;
struct snapshot;
struct usage;

enum reprice_verdict {
    REPRICE_PRICED,  /* the cost is known, be it the same as before */
    REPRICE_NOTHING, /* it was not metered, or it was charged with nothing: it stays free */
    /* It stays as it is: */
    REPRICE_SETTLED,   /* the provider has told the cost, by an event */
    REPRICE_ESTIMATED, /* its units are an estimate */
    REPRICE_DIED,      /* the gateway died: the full charge */
    REPRICE_NOT_KEPT,  /* what it used is not kept whole: of several attempts, or by an old version
                        */
    REPRICE_NO_PRICE,  /* its route is gone, or has no price (any more) for what it used */
    REPRICE_VERDICTS
};

/* "estimated: ..." for a person. */
const char *reprice_verdict_text(enum reprice_verdict verdict);

/* *ret_cost in nano-USD, and whether a price stands in for the model's, for REPRICE_PRICED. */
enum reprice_verdict reprice_row(const struct snapshot *snapshot, const struct ledger_row *row,
                                 uint64_t *ret_cost, bool *ret_fallback);

/* What a row says was used, as the provider's answer did. */
struct usage reprice_usage(const struct ledger_row *row);
