/*
 * object_watch: what the answer says was made at the provider, a payment or a message, for the
 * ledger's row: by the profile of the route that serves it, from its head and its JSON as it goes
 * by. It refuses nothing and holds up nothing. Only for gateway/exchange.
 *
 * exchange->object is NULL where nothing is to be found: there is no ledger, the profile knows
 * nothing of such a call, or it was not successful.
 */
#pragma once

#include "base/slice.h"

struct exchange;
struct http1_response;
struct ledger_row;
struct object_scan;
struct object_watch;

/* The final answer's head is here. */
void object_watch_begin(struct exchange *exchange, const struct http1_response *response);
/* What in its body is to be told to, by who reads it and says so; NULL: nothing is to be found in
 * it. object_watch_look() does no more then. */
struct object_scan *object_watch_share(struct exchange *exchange);
/* The next bytes of its body; of an encoded one what it decodes to, if anybody decodes it. */
void object_watch_look(struct exchange *exchange, struct slice data);
void object_watch_put(const struct exchange *exchange, struct ledger_row *row);
void object_watch_free(struct object_watch *watch); /* takes NULL */
