/*
 * path_key: a tenant key in the path, where a provider's SDKs write the key there, or where there
 * is no other place for one: taken out before anything else sees the path. Only for
 * gateway/exchange.
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>

struct exchange;

/* The first well-formed tenant key in a part of a target, of whomever. */
bool path_key_find(struct slice text, struct slice *ret_key);

/* The route is known: if its profile has such a slot and the path behind the route begins with a
 * key, exchange->path, rest and query go on without it, and exchange->path_key is what stood
 * there. */
void path_key_cut(struct exchange *exchange);
/* The path as logs, ledger and traces show it: without its query, and without a key. */
struct slice path_key_shown(const struct exchange *exchange);
