/*
 * source_rates: how often each source address may send what does not verify, by hook. Shared by the
 * workers, striped locks, bounded: when it is full, those that have the least to be forgotten are
 * forgotten first, so that a flood of new ones hides none that sent much. An IPv6 source is its
 * /64.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"
#include "config/hook.h"

#include <stdbool.h>

struct source_rates;

enum { SOURCE_RATES_MAX = 64 * 1024 };

struct source_rates *source_rates_new(void);
void source_rates_free(struct source_rates *rates); /* takes NULL */

/* Is there room for one more? Counts nothing. False: *ret_after says in how much time there is.
 * `now` is monotonic. */
bool source_rates_have_room(struct source_rates *rates, const char *hook, struct slice address,
                            const struct hook_rate *rate, usec_t now, usec_t *ret_after);
void source_rates_count(struct source_rates *rates, const char *hook, struct slice address,
                        const struct hook_rate *rate, usec_t now);
