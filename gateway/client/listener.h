/*
 * listener: accepts clients on one worker: TCP with SO_REUSEPORT, unix sockets, TLS.
 *
 * libevhtp accepts and hands each connection over at once; it parses nothing.
 */
#pragma once

#include "base/status.h"
#include "gateway/client/connection.h"
#include "gateway/client/listen_socket.h"
#include "gateway/client/tls.h"

#include <stdatomic.h>

struct ssl_ctx_st;

/* All listeners and connections of a worker. */
struct client_side;

struct client_side_settings {
    struct loop *loop;                /* borrowed */
    const struct connection_ops *ops; /* borrowed */
    void *ctx;                        /* for ops */
    atomic_uint *open_connections;    /* borrowed; the process's, of all workers */
    unsigned max_connections;         /* of the process; further ones are closed at once, counted */
    bool asks_nothing;                /* no client certificates, whatever the TLS settings say */
};

struct client_side *client_side_new(const struct client_side_settings *settings);
/* All connections are closed; the owners must have ended before. */
void client_side_free(struct client_side *side);

/* One bound, listening socket, of all workers or of one; see listen_socket.h. Takes `fd`.
 * `tls` is borrowed (a reference is taken) or NULL. */
MUST_USE enum status client_side_listen(struct client_side *side, int fd, struct ssl_ctx_st *tls,
                                        struct error *err);

/* New TLS settings for connections accepted from now on. */
void client_side_set_tls(struct client_side *side, struct ssl_ctx_st *tls);

/* Stops accepting, closes idle connections, marks the others as draining. */
void client_side_drain(struct client_side *side);

/* Open connections; a drain is over at 0. */
unsigned client_side_count(const struct client_side *side);
/* Connections accepted so far, and those closed at once because of max_connections. */
uint64_t client_side_accepted(const struct client_side *side);
uint64_t client_side_refused(const struct client_side *side);
