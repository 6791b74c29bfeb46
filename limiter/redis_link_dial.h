/*
 * redis_link_dial: from a server's address to a connected socket: a name is resolved, its addresses
 * are tried one after the other, all before a deadline. Of redis_link alone.
 */
#pragma once

#include "base/clock.h"
#include "base/timer.h"
#include "limiter/redis_link_resolve.h"

#include <stdbool.h>

struct event;
struct event_base;
struct redis_address;

struct redis_dial_settings {
    struct event_base *base;             /* borrowed */
    struct timer_queue *timers;          /* borrowed */
    usec_t (*now)(void);                 /* the loop's clock */
    const struct redis_address *address; /* borrowed */
    const char *name_server;             /* borrowed; NULL, but in tests: see redis_lookup_new() */
    /* Once for each start, from the loop: `fd` is connected, and the callee's from now on, or it is
     * -1 and `why` says why. */
    void (*done)(void *ctx, int fd, const char *why);
    void *ctx;
};

enum redis_dial_state { DIAL_IDLE, DIAL_RESOLVING, DIAL_CONNECTING, DIAL_FAILED };

struct redis_dial {
    struct redis_dial_settings settings;
    enum redis_dial_state state;
    struct event *step;          /* owned; what must not happen inside a call or callback */
    struct event *connected;     /* owned; of `fd` */
    int fd;                      /* owned; of CONNECTING, else -1 */
    struct redis_lookup *lookup; /* owned; of RESOLVING */
    struct redis_addresses addresses;
    unsigned next; /* of them */
    struct timer timer;
    usec_t started;
    usec_t deadline;
    char why[256];
};

void redis_dial_init(struct redis_dial *dial, const struct redis_dial_settings *settings);
void redis_dial_fini(struct redis_dial *dial);
/* From idle. */
void redis_dial_start(struct redis_dial *dial, usec_t timeout);
/* Idle again; nothing is called back. */
void redis_dial_cancel(struct redis_dial *dial);
