/* hedge: a second attempt beside a slow first one. Only for gateway/exchange. */
#pragma once

#include "gateway/upstream/attempt.h"

struct exchange;

/* The first attempt has begun: sets the time for a second one, where the route asks for it. */
void hedge_arm(struct exchange *exchange);
/* The time has come. */
void hedge_start(struct exchange *exchange);
/* There is a second one: which of the two counts, given what the first one has come to. */
enum attempt_result hedge_race(struct exchange *exchange, enum attempt_result first,
                               const struct http1_response **response);
/* There is none, or it is given up. */
void hedge_end(struct exchange *exchange);
