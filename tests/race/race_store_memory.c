/* Threads ask, extend and settle on shared limits: never one too many is admitted, nothing stays
 * reserved, and all keys add up, also while others look on and change them. */
#include "base/memory.h"
#include "limiter/store_memory.h"
#include "limiter/zone.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

enum { THREADS = 4, ASKS = 4000, ROOM = 5000, SLOTS = 2, TURNS = 3000, KEYS = 8 };

static struct store_memory *store;
static struct store_side side;
static _Atomic usec_t ticks = 1000 * SEC; /* both clocks */
static atomic_uint held;
static atomic_bool failed;

static usec_t read_clock(void)
{
    return atomic_load(&ticks);
}

static void expect(bool claim, const char *text)
{
    if (!claim && !atomic_exchange(&failed, true)) {
        (void)printf("not so: %s\n", text);
    }
}

static struct reservation *reserve(unsigned count, const struct limit *const *limits)
{
    struct reservation *reservation = reservation_new(count, (size_t)count * LIMIT_KEY_MAX);
    for (unsigned i = 0; i < count; i++) {
        struct demand *demand = &reservation->demands[i];
        demand->limit = limits[i];
        demand->fixed = 1;
        demand->key = reservation_keep_key(reservation, limits[i]->key);
    }
    return reservation;
}

static bool ask(struct reservation *reservation)
{
    side.ops->ask(side.side, reservation);
    return reservation->state == RESERVATION_HELD;
}

/* Runs `work` on all threads, each with a number of its own, and sums what they return. */
static size_t run(void *(*work)(void *number))
{
    pthread_t threads[THREADS];
    size_t sum = 0;
    for (size_t i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, work, (void *)(i + 1)) != 0) {
            return 0;
        }
    }
    for (size_t i = 0; i < THREADS; i++) {
        void *result = NULL;
        (void)pthread_join(threads[i], &result);
        sum += (size_t)result;
    }
    return sum;
}

/* ---- one limit of ROOM: a budget and a rate that does not drain, as no time goes by ---- */

static struct limit budget = {.key = SLICE_INIT("budget"),
                              .unit = LIMIT_TOKENS,
                              .span = LIMIT_DAYS,
                              .days = 1,
                              .amount = ROOM};
static const struct limit rate = {.key = SLICE_INIT("rate"),
                                  .unit = LIMIT_REQUESTS,
                                  .span = LIMIT_RATE,
                                  .amount = ROOM,
                                  .burst = ROOM,
                                  .period = 60 * SEC};

static void *use_up(void *number)
{
    const struct limit *limits[] = {&budget, &rate};
    size_t admitted = 0;
    (void)number;
    for (unsigned i = 0; i < ASKS; i++) {
        struct reservation *reservation = reserve(2, limits);
        admitted += ask(reservation);
        reservation->demands[0].used = 1;
        side.ops->settle(side.side, reservation);
    }
    return (void *)admitted;
}

/* ---- slots ---- */

static const struct limit slots = {
    .key = SLICE_INIT("slots"), .unit = LIMIT_CONCURRENCY, .span = LIMIT_HELD, .amount = SLOTS};

static void *hold(void *number)
{
    const struct limit *limits[] = {&slots};
    size_t admitted = 0;
    (void)number;
    for (unsigned i = 0; i < ASKS; i++) {
        struct reservation *reservation = reserve(1, limits);
        if (ask(reservation)) {
            admitted++;
            expect(atomic_fetch_add(&held, 1) < SLOTS, "no more slots are held than there are");
            atomic_fetch_sub(&held, 1);
        }
        side.ops->settle(side.side, reservation);
    }
    return (void *)admitted;
}

/* ---- anything, on many keys ---- */

static struct limit mixed[KEYS];

