#include "limiter/store_memory.h"

#include "base/memory.h"
#include "base/table.h"
#include "limiter/cells.h"
#include "limiter/past_windows.h"

#include <assert.h>
#include <stdlib.h>

struct store_memory {
    struct cells *cells; /* owned */
    struct limiter_clock clock;
    struct past_windows *past; /* borrowed; NULL: none */
};

/* What one demand bids for in one step. The keys of a reservation differ, as no two rules have the
 * same identity; were two the same, each would be looked at as if the other were not there. */
struct bid {
    struct demand *demand;
    struct cell *cell;
    struct cell_part *part; /* NULL: settled at once */
    uint64_t hash;
};

/* An ask or an extension. */
struct step {
    struct reservation *reservation;
    struct cell_instant at;
    uint64_t stripes; /* of all bids */
    unsigned count;
    struct bid bids[RESERVATION_DEMANDS_MAX];
};

static struct cell_instant read_clock(const struct store_memory *store)
{
    return (struct cell_instant){store->clock.now(), store->clock.wall()};
}

/* ---- the verdict: all of it under the locks of all stripes concerned ---- */

/* The least output that is granted, if any is wanted: for a share of what is left to be one token,
 * so many have to be left. */
static uint64_t least_output(const struct reservation *reservation)
{
    if (reservation->output_share == 0 || reservation->output_want == 0) {
        return reservation->output_want;
    }
    return reservation->output_share;
}

/* Looks at all, whatever the first one says: each has its answer. */
static bool fits(struct step *step)
{
    uint64_t output = least_output(step->reservation);
    bool all_fit = true;
    for (unsigned i = 0; i < step->count; i++) {
        struct demand *demand = step->bids[i].demand;
        struct cell *cell = step->bids[i].cell;
        const struct limit *limit = demand->limit;
        cell_advance(cell, limit, &step->at);
        uint64_t amount = demand_amount(demand, output);
        demand->left = cell_left(cell, limit);
        demand->whole = limit_whole(limit);
        demand->refused = limit->action == LIMIT_DENY && amount > demand->left;
        demand->room_after = demand->refused ? cell_room_after(cell, limit, amount, &step->at) : 0;
        demand->crossed = false;
        all_fit = all_fit && !demand->refused;
    }
    return all_fit;
}

/* What the tightest rule has room for; at least 1, as it fits, unless none is wanted. */
static uint64_t output_to_grant(const struct step *step)
{
    uint64_t output = step->reservation->output_want;
    if (step->reservation->output_share == 0) {
        return output;
    }
    for (unsigned i = 0; i < step->count; i++) {
        const struct demand *demand = step->bids[i].demand;
        if (demand->limit->action == LIMIT_DENY) {
            uint64_t room =
                demand_output_room(demand, demand->left, step->reservation->output_share);
            output = room < output ? room : output;
        }
    }
    return output;
}

static bool passes(uint64_t mark, uint64_t before, uint64_t after)
{
    return before < mark && after >= mark;
}

static bool is_news(const struct demand *demand, uint64_t before, uint64_t after)
{
    const struct limit *limit = demand->limit;
    if (limit->action == LIMIT_WARN && passes(demand->whole + 1, before, after)) {
        return true;
    }
    return limit->warn_percent > 0 && passes(limit_warn_mark(limit), before, after);
}

static void take(struct bid *bid, uint64_t output)
{
    struct demand *demand = bid->demand;
    uint64_t amount = demand_amount(demand, output);
    uint64_t before = cell_used(bid->cell);
    demand->over = demand->over || amount > demand->left;
    cell_take(bid->cell, demand, bid->part, amount);
    demand->left = cell_left(bid->cell, demand->limit);
    demand->crossed = is_news(demand, before, cell_used(bid->cell));
}

/* All or nothing. */
static bool decide(struct step *step)
{
    bool admitted = fits(step);
    if (admitted) {
        uint64_t output = output_to_grant(step);
        for (unsigned i = 0; i < step->count; i++) {
            take(&step->bids[i], output);
        }
        step->reservation->output_granted += output;
    }
    for (unsigned i = 0; i < step->count; i++) {
        struct demand *demand = step->bids[i].demand;
        demand->reset_after = cell_reset_after(step->bids[i].cell, demand->limit, &step->at);
    }
    return admitted;
}

/* ---- what was before ---- */

/* A window is asked for once, when its cell begins: until it is over, the cell is not dropped. */
static void recall(const struct store_memory *store, struct cell *cell,
                   const struct cell_instant *at)
{
    struct past_window past;
    if (limit_span_is_window(cell->span) && cell_is_new(cell) &&
        past_windows_find(store->past, cell_key(cell), at->wall / MSEC, &past)) {
        cell_recall(cell, &past);
    }
}

