/*
 * entry: the ledger's row of an exchange. It is opened behind admission with all that was reserved,
 * so that a killed process loses none, and closed at settlement with what it came to. What is
 * refused has one, too, once its tenant is known. Only for gateway/exchange.
 *
 * exchange->entry is NULL as long as it has none, or its worker's ring is full; then it is taken,
 * or folded into the sums, at the end.
 */
#pragma once

#include "base/clock.h"

struct exchange;
struct http1_response;

/* A route is about to ask a store that others share, which may take it and this process not live to
 * hear that: opens the row, with nothing that is reserved for it. */
void entry_asks(struct exchange *exchange);
/* A route has admitted it: opens the row, or notes what is reserved now. */
void entry_admitted(struct exchange *exchange);
/* More is reserved. */
void entry_reserved(struct exchange *exchange);
/* An attempt begins: what is known of the call by now. */
void entry_sent(struct exchange *exchange);
/* The answer's head is here: how its provider calls the request. */
void entry_answered(struct exchange *exchange, const struct http1_response *response);
/* What was used is known, and the client is about to be told: from now on a killed process is
 * charged that. */
void entry_used(struct exchange *exchange);
/* Once, at the end; what was used is known, and nothing of the quotas is settled yet. */
void entry_close(struct exchange *exchange, usec_t now);
