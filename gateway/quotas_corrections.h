/*
 * quotas_corrections: what the ledger learns later of a request's cost, as the quotas that it was
 * charged to are told it (ADR 0013). Main thread.
 */
#pragma once

struct ledger;
struct quotas;
struct snapshot;

/* At times. `ledger` may be NULL. */
void quotas_corrections_tick(struct quotas *quotas, const struct snapshot *snapshot,
                             struct ledger *ledger);
