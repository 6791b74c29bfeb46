/*
 * ledger_ring_state: a ring as its two files see it: what lies in the file, and the two queues in
 * memory that spare both sides the search. Internal to ledger/.
 */
#pragma once

#include "gateway/ledger/ledger_ring.h"

#include <stdatomic.h>

enum place_state { PLACE_FREE, PLACE_OPEN, PLACE_CLOSED };

/* A place in the file, on lines of the cache of its own. */
struct ring_place {
    _Alignas(64) atomic_uint state; /* enum place_state */
    atomic_uint unsettled;          /* reservations of the row that the store has to hear of */
    struct ledger_row row;
};

enum { RING_VERSION = 3 };
#define RING_MARK UINT64_C(0x31474e4952505353) /* "SSPRING1" */

/* The file's first page. */
struct ring_head {
    _Atomic uint64_t mark; /* written last: until then nothing is in it */
    uint32_t version, head_bytes, place_bytes, places;
};
enum { RING_HEAD_BYTES = 4096 };

/* Positions of places, from one thread to one other. It has room for all, so it is never full. */
struct ring_queue {
    uint32_t *positions; /* owned; `mask` + 1 of them */
    uint32_t mask;
    char apart[64];           /* each counter on a line of the cache of its own */
    atomic_uint_fast64_t put; /* so many were put in, ever */
    char apart_too[64];
    atomic_uint_fast64_t got;
};

struct ledger_ring {
    int fd; /* has the lock */
    size_t size;
    struct ring_head *head;    /* mapped; the whole file is */
    struct ring_place *places; /* in it */
    uint32_t place_count;
    unsigned recovered;
    /* The worker's: the place that was freed last goes out first, for its pages are warm. */
    uint32_t *free; /* owned */
    uint32_t free_count;
    /* The taker's. */
    uint32_t taken;           /* how many the last call gave out */
    struct ring_queue closed; /* worker to taker */
    struct ring_queue freed;  /* taker to worker */
};

static inline void ring_queue_put(struct ring_queue *queue, uint32_t position)
{
    uint_fast64_t put = atomic_load_explicit(&queue->put, memory_order_relaxed);
    queue->positions[put & queue->mask] = position;
    atomic_store_explicit(&queue->put, put + 1, memory_order_release);
}
