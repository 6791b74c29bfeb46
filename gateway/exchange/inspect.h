/*
 * inspect: what a tenant's deny rules say of a request; and, of the step of that name, what is
 * asked of a route's bodies.
 */
#pragma once

#include "base/slice.h"
#include "routes/deny.h"

#include <stdbool.h>

struct exchange;
struct route;

/* Asks the rules that go by the head alone; *ret_body: others have to see the body. The name of the
 * rule that forbids it, or NULL. */
const char *inspect_head(const struct exchange *exchange, const struct route *route,
                         struct slice rest, bool *ret_body);

/* The call as rules see it. *memory is the caller's to free. */
struct deny_call inspect_call(const struct exchange *exchange, const struct route *route,
                              struct slice rest, char **memory);

/* A fallback's route: with the body, which is held. */
bool inspect_allows(const struct exchange *exchange, const struct route *route, struct slice rest);
