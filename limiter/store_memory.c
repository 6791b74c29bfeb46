#include "limiter/store_memory.h"

#include "base/memory.h"
#include "base/table.h"
#include "limiter/cells.h"
#include "limiter/verdict.h"
#include "limiter/window.h"

#include <assert.h>
#include <pthread.h>

enum { STRIPES = 64, CACHE_LINE = 64 };

struct stripe {
    _Alignas(CACHE_LINE) pthread_mutex_t lock;
    struct cells cells;
};

struct store_memory {
    struct limiter_clock clock;
    struct stripe stripes[STRIPES];
};

/* One reservation's cells while their stripes are locked. */
struct scene {
    struct store_memory *store;
    struct reservation *reservation;
    uint64_t stripes; /* those that are locked */
    uint64_t hashes[RESERVATION_DEMANDS_MAX];
    struct cell *cells[RESERVATION_DEMANDS_MAX];
    struct verdict verdict;
    int64_t now_ms, wall_ms;
};

struct store_memory *store_memory_new(const struct limiter_clock *clock)
{
    struct store_memory *store = MEMORY_NEW(struct store_memory);
    store->clock = *clock;
    for (unsigned i = 0; i < STRIPES; i++) {
        (void)pthread_mutex_init(&store->stripes[i].lock, NULL);
    }
    return store;
}

void store_memory_free(struct store_memory *store)
{
    if (store == NULL) {
        return;
    }
    for (unsigned i = 0; i < STRIPES; i++) {
        cells_fini(&store->stripes[i].cells);
        (void)pthread_mutex_destroy(&store->stripes[i].lock);
    }
    memory_free(store);
}

/* ---- locks ---- */

static unsigned stripe_of(uint64_t hash)
{
    return (unsigned)(hash >> 58);
}

/* In ascending order, each once: so two reservations never wait for each other. */
static void lock_stripes(struct store_memory *store, uint64_t stripes)
{
    for (uint64_t left = stripes; left != 0; left &= left - 1) {
        (void)pthread_mutex_lock(&store->stripes[__builtin_ctzll(left)].lock);
    }
}

static void unlock_stripes(struct store_memory *store, uint64_t stripes)
{
    for (uint64_t left = stripes; left != 0; left &= left - 1) {
        (void)pthread_mutex_unlock(&store->stripes[__builtin_ctzll(left)].lock);
    }
}

/* ---- cells ---- */

static struct bucket_rate rate_of(const struct limit *limit)
{
    return (struct bucket_rate){.amount = limit->amount,
                                .burst = limit->burst,
                                .period_ms = (uint64_t)(limit->period / MSEC)};
}

static void enter_window(struct cell *cell, const struct limit *limit, int64_t wall_ms)
{
    if (wall_ms >= cell->start_ms && wall_ms < cell->end_ms) {
        return;
    }
    struct window window = window_at(limit, wall_ms);
    if (window.start_ms <= cell->start_ms) {
        return; /* the clock went back: the later window stays in force */
    }
    cell->start_ms = window.start_ms;
    cell->end_ms = window.end_ms;
    cell->sum = 0;
    cell->taken = 0;
    cell->settled = 0;
    cell->refunded = 0;
}

/* Brings the cell up to this moment. */
static void advance(struct cell *cell, const struct limit *limit, int64_t now_ms, int64_t wall_ms)
{
    switch (limit->span) {
    case LIMIT_RATE:
        cell->rate = rate_of(limit);
        bucket_advance(&cell->bucket, &cell->rate, now_ms);
        break;
    case LIMIT_DAYS:
    case LIMIT_WEEK:
    case LIMIT_MONTH:
        enter_window(cell, limit, wall_ms);
        break;
    case LIMIT_HELD:
        break;
    }
}

static uint64_t used_of(const struct cell *cell)
{
    return cell->span == LIMIT_RATE ? cell->bucket.debt : cell->sum > 0 ? (uint64_t)cell->sum : 0;
}

static uint64_t left_of(const struct cell *cell, const struct limit *limit)
{
    if (limit->span == LIMIT_RATE) {
        return bucket_left(&cell->bucket, &cell->rate);
    }
    int64_t amount = (int64_t)limit->amount;
    return cell->sum < amount ? (uint64_t)(amount - cell->sum) : 0;
}

/* How long until `amount` fits, if it does not now. */
static usec_t room_after(const struct cell *cell, const struct limit *limit, uint64_t amount,
                         int64_t wall_ms)
{
    switch (limit->span) {
    case LIMIT_RATE:
        return bucket_wait_ms(&cell->bucket, &cell->rate, amount) * MSEC;
    case LIMIT_DAYS:
    case LIMIT_WEEK:
    case LIMIT_MONTH:
        return (cell->end_ms - wall_ms) * MSEC;
    case LIMIT_HELD:
        break;
    }
    return 0;
}

