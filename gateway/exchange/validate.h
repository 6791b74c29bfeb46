/*
 * validate: what a route asks of a request's body. The head is asked in `identify`, the body in
 * `inspect`.
 */
#pragma once

#include "gateway/exchange/exchange.h"

/* True: refused, and *ret is what comes of it. *ret_body: the body has to be looked at, too. */
bool validate_head(struct exchange *exchange, bool *ret_body, enum step_result *ret);
/* With the body held. */
bool validate_body(struct exchange *exchange, enum step_result *ret);
/* Does a call that falls back meet what this route asks, with the body as its caller wrote it? */
bool validate_allows(const struct exchange *exchange, const struct route *route, struct slice rest);
