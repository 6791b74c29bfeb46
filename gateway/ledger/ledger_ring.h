/*
 * ledger_ring: rows on their way from one worker to the ledger's thread, in a file that is mapped
 * into memory: what is written there is not lost when the process is killed. (A machine that loses
 * its power may lose the last seconds.)
 *
 * A place is free, open, or closed. The worker opens, fills and closes; the ledger's thread takes
 * the closed and frees them when they are kept elsewhere. States are atomic, written behind what
 * they speak of. One worker and one taker a ring.
 *
 * The file is named by its worker's number and belongs to one process at a time (it is locked); its
 * head has a mark and a version, so that another layout is refused and set aside, never misread.
 */
#pragma once

#include "base/status.h"
#include "gateway/ledger/ledger_row.h"

#include <stdbool.h>

struct ledger_ring;

/* Opens or makes it. What is there of an earlier process can be taken; what was open is closed as
 * LEDGER_GATEWAY_DIED with all that was reserved. One that is there keeps its number of places.
 * STATUS_DENIED: another process has it. STATUS_UNAVAILABLE: no room on the disk for it (it is
 * allocated whole), or no right. */
MUST_USE enum status ledger_ring_open(const char *path, unsigned places, struct ledger_ring **ret,
                                      struct error *err);
void ledger_ring_close(struct ledger_ring *ring); /* takes NULL; open rows stay open in the file */
/* How many rows were there when it was opened. */
unsigned ledger_ring_recovered(const struct ledger_ring *ring);
/* Closed rows that wait; any thread. */
unsigned ledger_ring_backlog(const struct ledger_ring *ring);

/* ---- the worker ---- */

/* A place to fill; NULL: none is free. Cleared, see ledger_row_clear(). It counts from
 * ledger_ring_opened() on. */
struct ledger_row *ledger_ring_take(struct ledger_ring *ring);
void ledger_ring_opened(struct ledger_ring *ring, struct ledger_row *row);
/* All that will be is in it. */
void ledger_ring_closed(struct ledger_ring *ring, struct ledger_row *row);
/* Before it is closed: so many settlements of it are on their way to a store. It stays in the ring
 * until each is there, so that the next process knows of those that are not; but a second at most,
 * and not where places become few. */
void ledger_ring_owes(struct ledger_row *row, unsigned count);
/* One of them is there. Of a row that is gone, it does nothing. */
void ledger_ring_paid(struct ledger_row *row, const char *id);

/* Puts a charge in its place, which the ledger's thread may look at meanwhile: it sees it as it
 * was, as it is, or for a moment as of a window that is over. `index` is at most charge_count. */
void ledger_row_charge(struct ledger_row *row, unsigned index, const struct ledger_charge *charge);

/* ---- the ledger's thread ---- */

/* Charges of all rows that are here, open or closed; between batches only, and some may be
 * changing.
 */
void ledger_ring_each_charge(struct ledger_ring *ring, void *ctx,
                             void (*each)(void *ctx, const struct ledger_charge *charge,
                                          bool open));

/* Calls for up to `most` closed rows, oldest first as far as is known. Returns how many. They stay
 * closed until ledger_ring_free_taken(), which frees those of the last call. */
unsigned ledger_ring_closed_rows(struct ledger_ring *ring, unsigned most, void *ctx,
                                 void (*each)(void *ctx, const struct ledger_row *row));
void ledger_ring_free_taken(struct ledger_ring *ring);
