/*
 * store_fixture: a memory store whose clocks are variables, and rules and reservations to try on
 * it.
 */
#pragma once

#include "base/memory.h"
#include "limiter/store_memory.h"
#include "limiter/zone.h"
#include "tests/unit/limiter/reservation_of.h"

#include <stdarg.h>
#include <stdio.h>

#include <criterion/criterion.h>

#define HOUR  (3600 * SEC)
#define DAY   (24 * HOUR)
#define START (20000 * DAY) /* a midnight in UTC */

static usec_t now;
static usec_t wall;
static struct store_memory *store;
static struct store_side side;
static struct arena arena;
static const struct zone *utc;

static usec_t read_now(void)
{
    return now;
}

static usec_t read_wall(void)
{
    return wall;
}

static void begin(void)
{
    static const struct limiter_clock clock = {read_now, read_wall};
    now = 1000 * SEC;
    wall = START;
    store = store_memory_new(&clock);
    side = store_memory_side(store);
    cr_assert_eq(zone_load(&arena, "UTC", &utc, NULL), STATUS_OK);
}

static void end(void)
{
    store_memory_free(store);
    arena_fini(&arena);
}

static inline struct limit rate_of(enum limit_unit unit, uint64_t amount, usec_t period)
{
    return (struct limit){.key = SLICE("a rate"),
                          .unit = unit,
                          .span = LIMIT_RATE,
                          .amount = amount,
                          .burst = amount,
                          .period = period};
}

static inline struct limit daily(enum limit_unit unit, uint64_t amount)
{
    return (struct limit){.key = SLICE("a day"),
                          .unit = unit,
                          .span = LIMIT_DAYS,
                          .days = 1,
                          .amount = amount,
                          .zone = utc};
}

static inline struct limit slots(uint64_t amount)
{
    return (struct limit){
        .key = SLICE("slots"), .unit = LIMIT_CONCURRENCY, .span = LIMIT_HELD, .amount = amount};
}

/* A reservation of `count` limits, 1 fixed of each. */
static inline struct reservation *reserve(unsigned count, ...)
{
    va_list limits;
    va_start(limits, count);
    struct reservation *reservation = reservation_of(count, limits);
    va_end(limits);
    return reservation;
}

static inline struct reservation *reserve_amount(const struct limit *limit, uint64_t amount)
{
    struct reservation *reservation = reserve(1, limit);
    reservation->demands[0].fixed = amount;
    return reservation;
}

/* True if it was admitted. */
static inline bool ask(struct reservation *reservation)
{
    side.ops->ask(side.side, reservation);
    cr_assert(reservation->state == RESERVATION_HELD || reservation->state == RESERVATION_REFUSED);
    cr_assert_eq(reservation->basis, BASIS_STORE);
    return reservation->state == RESERVATION_HELD;
}

static inline bool extend(struct reservation *reservation)
{
    side.ops->extend(side.side, reservation);
    cr_assert_eq(reservation->state, RESERVATION_HELD);
    return !reservation->extension_refused;
}

/* Says of the first demand what was used, and settles. */
static inline void settle(struct reservation *take_reservation, uint64_t used)
{
    take_reservation->demands[0].used = used;
    side.ops->settle(side.side, take_reservation);
}

/* Asks and settles: true if it was admitted. */
static inline bool use(const struct limit *limit, uint64_t amount)
{
    struct reservation *reservation = reserve_amount(limit, amount);
    bool admitted = ask(reservation);
    settle(reservation, amount);
    return admitted;
}

/* What the limit's key has counted, all zero if it is unknown. It always adds up. */
static inline struct store_entry entry_of(const struct limit *limit)
{
    struct store_entry entry = {0};
    (void)store_memory_read(store, limit, limit->key, &entry);
    cr_assert(store_entry_adds_up(&entry));
    cr_assert_eq(entry.reserved, entry.open);
    return entry;
}
