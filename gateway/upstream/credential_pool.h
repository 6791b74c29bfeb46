/*
 * credential_pool: which of a route's credentials a request takes: by weight, health and what is
 * left of their limits; and what answers tell of them. The process's, by the secret's name
 * (standing.h).
 *
 * A credential cools after a 429, with all of its account, where that has a name, in the quota
 * domain of the request; it has a circuit of its own where there is more than one; a 401 that tells
 * that the key itself was refused benches it for a minute. The last one is never benched: where all
 * are, they are taken as if none were. Of several that could not be taken the one that is free
 * first is.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"
#include "gateway/upstream/judge.h"

#include <stdbool.h>
#include <stdint.h>

struct route;
struct route_credential;

#define COOLING_SHORTEST (30 * SEC) /* where a 429 does not say how long */
#define COOLING_LONGEST  (1800 * SEC)
#define BENCHED_FOR      (60 * SEC)
#define PACE_LONGEST     (5 * SEC) /* nobody is held longer to go slower */

struct pool_ask {
    const struct route *route;
    struct slice domain; /* what the limit is counted by beside the credential: a model, or an
                            API's part; may be empty */
    bool pinned;         /* the account is given: */
    uint64_t account;    /* any number: modulo the accounts */
    uint32_t tried;      /* bits of those that this request had: only if there is no other */
    usec_t now;
    uint64_t random;
};

struct pool_choice {
    const struct route_credential *credential; /* NULL: the route has none */
    unsigned index;                            /* in route->credentials */
    struct breaker_permit permit;              /* of its own circuit; to be given back */
    bool benched;      /* all of several are: this one would not help where another did not */
    bool cooling;      /* none may be taken: this one is free first... */
    usec_t free_after; /* ...after so long */
    usec_t pace;       /* wait so long before sending, for few requests are left; 0: do not */
};

void credential_pool_choose(const struct pool_ask *ask, struct pool_choice *ret);

/* What became of the attempt with it. `advice` NULL: there was no answer. Gives the permit back. */
void credential_pool_note(const struct pool_ask *ask, struct pool_choice *choice,
                          const struct judgement *judgement, const struct advice *advice,
                          usec_t took);
