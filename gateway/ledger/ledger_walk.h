/*
 * ledger_walk: rows of the database, one after the other: block by block, those blocks only in
 * which they may be. Internal to ledger/.
 */
#pragma once

#include "base/status.h"
#include "gateway/ledger/ledger_row.h"

#include <sqlite3.h>

enum ledger_order {
    LEDGER_AS_KEPT,
    LEDGER_BY_OPENED,
    LEDGER_BY_OPENED_LAST, /* the last one first */
    LEDGER_BY_CLOSED_LAST,
};

/* Which rows; zero or NULL: any. */
struct ledger_walk {
    usec_t opened_from, opened_to; /* up to, without; 0: no end */
    usec_t closed_from, closed_to;
    const char *id, *object; /* of these ids */
    bool objects;            /* that name an object */
    bool failed;             /* ledger_row_failed() */
    enum ledger_order order;
};

/* In an order but as they are kept, rows are sorted within their block, which is a fraction of a
 * second under load, and a minute at most. */
struct ledger_walker;
/* `walk` and its texts are borrowed, until it is closed. */
MUST_USE enum status ledger_walk_begin(sqlite3 *db, const struct ledger_walk *walk,
                                       struct ledger_walker **ret, struct error *err);
/* *ret_row: the next one, until the next call; NULL: there is none. STATUS_INVALID: a block is
 * broken. */
MUST_USE enum status ledger_walk_next(struct ledger_walker *walker,
                                      const struct ledger_row **ret_row, struct error *err);
/* A number of the row that was told last, which no other row has, and each walk tells it by. */
int64_t ledger_walk_place(const struct ledger_walker *walker);
void ledger_walk_end(struct ledger_walker *walker); /* takes NULL */
