/*
 * sections: every key of the config as tables, and the structs that they fill. A key that is not
 * here does not exist: parser, defaults and manual come from these. What values mean together is
 * checked in link.
 */
#pragma once

#include "auth/outbound/hmac_recipe.h"
#include "auth/outbound/signer.h"
#include "base/fields.h"
#include "config/hook.h"
#include "config/snapshot.h"

struct server_tls_section {
    const char *cert, *key, *client_ca;
    bool require;
};

struct client_tls_section {
    const char *ca;
};

/* A route's. */
struct upstream_tls_section {
    const char *ca, *cert, *key;
    const struct tree *pin;
};

struct proxy_credential_section {
    const struct tree *secret;
};

/* What makes the gateway read its config again. */
enum { RELOAD_WATCH, RELOAD_SIGNAL };

struct gateway_section {
    const struct tree *listen; /* a list, or one */
    struct server_tls_section tls;
    unsigned workers; /* 0: auto */
    const struct tree *public_url;
    struct limit_settings limits;
    struct timeout_settings timeouts;
    const struct tree *access_log;
    const char *audit_log;
    const struct tree *time_zone;
    unsigned reload; /* RELOAD_... */
    const struct tree *webhook_listen, *trusted_proxies;
    unsigned proxy_protocol; /* PROXY_PROTOCOL_... */
};
enum { PROXY_PROTOCOL_OFF, PROXY_PROTOCOL_ON };

struct admin_tls_section {
    const char *cert, *key, *ca;
};

struct admin_secret_section {
    const struct tree *secret;
};

struct admin_section {
    const struct tree *listen;
    const struct tree *hosts;
    struct admin_tls_section tls;
    const char *token_file;
    struct admin_secret_section token, read_token;
};

struct store_section {
    const struct tree *url, *name;
    usec_t timeout;
    unsigned on_failure; /* enum store_failure */
    unsigned gateways;
    struct client_tls_section tls;
};

struct ledger_section {
    const struct tree *url;
    usec_t keep;
    uint64_t max_size;
    bool off; /* "ledger: none" */
};

struct otlp_header_section {
    const struct tree *secret, *value;
};

struct otlp_section {
    const struct tree *url, *headers, *service;
    unsigned traces, metrics; /* OTLP_... */
    unsigned sample;          /* percent */
    usec_t every;
};
enum { OTLP_OFF, OTLP_ON };

struct own_secret_section {
    const struct tree *secret;
};

struct approle_section {
    const struct tree *role_id, *mount;
    struct own_secret_section secret_id;
};

struct kubernetes_section {
    const struct tree *role, *mount;
    const char *token_file;
};

/* One of them; the node tells which. */
struct store_auth_section {
    struct own_secret_section token;
    struct approle_section approle;
    struct kubernetes_section kubernetes;
};

struct secret_source_section {
    const struct tree *node;
    unsigned type; /* enum secret_source_kind */
    const struct tree *path;
    const char *key_file, *passphrase_file, *prefix;
    /* Of stores that are asked over the network. */
    const struct tree *url, *proxy, *mount, *namespace, *field, *names;
    const struct tree *region, *project, *directory, *token_url; /* of clouds' stores */
    struct own_secret_section credential;
    const char *ca;
    unsigned version;
    struct store_auth_section auth;
    usec_t refresh, max_stale, timeout;
};

struct egress_section {
    const struct tree *allow_private, *proxy;
    struct proxy_credential_section proxy_credential;
};

struct credential_section {
    const struct tree *node;
    const struct tree *secret, *account;
    unsigned weight;
};

struct inject_section {
    const struct tree *node;
    const struct tree *header, *query, *path, *basic, *body, *value;
};

struct sign_section {
    unsigned scheme; /* enum signer_scheme, or SIGN_AS_PROFILE */
    const struct tree *region, *service, *message;
    unsigned hash, encoding, key, timestamp; /* of hmac_recipe.h */
    const struct tree *headers;
};
enum { SIGN_AS_PROFILE = SIGNER_SCHEMES };

struct headers_section {
    const struct tree *set, *drop, *pass;
};

struct retry_section {
    struct retry_policy policy; /* but for the statuses; first, for its fields are bound here */
    const struct tree *statuses;
    bool off; /* "retry: off" */
};

struct hedge_section {
    usec_t after;
};

