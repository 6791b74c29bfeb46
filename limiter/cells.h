/*
 * cells: the table of all keys of a memory store: striped, so that threads seldom meet.
 *
 * Which stripe a key lies in is told by its hash (base/table.h: seeded, so that peers cannot choose
 * collisions). A set of stripes is a word with a bit for each; they are locked in ascending order,
 * each once, so two threads never wait for each other. A cell does not move while it lives, and is
 * dropped by cells_tidy() alone.
 */
#pragma once

#include "limiter/cell.h"

enum { CELLS_STRIPES = 64 };

struct cells;

struct cells *cells_new(void);
void cells_free(struct cells *cells); /* takes NULL; no part may be left */

static inline unsigned cells_stripe(uint64_t hash)
{
    return hash % CELLS_STRIPES;
}
static inline uint64_t cells_stripe_bit(uint64_t hash)
{
    return UINT64_C(1) << cells_stripe(hash);
}

void cells_lock(struct cells *cells, uint64_t stripes);
void cells_unlock(struct cells *cells, uint64_t stripes);

/* All below: the stripe is locked. `hash` is table_hash(key). */

/* NULL: there is none. */
struct cell *cells_find(struct cells *cells, uint64_t hash, struct slice key);
/* Makes it if there is none. */
struct cell *cells_add(struct cells *cells, uint64_t hash, struct slice key, enum limit_span span);

/* All of the stripe. */
void cells_each(struct cells *cells, unsigned stripe, void *ctx,
                void (*each)(void *ctx, struct cell *cell));

/* If a stripe is full, drops its cells that are idle, and makes room for as many again as are left.
 * Constant time for each cell that was added; pointers to idle cells are invalid afterwards. */
void cells_tidy(struct cells *cells, uint64_t stripes, const struct cell_instant *at);
