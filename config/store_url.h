/*
 * store_url: the URLs that store.url may have. Messages do not quote them: they may have passwords.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"
#include "limiter/redis_link.h"

#include <stdbool.h>

struct arena;

/* "memory:", "redis://[[user]:password@]host[:port][/db]", "rediss://..." likewise, or
 * "redis+unix://[[user]:password@]/path[?db=N]". False in *ret_redis: memory. Sets all of *ret but
 * `ca`; everything lies in the arena. */
MUST_USE enum status store_url_parse(struct arena *arena, struct slice text, bool *ret_redis,
                                     struct redis_address *ret, struct error *err);
