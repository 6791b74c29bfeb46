/* Where requests of a route go that its upstream cannot take: names of routes, and no circles. */
#include "base/buffer.h"
#include "base/nearest.h"
#include "config/link.h"
#include "routes/mapping.h"

enum { SHOWN_MAX = 8, SHOWN_BYTES = 1000 };

/* What is known of a route while its fallbacks are followed. */
struct visit {
    const struct tree *nodes[ROUTE_FALLBACKS_MAX]; /* as they were written */
    unsigned next;                                 /* of its fallbacks, the one to follow */
    enum { VISIT_NEW, VISIT_OPEN, VISIT_DONE } state;
};

struct fallbacks {
    const struct link *link;
    struct visit *visits;        /* by route->index */
    const struct route **opened; /* the way to here */
    unsigned depth;
};

static void report_provider(const struct link *link, const struct tree *node,
                            const struct route *route, const struct route *other)
{
    const struct profile_set *set = &link->snapshot->profiles;
    struct nearest usable;
    nearest_init(&usable, slice_from(other->profile->name));
    for (unsigned i = 0; i < set->count; i++) {
        if (mapping_between(route->profile, &set->profiles[i])) {
            nearest_offer(&usable, set->profiles[i].name);
        }
    }
    tree_report(link->problems, node,
                "route \"%s\" is of provider %s, where calls of %s mean nothing; write a route of "
                "provider %s",
                other->name, other->profile->name, route->profile->name, usable.known);
}

/* False: it is of no use, which was reported. */
static bool is_usable(const struct link *link, const struct tree *node, const struct route *route,
                      const struct route *other)
{
    if (other == route) {
        tree_report(link->problems, node,
                    "this is the route itself; write another one, or take it "
                    "out");
        return false;
    }
    for (unsigned i = 0; i < route->fallback_count; i++) {
        if (route->fallback[i] == other) {
            tree_report(link->problems, node, "\"%s\" is listed already; take one out",
                        QUOTE(node->source));
            return false;
        }
    }
    if (route->hosts != NULL || other->hosts != NULL) {
        if (other->hosts != NULL) { /* of the route itself it was reported with its hosts */
            tree_report(link->problems, node,
                        "\"%s\" has several hosts, of which a call to this route names none; take "
                        "it out",
                        QUOTE(node->source));
        }
        return false;
    }
    if (route->fallback_count == ROUTE_FALLBACKS_MAX) {
        tree_report(link->problems, node, "this is one too many; write %d fallbacks at most",
                    ROUTE_FALLBACKS_MAX);
        return false;
    }
    if (route->profile != NULL && other->profile != NULL &&
        !mapping_between(route->profile, other->profile)) {
        report_provider(link, node, route, other);
        return false;
    }
    return true;
}

static void resolve(const struct fallbacks *fallbacks, const struct route_section *section)
{
    const struct link *link = fallbacks->link;
    struct route *route = table_get(&link->routes, section->node->key->text);
    for (unsigned i = 0; i < link_text_count(section->fallback); i++) {
        const struct tree *node = link_text(section->fallback, i);
        const struct route *other = node->faulty ? NULL : link_find_route(link, node, node->text);
        if (other != NULL && is_usable(link, node, route, other)) {
            fallbacks->visits[route->index].nodes[route->fallback_count] = node;
            route->fallback[route->fallback_count++] = other;
        }
    }
}

/* ---- circles ---- */

static enum status print_circle(const struct fallbacks *fallbacks, unsigned begin,
                                struct buffer *out)
{
    for (unsigned i = begin; i < fallbacks->depth; i++) {
        if (i - begin == SHOWN_MAX) {
            TRY(buffer_append(out, SLICE("... > ")));
            break;
        }
        TRY(buffer_print(out, "%s > ", fallbacks->opened[i]->name));
    }
    return buffer_print(out, "%s", fallbacks->opened[begin]->name);
}

/* `node` leads back to a route on the way to it. */
static void report_circle(const struct fallbacks *fallbacks, const struct tree *node,
                          const struct route *back)
{
    unsigned begin = 0;
    struct buffer text CLEANUP(buffer_fini);
    buffer_init(&text, SHOWN_BYTES);
    while (fallbacks->opened[begin] != back) {
        begin++;
    }
    if (print_circle(fallbacks, begin, &text) == STATUS_OK) {
        tree_report(fallbacks->link->problems, node,
                    "fallbacks go in a circle (%.*s), in which an outage would send all load "
                    "around; take one of them out",
                    SLICE_ARG(buffer_bytes(&text)));
    }
}

static void open_route(struct fallbacks *fallbacks, const struct route *route)
{
    fallbacks->visits[route->index].state = VISIT_OPEN;
    fallbacks->opened[fallbacks->depth++] = route;
}

/* Follows one fallback of the route at the way's end, or goes a step back. */
static void follow(struct fallbacks *fallbacks)
{
    const struct route *route = fallbacks->opened[fallbacks->depth - 1];
    struct visit *visit = &fallbacks->visits[route->index];
    if (visit->next == route->fallback_count) {
        visit->state = VISIT_DONE;
        fallbacks->depth--;
        return;
    }
    const struct route *other = route->fallback[visit->next];
    const struct tree *node = visit->nodes[visit->next++];
    switch (fallbacks->visits[other->index].state) {
    case VISIT_NEW:
        open_route(fallbacks, other);
        return;
    case VISIT_OPEN:
        report_circle(fallbacks, node, other);
        return;
    case VISIT_DONE:
        return;
    }
}

void link_fallbacks(struct link *link)
{
    const struct snapshot *snapshot = link->snapshot;
    const struct route_section *sections = link->sections->routes.items;
    struct fallbacks fallbacks = {.link = link};
    fallbacks.visits = memory_alloc((snapshot->route_count + 1) * sizeof(struct visit));
    fallbacks.opened = memory_alloc((snapshot->route_count + 1) * sizeof(struct route *));
    for (unsigned i = 0; i < link->sections->routes.count; i++) {
        resolve(&fallbacks, &sections[i]);
    }
    for (unsigned i = 0; i < link->sections->routes.count; i++) {
        const struct route *route = table_get(&link->routes, sections[i].node->key->text);
        if (fallbacks.visits[route->index].state == VISIT_NEW) {
            open_route(&fallbacks, route);
        }
        while (fallbacks.depth > 0) {
            follow(&fallbacks);
        }
    }
    memory_free(fallbacks.visits);
    memory_free(fallbacks.opened);
}