static struct cell *add_cell(struct store_memory *store, uint64_t hash, struct slice key,
                             enum limit_span span, const struct cell_instant *at)
{
    struct cell *cell = cells_add(store->cells, hash, key, span);
    recall(store, cell, at);
    return cell;
}

/* ---- the operations ---- */

static struct cell_part *parts_of(const struct reservation *reservation)
{
    return reservation->store_data;
}

/* They are in the reservation's hands until it is settled; asking again finds them there. */
static void make_parts(struct reservation *reservation)
{
    for (unsigned i = 0; i < reservation->count && reservation->store_data == NULL; i++) {
        if (limit_settles(reservation->demands[i].limit)) {
            reservation->store_data = memory_alloc(reservation->count * sizeof(struct cell_part));
        }
    }
}

static void add_bid(struct step *step, const struct bid *bid)
{
    step->bids[step->count++] = *bid;
    step->stripes |= cells_stripe_bit(bid->hash);
}

static void ask(void *side, struct reservation *reservation)
{
    struct store_memory *store = side;
    struct step step;
    step.reservation = reservation;
    step.at = read_clock(store);
    step.stripes = 0;
    step.count = 0;
    make_parts(reservation);
    reservation_begin(reservation);
    for (unsigned i = 0; i < reservation->count; i++) {
        struct demand *demand = &reservation->demands[i];
        struct cell_part *part = limit_settles(demand->limit) ? &parts_of(reservation)[i] : NULL;
        add_bid(&step, &(struct bid){demand, NULL, part, demand_hash(demand)});
    }
    cells_lock(store->cells, step.stripes);
    for (unsigned i = 0; i < step.count; i++) {
        struct bid *bid = &step.bids[i];
        bid->cell =
            add_cell(store, bid->hash, bid->demand->key, bid->demand->limit->span, &step.at);
    }
    bool admitted = decide(&step);
    cells_tidy(store->cells, step.stripes, &step.at);
    cells_unlock(store->cells, step.stripes);
    reservation->state = admitted ? RESERVATION_HELD : RESERVATION_REFUSED;
    reservation->basis = BASIS_STORE;
}

static void extend(void *side, struct reservation *reservation)
{
    struct store_memory *store = side;
    assert(reservation->state == RESERVATION_HELD);
    struct step step;
    step.reservation = reservation;
    step.at = read_clock(store);
    step.stripes = 0;
    step.count = 0;
    for (unsigned i = 0; i < reservation->count; i++) {
        struct demand *demand = &reservation->demands[i];
        if (limit_settles(demand->limit) && demand->limit->span != LIMIT_HELD) {
            struct cell_part *part = &parts_of(reservation)[i];
            add_bid(&step, &(struct bid){demand, part->cell, part, part->cell->hash});
        }
    }
    cells_lock(store->cells, step.stripes);
    bool admitted = decide(&step);
    cells_unlock(store->cells, step.stripes);
    reservation->extension_refused = !admitted;
}

static void settle(void *side, struct reservation *take_reservation)
{
    struct store_memory *store = side;
    struct reservation *reservation = take_reservation;
    struct cell_part *parts = parts_of(reservation);
    if (reservation->state == RESERVATION_HELD && parts != NULL) {
        usec_t now = store->clock.now();
        uint64_t stripes = 0;
        for (unsigned i = 0; i < reservation->count; i++) {
            stripes |= parts[i].cell == NULL ? 0 : cells_stripe_bit(parts[i].cell->hash);
        }
        cells_lock(store->cells, stripes);
        for (unsigned i = 0; i < reservation->count; i++) {
            if (parts[i].cell != NULL) {
                cell_settle(&parts[i], &reservation->demands[i], now);
            }
        }
        cells_unlock(store->cells, stripes);
    }
    memory_free(parts);
    reservation_free(reservation);
}

static void turn_end(void *side)
{
    (void)side; /* nothing is queued */
}

struct store_side store_memory_side(struct store_memory *store)
{
    static const struct store_ops ops = {ask, extend, settle, turn_end};
    return (struct store_side){&ops, store};
}

struct store_memory *store_memory_new(const struct limiter_clock *clock)
{
    struct store_memory *store = MEMORY_NEW(struct store_memory);
    store->cells = cells_new();
    store->clock = *clock;
    return store;
}

void store_memory_recall(struct store_memory *store, struct past_windows *past)
{
    store->past = past;
}

void store_memory_free(struct store_memory *store)
{
    if (store != NULL) {
        cells_free(store->cells);
        memory_free(store);
    }
}

