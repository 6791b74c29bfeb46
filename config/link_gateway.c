#include "base/field_values.h"
#include "config/link.h"
#include "config/listen_address.h"
#include "config/url.h"
#include "limiter/zone.h"

#include <sched.h>
#include <string.h>

static unsigned usable_cores(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) != 0 || CPU_COUNT(&set) < 1) {
        return 1;
    }
    return CPU_COUNT(&set) > 256 ? 256 : (unsigned)CPU_COUNT(&set);
}

/* Those of `texts`, behind the ones that are there. */
static void take_addresses(const struct link *link, const struct tree *texts,
                           const char **addresses, unsigned *count)
{
    for (unsigned i = 0; i < link_text_count(texts); i++) {
        struct error err;
        struct slice host;
        const struct tree *node = link_text(texts, i);
        if (node->faulty) {
            continue;
        }
        if (listen_address_check(node->text, &host, &err) != STATUS_OK) {
            link_report(link, node, "an address to listen on", &err);
            continue;
        }
        for (unsigned j = 0; j < *count; j++) {
            if (slice_equal(slice_from(addresses[j]), node->text)) {
                tree_report(link->problems, node, "this address is listed already; take one out");
            }
        }
        addresses[(*count)++] = link_keep_slice(link, node->text).ptr;
    }
}

/* All addresses are in one array: those for webhooks alone are behind the others. */
static void link_listen(struct link *link)
{
    struct gateway_settings *gateway = &link->snapshot->gateway;
    const struct tree *texts = link->sections->gateway.listen;
    const struct tree *webhooks = link->sections->gateway.webhook_listen;
    unsigned count = link_text_count(texts) + link_text_count(webhooks);
    const char **addresses = ARENA_ARRAY(link->arena, const char *, count + 1);
    unsigned used = 0;
    if (texts == NULL) {
        addresses[used++] = DEFAULT_LISTEN;
    } else if (link_text_count(texts) == 0) {
        tree_report(link->problems, texts, "there is no address; write [" DEFAULT_LISTEN "]");
    }
    take_addresses(link, texts, addresses, &used);
    gateway->listen = addresses;
    gateway->listen_count = used;
    take_addresses(link, webhooks, addresses, &used);
    gateway->webhook_listen = addresses + gateway->listen_count;
    gateway->webhook_listen_count = used - gateway->listen_count;
    if (gateway->webhook_listen_count > 0 && link->sections->webhooks.count == 0) {
        tree_warn(link->problems, webhooks, "there are no webhooks; write some, or take this out");
    }
}

static void link_proxies(struct link *link)
{
    const struct gateway_section *section = &link->sections->gateway;
    struct gateway_settings *gateway = &link->snapshot->gateway;
    gateway->trusted_proxies =
        link_networks(link, section->trusted_proxies, &gateway->trusted_proxy_count);
    gateway->proxy_protocol = section->proxy_protocol == PROXY_PROTOCOL_ON;
    if (gateway->proxy_protocol && link_text_count(section->trusted_proxies) == 0) {
        tree_report(link->problems, tree_get(tree_get(link->root, "gateway"), "proxy_protocol"),
                    "nobody is trusted to send a PROXY header; write trusted_proxies: [NETWORK], "
                    "too");
    }
}

static void link_public_url(struct link *link)
{
    struct error err;
    struct url url;
    const struct tree *node = link->sections->gateway.public_url;
    if (node == NULL) {
        return;
    }
    if (url_parse(link->arena, node->text, &url, &err) != STATUS_OK) {
        link_report(link, node, "a URL", &err);
        return;
    }
    link->snapshot->gateway.public_url = arena_print(
        link->arena, "%s://%s%.*s", url.tls ? "https" : "http", url.authority, SLICE_ARG(url.path));
}

static void link_access_log(struct link *link)
{
    const struct tree *node = link->sections->gateway.access_log;
    struct gateway_settings *gateway = &link->snapshot->gateway;
    if (node == NULL) {
        gateway->access_log = "stdout";
    } else if (slice_equal(node->text, SLICE("stdout")) || slice_equal(node->text, SLICE("off")) ||
               slice_equal(node->text, SLICE("syslog")) ||
               slice_starts_with(node->text, SLICE("syslog:/"))) {
        gateway->access_log = link_keep_slice(link, node->text).ptr;
    } else {
        gateway->access_log = tree_resolve(node->document, node->text, link->arena);
    }
}

