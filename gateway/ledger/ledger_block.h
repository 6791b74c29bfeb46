/*
 * ledger_block: rows packed into bytes: what the database keeps of them. A row costs what is new in
 * it: columns that are as in the row before take no byte.
 *
 * A layout says which columns a block has, as text ("id:T opened_at:D ..."); it lies beside the
 * blocks, so that columns may come, go and move. Internal to ledger/.
 */
#pragma once

#include "base/buffer.h"
#include "gateway/ledger/ledger_row.h"

/* Most bytes of a row that has nothing in common with the one before. */
enum { LEDGER_BLOCK_ROW_MAX = 8192 };

struct ledger_block {
    struct buffer bytes;
    unsigned rows;
    struct ledger_row last; /* the next one is told by its differences */
};

/* `max`: of its bytes. */
void ledger_block_init(struct ledger_block *block, size_t max);
void ledger_block_fini(struct ledger_block *block);
/* Empty again; keeps its memory. */
void ledger_block_clear(struct ledger_block *block);
/* STATUS_TOO_LARGE: it is full, and as it was. */
MUST_USE enum status ledger_block_add(struct ledger_block *block, const struct ledger_row *row);

/* The layout of blocks that are packed by this program. */
MUST_USE enum status ledger_block_write_layout(struct buffer *out);

/* What stands where in blocks of some layout. */
struct ledger_layout;
/* STATUS_INVALID: that is no layout. */
MUST_USE enum status ledger_layout_read(struct slice text, struct ledger_layout **ret);
void ledger_layout_free(struct ledger_layout *layout); /* takes NULL */

/* Calls for each row, in their order, until `each` returns false. Columns that the layout has not
 * are empty. STATUS_INVALID: it is broken; rows before that were told. */
MUST_USE enum status ledger_block_read(const struct ledger_layout *layout, struct slice bytes,
                                       void *ctx,
                                       bool (*each)(void *ctx, const struct ledger_row *row));