/* ---- for the admin listener ---- */

/* The cell, up to date, with its stripe locked; NULL, and nothing locked, if it is not known. One
 * that was charged before this process began is known. */
static struct cell *lock_cell(struct store_memory *store, const struct limit *limit,
                              struct slice key, const struct cell_instant *at)
{
    uint64_t hash = table_hash(key);
    cells_lock(store->cells, cells_stripe_bit(hash));
    struct cell *cell = cells_find(store->cells, hash, key);
    struct past_window past;
    if (cell == NULL && limit_span_is_window(limit->span) &&
        past_windows_find(store->past, key, at->wall / MSEC, &past)) {
        cell = add_cell(store, hash, key, limit->span, at);
    }
    if (cell == NULL) {
        cells_unlock(store->cells, cells_stripe_bit(hash));
    } else {
        cell_advance(cell, limit, at);
    }
    return cell;
}

static void unlock_cell(struct store_memory *store, const struct cell *cell)
{
    cells_unlock(store->cells, cells_stripe_bit(cell->hash));
}

bool store_memory_read(struct store_memory *store, const struct limit *limit, struct slice key,
                       struct store_entry *ret)
{
    struct cell_instant at = read_clock(store);
    struct cell *cell = lock_cell(store, limit, key, &at);
    if (cell == NULL) {
        return false;
    }
    cell_read(cell, ret);
    unlock_cell(store, cell);
    ret->key = key;
    return true;
}

bool store_memory_reset(struct store_memory *store, const struct limit *limit, struct slice key)
{
    struct cell_instant at = read_clock(store);
    struct cell *cell = lock_cell(store, limit, key, &at);
    if (cell == NULL) {
        return false;
    }
    cell_reset(cell);
    unlock_cell(store, cell);
    return true;
}

bool store_memory_raise(struct store_memory *store, const struct limit *limit, struct slice key,
                        uint64_t amount)
{
    struct cell_instant at = read_clock(store);
    struct cell *cell = lock_cell(store, limit, key, &at);
    if (cell == NULL) {
        return false;
    }
    cell_raise(cell, amount);
    unlock_cell(store, cell);
    return true;
}

/* ---- what was charged turned out otherwise ---- */

struct correcting {
    const uint64_t *seed;
    const struct store_correction *list; /* by hash */
    const uint64_t *editions;            /* of the past, likewise; 0: it has no such window */
    unsigned count;
};

static int by_hash(const void *left, const void *right)
{
    const struct store_correction *a = left;
    const struct store_correction *b = right;
    return a->hash < b->hash ? -1 : a->hash > b->hash;
}

static unsigned first_of(const struct correcting *correcting, uint64_t hash)
{
    unsigned from = 0;
    unsigned to = correcting->count;
    while (from < to) {
        unsigned middle = from + (to - from) / 2;
        if (correcting->list[middle].hash < hash) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}

/* A cell that was made meanwhile has what was changed of the past already. */
static void correct_cell(void *ctx, struct cell *cell)
{
    const struct correcting *correcting = ctx;
    if (!limit_span_is_window(cell->span)) {
        return;
    }
    uint64_t hash = table_hash_with(correcting->seed, cell_key(cell));
    for (unsigned i = first_of(correcting, hash);
         i < correcting->count && correcting->list[i].hash == hash; i++) {
        const struct store_correction *correction = &correcting->list[i];
        uint64_t edition = correcting->editions[i];
        bool same = cell->start_ms < correction->end_ms && cell->end_ms > correction->start_ms;
        if (same && (edition == 0 || cell->past_edition < edition)) {
            cell_correct(cell, correction->change);
            cell->past_edition = edition > 0 ? edition : cell->past_edition;
        }
    }
}

void store_memory_correct(struct store_memory *store, const uint64_t seed[2],
                          struct store_correction *corrections, unsigned count)
{
    uint64_t *editions = memory_alloc((count + 1) * sizeof(*editions));
    if (count > 1) {
        qsort(corrections, count, sizeof(*corrections), by_hash);
    }
    for (unsigned i = 0; i < count; i++) {
        editions[i] = past_windows_change(store->past, corrections[i].hash, corrections[i].end_ms,
                                          corrections[i].change);
    }
    struct correcting correcting = {seed, corrections, editions, count};
    for (unsigned stripe = 0; count > 0 && stripe < CELLS_STRIPES; stripe++) {
        uint64_t bit = UINT64_C(1) << stripe;
        cells_lock(store->cells, bit);
        cells_each(store->cells, stripe, &correcting, correct_cell);
        cells_unlock(store->cells, bit);
    }
    memory_free(editions);
}