/* Two writers would tear its chain. */
static void link_audit_log(struct link *link)
{
    struct gateway_settings *gateway = &link->snapshot->gateway;
    const struct tree *node = tree_get(tree_get(link->root, "gateway"), "audit_log");
    gateway->audit_log = link_keep(link, link->sections->gateway.audit_log);
    if (gateway->audit_log != NULL && strcmp(gateway->audit_log, gateway->access_log) == 0) {
        tree_report(link->problems, node, "this is the access log's file; name one of its own");
    }
}

static void link_time_zone(struct link *link)
{
    struct error err;
    const struct tree *node = link->sections->gateway.time_zone;
    const char *name = node != NULL ? node->text.ptr : DEFAULT_TIME_ZONE;
    enum status status = zone_load(link->arena, name, &link->snapshot->gateway.zone, &err);
    if (node != NULL && status == STATUS_NOT_FOUND) {
        tree_report(
            link->problems, node,
            "no time zone is called \"%s\" here; write one of the system's (package tzdata), "
            "such as Europe/Berlin or UTC",
            QUOTE(node->source));
    } else if (node != NULL && status != STATUS_OK) {
        link_report(link, node, "a time zone", &err);
    } else if (status != STATUS_OK) {
        problems_add(link->problems, "gateway.time_zone", 0, 0, "%s", err.message);
    }
}

static void check_limits(const struct link *link)
{
    const struct limit_settings *limits = &link->sections->gateway.limits;
    const struct tree *node =
        tree_get(tree_get(tree_get(link->root, "gateway"), "limits"), "uri_bytes");
    if (limits->uri_bytes > limits->header_bytes && node != NULL) {
        tree_report(link->problems, node,
                    "a target is part of the head; write header_bytes (%s) or less",
                    FIELD_NUMBER(FIELD_KIND_SIZE, (int64_t)limits->header_bytes));
    }
}

void link_gateway(struct link *link)
{
    const struct gateway_section *section = &link->sections->gateway;
    struct gateway_settings *gateway = &link->snapshot->gateway;
    link_listen(link);
    link_proxies(link);
    link_public_url(link);
    link_access_log(link);
    link_audit_log(link);
    link_time_zone(link);
    gateway->tls_cert = link_keep(link, section->tls.cert);
    gateway->tls_key = link_keep(link, section->tls.key);
    gateway->tls_client_ca = link_keep(link, section->tls.client_ca);
    gateway->tls_require = section->tls.require;
    if (section->tls.require && section->tls.client_ca == NULL) {
        tree_report(link->problems,
                    tree_get(tree_get(tree_get(link->root, "gateway"), "tls"), "require"),
                    "whose certificates are to be required? write client_ca: FILE, too");
    }
    gateway->workers = section->workers == 0 ? usable_cores() : section->workers;
    gateway->reload_by_signal = section->reload == RELOAD_SIGNAL;
    check_limits(link);
    gateway->limits = section->limits;
    if (gateway->limits.uri_bytes > gateway->limits.header_bytes) {
        gateway->limits.uri_bytes = gateway->limits.header_bytes; /* the default, not said */
    }
    gateway->timeouts = section->timeouts;
}

const struct egress_network *link_networks(const struct link *link, const struct tree *texts,
                                           unsigned *ret_count)
{
    unsigned count = link_text_count(texts);
    struct egress_network *networks = ARENA_ARRAY(link->arena, struct egress_network, count + 1);
    unsigned used = 0;
    for (unsigned i = 0; i < count; i++) {
        struct error err;
        const struct tree *node = link_text(texts, i);
        if (node->faulty) {
            continue;
        }
        if (egress_network_parse(node->text, &networks[used], &err) != STATUS_OK) {
            link_report(link, node, "a network such as 10.1.0.0/16", &err);
            continue;
        }
        used++;
    }
    *ret_count = used;
    return networks;
}

void link_egress(struct link *link)
{
    struct egress_policy *egress = &link->snapshot->egress;
    const struct egress_section *section = &link->sections->egress;
    egress->allowed = link_networks(link, section->allow_private, &egress->allowed_count);
    link->snapshot->egress_proxy =
        link_proxy(link, section->proxy, section->proxy_credential.secret, NULL);
}
