#include "config/sections.h"

#include <limits.h>

#define KIB ((int64_t)1024)
#define MIB (1024 * KIB)
#define TIB (MIB * 1024 * 1024)
#define DAY (86400 * SEC)

/* clang-format off */
static const struct field server_tls_fields[] = {
    FIELD_FILE(struct server_tls_section, cert, .required = true, .example = "/etc/sallyport/tls.crt",
        .help = "The certificate and its chain, PEM."),
    FIELD_FILE(struct server_tls_section, key, .required = true, .example = "/etc/sallyport/tls.key",
        .help = "Its private key, PEM, without a passphrase."),
    FIELD_FILE(struct server_tls_section, client_ca, .example = "/etc/sallyport/clients-ca.pem",
        .help = "Asks clients for a certificate of these authorities, PEM, for tenants' `mtls`. A client needs none, unless "
                "`require`; one that does not verify is 401. Not on `webhook_listen`."),
    FIELD_BOOL(struct server_tls_section, require, .fallback = false, .fallback_text = "false",
        .help = "`true`: without a certificate of `client_ca` there is no connection."),
    FIELD_END,
};

static const struct field limit_fields[] = {
    FIELD_SIZE(struct limit_settings, header_bytes, .min = KIB, .max = MIB, .fallback = 64 * KIB,
        .help = "The largest request head; beyond it 431."),
    FIELD_UINT(struct limit_settings, header_count, .min = 8, .max = 1000, .fallback = 128,
        .help = "The most header fields of a request; beyond it 431."),
    FIELD_SIZE(struct limit_settings, uri_bytes, .min = 256, .max = 256 * KIB, .fallback = 16 * KIB,
        .help = "The longest request target, at most `header_bytes`; beyond it 414."),
    FIELD_SIZE(struct limit_settings, body_bytes, .min = 0, .max = TIB, .fallback = 32 * MIB,
        .help = "The largest request body; beyond it 413."),
    FIELD_SIZE(struct limit_settings, buffered_bytes, .min = MIB, .max = TIB, .fallback = 256 * MIB,
        .help = "What all requests together may hold in memory; beyond it 503."),
    FIELD_UINT(struct limit_settings, connections, .min = 1, .max = 1000000, .fallback = 20000,
        .help = "The most client connections at once; further ones are closed."),
    FIELD_UINT(struct limit_settings, exchanges, .min = 1, .max = 1000000, .fallback = 10000,
        .help = "The most requests in flight on each worker; beyond it 503."),
    FIELD_END,
};

#define WAIT(member, fallback_, help_)                                                             \
    FIELD_DURATION(struct timeout_settings, member, .min = 10 * MSEC, .max = DAY,      \
        .fallback = (fallback_), .help = (help_))
static const struct field timeout_fields[] = {
    WAIT(header, 10 * SEC, "For a whole request head, from its first byte or the connection's start; then 408."),
    WAIT(body_idle, 30 * SEC, "Without a byte of a request body that is not whole; then 408."),
    WAIT(write_idle, 30 * SEC, "Without a byte of the answer taken by the client; then it is cut."),
    WAIT(keep_alive, 75 * SEC, "Between two requests of a connection; then it is closed."),
    FIELD_DURATION(struct timeout_settings, drain, .min = 0, .max = DAY, .fallback = 30 * SEC,
        .help = "For requests under way when the gateway is told to stop; then they are cut."),
    FIELD_END,
};
#undef WAIT

static const char *const proxy_protocols[] = {
    [PROXY_PROTOCOL_OFF] = "off",
    [PROXY_PROTOCOL_ON] = "on",
    NULL,
};

static const char *const reloads[] = {
    [RELOAD_WATCH] = "watch",
    [RELOAD_SIGNAL] = "signal",
    NULL,
};

static const struct field gateway_fields[] = {
    FIELD_TEXTS(struct gateway_section, listen, .lone = true, .fallback_text = DEFAULT_LISTEN,
        .example = "[127.0.0.1:8080]",
        .help = "Where clients are served: `host:port`, `[v6]:port` or `unix:/path`; one, or a list. "
                "Port 0 takes a free one."),
    FIELD_SECTION(struct gateway_section, tls, server_tls_fields,
        .help = "Serve over TLS (1.2 and up). Without it, plain HTTP."),
    FIELD_UINT(struct gateway_section, workers, .min = 1, .max = 256, .fallback = 0, .word = "auto",
        .help = "Event loops, each a thread; `auto` is one for each core that the process may use."),
    FIELD_TEXT(struct gateway_section, public_url, .example = "https://gw.internal",
        .help = "Where clients see the gateway, for links in answers (`Location`, `Link`) that are "
                "rewritten. Without it, the request's own scheme and host are used."),
    FIELD_SECTION(struct gateway_section, limits, limit_fields, .help = "What a client may send."),
    FIELD_SECTION(struct gateway_section, timeouts, timeout_fields, .help = "How long a client may take."),
    FIELD_TEXT(struct gateway_section, access_log, .fallback_text = "stdout",
        .example = "/var/log/sallyport/access.json",
        .help = "One JSON line a request: `stdout`, `off`, `syslog` (or `syslog:/PATH` of another socket "
                "than /dev/log), or a file."),
    FIELD_PATH(struct gateway_section, audit_log, .example = "/var/log/sallyport/audit.json",
        .help = "A file for what has to be proved later, a chain of JSON lines: refused keys, changes of "
                "the config, of secrets and by the administrator. Without it there is none."),
    FIELD_TEXT(struct gateway_section, time_zone, .fallback_text = DEFAULT_TIME_ZONE,
        .example = "Europe/Berlin",
        .help = "The zone whose days, weeks and months budgets follow, as the system's zone files name it."),
    FIELD_ENUM(struct gateway_section, reload, .names = reloads, .fallback = RELOAD_WATCH, .fallback_text = "watch",
        .help = "When the config is read again: `watch` on SIGHUP and when its files change, `signal` only on "
                "SIGHUP. Files that it names are not watched."),
    FIELD_TEXTS(struct gateway_section, webhook_listen, .lone = true, .fallback_text = "none",
        .example = "[0.0.0.0:8090]",
        .help = "Further addresses that serve webhooks and nothing else, for what faces the Internet. They are "
                "served on `listen`, too."),
    FIELD_TEXTS(struct gateway_section, trusted_proxies, .lone = true, .fallback_text = "none",
        .example = "[10.0.0.0/8]",
        .help = "Networks of the proxies in front of the gateway: who a request is from (for `each: ip`, webhooks and "
                "the access log) is what they say, in `X-Forwarded-For` or the PROXY header. Others are not "
                "believed."),
    FIELD_ENUM(struct gateway_section, proxy_protocol, .names = proxy_protocols,
        .fallback = PROXY_PROTOCOL_OFF, .fallback_text = "off",
        .help = "`on`: connections from trusted proxies begin with a PROXY header (version 1 or 2), on all of the "
                "listeners."),
    FIELD_END,
};

