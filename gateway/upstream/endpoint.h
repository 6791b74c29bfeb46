/*
 * endpoint: what a worker knows of one origin: its kept links, and its connects that run or wait.
 *
 * Found by the origin's key, which is copied: an endpoint outlives the config that named it, until
 * nothing uses it and endpoint_table_trim() is called, or there are many: callers may name hosts
 * (routes/hosts.h).
 */
#pragma once

#include "base/clock.h"
#include "base/table.h"
#include "gateway/upstream/connect_line.h"

#include <stddef.h>
#include <stdint.h>

struct attempt_h2;
struct connecting;
struct h2_connection;
struct link;

/* Over HTTP/2; h2_pool.c. */
struct endpoint_h2 {
    struct h2_connection *first;      /* all of them */
    struct connecting *connecting;    /* the next one; NULL: none is asked for */
    uint32_t most_streams;            /* on a connection, as far as was told; 0: it was not */
    struct attempt_h2 *first_waiting; /* for it */
    struct attempt_h2 *last_waiting;
    unsigned generation; /* of the side, when that connect began */
};

struct endpoint {
    struct endpoint *next; /* of all */
    char *key;             /* owned */
    unsigned users;        /* attempts, kept links, connects, lookups given up */

    struct link *newest_idle; /* pool.c */
    struct link *oldest_idle;
    unsigned idle_count;

    struct endpoint_h2 h2;

    struct connect_ticket *first_waiting; /* connect_line.c */
    struct connect_ticket *last_waiting;
    struct connect_places taken;
    bool is_address; /* needs no lookup */
    usec_t asked_at; /* the first lookup since the last answer to one; 0: none */
    bool proven;     /* it could be connected to, and nothing has hung since */
    bool listed;     /* in the list of those that have something to start */
    struct endpoint *next_listed;
};

/* Zero-initialized is empty. */
struct endpoint_table {
    struct table table; /* from key to endpoint */
    struct endpoint *first;
    unsigned count;
    unsigned trim_at; /* when there are so many; 0: at ENDPOINTS_KEPT */
};

/* So many are kept before those that are not in use are forgotten. */
enum { ENDPOINTS_KEPT = 1024 };

void endpoint_table_fini(struct endpoint_table *endpoints); /* none may be in use */

/* Counted as used until endpoint_unuse(). */
struct endpoint *endpoint_use(struct endpoint_table *endpoints, const char *key);

static inline void endpoint_unuse(struct endpoint *endpoint)
{
    endpoint->users--;
}

/* Forgets those that are not in use. */
void endpoint_table_trim(struct endpoint_table *endpoints);
