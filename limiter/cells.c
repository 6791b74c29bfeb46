#include "limiter/cells.h"

#include "base/memory.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

enum { CHAINS_LEAST = 16 };

/* A stripe is two cache lines wide, so that neighbours do not slow each other down. */
struct stripe {
    pthread_mutex_t lock;
    struct cell **chains; /* owned array of owned lists */
    size_t size;          /* of chains: a power of two, or 0 */
    size_t count;         /* of cells */
    char padding[128 - sizeof(pthread_mutex_t) - sizeof(struct cell **) - 2 * sizeof(size_t)];
};

struct cells {
    struct stripe stripes[CELLS_STRIPES];
};

struct cells *cells_new(void)
{
    struct cells *cells = MEMORY_NEW(struct cells);
    for (unsigned i = 0; i < CELLS_STRIPES; i++) {
        (void)pthread_mutex_init(&cells->stripes[i].lock, NULL);
    }
    return cells;
}

static void free_chain(struct cell *cell)
{
    while (cell != NULL) {
        struct cell *next = cell->next;
        memory_free(cell);
        cell = next;
    }
}

void cells_free(struct cells *cells)
{
    if (cells == NULL) {
        return;
    }
    for (unsigned i = 0; i < CELLS_STRIPES; i++) {
        struct stripe *stripe = &cells->stripes[i];
        for (size_t chain = 0; chain < stripe->size; chain++) {
            free_chain(stripe->chains[chain]);
        }
        memory_free(stripe->chains);
        (void)pthread_mutex_destroy(&stripe->lock);
    }
    memory_free(cells);
}

/* The lowest bit's number, which is taken out. */
static unsigned next_stripe(uint64_t *stripes)
{
    unsigned stripe = (unsigned)__builtin_ctzll(*stripes);
    *stripes &= *stripes - 1;
    return stripe;
}

void cells_lock(struct cells *cells, uint64_t stripes)
{
    while (stripes != 0) {
        int failed = pthread_mutex_lock(&cells->stripes[next_stripe(&stripes)].lock);
        assert(failed == 0);
    }
}

void cells_unlock(struct cells *cells, uint64_t stripes)
{
    while (stripes != 0) {
        int failed = pthread_mutex_unlock(&cells->stripes[next_stripe(&stripes)].lock);
        assert(failed == 0);
    }
}

/* The bits that chose the stripe are the same for all that lie in it. */
static struct cell **chain_of(const struct stripe *stripe, uint64_t hash)
{
    return &stripe->chains[(hash / CELLS_STRIPES) & (stripe->size - 1)];
}

static void resize(struct stripe *stripe, size_t size)
{
    struct stripe old = *stripe;
    stripe->size = size;
    stripe->chains = memory_alloc(size * sizeof(struct cell *));
    for (size_t i = 0; i < old.size; i++) {
        for (struct cell *cell = old.chains[i], *next; cell != NULL; cell = next) {
            struct cell **chain = chain_of(stripe, cell->hash);
            next = cell->next;
            cell->next = *chain;
            *chain = cell;
        }
    }
    memory_free(old.chains);
}

struct cell *cells_find(struct cells *cells, uint64_t hash, struct slice key)
{
    const struct stripe *stripe = &cells->stripes[cells_stripe(hash)];
    if (stripe->count == 0) {
        return NULL;
    }
    for (struct cell *cell = *chain_of(stripe, hash); cell != NULL; cell = cell->next) {
        if (cell->hash == hash && slice_equal(cell_key(cell), key)) {
            return cell;
        }
    }
    return NULL;
}

struct cell *cells_add(struct cells *cells, uint64_t hash, struct slice key, enum limit_span span)
{
    struct cell *cell = cells_find(cells, hash, key);
    if (cell != NULL) {
        return cell;
    }
    struct stripe *stripe = &cells->stripes[cells_stripe(hash)];
    if (stripe->size == 0) {
        resize(stripe, CHAINS_LEAST);
    }
    struct cell **chain = chain_of(stripe, hash);
    cell = memory_alloc(sizeof(*cell) + key.len);
    cell->hash = hash;
    cell->span = span;
    cell->key_len = key.len;
    memcpy(cell->key, key.ptr, key.len);
    cell->next = *chain;
    *chain = cell;
    stripe->count++;
    return cell;
}

void cells_each(struct cells *cells, unsigned stripe, void *ctx,
                void (*each)(void *ctx, struct cell *cell))
{
    const struct stripe *at = &cells->stripes[stripe];
    for (size_t i = 0; i < at->size; i++) {
        for (struct cell *cell = at->chains[i]; cell != NULL; cell = cell->next) {
            each(ctx, cell);
        }
    }
}

static void drop_idle(struct stripe *stripe, const struct cell_instant *at)
{
    for (size_t i = 0; i < stripe->size; i++) {
        struct cell **place = &stripe->chains[i];
        while (*place != NULL) {
            struct cell *cell = *place;
            if (cell_is_idle(cell, at)) {
                *place = cell->next;
                memory_free(cell);
                stripe->count--;
            } else {
                place = &cell->next;
            }
        }
    }
}

static void tidy(struct stripe *stripe, const struct cell_instant *at)
{
    if (stripe->count <= stripe->size) {
        return;
    }
    drop_idle(stripe, at);
    /* Twice what is left, up or down: so as many must be added before the next look. */
    size_t size = CHAINS_LEAST;
    while (size < stripe->count * 2) {
        size *= 2;
    }
    if (size != stripe->size) {
        resize(stripe, size);
    }
}

void cells_tidy(struct cells *cells, uint64_t stripes, const struct cell_instant *at)
{
    while (stripes != 0) {
        tidy(&cells->stripes[next_stripe(&stripes)], at);
    }
}