static const struct field egress_fields[] = {
    FIELD_TEXTS(struct egress_section, allow_private, .example = "[10.1.0.0/16, \"fd00::/8\"]",
        .help = "Networks that upstreams may be in although they are not globally reachable "
                "(private, loopback, link-local, metadata). All other such addresses are refused."),
    FIELD_TEXT(struct egress_section, proxy, .example = "http://proxy.internal:3128",
        .help = "The proxy that routes, their tokens' endpoints, and key sets are reached by: a tunnel (CONNECT), for "
                "`http` upstreams too. May be `http://USER:PASSWORD@HOST:PORT`. Names are resolved by the proxy then, so "
                "their addresses cannot be checked here: only literal addresses and localhost are. Webhooks' "
                "targets and stores of secrets have a `proxy` of their own; the collector and the quotas' store are "
                "reached without one."),
    FIELD_SECTION(struct egress_section, proxy_credential, proxy_credential_fields,
        .help = "What `proxy` asks for, where it is not in its URL."),
    FIELD_END,
};

static const struct field providers_fields[] = {
    FIELD_PATH(struct providers_section, path, .required = true, .example = "profiles",
        .help = "A folder of profiles, each a file NAME.json of the form that `routes/profiles/README.md` "
                "describes; `sallyport schema --profile` is its JSON Schema. One with the name of a built-in "
                "profile says `\"replaces\": true`. Read with the config: a change needs a reload."),
    FIELD_END,
};

const struct field config_fields[] = {
    FIELD_UINT(struct config_sections, version, .min = 1, .max = 1, .required = true, .example = "1",
        .help = "The version of this format."),
    FIELD_SECTION(struct config_sections, gateway, gateway_fields, .help = "What faces the clients."),
    FIELD_SECTION(struct config_sections, admin, admin_fields, .help = "What faces the operator."),
    FIELD_SECTION(struct config_sections, store, store_fields,
        .help = "Where quotas are counted: in this process, or in a Redis that several gateways share."),
    FIELD_SECTION(struct config_sections, ledger, ledger_fields, .word = "none",
        .word_offset = offsetof(struct ledger_section, off), .example = "{url: \"sqlite:usage.db\"}",
        .help = "Where what each request used and cost is kept, for `sallyport usage`."),
    FIELD_SECTION(struct config_sections, otlp, otlp_fields, .example = "{url: http://collector:4318}",
        .help = "Traces and metrics for a collector, as OTLP over HTTP with JSON. Without it nothing is sent."),
    FIELD_LIST(struct config_sections, secrets, struct secret_source_section, secret_source_fields,
        .example = "[{type: env}]",
        .help = "Where credentials are kept: sources, searched in this order for a secret's name. "
                "Only 'not found' goes on to the next one."),
    FIELD_SECTION(struct config_sections, egress, egress_fields,
        .help = "Which addresses upstreams may have."),
    FIELD_SECTION(struct config_sections, providers, providers_fields, .example = "{path: profiles}",
        .help = "Provider profiles of one's own, next to those that are built in."),
    FIELD_NAMED(struct config_sections, routes, struct route_section, route_fields,
        .help = "The upstream APIs, each under its name (a-z, 0-9, `.`, `_`, `-`; 64 bytes at most)."),
    FIELD_NAMED(struct config_sections, tenants, struct tenant_section, tenant_fields,
        .help = "Who may call, each under its name (formed like a route's)."),
    FIELD_LIST(struct config_sections, quotas, struct quota_section, quota_fields,
        .example = "[{requests: 600, per: 1m, each: tenant}]",
        .help = "Limits over all tenants. All that apply to a request, its tenant's included, have to "
                "have room; else it is refused with 429 and costs nothing."),
    FIELD_SECTION(struct config_sections, webhook_queue, queue_fields, .example = "{keep: 7d}",
        .help = "Where webhooks are kept from their acknowledgement on, until they are delivered and for replays "
                "after that. Opened where there are webhooks, or this section."),
    FIELD_NAMED(struct config_sections, webhooks, struct hook_section, hook_fields,
        .help = "Events that providers send, each kind under its name (formed like a route's): verified, kept, "
                "and delivered to services."),
    FIELD_END,
};
/* clang-format on */
