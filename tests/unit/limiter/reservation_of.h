/*
 * reservation_of: a reservation of some limits, as tests of stores ask with it.
 */
#pragma once

#include "limiter/limit.h"
#include "limiter/reservation.h"

#include <stdarg.h>

/* One demand for each of `count` limits (const struct limit *), 1 fixed of each. */
static inline struct reservation *reservation_of(unsigned count, va_list limits)
{
    struct reservation *reservation = reservation_new(count, (size_t)count * LIMIT_KEY_MAX);
    for (unsigned i = 0; i < count; i++) {
        const struct limit *limit = va_arg(limits, const struct limit *);
        reservation->demands[i].limit = limit;
        reservation->demands[i].fixed = 1;
        reservation->demands[i].key = reservation_keep_key(reservation, limit->key);
    }
    return reservation;
}
