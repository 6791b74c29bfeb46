#include "routes/retry.h"

/* What is added to a provider's own wait: a tenth of it, at most this. */
#define SPREAD_LONGEST SEC

bool retry_policy_has(const struct retry_policy *policy, unsigned status)
{
    for (unsigned i = 0; i < policy->status_count; i++) {
        if (policy->statuses[i] == status) {
            return true;
        }
    }
    return false;
}

/* min(cap, base × factor^(made - 1)), without overflow. Grows at each step but where the factor is
 * 1, so it ends soon. */
static usec_t longest_wait(const struct retry_policy *policy, unsigned made)
{
    usec_t wait = policy->base;
    for (unsigned i = 1; i < made && policy->factor > 1 && wait > 0 && wait < policy->cap; i++) {
        if (__builtin_mul_overflow(wait, (usec_t)policy->factor, &wait)) {
            wait = policy->cap;
        }
    }
    return wait < policy->cap ? wait : policy->cap;
}

/* In [0, bound). */
static usec_t random_below(usec_t bound, uint64_t random)
{
    return bound > 0 ? (usec_t)(random % (uint64_t)bound) : 0;
}

static usec_t asked_wait(const struct retry_policy *policy, usec_t retry_after, uint64_t random)
{
    if (retry_after <= 0 || policy->jitter == RETRY_JITTER_NONE) {
        return retry_after;
    }
    usec_t spread = retry_after / 10 < SPREAD_LONGEST ? retry_after / 10 : SPREAD_LONGEST;
    usec_t extra = random_below(spread + 1, random);
    return retry_after > INT64_MAX - extra ? INT64_MAX : retry_after + extra;
}

usec_t retry_wait(const struct retry_policy *policy, unsigned made, usec_t retry_after,
                  uint64_t random)
{
    usec_t own = longest_wait(policy, made);
    if (policy->jitter == RETRY_JITTER_FULL) {
        own = random_below(own, random);
    }
    usec_t asked = asked_wait(policy, retry_after, random);
    return asked > own ? asked : own;
}
