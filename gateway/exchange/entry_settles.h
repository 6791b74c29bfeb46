/*
 * entry_settles: what a row of the ledger says of the reservations that a store is to hear the end
 * of, where others share it. A killed process has not told it all, and by itself the store would
 * charge in full what was settled, and what was never admitted: the next process tells it what the
 * rows say. So the row and the store are the same money, whenever it was killed. Only for
 * gateway/exchange.
 */
#pragma once

struct exchange;
struct ledger_row;

/* What is reserved now; of a reservation that has no verdict yet, nothing. */
void entry_settles_reserved(const struct exchange *exchange, struct ledger_row *row);
/* What was used: metering_close() has set it. */
void entry_settles_used(const struct exchange *exchange, struct ledger_row *row);
/* Before the row is closed and anything is settled: the row waits until the store has heard it. */
void entry_settles_await(struct exchange *exchange, struct ledger_row *row);
