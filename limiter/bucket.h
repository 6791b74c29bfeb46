/*
 * bucket: the arithmetic of a rate: GCRA in whole numbers, without rounding and without drift.
 *
 * The state is the debt: what was taken and has not been refilled yet. It drains by `amount` each
 * `period_ms`; what drains within a millisecond is carried as a fraction. A demand fits if debt and
 * demand are at most `burst`. So in any span t at most burst + amount * t / period is taken. The
 * same is written in Lua (redis_scripts/common.lua), and a test compares the two.
 *
 * Giving back: what a reservation did not use is taken off the debt only as far as it has not
 * drained, else the time would be spent twice. For that a position is kept, which counts all that
 * ever left the debt, modulo BUCKET_POSITIONS: so all that lowers the debt is in here. (A debt
 * above half of that, as of 2.25 million USD, gives nothing back; and no reservation stays open
 * while so much is used.) Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define BUCKET_POSITIONS   (UINT64_C(1) << 52)
#define BUCKET_DEBT_MAX    ((UINT64_C(1) << 53) - 1) /* what a double counts exactly */
#define BUCKET_WAIT_MAX_MS (INT64_C(1) << 50)        /* fits as microseconds, too */

struct bucket_rate {
    uint64_t amount;    /* 1..LIMIT_AMOUNT_MAX */
    uint64_t burst;     /* 1..amount */
    uint64_t period_ms; /* 1,000 to 3,600,000 */
};

struct bucket {
    uint64_t debt;     /* at most BUCKET_DEBT_MAX, where taking more is without effect */
    uint64_t fraction; /* of one unit, in 1/period_ms: 0..period_ms-1 */
    uint64_t drained;  /* or given back; modulo BUCKET_POSITIONS */
    int64_t at_ms;     /* up to when it has drained; 0: never used */
};

/* Drains up to `now_ms`; a clock that went back drains nothing. */
void bucket_advance(struct bucket *bucket, const struct bucket_rate *rate, int64_t now_ms);

/* What can be taken now: 0 if the debt is over the burst (as after a reload). */
uint64_t bucket_left(const struct bucket *bucket, const struct bucket_rate *rate);

/* Takes it, whether it fits or not, and returns the position of its end, for bucket_give_back(). */
uint64_t bucket_take(struct bucket *bucket, uint64_t amount);

/* Of `taken`, whose end is at `position`, `unused` was not used: takes as much of that off the debt
 * as has not drained, and returns how much that was. */
uint64_t bucket_give_back(struct bucket *bucket, uint64_t position, uint64_t taken,
                          uint64_t unused);

/* Takes `amount` off the debt as if it had drained, down to none; returns how much that was. */
uint64_t bucket_forgive(struct bucket *bucket, uint64_t amount);

/* Milliseconds from at_ms until `amount` fits: 0 if it does, -1 if it never will (above burst). */
int64_t bucket_wait_ms(const struct bucket *bucket, const struct bucket_rate *rate,
                       uint64_t amount);
/* Until the debt is gone. */
int64_t bucket_full_ms(const struct bucket *bucket, const struct bucket_rate *rate);
