/*
 * delivery_schedule: what an attempt's end means for a delivery: delivered, again (and when), or
 * dead. Pure: time and chance are passed in.
 */
#pragma once

#include "config/hook.h"
#include "gateway/upstream/attempt.h"
#include "gateway/webhook/queue.h"
#include "routes/breaker.h"

struct fetch_result;

/* So long a receiver may put an event off by Retry-After; what is beyond counts as this. */
#define DELIVERY_RETRY_AFTER_MAX (86400 * SEC)

/* What came of an attempt, as it is counted. */
enum delivery_end {
    DELIVERY_2XX,
    DELIVERY_3XX,
    DELIVERY_410,
    DELIVERY_4XX,
    DELIVERY_5XX, /* and whatever is no status that a receiver may answer with */
    DELIVERY_TIMEOUT,
    DELIVERY_UNREACHABLE, /* no byte had left */
    DELIVERY_BROKEN,      /* no whole answer, or none that is HTTP */
};

/* "2xx", "410", "timeout", ... */
const char *delivery_end_name(enum delivery_end end);
/* An answer counts when it is whole, or as much of it was read as is wanted. */
enum delivery_end delivery_end_of(const struct fetch_result *result);
/* What it says of the target. */
enum breaker_outcome delivery_breaker_outcome(enum delivery_end end,
                                              const struct fetch_result *result);

/* `time` ±20 %; 0 stays 0. */
usec_t delivery_jitter(usec_t time, uint64_t random);

/* May a delivery that was never tried be tried at `wall`? Else *ret_due is when: the schedule's
 * first entry after its receipt. It says so once, and again only if that is more than the jitter
 * away. */
bool delivery_may_begin(const struct hook_target *target, const struct queue_delivery *delivery,
                        usec_t wall, uint64_t random, usec_t *ret_due);

struct delivery_verdict {
    enum queue_outcome outcome; /* not QUEUE_GIVEN_BACK */
    usec_t due;                 /* since 1970; of QUEUE_AGAIN */
};

/* `attempts`: that were made before this one. */
struct delivery_verdict delivery_judge(const struct hook_target *target, unsigned attempts,
                                       enum delivery_end end, const struct fetch_result *result,
                                       usec_t wall, uint64_t random);
