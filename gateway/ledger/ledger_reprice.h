/*
 * ledger_reprice: what past requests cost, computed again by whoever knows the prices. Beside a
 * gateway that writes: each batch of changes is a short transaction of its own, in which a row's
 * cost and its minute's sum change together, and only if the row still is as it was read.
 */
#pragma once

#include "base/status.h"
#include "gateway/ledger/ledger_query.h"

#include <stdbool.h>
#include <stdint.h>

struct ledger_repricing {
    struct ledger_filter filter; /* of requests by when they were opened; `until` is set */
    bool write;                  /* else nothing is changed */
    void *ctx;
    /* What the row costs by now. False: it stays as it is. */
    bool (*price)(void *ctx, const struct ledger_row *row, uint64_t *ret_cost, bool *ret_fallback);
};

struct ledger_repriced {
    uint64_t rows;    /* that were looked at */
    uint64_t changed; /* of them; without `write`: that would be */
};

/* What was changed before an error stays, and is in *ret. */
MUST_USE enum status ledger_reprice(const char *path, const struct ledger_repricing *repricing,
                                    struct ledger_repriced *ret, struct error *err);
