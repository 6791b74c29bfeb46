/*
 * ledger_query: what the ledger knows, read through a connection of its own, read only; also while
 * a gateway writes, and without one. Used by commands and by the admin API.
 */
#pragma once

#include "base/status.h"
#include "gateway/ledger/ledger_row.h"

#include <stdint.h>

struct ledger_reader;

MUST_USE enum status ledger_reader_open(const char *path, struct ledger_reader **ret,
                                        struct error *err);
void ledger_reader_close(struct ledger_reader *reader); /* takes NULL */

enum ledger_by {
    LEDGER_BY_NOTHING,
    LEDGER_BY_TENANT,
    LEDGER_BY_ROUTE,
    LEDGER_BY_MODEL,
    LEDGER_BY_DAY
};

struct ledger_filter {
    usec_t since, until;                /* wall clock, whole minutes count; until 0: now */
    const char *tenant, *route, *model; /* NULL: any */
    enum ledger_by by;
    int64_t utc_offset; /* seconds east of UTC, where days begin */
    /* Of objects alone. */
    const char *type, *object; /* NULL: any; `object`: an id */
    unsigned most;             /* the newest so many, the newest first; 0: all, in order of time */
};

struct ledger_sum {
    const char *name;          /* of the group; "" for LEDGER_BY_NOTHING; of a day: 2026-11-26 */
    uint64_t requests, errors; /* errors: status of 500 or more, or none */
    uint64_t estimated;        /* of the requests, whose usage was not told */
    uint64_t units[LEDGER_UNIT_COUNT];
    uint64_t cost;
};

/* From the sums by minute; by cost, the highest first, days by date. */
MUST_USE enum status ledger_sums(struct ledger_reader *reader, const struct ledger_filter *filter,
                                 void *ctx, void (*each)(void *ctx, const struct ledger_sum *sum),
                                 struct error *err);
/* STATUS_NOT_FOUND: no such row (any more). */
MUST_USE enum status ledger_find(struct ledger_reader *reader, const char *id,
                                 struct ledger_row *ret, struct error *err);
/* The newest first; with `errors_only` those of status 400 or more, or cut. */
MUST_USE enum status ledger_recent(struct ledger_reader *reader, bool errors_only, unsigned most,
                                   void *ctx, void (*each)(void *ctx, const struct ledger_row *row),
                                   struct error *err);
/* The request that made it: the first one whose answer named that object. STATUS_NOT_FOUND: none
 * did, or not any more. */
MUST_USE enum status ledger_find_object(struct ledger_reader *reader, const char *object,
                                        struct ledger_row *ret, struct error *err);
/* Rows that name an object. */
MUST_USE enum status ledger_objects(struct ledger_reader *reader,
                                    const struct ledger_filter *filter, void *ctx,
                                    void (*each)(void *ctx, const struct ledger_row *row),
                                    struct error *err);
