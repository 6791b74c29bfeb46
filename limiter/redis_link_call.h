/*
 * redis_link_call: commands and their replies while the caller waits: for a thread that may block,
 * on an event base of its own.
 */
#pragma once

#include "limiter/redis_link.h"

struct redis_call;

struct redis_call_settings {
    const struct redis_address *address; /* borrowed */
    struct ssl_ctx_st *tls;              /* borrowed; NULL: plain */
    usec_t (*now)(void);
    usec_t timeout; /* for connecting, and for each run */
};

MUST_USE enum status redis_call_open(const struct redis_call_settings *settings,
                                     struct redis_call **ret, struct error *err);
void redis_call_close(struct redis_call *call); /* takes NULL */

/* Where commands are written, as redis_link_output(). */
struct buffer *redis_call_output(struct redis_call *call);
/* Sends them and waits for so many replies, each given to `reply`. STATUS_TIMEOUT,
 * STATUS_UNAVAILABLE: close it. */
MUST_USE enum status redis_call_run(struct redis_call *call, unsigned replies,
                                    void (*reply)(void *ctx, const struct redis_reply *reply),
                                    void *ctx, struct error *err);
