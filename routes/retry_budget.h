/*
 * retry_budget: how many retries an upstream is given: a bucket that gains a share of each first
 * attempt, and RETRY_BUDGET_A_MINUTE at least, holds RETRY_BUDGET_MOST at most, and begins full. A
 * retry takes 1. So retries add no more than their share to the load of an upstream that fails.
 * Pure: time is passed in; the caller locks.
 */
#pragma once

#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    RETRY_BUDGET_MOST = 20,
    RETRY_BUDGET_A_MINUTE = 3,
};

struct retry_budget {
    int64_t millis; /* thousandths of a retry that are there */
    usec_t seen_at; /* when the minutes' share was last added; 0: new, so it is full */
};

/* A request's first attempt begins. `percent` is retry_policy.budget. */
void retry_budget_first(struct retry_budget *budget, unsigned percent, usec_t now);
/* False: none is left, and nothing was taken. */
bool retry_budget_take(struct retry_budget *budget, usec_t now);
/* A caller's own retry: takes one too, if there is one, and is never refused. */
void retry_budget_charge(struct retry_budget *budget, usec_t now);
/* Whole retries that are left. */
unsigned retry_budget_left(const struct retry_budget *budget, usec_t now);