static usec_t reset_after(const struct cell *cell, const struct limit *limit, int64_t wall_ms)
{
    return limit->span == LIMIT_RATE ? bucket_full_ms(&cell->bucket, &cell->rate) * MSEC
                                     : room_after(cell, limit, 0, wall_ms);
}

static void take(struct cell *cell, struct demand *demand, struct cell_part *part, uint64_t amount)
{
    if (demand->limit->span == LIMIT_RATE) {
        demand->position = bucket_take(&cell->bucket, amount);
    } else {
        cell->sum += (int64_t)amount;
        demand->position = (uint64_t)cell->start_ms;
    }
    demand->granted += amount;
    demand->last_taken = amount;
    cell->taken += amount;
    if (part != NULL) {
        cell_open(cell, part, amount);
    } else {
        cell->settled += amount;
    }
}

/* ---- ask and extend ---- */

static void open_scene(struct scene *scene, struct store_memory *store,
                       struct reservation *reservation)
{
    scene->store = store;
    scene->reservation = reservation;
    scene->stripes = 0;
    scene->now_ms = store->clock.now() / MSEC;
    scene->wall_ms = store->clock.wall() / MSEC;
    for (unsigned i = 0; i < reservation->count; i++) {
        scene->hashes[i] = table_hash(reservation->demands[i].key);
        scene->stripes |= UINT64_C(1) << stripe_of(scene->hashes[i]);
    }
    lock_stripes(store, scene->stripes);
}

static void close_scene(struct scene *scene)
{
    for (uint64_t left = scene->stripes; left != 0; left &= left - 1) {
        cells_tidy(&scene->store->stripes[__builtin_ctzll(left)].cells, scene->now_ms,
                   scene->wall_ms);
    }
    unlock_stripes(scene->store, scene->stripes);
}

static void look(struct scene *scene)
{
    for (unsigned i = 0; i < scene->reservation->count; i++) {
        struct demand *demand = &scene->reservation->demands[i];
        const struct limit *limit = demand->limit;
        struct cells *cells = &scene->store->stripes[stripe_of(scene->hashes[i])].cells;
        struct cell *cell = cells_get(cells, scene->hashes[i], demand->key, limit->span);
        advance(cell, limit, scene->now_ms, scene->wall_ms);
        scene->cells[i] = cell;
        scene->verdict.left[i] = left_of(cell, limit);
    }
}

static struct cell_part *part_of(struct reservation *reservation, unsigned index)
{
    struct cell_part *parts = reservation->store_data;
    return limit_settles(reservation->demands[index].limit) ? &parts[index] : NULL;
}

static void tell(struct scene *scene, unsigned index)
{
    struct demand *demand = &scene->reservation->demands[index];
    const struct cell *cell = scene->cells[index];
    demand->left = left_of(cell, demand->limit);
    demand->reset_after = reset_after(cell, demand->limit, scene->wall_ms);
    demand->room_after = 0;
    if (demand->refused) {
        uint64_t least = scene->verdict.least[index];
        demand->room_after =
            least > demand->whole ? -1 : room_after(cell, demand->limit, least, scene->wall_ms);
    }
}

static bool decide(struct scene *scene, enum verdict_step step)
{
    struct reservation *reservation = scene->reservation;
    look(scene);
    bool admitted = verdict_decide(reservation, step, &scene->verdict);
    for (unsigned i = 0; i < reservation->count; i++) {
        struct demand *demand = &reservation->demands[i];
        if (admitted && verdict_concerns(demand, step)) {
            uint64_t before = used_of(scene->cells[i]);
            take(scene->cells[i], demand, part_of(reservation, i), scene->verdict.amount[i]);
            verdict_note_crossing(demand, before, used_of(scene->cells[i]));
        }
        tell(scene, i);
    }
    return admitted;
}

static bool anything_settles(const struct reservation *reservation)
{
    for (unsigned i = 0; i < reservation->count; i++) {
        if (limit_settles(reservation->demands[i].limit)) {
            return true;
        }
    }
    return false;
}

static void ask(void *side, struct reservation *reservation)
{
    struct scene scene;
    if (reservation->store_data == NULL && anything_settles(reservation)) {
        reservation->store_data = memory_alloc(reservation->count * sizeof(struct cell_part));
    }
    open_scene(&scene, side, reservation);
    bool admitted = decide(&scene, VERDICT_ASK);
    close_scene(&scene);
    reservation->state = admitted ? RESERVATION_HELD : RESERVATION_REFUSED;
    reservation->basis = BASIS_STORE;
}

static void extend(void *side, struct reservation *reservation)
{
    struct scene scene;
    open_scene(&scene, side, reservation);
    reservation->extension_refused = !decide(&scene, VERDICT_EXTEND);
    close_scene(&scene);
}

/* ---- settle ---- */

