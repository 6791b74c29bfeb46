/*
 * connect_line: which connects may run, and which wait.
 *
 * What runs is bounded, by worker and by endpoint, so that names that do not resolve and hosts that
 * do not answer hold up nobody else; the rest waits in line. An endpoint that has not answered
 * lately is given less of it all, and some of the worker's places are kept for those that have. It
 * knows nothing of how to connect.
 */
#pragma once

#include "base/clock.h"

#include <stdbool.h>

struct endpoint;
struct lingering;
struct loop;

/* Lookups are of names only, each a thread of libcurl's. Running are lookups, connects and
 * handshakes. */
enum {
    CONNECT_LINE_LOOKUPS = 256,
    CONNECT_LINE_LOOKUPS_UNPROVEN = 192,
    CONNECT_LINE_LOOKUPS_AN_ENDPOINT = 8,
    CONNECT_LINE_LOOKUPS_AN_UNPROVEN_ENDPOINT = 2,
    CONNECT_LINE_RUNNING = 512,
    CONNECT_LINE_RUNNING_UNPROVEN = 384,
    CONNECT_LINE_RUNNING_AN_ENDPOINT = 64,
    CONNECT_LINE_RUNNING_AN_UNPROVEN_ENDPOINT = 16,
};

struct connect_places {
    unsigned lookups; /* that run, as far as is known */
    unsigned running;
};

/* One connect's standing. */
struct connect_ticket {
    struct endpoint *endpoint;              /* borrowed; in use */
    struct connect_ticket *next, *previous; /* while it waits, of the endpoint's */
    bool waiting;
    bool looking_up;
    usec_t started_at;
};

/* One a worker. */
struct connect_line {
    struct loop *loop;             /* borrowed */
    struct endpoint *first_listed; /* those that have something to start */
    struct endpoint *last_listed;
    struct lingering *lingering; /* owned */
    struct connect_places taken; /* of all endpoints */
    unsigned waiting;
    void (*on_place)(void *ctx); /* from a timer: ask connect_line_next() again */
    void *ctx;                   /* borrowed */
};

void connect_line_init(struct connect_line *line, struct loop *loop, void (*on_place)(void *ctx),
                       void *ctx);
void connect_line_fini(struct connect_line *line); /* nothing may wait or run */

/* The endpoint must be in use until the ticket leaves or ends. */
void connect_line_join(struct connect_line *line, struct connect_ticket *ticket,
                       struct endpoint *endpoint);
/* One that waits does so no longer. */
void connect_line_leave(struct connect_line *line, struct connect_ticket *ticket);
/* The next that may run: it does from now on. NULL: none may now. Endpoints take turns. */
struct connect_ticket *connect_line_next(struct connect_line *line);
/* Its lookup is over, if it ever needed one. */
void connect_line_answered(struct connect_line *line, struct connect_ticket *ticket);

enum connect_outcome {
    CONNECT_DONE,
    CONNECT_FAILED, /* with an answer: from the resolver or the host */
    CONNECT_GIVEN_UP,
};
/* It runs no longer. */
void connect_line_end(struct connect_line *line, struct connect_ticket *ticket,
                      enum connect_outcome outcome);