struct health_section {
    const struct tree *path;
    usec_t every;
};

struct meter_section {
    uint64_t hold;
    bool stream_usage;
};

struct token_section {
    const struct tree *grant;
    const struct tree *url, *scope, *audience, *resource, *client, *issuer, *subject, *subject_type,
        *subject_header, *algorithm, *key_id, *directory, *installation;
    const struct tree *parameters, *claims;
    usec_t lifetime;
    struct client_tls_section tls;
    bool off; /* "token: off" */
};

/* What is spoken to a route's upstream: "http". */
enum { HTTP_1, HTTP_2, HTTP_AS_PROFILE };

/* How a route's calls are sent: "idempotency". */
enum { IDEMPOTENCY_HASHED, IDEMPOTENCY_AS_IS };

struct price_section {
    const struct tree *node;
    const struct tree *model; /* NULL: all that have no other */
    const struct tree *input, *output, *cache_read, *cache_write, *audio_input, *audio_output,
        *image_input, *image_output, *reasoning;
    const struct tree *per_image, *per_second, *per_character, *per_message, *per_segment,
        *per_search, *per_request;
    unsigned context, max_output;
};

struct validate_section {
    const struct tree *node;
    const struct tree *method, *path, *content_types, *required, *types;
    uint64_t max_body;
    const char *schema;
};

struct route_section {
    const struct tree *node;
    const struct tree *path, *host, *provider, *base_url, *hosts;
    struct field_items credential; /* struct credential_section; "none" is an empty list */
    struct field_items inject;     /* struct inject_section */
    struct token_section token;
    struct sign_section sign;
    struct headers_section headers;
    struct route_timeouts timeouts;
    struct retry_section retry;
    struct breaker_policy breaker;
    const struct tree *fallback;
    struct hedge_section hedge;
    struct health_section health;
    struct meter_section meter;
    unsigned max_in_flight;
    unsigned idempotency; /* IDEMPOTENCY_... */
    const struct tree *models;
    struct field_items prices;   /* struct price_section */
    struct field_items validate; /* struct validate_section */
    unsigned http;               /* HTTP_... */
    const struct tree *proxy;
    struct proxy_credential_section proxy_credential;
    struct upstream_tls_section tls;
};

struct quota_section {
    const struct tree *node;
    const struct tree *name;
    const struct tree *requests, *tokens, *cost, *bytes, *concurrency; /* one of them */
    const struct tree *per, *burst;
    const struct tree *route, *model, *each;
    unsigned action; /* enum limit_action */
    const struct tree *warn_at;
    usec_t wait;
    unsigned on_failure; /* enum store_failure, or ON_FAILURE_AS_STORE */
};
enum { ON_FAILURE_AS_STORE = STORE_ALLOW + 1 };

struct tenant_key_section {
    const struct tree *hash, *not_before, *expires, *label;
};

struct jwt_section {
    const struct tree *node;
    const struct tree *issuer, *audience, *jwks, *claims, *algorithms, *proxy;
    usec_t leeway;
    struct proxy_credential_section proxy_credential;
    struct client_tls_section tls;
};

struct deny_section {
    const struct tree *route, *method, *path, *model, *header, *field;
};

struct mtls_section {
    const struct tree *san;
};

struct tenant_section {
    const struct tree *node;
    const struct tree *keys, *allow, *deny;
    struct field_items jwt; /* struct jwt_section */
    struct mtls_section mtls;
    unsigned max_in_flight;
    struct field_items quotas; /* struct quota_section */
};

/* A scheme as auth/inbound/schemes/README.md has it; link_hook_scheme() reads the nodes. */
struct scheme_section {
    const struct tree *title, *doc, *algorithm, *signature, *grammar, *prefix, *separator,
        *signature_key, *encoding;
    const struct tree *items, *key, *key_prefixes, *key_separator, *key_url, *key_hosts,
        *key_path_end, *key_set_url, *key_set_body, *id, *timestamp, *timestamp_unit, *pin,
        *issuers, *body_hash, *requires, *aliases, *event_id, *event_type;
    const struct tree *challenge_method, *challenge_if, *challenge_token, *challenge_type,
        *challenge_body, *challenge_fetch;
    const struct tree *answer_type, *answer_body;
    const struct tree *signed_text; /* "signed" */
    unsigned tolerance, answer_status;
    bool url_ports, challenge_signed;
};

