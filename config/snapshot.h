/*
 * snapshot: the whole config in force: immutable, counted, one arena. Each worker holds its own
 * reference, each exchange the one it started with.
 */
#pragma once

#include "auth/inbound/tenant.h"
#include "auth/secrets/secret_source.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/table.h"
#include "config/hook.h"
#include "limiter/limit.h"
#include "limiter/redis_link.h"
#include "routes/egress.h"
#include "routes/profile.h"
#include "routes/route.h"
#include "routes/route_table.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct jwt_issuer;
struct price_book;
struct problems;
struct outbound_proxy;
struct remote_store;
struct secret_slot;
struct secret_store;
struct webhook_schemes;

struct limit_settings {
    uint64_t header_bytes, uri_bytes, body_bytes, buffered_bytes;
    unsigned header_count;
    unsigned connections;
    unsigned exchanges; /* in flight, of each worker */
};

struct timeout_settings {
    usec_t header, body_idle, write_idle, keep_alive, drain;
};

struct gateway_settings {
    const char *const *listen; /* "host:port", "[v6]:port", "unix:/path" */
    unsigned listen_count;
    const char *tls_cert; /* NULL: no TLS */
    const char *tls_key;
    const char *tls_client_ca; /* asks for certificates of these; NULL: for none */
    bool tls_require;          /* and takes no connection without one */
    unsigned workers;          /* resolved: never 0 */
    const char *public_url;    /* no trailing slash; NULL: unknown */
    struct limit_settings limits;
    struct timeout_settings timeouts;
    bool reload_by_signal;             /* else also when the config's files change */
    const char *access_log;            /* as log_target.h names targets */
    const char *audit_log;             /* a file's path; NULL: none */
    const struct zone *zone;           /* of budgets' days, weeks and months */
    const char *const *webhook_listen; /* as `listen`: what serves webhooks alone */
    unsigned webhook_listen_count;
    const struct egress_network *trusted_proxies; /* that are believed in where a peer is */
    unsigned trusted_proxy_count;
    bool proxy_protocol; /* trusted proxies begin with a PROXY header */
};

struct admin_settings {
    const char *listen;       /* NULL: none */
    const char *const *hosts; /* further names that it answers to */
    unsigned host_count;
    const char *tls_cert; /* NULL: no TLS */
    const char *tls_key;
    const char *tls_ca;                  /* what commands trust; NULL: the system's */
    const char *token_file;              /* may do all; made at first start; NULL: token_secret */
    const char *token_secret;            /* NULL: token_file */
    const char *read_token_secret;       /* reads; NULL: there is none */
    struct secret_slot *token_slot;      /* ref; NULL: of no name, or of no store */
    struct secret_slot *read_token_slot; /* likewise */
};

struct store_settings {
    bool redis;                   /* else memory */
    struct redis_address address; /* of Redis */
    const char *name;
    usec_t timeout;
    unsigned gateways; /* how many share, where none can be asked */
};

struct ledger_config {
    const char *path; /* of the SQLite file; NULL: none */
    usec_t keep;
    uint64_t max_bytes;
};

/* One that is sent to the collector: before, the secret if there is one, after. */
struct otlp_header {
    const char *name;
    struct slice before, after;
    const char *secret_name;  /* NULL: `before` is all of it */
    struct secret_slot *slot; /* ref; NULL: of no name, or of no store */
};

enum { OTLP_HEADERS_MAX = 16 };

/* What goes to a collector, and where it is. */
struct otlp_settings {
    const char *url; /* without a trailing '/'; "/v1/traces" follows; NULL: nothing is sent */
    struct otlp_header headers[OTLP_HEADERS_MAX];
    unsigned header_count;
    bool traces, metrics;
    unsigned sample; /* percent of the traces that begin here */
    usec_t every;    /* for metrics */
    const char *service;
};

/* Where a set of public keys is fetched from; over TLS, wherever that is. */
struct key_site {
    struct origin origin;
    struct slice path; /* with its query */
    const char *url;   /* without the query, for messages */
};

struct snapshot {
    atomic_uint refs;
    struct arena arena;
    uint64_t generation; /* 1; a reload counts on, before it publishes the snapshot */
    struct gateway_settings gateway;
    struct admin_settings admin;
    const struct secret_source *secret_sources;
    unsigned secret_source_count;
    const struct remote_store *const *remote_stores; /* of each source; NULL: it is local */
    struct egress_policy egress;
    const struct outbound_proxy *egress_proxy; /* NULL: none */
    struct outbound_proxy *proxies;            /* all that are named somewhere */
    struct profile_set profiles;
    struct route **routes; /* sorted by name; route->index is the position */
    unsigned route_count;
    struct route_table route_table;
    struct tenant **tenants; /* sorted by name */
    unsigned tenant_count;
    struct tenant_table tenant_table;
    struct table issuers;            /* of tenants' tokens: name -> struct jwt_issuer */
    struct jwt_issuer **issuer_list; /* all of them */
    unsigned issuer_count;
    struct table
        sans; /* of tenants' certificates, as snapshot_san_key() has them: -> struct tenant */
    const usec_t *key_expiries; /* of tenants' keys, wall clock, ascending */
    unsigned key_expiry_count;
    struct store_settings store;
    struct ledger_config ledger;
    struct otlp_settings otlp;
    const struct limit *const *limits; /* all; limit->index is the position */
    unsigned limit_count;
    const struct limit_set *route_limits; /* by route->index: those over tenants that apply to it */
    const struct price_book *prices;
    struct hook **hooks; /* sorted by name; hook->index is the position */
    unsigned hook_count;
    struct hook_table hook_table;
    struct webhook_schemes *webhook_schemes; /* owned; NULL: there is no hook */
    struct queue_config queue;               /* of webhooks */
    struct slice shown; /* the config as it may be shown, JSON: config_shown() */
};

/* Reads, checks and links the file. On STATUS_INVALID *problems (see base/problems.h) has all
 * that is wrong with file:line:column. Slots are taken from `store`, or none if it is NULL
 * (`check`). No I/O but the config file, what ${file:} names, and whether files it names exist. */
MUST_USE enum status snapshot_load(const char *path, struct secret_store *store,
                                   struct problems *problems, struct snapshot **ret);
/* The same with a text in place of the file's contents. */
MUST_USE enum status snapshot_parse(const char *file, struct slice text, struct secret_store *store,
                                    struct problems *problems, struct snapshot **ret);
/* When the next tenant key expires, behind `wall`; 0: none will. */
usec_t snapshot_next_key_expiry(const struct snapshot *snapshot, usec_t wall);
/* The kind of a certificate's name, and the name: how snapshot.sans has it. False: it is too long
 * to be one. */
enum { SAN_KEY_MAX = 512 };
bool snapshot_san_key(bool is_uri, struct slice name, char out[SAN_KEY_MAX], struct slice *ret);
enum { SNAPSHOT_COUNTS_MAX = 80 };
/* What there is of it, for people: "3 routes, 1 tenant, 0 webhooks". */
void snapshot_counts(const struct snapshot *snapshot, char out[SNAPSHOT_COUNTS_MAX]);
/* NULL: there is none. */
struct tenant *snapshot_tenant(const struct snapshot *snapshot, const char *name);
struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot *snapshot); /* takes NULL */
