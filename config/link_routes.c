#include "base/nearest.h"
#include "config/link.h"
#include "config/url.h"

#include <stdlib.h>
#include <string.h>

bool link_generic(const struct profile *profile)
{
    return slice_equal(slice_from(profile->name), SLICE("http"));
}

static const struct profile *find_profile(const struct link *link,
                                          const struct route_section *section)
{
    const struct profile_set *set = &link->snapshot->profiles;
    const struct tree *given = section->provider;
    const struct tree *node = section->node;
    struct slice name = given != NULL ? given->text : node->key->text;
    const struct profile *profile = profile_find(set, name);
    if (profile != NULL) {
        return profile;
    }
    if (given == NULL && tree_get(node, "provider") != NULL) {
        return NULL; /* reported by fields */
    }
    struct nearest nearest;
    nearest_init(&nearest, given != NULL ? given->source : name);
    for (unsigned i = 0; i < set->count; i++) {
        nearest_offer(&nearest, set->profiles[i].name);
    }
    if (given != NULL && nearest.best != NULL) {
        tree_report(link->problems, given, "no provider is called \"%s\"; did you mean \"%s\"?",
                    QUOTE(given->source), nearest.best);
    } else if (given != NULL) {
        tree_report(link->problems, given, "no provider is called \"%s\"; write one of: %s",
                    QUOTE(given->source), nearest.known);
    } else {
        tree_report_key(
            link->problems, node, "provider is missing, and \"%s\" is none; write provider: %s",
            QUOTE(node->key->source),
            nearest.best != NULL ? nearest.best
                                 : "http, or one of those that `sallyport providers` shows");
    }
    return NULL;
}

/* False: reported; there is no place to put it at. */
static bool link_place(const struct link *link, const struct route_section *section,
                       struct route *route)
{
    struct error err;
    bool valid = true;
    const struct tree *path = section->path;
    if (section->host != NULL) {
        route->host = link_keep_slice(link, section->host->text);
        if (url_host_check(section->host->text, &err) != STATUS_OK) {
            link_report(link, section->host, "a host name", &err);
            valid = false;
        }
    }
    if (path == NULL) {
        route->path = route->host.len > 0
                          ? slice_make("", 0)
                          : slice_from(arena_print(link->arena, "/%s", route->name));
        return valid;
    }
    route->path =
        slice_equal(path->text, SLICE("/")) ? slice_make("", 0) : link_keep_slice(link, path->text);
    if (url_path_check(path->text, &err) != STATUS_OK) {
        link_report(link, path, "a path", &err);
        valid = false;
    }
    return valid;
}

/* Where clients see the route, for links in its answers. */
static void link_public_base(const struct link *link, struct route *route)
{
    const char *url = link->snapshot->gateway.public_url;
    if (url == NULL) {
        return;
    }
    if (route->host.len == 0) {
        route->public_base =
            slice_from(arena_print(link->arena, "%s%.*s", url, SLICE_ARG(route->path)));
    } else {
        bool tls = slice_starts_with(slice_from(url), SLICE("https://"));
        route->public_base =
            slice_from(arena_print(link->arena, "%s://%.*s%.*s", tls ? "https" : "http",
                                   SLICE_ARG(route->host), SLICE_ARG(route->path)));
    }
}

static void add_to_table(const struct link *link, const struct route_section *section,
                         const struct route *route)
{
    struct error err;
    const struct tree *place = section->path != NULL   ? section->path
                               : section->host != NULL ? section->host
                                                       : NULL;
    if (route_table_add(&link->snapshot->route_table, route, &err) == STATUS_OK) {
        return;
    }
    if (place != NULL) {
        link_report(link, place, "a place of its own: another route has it", &err);
    } else {
        tree_report_key(link->problems, section->node, "%s", err.message);
    }
}

static void link_one(const struct link *link, const struct route_section *section,
                     struct route *route)
{
    if (section->node->faulty) {
        return;
    }
    route->profile = find_profile(link, section);
    route->timeouts = section->timeouts;
    link_prices(link, section, route);
    if (link_place(link, section, route)) {
        add_to_table(link, section, route);
    }
    link_public_base(link, route);
    link_origin(link, section, route);
    link_credentials(link, section, route);
    link_sign(link, section, route);
    link_injection(link, section, route);
    link_token(link, section, route);
    link_headers(link, section, route);
    link_resilience(link, section, route);
    link_route_hosts(link, section, route);
}

static int by_name(const void *left, const void *right)
{
    const struct route *const *a = left;
    const struct route *const *b = right;
    return strcmp((*a)->name, (*b)->name);
}

/* Behind the routes' numbers, by which rules know theirs. */
static void link_body_rules(const struct link *link, const struct route_section *section)
{
    struct route *route = table_get(&link->routes, section->node->key->text);
    if (section->node->faulty) {
        return;
    }
    link_validate(link, section, route);
    for (unsigned i = 0; i < route->host_count; i++) {
        route->hosts[i].body_rules = route->body_rules;
    }
}

void link_routes(struct link *link)
{
    const struct field_items *items = &link->sections->routes;
    const struct route_section *sections = items->items;
    struct route **routes = ARENA_ARRAY(link->arena, struct route *, items->count + 1);
    for (unsigned i = 0; i < items->count; i++) {
        struct route *route = ARENA_NEW(link->arena, struct route);
        route->name = link_keep_slice(link, sections[i].node->key->text).ptr;
        (void)table_add(&link->routes, slice_from(route->name), route);
        link_one(link, &sections[i], route);
        routes[i] = route;
    }
    if (items->count > 1) {
        qsort(routes, items->count, sizeof(struct route *), by_name);
    }
    for (unsigned i = 0; i < items->count; i++) {
        routes[i]->index = i;
        for (unsigned k = 0; k < routes[i]->host_count; k++) {
            routes[i]->hosts[k].index = i;
        }
    }
    for (unsigned i = 0; i < items->count; i++) {
        link_body_rules(link, &sections[i]);
    }
    link->snapshot->routes = routes;
    link->snapshot->route_count = items->count;
}
