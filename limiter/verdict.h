/*
 * verdict: whether a reservation fits into what its limits have left: all or none. Pure; what is
 * left, and taking it, is the store's. Redis' scripts decide in the same way
 * (redis_scripts/admit.lua).
 */
#pragma once

#include "limiter/reservation.h"

#include <stdbool.h>
#include <stdint.h>

enum verdict_step { VERDICT_ASK, VERDICT_EXTEND };

struct verdict {
    uint64_t left[RESERVATION_DEMANDS_MAX];   /* in: what each limit has left */
    uint64_t least[RESERVATION_DEMANDS_MAX];  /* out: the least that each demand could do with */
    uint64_t amount[RESERVATION_DEMANDS_MAX]; /* out: what is to be taken */
};

/* Extensions leave alone what is not settled in the end, and slots. */
static inline bool verdict_concerns(const struct demand *demand, enum verdict_step step)
{
    return step == VERDICT_ASK ||
           (limit_settles(demand->limit) && demand->limit->unit != LIMIT_CONCURRENCY);
}

/* Decides, by output_want and output_share. Sets `refused`, `whole` and `over` of each demand, and,
 * if all fit, adds to output_granted. A limit that only warns never refuses. */
bool verdict_decide(struct reservation *reservation, enum verdict_step step,
                    struct verdict *verdict);

/* Sets `crossed`, by what was used of the limit before and after. */
void verdict_note_crossing(struct demand *demand, uint64_t before, uint64_t after);