static void make_mixed(const struct zone *zone)
{
    static const struct {
        const char *key;
        struct limit limit;
    } rows[KEYS] = {
        {"a", {.unit = LIMIT_TOKENS, .span = LIMIT_RATE, .period = SEC, .amount = 4000}},
        {"b", {.unit = LIMIT_REQUESTS, .span = LIMIT_RATE, .period = SEC, .amount = 900}},
        {"c", {.unit = LIMIT_COST, .span = LIMIT_DAYS, .days = 1, .amount = 50000}},
        {"d", {.unit = LIMIT_BYTES, .span = LIMIT_DAYS, .days = 2, .amount = 90000}},
        {"e", {.unit = LIMIT_TOKENS, .span = LIMIT_WEEK, .amount = 90000}},
        {"f", {.unit = LIMIT_CONCURRENCY, .span = LIMIT_HELD, .amount = 9}},
        {"g", {.unit = LIMIT_COST, .span = LIMIT_MONTH, .amount = 70, .action = LIMIT_WARN}},
        {"h", {.unit = LIMIT_TOKENS, .span = LIMIT_RATE, .period = 9 * SEC, .amount = 7000}},
    };
    for (unsigned i = 0; i < KEYS; i++) {
        mixed[i] = rows[i].limit;
        mixed[i].key = slice_from(rows[i].key);
        mixed[i].burst = mixed[i].amount;
        mixed[i].zone = zone;
    }
}

static uint64_t any(uint64_t *state, uint64_t below)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state % below;
}

static struct reservation *reserve_some(uint64_t *state)
{
    const struct limit *limits[KEYS];
    unsigned count = 0;
    unsigned first = (unsigned)any(state, KEYS); /* in any order */
    for (unsigned i = 0; i < KEYS; i++) {
        if (any(state, 2) == 0) {
            limits[count++] = &mixed[(first + i) % KEYS];
        }
    }
    struct reservation *reservation = reserve(count, limits);
    for (unsigned i = 0; i < count; i++) {
        if (limits[i]->unit != LIMIT_CONCURRENCY) {
            reservation->demands[i].fixed = any(state, 50);
            reservation->demands[i].per_output = any(state, 2);
        }
    }
    reservation->output_want = any(state, 30);
    reservation->output_share = (unsigned)any(state, 2);
    return reservation;
}

static void *mix(void *number)
{
    uint64_t state = 88172645463325252U * (size_t)number;
    size_t admitted = 0;
    for (unsigned turn = 0; turn < TURNS; turn++) {
        struct reservation *reservation = reserve_some(&state);
        admitted += ask(reservation);
        if (reservation->state == RESERVATION_HELD && any(&state, 2) == 0) {
            side.ops->extend(side.side, reservation);
        }
        atomic_fetch_add(&ticks, (usec_t)any(&state, 100) * SEC);
        for (unsigned i = 0; i < reservation->count; i++) {
            struct demand *demand = &reservation->demands[i];
            demand->used = any(&state, demand->granted + 3);
        }
        side.ops->settle(side.side, reservation);

        const struct limit *limit = &mixed[any(&state, KEYS)];
        struct store_entry entry;
        if (store_memory_read(store, limit, limit->key, &entry)) {
            expect(store_entry_adds_up(&entry), "it adds up while others use it");
        }
        if (any(&state, 50) == 0) {
            (void)store_memory_reset(store, limit, limit->key);
            (void)store_memory_raise(store, limit, limit->key, 5);
        }
    }
    return (void *)admitted;
}

int main(void)
{
    static const struct limiter_clock clock = {read_clock, read_clock};
    struct arena arena = {0};
    const struct zone *utc;
    if (zone_load(&arena, "UTC", &utc, NULL) != STATUS_OK) {
        return 2;
    }
    budget.zone = utc;
    make_mixed(utc);
    store = store_memory_new(&clock);
    side = store_memory_side(store);

    expect(run(use_up) == ROOM, "as many are admitted as there is room for");
    expect(run(hold) >= ASKS, "slots come free again");
    expect(run(mix) > TURNS / 2, "some are admitted");

    struct store_entry entry;
    expect(store_memory_read(store, &slots, slots.key, &entry) && entry.used == 0,
           "all slots are free");
    for (unsigned i = 0; i < KEYS; i++) {
        expect(store_memory_read(store, &mixed[i], mixed[i].key, &entry), "each key was used");
        expect(store_entry_adds_up(&entry) && entry.open == 0 && entry.reserved == 0,
               "nothing stays reserved");
    }
    store_memory_free(store);
    arena_fini(&arena);
    return atomic_load(&failed) ? 1 : 0;
}
