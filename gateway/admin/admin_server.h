/*
 * admin_server: the operator's listener: /livez, /readyz, /metrics, /api/v1/, and an index.
 *
 * A plain libevhtp server on the main thread's event base, apart from the data plane. It knows
 * nothing of the server: what it shows comes from a table of functions. One request a
 * connection; a foreign Host or Origin is refused, so that no web page can read it.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct admin_server;
struct buffer;
struct event_base;

/* A quota by its names in the config. */
struct quota_change {
    const char *tenant; /* "": of a quota over tenants that all share */
    const char *quota;
    const char *route; /* of `each: route`; else "" */
    bool raise;        /* else reset */
    uint64_t by;       /* in the quota's unit */
    const char *peer;  /* who asks: an address, or "unix" */
};

struct admin_ops {
    /* Whether requests are taken. Appends one line for each thing that is not well, such as
     * "credential_unavailable: route NAME"; such a line alone does not make it unready. */
    bool (*ready)(void *ctx, struct buffer *text);
    /* Appends the page in Prometheus' text format. */
    void (*metrics)(void *ctx, struct buffer *out);
    /* Is this the token that may change things? In constant time. */
    bool (*token_matches)(void *ctx, struct slice token);
    /* Appends the quotas of a tenant (NULL: of all) as JSON. STATUS_NOT_FOUND: no such tenant;
     * STATUS_UNAVAILABLE: the store. */
    enum status (*quotas)(void *ctx, const char *tenant, struct buffer *out, struct error *err);
    /* Changes one, and appends what it is then. Likewise. */
    enum status (*change_quota)(void *ctx, const struct quota_change *change, struct buffer *out,
                                struct error *err);
    /* Appends the circuits of all routes as JSON. */
    enum status (*breakers)(void *ctx, struct buffer *out, struct error *err);
    /* Closes those of a route, NULL: of all. `peer` asks. STATUS_NOT_FOUND: no such route. */
    enum status (*reset_breakers)(void *ctx, const char *route, const char *peer,
                                  struct buffer *out, struct error *err);
    /* `peer` came without the token that this path needs. */
    void (*refused)(void *ctx, const char *peer, const char *path);
};

struct admin_server_settings {
    struct event_base *base;  /* borrowed: the main thread's */
    const char *listen;       /* "host:port", "[v6]:port" or "unix:/path" */
    const char *const *hosts; /* names it answers to, next to localhost and IP literals; copied */
    unsigned host_count;
    const struct admin_ops *ops; /* borrowed */
    void *ctx;                   /* for ops */
};

/* The error says what to do, if the address is taken for example. */
MUST_USE enum status admin_server_start(const struct admin_server_settings *settings,
                                        struct admin_server **ret, struct error *err);
/* Closes all its connections. Takes NULL. */
void admin_server_stop(struct admin_server *server);

/* Other names from now on; copied. After a reload. */
void admin_server_set_hosts(struct admin_server *server, const char *const *hosts, unsigned count);
/* The port that was bound (for port 0), or 0 for a unix socket. */
unsigned admin_server_port(const struct admin_server *server);
