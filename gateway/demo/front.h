/*
 * front: the pretend provider's listener and connections, on libevhtp as it is.
 *
 * Not a model for the data plane: libevhtp parses leniently, and closes without an answer where it
 * refuses. Bounded all the same: connections, fields, body, the time between two requests.
 */
#pragma once

#include "base/status.h"
#include "gateway/demo/call.h"

struct event_base;
struct front;

struct front_settings {
    struct event_base *base; /* borrowed: outlives the front */
    const char *listen;      /* host:port or [v6]:port; port 0 takes a free one */
    call_function *answer;   /* called with each request that is complete */
    void *service;           /* for call->service */
};

MUST_USE enum status front_start(const struct front_settings *settings, struct front **ret,
                                 struct error *err);
/* Closes all connections. Takes NULL. */
void front_stop(struct front *front);
/* "127.0.0.1:9902", as bound. */
const char *front_address(const struct front *front);
