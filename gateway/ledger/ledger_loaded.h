/*
 * ledger_loaded: a block of the database as it is read: all its rows, in the order in which they
 * are kept. Internal to ledger/.
 */
#pragma once

#include "base/status.h"
#include "gateway/ledger/ledger_row.h"

#include <sqlite3.h>

struct ledger_layout;

/* More rows than any block has: so that a few bytes of a broken one cannot take all memory. */
enum { LEDGER_BLOCK_ROWS_BEYOND = 4096 };

struct ledger_row_list {
    struct ledger_row *rows; /* owned */
    unsigned count, room;
};

/* STATUS_INVALID: it is broken. */
MUST_USE enum status ledger_row_list_read(struct ledger_row_list *list,
                                          const struct ledger_layout *layout, struct slice packed);
void ledger_row_list_fini(struct ledger_row_list *list);

/* The block that was taken last; zero-initialized: none. */
struct ledger_loaded {
    int64_t number;
    struct ledger_row_list list;
    struct ledger_layout *layout; /* owned; kept, for the next block mostly has the same */
    int64_t layout_number;
};

/* What a statement has to select, as its first columns. */
#define LEDGER_LOADED_COLUMNS "number, layout, packed"

/* The block that the statement stands at. STATUS_INVALID: it is broken; the error says which. */
MUST_USE enum status ledger_loaded_take(struct ledger_loaded *loaded, sqlite3_stmt *statement,
                                        struct error *err);
void ledger_loaded_fini(struct ledger_loaded *loaded);
