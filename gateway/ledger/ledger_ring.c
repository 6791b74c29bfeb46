/* The two sides of a ring. Where it comes from: ledger_ring_file.c. */
#include "gateway/ledger/ledger_ring.h"

#include "gateway/ledger/ledger_ring_state.h"

#include <assert.h>

#define SETTLES_WITHIN SEC

static struct ring_place *place_of(struct ledger_row *row)
{
    return (struct ring_place *)((char *)row - offsetof(struct ring_place, row));
}

static void go(struct ring_place *place, enum place_state from, enum place_state to)
{
    assert(atomic_load_explicit(&place->state, memory_order_relaxed) == from);
    atomic_store_explicit(&place->state, to, memory_order_release);
}

/* ---- the worker ---- */

static void fetch_freed(struct ledger_ring *ring)
{
    struct ring_queue *freed = &ring->freed;
    uint_fast64_t put = atomic_load_explicit(&freed->put, memory_order_acquire);
    uint_fast64_t got = atomic_load_explicit(&freed->got, memory_order_relaxed);
    for (; got != put; got++) {
        ring->free[ring->free_count++] = freed->positions[got & freed->mask];
    }
    atomic_store_explicit(&freed->got, got, memory_order_release);
}

struct ledger_row *ledger_ring_take(struct ledger_ring *ring)
{
    fetch_freed(ring);
    if (ring->free_count == 0) {
        return NULL;
    }
    struct ledger_row *row = &ring->places[ring->free[--ring->free_count]].row;
    ledger_row_clear(row);
    atomic_store_explicit(&place_of(row)->unsettled, 0, memory_order_relaxed);
    return row;
}

void ledger_ring_opened(struct ledger_ring *ring, struct ledger_row *row)
{
    (void)ring;
    go(place_of(row), PLACE_FREE, PLACE_OPEN);
}

void ledger_ring_closed(struct ledger_ring *ring, struct ledger_row *row)
{
    struct ring_place *place = place_of(row);
    go(place, PLACE_OPEN, PLACE_CLOSED);
    ring_queue_put(&ring->closed, (uint32_t)(place - ring->places));
}

void ledger_ring_owes(struct ledger_row *row, unsigned count)
{
    atomic_store_explicit(&place_of(row)->unsettled, count, memory_order_relaxed);
}

void ledger_ring_paid(struct ledger_row *row, const char *id)
{
    struct ring_place *place = place_of(row);
    unsigned left = atomic_load_explicit(&place->unsettled, memory_order_relaxed);
    if (left > 0 && strcmp(row->id, id) == 0) {
        atomic_store_explicit(&place->unsettled, left - 1, memory_order_relaxed);
    }
}

#define STORE(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)
#define LOAD(field)         __atomic_load_n(&(field), __ATOMIC_RELAXED)

void ledger_row_charge(struct ledger_row *row, unsigned index, const struct ledger_charge *charge)
{
    struct ledger_charge *place = &row->charges[index];
    STORE(place->hash, charge->hash);
    STORE(place->epoch, charge->epoch);
    STORE(place->start_ms, charge->start_ms);
    STORE(place->end_ms, charge->end_ms);
    STORE(place->amount, charge->amount);
    if (index == row->charge_count) { /* behind what it counts */
        __atomic_store_n(&row->charge_count, index + 1, __ATOMIC_RELEASE);
    }
}

/* ---- the taker ---- */

/* A clock that was set back makes no row wait. */
static bool must_stay(const struct ledger_ring *ring, const struct ring_place *place, usec_t now)
{
    usec_t age = now - place->row.closed_at;
    return atomic_load_explicit(&place->unsettled, memory_order_relaxed) > 0 && age >= 0 &&
           age < SETTLES_WITHIN && ledger_ring_backlog(ring) < ring->place_count / 4;
}

static struct ledger_charge read_charge(const struct ledger_charge *place)
{
    return (struct ledger_charge){.hash = LOAD(place->hash),
                                  .epoch = LOAD(place->epoch),
                                  .start_ms = LOAD(place->start_ms),
                                  .end_ms = LOAD(place->end_ms),
                                  .amount = LOAD(place->amount)};
}

void ledger_ring_each_charge(struct ledger_ring *ring, void *ctx,
                             void (*each)(void *ctx, const struct ledger_charge *charge, bool open))
{
    for (uint32_t i = 0; i < ring->place_count; i++) {
        const struct ring_place *place = &ring->places[i];
        unsigned state = atomic_load_explicit(&place->state, memory_order_acquire);
        if (state != PLACE_OPEN && state != PLACE_CLOSED) {
            continue;
        }
        unsigned count = __atomic_load_n(&place->row.charge_count, __ATOMIC_ACQUIRE);
        for (unsigned k = 0; k < count && k < LEDGER_CHARGES_MAX; k++) {
            const struct ledger_charge charge = read_charge(&place->row.charges[k]);
            each(ctx, &charge, state == PLACE_OPEN);
        }
    }
}

unsigned ledger_ring_backlog(const struct ledger_ring *ring)
{
    uint_fast64_t got = atomic_load_explicit(&ring->closed.got, memory_order_acquire);
    uint_fast64_t put = atomic_load_explicit(&ring->closed.put, memory_order_acquire);
    return (unsigned)(put - got);
}

unsigned ledger_ring_closed_rows(struct ledger_ring *ring, unsigned most, void *ctx,
                                 void (*each)(void *ctx, const struct ledger_row *row))
{
    unsigned count = ledger_ring_backlog(ring);
    uint_fast64_t got = atomic_load_explicit(&ring->closed.got, memory_order_relaxed);
    usec_t now = clock_wall();
    most = count < most ? count : most;
    for (ring->taken = 0; ring->taken < most; ring->taken++) {
        uint32_t position = ring->closed.positions[(got + ring->taken) & ring->closed.mask];
        if (must_stay(ring, &ring->places[position], now)) {
            break;
        }
        each(ctx, &ring->places[position].row);
    }
    return ring->taken;
}

void ledger_ring_free_taken(struct ledger_ring *ring)
{
    uint_fast64_t got = atomic_load_explicit(&ring->closed.got, memory_order_relaxed);
    for (uint32_t i = 0; i < ring->taken; i++, got++) {
        uint32_t position = ring->closed.positions[got & ring->closed.mask];
        go(&ring->places[position], PLACE_CLOSED, PLACE_FREE);
        ring_queue_put(&ring->freed, position);
    }
    atomic_store_explicit(&ring->closed.got, got, memory_order_release);
    ring->taken = 0;
}
