/*
 * local_shares: how far this gateway may go alone while the shared store is away.
 *
 * For each key it remembers what was left at the last contact, when, and how many gateways were
 * alive. While the store is away a key may take left / gateways; a rate's share refills with its
 * part of the rate, and a budget whose window ended since starts the new one with limit / gateways.
 * Without any contact: a rate and concurrency take limit / store.gateways, a budget nothing. What
 * was taken alone is handed over when the store is back. Shared by the workers, striped locks, kept
 * over a reload.
 */
#pragma once

#include "limiter/store.h"

struct local_shares;
struct hand_over;

/* `gateways` is store.gateways: how many share, where none could be asked. */
struct local_shares *local_shares_new(const struct limiter_clock *clock, unsigned gateways);
void local_shares_free(struct local_shares *shares);

/* An answer of the store: what each demand's key has left now. Ends its being alone. */
void local_shares_note(struct local_shares *shares, const struct reservation *reservation,
                       unsigned gateways);

/* Decides it by the shares, as a store's `ask` and `extend` do: all or nothing; basis LOCAL.
 * Demands whose on_failure is STORE_ALLOW are passed over; if one says STORE_DENY the state is
 * UNAVAILABLE. */
void local_shares_ask(struct local_shares *shares, struct reservation *reservation);
void local_shares_extend(struct local_shares *shares, struct reservation *reservation);
/* BASIS_LOCAL: corrects what was taken to `used`, or, where that has been handed over by now, adds
 * the difference to what is to be handed over next. Does not free. */
void local_shares_settle(struct local_shares *shares, struct reservation *reservation);

/* Takes out what is to be handed over, at most `max`; each is in `out` until the next call of this
 * thread. Returns how many. `limit` and `key` live as long as ... the shares. */
unsigned local_shares_take(struct local_shares *shares, struct hand_over *out, unsigned max);

/* The most that the shares in force may still admit beyond the store, for the metric
 * quota_overshoot_bound; 0 while the store answers. */
void local_shares_each_bound(struct local_shares *shares,
                             void (*visit)(void *ctx, struct slice key, uint64_t bound), void *ctx);

/* What this gateway last knew of a key: false if it was never heard of. */
struct local_view {
    uint64_t left;  /* at the last contact, or less what was taken alone since */
    uint64_t bound; /* what its share may still admit beyond the store; 0 while the store answers */
};
bool local_shares_view(struct local_shares *shares, struct slice key, struct local_view *ret);
