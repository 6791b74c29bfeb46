/*
 * local_shares: how far this gateway may go alone while the shared store is away.
 *
 * For each key it remembers what was left at the last contact, when, and how many gateways were
 * alive. While the store is away a key may take left / gateways; a rate's share refills with its
 * part of the rate, and a budget whose window has ended since starts the new one with limit /
 * gateways. Without any contact: a rate and concurrency take limit / store.gateways, a budget
 * nothing. What was taken alone is handed over when the store is back. Shared by the workers,
 * striped locks, kept over a reload. Where there are many keys, those that are forgotten are as
 * good as new or have long been out of their window.
 */
#pragma once

#include "limiter/redis_commands.h"
#include "limiter/store.h"

struct local_shares;

/* `gateways` is store.gateways: how many share, where none could be asked. */
struct local_shares *local_shares_new(const struct limiter_clock *clock, unsigned gateways);
void local_shares_free(struct local_shares *shares); /* takes NULL */

/* An answer of the store: what each demand's key has left now. */
void local_shares_note(struct local_shares *shares, const struct reservation *reservation);

/* The gateways that are alive now, as the store counts them. */
void local_shares_note_gateways(struct local_shares *shares, unsigned gateways);

/* Decides it by the shares, as a store's `ask` does: all or none; basis LOCAL, or NONE where every
 * rule says STORE_ALLOW, which are passed over. One that says STORE_DENY makes it UNAVAILABLE. */
void local_shares_ask(struct local_shares *shares, struct reservation *reservation);
/* The same for more of one that is held; sets extension_refused. */
void local_shares_extend(struct local_shares *shares, struct reservation *reservation);
/* What was taken of it alone becomes `used` (BASIS_LOCAL), or is not handed over (BASIS_STORE: the
 * store is told all that was used). Gives slots back. Does not free. */
void local_shares_settle(struct local_shares *shares, struct reservation *reservation);

/* Takes out what is to be handed over, at most `max`, and returns how many. Tenant, key and limit
 * of each are copies in `out`'s own memory. */
struct local_debt {
    struct hand_over hand_over;
    struct limit limit; /* its pointers are not to be used */
    char key[LIMIT_KEY_MAX];
    char tenant[80];
};
unsigned local_shares_take(struct local_shares *shares, struct local_debt *out, unsigned max);
/* Is there any? One atomic read. */
bool local_shares_have_debts(const struct local_shares *shares);

/* What this gateway last knew of a key: false if it was never heard of. */
struct local_view {
    uint64_t left;  /* at the last contact */
    uint64_t bound; /* what its share may still admit beyond the store; 0 while the store answers */
};
bool local_shares_view(struct local_shares *shares, struct slice key, struct local_view *ret);
/* The store answers (again), or does not: for `bound`. */
void local_shares_set_away(struct local_shares *shares, bool away);
/* The server's clock less ours: windows go by it. */
void local_shares_set_offset(struct local_shares *shares, int64_t offset_ms);
