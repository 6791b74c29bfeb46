/*
 * cell: what one key of a quota has counted: the debt of a bucket, the sum of a calendar window, or
 * slots that are held; and the open reservations it is made of, one by one. Pure: time is passed
 * in, and whoever calls holds the lock.
 *
 * A window runs to its end: a new one begins when the clock on the wall has passed that, so another
 * time zone counts from the next window on. A clock that is set back over the border goes on in the
 * window that has begun; only one that is set back by more than a window begins anew.
 */
#pragma once

#include "limiter/bucket.h"
#include "limiter/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cell;
struct past_window;

struct cell_instant {
    usec_t now;  /* monotonic; for rates */
    usec_t wall; /* since 1970-01-01 UTC; for windows */
};

/* The part of an open reservation that counts in a cell. Zero-initialized is none. */
struct cell_part {
    struct cell *cell;              /* borrowed: a cell with parts is not dropped */
    struct cell_part *next, **prev; /* in cell->open; not to be used if `era` is another one */
    uint64_t amount;                /* reserved, in that era */
    uint64_t era;                   /* the cell's when it was taken: of a window that is over, it
                                       counts no more */
};

struct cell {
    struct cell *next; /* in the table's chain */
    uint64_t hash;
    enum limit_span span;
    unsigned parts;           /* all that point here, of former eras, too */
    struct bucket bucket;     /* LIMIT_RATE */
    struct bucket_rate rate;  /* as of the last limit that advanced it */
    int64_t start_ms, end_ms; /* of the window; 0: there was none yet */
    uint64_t era;             /* counts windows */
    uint64_t reserved;        /* not settled yet; equals the sum of `open` */
    uint64_t taken;           /* this and the next two: as in struct store_entry */
    uint64_t settled;
    uint64_t refunded;
    uint64_t past_edition;  /* of what it has of the past (past_windows.h) */
    uint64_t forgiven;      /* by hand, in this window: used is reserved + settled - forgiven */
    struct cell_part *open; /* borrowed: those of this era */
    size_t key_len;
    char key[];
};

static inline struct slice cell_key(const struct cell *cell)
{
    return slice_make(cell->key, cell->key_len);
}

/* A new cell of a window goes on in one that was charged before this process began. Before
 * cell_advance(). */
void cell_recall(struct cell *cell, const struct past_window *past);
/* Has it begun a window yet? */
static inline bool cell_is_new(const struct cell *cell)
{
    return cell->end_ms == 0;
}

/* Drains the bucket, or begins the window. First, before anything below that takes a limit. */
void cell_advance(struct cell *cell, const struct limit *limit, const struct cell_instant *at);

uint64_t cell_used(const struct cell *cell);
uint64_t cell_left(const struct cell *cell, const struct limit *limit);
/* When `amount`, which does not fit now, would: -1 never; 0 of slots, which may come free at any
 * time. */
usec_t cell_room_after(const struct cell *cell, const struct limit *limit, uint64_t amount,
                       const struct cell_instant *at);
/* When all is there again; 0 of slots. */
usec_t cell_reset_after(const struct cell *cell, const struct limit *limit,
                        const struct cell_instant *at);

/* Takes `amount` for a demand, whether it fits or not. `part` remembers it until cell_settle();
 * NULL: it is settled at once. */
void cell_take(struct cell *cell, struct demand *demand, struct cell_part *part, uint64_t amount);

/* Charges demand->used in full, gives back what was granted beyond it, and forgets the part. Of a
 * window that is over, nothing. */
void cell_settle(struct cell_part *part, const struct demand *demand, usec_t now);

/* Both change what room there is, not the totals, which say what was charged. Of a bucket, it is as
 * if so much had drained. Slots are not changed: all of them are reserved. */
void cell_reset(struct cell *cell);
void cell_raise(struct cell *cell, uint64_t amount);

/* A request that it is settled with cost more, or less, by `change`. Of a window. */
void cell_correct(struct cell *cell, int64_t change);

/* What it has counted; the entry's key is the cell's. */
void cell_read(const struct cell *cell, struct store_entry *ret);

/* True if a new cell would be as good. */
bool cell_is_idle(const struct cell *cell, const struct cell_instant *at);
