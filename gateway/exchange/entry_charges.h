/*
 * entry_charges: what a row of the ledger says of the quotas' windows that its request is charged
 * to, so that budgets go on from there after a restart. Only for gateway/exchange.
 */
#pragma once

struct exchange;
struct ledger_row;

/* What is reserved now, by the route before and this one. */
void entry_charges_reserved(const struct exchange *exchange, struct ledger_row *row);
/* At the end, nothing being settled yet: what was used. What the row has no room for is added to
 * the ledger's sums at once. */
void entry_charges_settled(const struct exchange *exchange, struct ledger_row *row);
