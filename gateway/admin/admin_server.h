/*
 * admin_server: the operator's listener: the dashboard, /livez, /readyz, /metrics, /api/v1/.
 *
 * A libevhtp server on the main thread's event base, apart from the data plane, with TLS if it is
 * given some. It knows nothing of the server: what it shows comes from a table of functions. One
 * request a connection. Who may ask for what is in access.h.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct admin_server;
struct buffer;
struct event_base;
struct ssl_ctx_st;

/* A quota by its names in the config. */
struct quota_change {
    const char *tenant; /* "": of a quota over tenants that all share */
    const char *quota;
    const char *route; /* of `each: route`; else "" */
    bool raise;        /* else reset */
    uint64_t by;       /* in the quota's unit */
    const char *peer;  /* who asks: an address, or "unix" */
};

/* Of the ledger's sums, or of the objects that it names; empty texts: nothing is said. */
struct usage_question {
    const char *by; /* tenant, route, model, day */
    const char *since;
    const char *tenant, *route, *model;
    bool objects;              /* these, the newest first, instead of sums */
    const char *type, *object; /* only of objects: of that type, with that id */
};

/* What a command did, or is about to do, to what requests of the past cost. */
struct usage_repriced {
    bool done;
    int64_t since, until;               /* seconds since 1970 */
    const char *tenant, *route, *model; /* of these alone; "": of all */
    uint64_t rows;                      /* that were changed */
    uint64_t before, after;             /* what those cost that have a price, in nano-USD */
    const char *peer;
};

/* What is asked of the webhooks' queue: which deliveries, and what of them. As it was asked: what
 * the texts mean is the op's to read; empty ones: nothing is said. */
struct webhook_question {
    const char *id, *hook, *target, *type;
    const char *state; /* one or more, with commas */
    const char *since, *until;
    const char *limit, *before; /* of a list: how many, from where on */
    const char *per_second;     /* of a replay */
    const char *all;            /* "true": that there is no filter is meant */
    const char *peer;           /* who asks */
};

enum webhook_change { WEBHOOK_REPLAY, WEBHOOK_DROP };

/* A webhook as the provider sent it, bytes and headers, is for those who may do all. */
enum webhook_parts { WEBHOOK_WITHOUT_BODY, WEBHOOK_WITH_BODY };

/* A request whose answer comes later than the call that it is asked by. Main thread. */
struct admin_later;

/* What a token is good for, or an endpoint asks for; each has what those before it have. */
enum admin_right { ADMIN_NOTHING, ADMIN_READS, ADMIN_ALL };

/* What is shown of the server as a whole, as JSON. */
enum admin_page {
    ADMIN_STATUS,
    ADMIN_CONFIG,
    ADMIN_ROUTES,
    ADMIN_TENANTS,
    ADMIN_SECRETS, /* names and where they come from, never values */
    ADMIN_LIVE,
    ADMIN_ERRORS, /* of late, from the ledger; STATUS_NOT_FOUND: there is none */
};

enum admin_reload {
    ADMIN_RELOADED,
    ADMIN_RELOAD_CONFLICT, /* valid, but not in this process; or it is about to end */
    ADMIN_RELOAD_INVALID,
};

struct admin_ops {
    /* Whether requests are taken. Appends one line for each thing that is not well, such as
     * "credential_unavailable: route NAME"; such a line alone does not make it unready. */
    bool (*ready)(void *ctx, struct buffer *text);
    /* Appends the page in Prometheus' text format, or in OpenMetrics'. */
    void (*metrics)(void *ctx, struct buffer *out);
    void (*openmetrics)(void *ctx, struct buffer *out);
    /* What this token is good for. In constant time. */
    enum admin_right (*right)(void *ctx, struct slice token);
    /* Appends a page. */
    enum status (*page)(void *ctx, enum admin_page page, struct buffer *out, struct error *err);
    /* Reads the config again, for `peer`, and appends as JSON what came of it. */
    enum admin_reload (*reload)(void *ctx, const char *peer, struct buffer *out);
    /* Appends the ledger's row of a request, or sums, as JSON. STATUS_NOT_FOUND: there is none;
     * STATUS_INVALID: the question. */
    enum status (*request)(void *ctx, const char *id, struct buffer *out, struct error *err);
    /* Likewise, of the one that made an object. */
    enum status (*maker)(void *ctx, const char *object, struct buffer *out, struct error *err);
    enum status (*usage)(void *ctx, const struct usage_question *question, struct buffer *out,
                         struct error *err);
    /* Notes it for whoever audits. */
    void (*repriced)(void *ctx, const struct usage_repriced *repriced);
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
    /* Appends deliveries of webhooks as JSON, the sums of all, or a single webhook.
     * STATUS_NOT_FOUND: there is no queue, or no such webhook; STATUS_INVALID: the question. */
    enum status (*webhooks)(void *ctx, const struct webhook_question *question, struct buffer *out,
                            struct error *err);
    enum status (*webhook_sums)(void *ctx, struct buffer *out, struct error *err);
    enum status (*webhook)(void *ctx, const char *id, enum webhook_parts parts, struct buffer *out,
                           struct error *err);
    /* Changes those that fit. STATUS_OK: `take_later` is answered when it is on disk. */
    enum status (*change_webhooks)(void *ctx, const struct webhook_question *question,
                                   enum webhook_change change, struct admin_later *take_later,
                                   struct error *err);
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
    struct ssl_ctx_st *tls;      /* a reference is taken; NULL: plain */
};

/* The error says what to do, if the address is taken for example. */
MUST_USE enum status admin_server_start(const struct admin_server_settings *settings,
                                        struct admin_server **ret, struct error *err);
/* Closes all its connections. Takes NULL. */
void admin_server_stop(struct admin_server *server);

/* Answers with JSON, once, and not within the call that handed it out; whether the client is still
 * there makes no difference. Not after admin_server_stop() but to be freed: that is allowed. */
void admin_later_answer(struct admin_later *take_later, unsigned status, struct slice json);

/* Other names from now on; copied. After a reload. */
void admin_server_set_hosts(struct admin_server *server, const char *const *hosts, unsigned count);
/* New certificates for connections accepted from now on; a reference is taken, and the settings are
 * this listener's alone from then on. */
void admin_server_set_tls(struct admin_server *server, struct ssl_ctx_st *tls);
/* The port that was bound (for port 0), or 0 for a unix socket. */
unsigned admin_server_port(const struct admin_server *server);
