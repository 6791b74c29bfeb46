/* idempotency_use: the idempotency key that one exchange runs under. Only for gateway/exchange. */
#pragma once

#include "base/buffer.h"
#include "routes/idempotency.h"

#include <stdbool.h>
#include <stdint.h>

struct exchange;
struct wait_place;

struct idempotency_use {
    struct slice given; /* the caller's own; empty: it sent none, so it is the gateway's */
    struct buffer text; /* owned: `given` of a key in the body */
    struct slice sent;  /* what goes upstream */
    char made[IDEMPOTENCY_KEY_MAX]; /* `sent`, unless it is as given */
    uint64_t hash;                  /* of tenant, route, key and scope: pins the account */
    struct wait_place *place;       /* owned; in the line of those with this key */
};

void idempotency_use_free(struct idempotency_use *use); /* takes NULL */
