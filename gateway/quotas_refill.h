/*
 * quotas_refill: a shared store that has lost its data is told again what this gateway had charged,
 * out of its ledger. Main thread.
 */
#pragma once

struct ledger;
struct quotas;
struct quotas_refill;
struct snapshot;

/* Before any worker is attached. `ledger` may be NULL: there is none. */
void quotas_refill_begin(struct quotas *quotas, struct ledger *ledger);
void quotas_refill_free(struct quotas_refill *refill); /* takes NULL */
/* Once a second. Looks for sums of other epochs of the store for a minute behind each change of it,
 * and then until none of their reservations is open: what is said again corrects what was said
 * before. */
void quotas_refill_tick(struct quotas *quotas, const struct snapshot *snapshot);
/* What was charged before has changed: it looks for a minute again. */
void quotas_refill_again(struct quotas *quotas);
