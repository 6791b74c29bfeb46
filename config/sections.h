/*
 * sections: every key of the config as tables, and the structs that they fill. A key that is not
 * here does not exist: parser, defaults and manual come from these. What values mean together is
 * checked in link.
 */
#pragma once

#include "base/fields.h"
#include "config/snapshot.h"

struct server_tls_section {
    const char *cert, *key;
};

struct gateway_section {
    const struct tree *listen; /* a list, or one */
    struct server_tls_section tls;
    unsigned workers; /* 0: auto */
    const struct tree *public_url;
    struct limit_settings limits;
    struct timeout_settings timeouts;
    const struct tree *access_log;
};

struct admin_section {
    const struct tree *listen;
    const struct tree *hosts;
};

struct secret_source_section {
    const struct tree *node;
    unsigned type; /* enum secret_source_kind */
    const char *path, *key_file, *prefix;
};

struct egress_section {
    const struct tree *allow_private;
};

struct credential_section {
    const struct tree *secret;
    bool none; /* "credential: none" */
};

struct inject_section {
    const struct tree *header, *query, *path, *basic, *value;
};

struct headers_section {
    const struct tree *set, *drop, *pass;
};

struct client_tls_section {
    const char *ca;
};

struct route_section {
    const struct tree *node;
    const struct tree *path, *host, *provider, *base_url;
    struct credential_section credential;
    struct inject_section inject;
    struct headers_section headers;
    struct route_timeouts timeouts;
    struct client_tls_section tls;
};

struct tenant_section {
    const struct tree *node;
    const struct tree *keys, *allow;
};

struct config_sections {
    unsigned version;
    struct gateway_section gateway;
    struct admin_section admin;
    struct field_items secrets; /* struct secret_source_section */
    struct egress_section egress;
    struct field_items routes;  /* struct route_section */
    struct field_items tenants; /* struct tenant_section */
};

#define DEFAULT_LISTEN       "127.0.0.1:8080"
#define DEFAULT_ADMIN_LISTEN "127.0.0.1:9901"

extern const struct field config_fields[];
extern const struct field route_fields[];
extern const struct field tenant_fields[];