struct hook_rate_section {
    unsigned requests;
    usec_t per;
    unsigned each;  /* of addresses alone */
    unsigned count; /* enum hook_counting */
    bool off;       /* "rate: off" */
};

struct target_rate_section {
    unsigned requests; /* 0: no bound */
    usec_t per;
};

struct transform_section {
    const struct tree *drop, *rename;
};

struct target_section {
    const struct tree *node;
    const struct tree *to, *name;
    usec_t timeout;
    const struct tree *schedule;
    unsigned order; /* enum hook_order */
    const struct tree *order_key, *events, *secret, *secrets;
    unsigned concurrency;
    struct target_rate_section rate;
    struct breaker_policy breaker;
    struct transform_section transform;
    struct client_tls_section tls;
    const struct tree *proxy;
    struct proxy_credential_section proxy_credential;
};

struct settle_section {
    const struct tree *node;
    const struct tree *types, *inside, *each, *object, *up_to, *cost, *currency, *status, *free,
        *provider;
    unsigned unit; /* enum hook_money */
};

struct hook_section {
    const struct tree *node;
    const struct tree *path, *host, *provider, *public_url, *secrets, *verify_token, *topics,
        *audience, *service_account, *events, *sources;
    struct scheme_section scheme;
    unsigned untyped; /* UNTYPED_... */
    uint64_t body_bytes;
    struct hook_rate_section rate;
    unsigned dedupe;            /* enum hook_dedupe */
    struct field_items deliver; /* struct target_section */
    struct field_items settle;  /* struct settle_section */
};
enum { UNTYPED_DELIVER, UNTYPED_DROP };

struct queue_section {
    const struct tree *url;
    usec_t keep, max_age;
    unsigned max_events;
    uint64_t max_size;
};

struct providers_section {
    const char *path;
};

struct config_sections {
    unsigned version;
    struct providers_section providers;
    struct gateway_section gateway;
    struct admin_section admin;
    struct store_section store;
    struct ledger_section ledger;
    struct otlp_section otlp;
    struct field_items secrets; /* struct secret_source_section */
    struct egress_section egress;
    struct field_items routes;  /* struct route_section */
    struct field_items tenants; /* struct tenant_section */
    struct field_items quotas;  /* struct quota_section: over tenants */
    struct queue_section webhook_queue;
    struct field_items webhooks; /* struct hook_section */
};

/* Of texts that are read in link: bare numbers are names, too. */
#define LIKE_A_NAME   .pattern = FIELD_NAME_PATTERN, .max = INT64_MAX
#define LIKE_A_SECRET .pattern = "[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}", .max = INT64_MAX

#define DEFAULT_LISTEN       "127.0.0.1:8080"
#define DEFAULT_ADMIN_LISTEN "127.0.0.1:9901"
#define DEFAULT_TOKEN_FILE   "admin.token"
#define DEFAULT_TIME_ZONE    "UTC"
#define DEFAULT_STORE_NAME   "sallyport"
#define DEFAULT_OTLP_SERVICE "sallyport"
#define DEFAULT_QUEUE_PATH   "webhooks.db"

extern const struct field config_fields[];
extern const struct field admin_fields[];
extern const struct field secret_source_fields[];
extern const struct field route_fields[];
extern const struct field sign_fields[];
extern const struct field validate_fields[];
extern const struct field retry_fields[]; /* of struct retry_section */
extern const struct field breaker_fields[];
extern const struct field hedge_fields[];
extern const struct field health_fields[];
extern const struct field price_fields[];
extern const struct field route_token_fields[];
extern const struct field tenant_fields[];
extern const struct field deny_fields[]; /* of struct deny_section */
extern const struct field jwt_fields[];
extern const struct field tenant_key_fields[]; /* of struct tenant_key_section */
extern const struct field store_fields[];
extern const struct field ledger_fields[];
extern const struct field otlp_fields[];
extern const struct field otlp_header_fields[];
extern const struct field quota_fields[];
extern const struct field client_tls_fields[];
extern const struct field proxy_credential_fields[];
extern const struct field hook_fields[];
extern const struct field target_fields[];
extern const struct field settle_fields[]; /* of struct settle_section */
extern const struct field scheme_fields[]; /* of struct scheme_section */
extern const struct field queue_fields[];