static void charge(struct cell *cell, const struct demand *demand, const struct cell_part *part)
{
    uint64_t granted = part->amount;
    uint64_t used = demand->limit->unit == LIMIT_CONCURRENCY ? granted : demand->used;
    uint64_t unused = used < granted ? granted - used : 0;
    uint64_t more = used > granted ? used - granted : 0;
    if (cell->span == LIMIT_RATE) {
        (void)bucket_give_back(&cell->bucket, demand->position, demand->last_taken, unused);
        (void)bucket_take(&cell->bucket, more);
    } else if (cell->span == LIMIT_HELD) {
        cell->sum -= (int64_t)granted;
    } else if (part->start_ms != cell->start_ms) {
        return; /* of a window that is over: its sums have gone with it */
    } else {
        cell->sum += (int64_t)more - (int64_t)unused;
    }
    cell->taken += more;
    cell->settled += used;
    cell->refunded += unused;
}

static void settle_demand(struct store_memory *store, struct reservation *reservation,
                          unsigned index)
{
    struct demand *demand = &reservation->demands[index];
    struct cell_part *part = part_of(reservation, index);
    if (part == NULL || part->cell == NULL) {
        return;
    }
    struct cell *cell = part->cell;
    struct stripe *stripe = &store->stripes[stripe_of(cell->hash)];
    (void)pthread_mutex_lock(&stripe->lock);
    advance(cell, demand->limit, store->clock.now() / MSEC, store->clock.wall() / MSEC);
    charge(cell, demand, part);
    cell_close(part);
    (void)pthread_mutex_unlock(&stripe->lock);
}

static void settle(void *side, struct reservation *take_reservation)
{
    if (take_reservation->store_data != NULL) {
        for (unsigned i = 0; i < take_reservation->count; i++) {
            settle_demand(side, take_reservation, i);
        }
        memory_free(take_reservation->store_data);
    }
    reservation_free(take_reservation);
}

static void turn_end(void *side)
{
    (void)side; /* nothing is queued */
}

struct store_side store_memory_side(struct store_memory *store)
{
    static const struct store_ops ops = {
        .ask = ask, .extend = extend, .settle = settle, .turn_end = turn_end};
    return (struct store_side){.ops = &ops, .side = store};
}

/* ---- reading and changing ---- */

static struct stripe *lock_key(struct store_memory *store, struct slice key, struct cell **ret)
{
    uint64_t hash = table_hash(key);
    struct stripe *stripe = &store->stripes[stripe_of(hash)];
    (void)pthread_mutex_lock(&stripe->lock);
    *ret = cells_find(&stripe->cells, hash, key);
    return stripe;
}

static void fill_entry(const struct cell *cell, struct store_entry *ret)
{
    *ret = (struct store_entry){
        .key = cell->key,
        .span = cell->span,
        .used = used_of(cell),
        .reserved = cell_open_sum(cell),
        .taken = cell->taken,
        .settled = cell->settled,
        .refunded = cell->refunded,
    };
    ret->open = ret->reserved;
}

bool store_memory_read(struct store_memory *store, const struct limit *limit, struct slice key,
                       struct store_entry *ret)
{
    struct cell *cell;
    struct stripe *stripe = lock_key(store, key, &cell);
    if (cell != NULL) {
        advance(cell, limit, store->clock.now() / MSEC, store->clock.wall() / MSEC);
        fill_entry(cell, ret);
        ret->key = key;
    }
    (void)pthread_mutex_unlock(&stripe->lock);
    return cell != NULL;
}

bool store_memory_reset(struct store_memory *store, const struct limit *limit, struct slice key)
{
    struct cell *cell;
    struct stripe *stripe = lock_key(store, key, &cell);
    if (cell != NULL) {
        uint64_t open = cell_open_sum(cell);
        advance(cell, limit, store->clock.now() / MSEC, store->clock.wall() / MSEC);
        if (cell->span == LIMIT_RATE) {
            cell->bucket.debt = cell->bucket.debt < open ? cell->bucket.debt : open;
        } else {
            cell->sum = (int64_t)open;
        }
    }
    (void)pthread_mutex_unlock(&stripe->lock);
    return cell != NULL;
}

bool store_memory_raise(struct store_memory *store, const struct limit *limit, struct slice key,
                        uint64_t amount)
{
    struct cell *cell;
    struct stripe *stripe = lock_key(store, key, &cell);
    if (cell != NULL) {
        advance(cell, limit, store->clock.now() / MSEC, store->clock.wall() / MSEC);
        if (cell->span == LIMIT_RATE) {
            cell->bucket.debt -= amount < cell->bucket.debt ? amount : cell->bucket.debt;
        } else {
            cell->sum -= (int64_t)amount;
        }
    }
    (void)pthread_mutex_unlock(&stripe->lock);
    return cell != NULL;
}
