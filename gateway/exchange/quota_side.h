/*
 * quota_side: what a worker's exchanges reach the process's quotas and waiting lines by. Filled in
 * by gateway/quotas.
 */
#pragma once

#include "limiter/store.h"

#include <stdbool.h>

struct each_values;
struct mailbox;
struct store_redis_side;
struct wait_lines;

struct quota_side {
    struct store_side store;
    struct each_values *values;     /* borrowed; the process's */
    struct wait_lines *lines;       /* likewise; who waits for room */
    struct wait_lines *joins;       /* likewise; who runs under which idempotency key */
    struct mailbox *mailbox;        /* borrowed; this worker's */
    const char *store_name;         /* borrowed; store.name */
    struct store_redis_side *redis; /* owned; NULL: memory */
    const char **tenants;           /* owned; the names that it was told */
    bool shared; /* the store is shared with other gateways: room may come unseen */
};
