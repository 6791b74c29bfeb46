/*
 * connector: opens links: name lookup, egress guard, TCP, and TLS that always verifies.
 *
 * libcurl does it (CURLOPT_CONNECT_ONLY) on the worker's loop; how many at once, connect_line.h
 * says. Nothing here has a deadline: the one who asked cancels.
 */
#pragma once

#include "base/clock.h"
#include "gateway/upstream/attempt.h"

struct connecting;
struct connector;
struct endpoint;
struct link;

struct connect_settings {
    const struct origin *origin;        /* borrowed until the end */
    const struct egress_policy *egress; /* likewise */
    struct endpoint *endpoint;          /* likewise; in use */
    usec_t timeout;                     /* how the addresses of a name share the time */
    /* Called once, from the loop: with an open link, or NULL and why. */
    void (*done)(void *ctx, struct link *take_link, const struct attempt_failure *failure);
    void *ctx; /* borrowed */
};

struct connector *connector_new(struct loop *loop);
void connector_free(struct connector *connector); /* nothing may be connecting, no link open */

struct connecting *connector_start(struct connector *connector,
                                   const struct connect_settings *settings);
/* The same, asked by another whose origin has the same key. */
void connector_move(struct connecting *connecting, const struct origin *origin,
                    const struct egress_policy *egress);
/* Never waits, not even for a name lookup. done() is not called. */
void connector_cancel(struct connecting *connecting);

/* Certificates are read anew for the next connection. */
void connector_refresh(struct connector *connector);
unsigned connector_running(const struct connector *connector); /* or waiting */
unsigned connector_open_links(const struct connector *connector);
