/*
 * ledger_blocks: rows in the database, some hundred together in a block (ledger_block.h): a row of
 * SQL and its place in indexes for each request would cost more than the request.
 *
 * The last block goes on growing over several batches while they are small. Within the writer's
 * transactions, which exclude other writers. Internal to ledger/.
 */
#pragma once

#include "base/status.h"
#include "gateway/ledger/ledger_row.h"

#include <sqlite3.h>

struct ledger_blocks;

enum {
    LEDGER_BLOCK_ROWS = 256,
    LEDGER_BLOCK_BYTES = 256 * 1024,
    LEDGER_PRINT_BYTES = 4, /* of an id in a block's list of them */
};

MUST_USE enum status ledger_blocks_open(sqlite3 *db, struct ledger_blocks **ret, struct error *err);
void ledger_blocks_close(struct ledger_blocks *blocks); /* takes NULL; before the database */

/* A transaction has begun. */
MUST_USE enum status ledger_blocks_begin(struct ledger_blocks *blocks, struct error *err);
MUST_USE enum status ledger_blocks_add(struct ledger_blocks *blocks, const struct ledger_row *row,
                                       struct error *err);
/* Before it is committed. */
MUST_USE enum status ledger_blocks_end(struct ledger_blocks *blocks, struct error *err);
/* It is no more. */
void ledger_blocks_call_off(struct ledger_blocks *blocks);

/* Is that row kept already? */
MUST_USE enum status ledger_blocks_have(struct ledger_blocks *blocks, const struct ledger_row *row,
                                        bool *ret, struct error *err);
/* Deletes blocks whose rows all ended before that, the oldest ones, at most `most`; *ret_blocks:
 * how many. */
MUST_USE enum status ledger_blocks_drop(struct ledger_blocks *blocks, usec_t before, unsigned most,
                                        unsigned *ret_blocks, struct error *err);

/* The number of the layout in which this program packs blocks; within a transaction. */
MUST_USE enum status ledger_blocks_layout(sqlite3 *db, int64_t *ret, struct error *err);
/* What a block's list has of that id, or of an object's. */
void ledger_print(const char *id, unsigned char ret[LEDGER_PRINT_BYTES]);

/* The tables. */
#define LEDGER_BLOCKS_SCHEMA                                                                       \
    "CREATE TABLE layouts (number INTEGER PRIMARY KEY, columns TEXT NOT NULL UNIQUE) STRICT;"      \
    "CREATE TABLE blocks (number INTEGER PRIMARY KEY, edition INTEGER NOT NULL, "                  \
    "layout INTEGER NOT NULL, rows INTEGER NOT NULL, failed INTEGER NOT NULL, "                    \
    "objects INTEGER NOT NULL, opened_from INTEGER NOT NULL, opened_to INTEGER NOT NULL, "         \
    "closed_from INTEGER NOT NULL, closed_to INTEGER NOT NULL, ids BLOB NOT NULL, "                \
    "object_ids BLOB NOT NULL, packed BLOB NOT NULL) STRICT;"                                      \
    "CREATE INDEX blocks_closed ON blocks (closed_to, closed_from);"
