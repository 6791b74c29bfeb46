/* A route with several upstreams: each of its hosts is a route like it, with an origin of its own.
 */
#include "config/link.h"
#include "config/token.h"
#include "config/url.h"
#include "routes/hosts.h"

static const struct tree *node_of(const struct route_section *section)
{
    return tree_get(section->node, "hosts");
}

bool link_has_hosts(const struct route_section *section, const struct profile *profile)
{
    bool by_profile = profile != NULL && profile->host_count > 0;
    return node_of(section) != NULL || (by_profile && tree_get(section->node, "base_url") == NULL);
}

static struct url url_of(const struct link *link, struct slice entry)
{
    struct slice host;
    unsigned port = hosts_port(entry, &host);
    return (struct url){
        .tls = true,
        .host = link_keep_slice(link, host).ptr,
        .port = port,
        .authority = link_keep_slice(link, entry).ptr,
        .path = slice_make("", 0),
    };
}

/* ---- the entries ---- */

/* False: it is none, or there already; reported. */
static bool take_entry(const struct link *link, const struct tree *node, struct route *route)
{
    struct error err;
    if (node->faulty) {
        return false;
    }
    if (hosts_check(node->text, &err) != STATUS_OK) {
        link_report(link, node, "a host", &err);
        return false;
    }
    for (unsigned i = 0; i < route->host_count; i++) {
        if (slice_equal(slice_from(route->hosts[i].entry), node->text)) {
            tree_report(link->problems, node, "\"%s\" is listed already; take one out",
                        QUOTE(node->source));
            return false;
        }
    }
    route->hosts[route->host_count++].entry = link_keep_slice(link, node->text).ptr;
    return true;
}

static void take_given(const struct link *link, const struct tree *node, const struct tree *list,
                       struct route *route)
{
    unsigned count = link_text_count(list);
    if (list != NULL && (count == 0 || count > HOSTS_MAX)) {
        tree_report(link->problems, node, "there are %u hosts; write 1 to %d, or take this out",
                    count, HOSTS_MAX);
    }
    for (unsigned i = 0; i < count && i < HOSTS_MAX; i++) {
        (void)take_entry(link, link_text(list, i), route);
    }
}

bool link_hosts_begin(const struct link *link, const struct route_section *section,
                      struct route *route, struct url *ret_first)
{
    const struct tree *node = node_of(section);
    route->hosts = ARENA_ARRAY(link->arena, struct route, HOSTS_MAX);
    if (node != NULL) {
        take_given(link, node, section->hosts, route);
    }
    for (unsigned i = 0; node == NULL && i < route->profile->host_count; i++) {
        route->hosts[route->host_count++].entry =
            link_keep_slice(link, route->profile->hosts[i]).ptr;
    }
    if (node != NULL && section->base_url != NULL) {
        tree_report_key(link->problems, node,
                        "base_url says where the upstream is; take one of the two out");
    }
    if (route->host_count > 0) {
        *ret_first = url_of(link, slice_from(route->hosts[0].entry));
    }
    return route->host_count > 0;
}

/* ---- what goes with one upstream alone ---- */

static void refuse(const struct link *link, const struct route_section *section, const char *name)
{
    const struct tree *node = tree_get(section->node, name);
    if (node != NULL) {
        tree_report_key(link->problems, node,
                        "the route has several hosts, and this is for one; write base_url: "
                        "https://HOST in place of them, or take this out");
    }
}

static void refuse_all(const struct link *link, const struct route_section *section)
{
    static const char *const names[] = {"fallback", "health", "sign"};
    const struct tree *token = tree_get(section->node, "token");
    const struct tree *url = section->token.url;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        refuse(link, section, names[i]);
    }
    if (token != NULL && url != NULL && slice_starts_with(url->text, SLICE("/"))) {
        tree_report(link->problems, url,
                    "a path is one of the route's base_url, and the route has several hosts; write "
                    "https://HOST/PATH");
    }
}

/* ---- a route for each ---- */

static struct slice with_entry(const struct link *link, struct slice base, const char *entry)
{
    return slice_from(arena_print(link->arena, "%.*s/%s", SLICE_ARG(base), entry));
}

void link_route_hosts(const struct link *link, const struct route_section *section,
                      struct route *route)
{
    if (route->hosts == NULL) {
        return;
    }
    refuse_all(link, section);
    for (unsigned i = 0; i < route->host_count; i++) {
        struct route *host = &route->hosts[i];
        const char *entry = host->entry;
        const struct url url = url_of(link, slice_from(entry));
        *host = *route;
        host->entry = entry;
        host->hosts = NULL;
        host->host_count = 0;
        host->origin = link_origin_like(link, &route->origin, &url);
        host->path = with_entry(link, route->path, entry);
        if (route->public_base.len > 0) {
            host->public_base = with_entry(link, route->public_base, entry);
        }
        host->headers.constant =
            header_rules_rehost(link->arena, &route->headers, slice_from(entry));
        host->token = link_token_for(link, route->token, host);
    }
}
