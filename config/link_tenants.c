#include "base/nearest.h"
#include "config/link.h"
#include "routes/allow.h"

#include <stdlib.h>
#include <string.h>

static void report_no_route(const struct link *link, const struct tree *node, struct slice name)
{
    struct nearest nearest;
    if (problems_leave_out(link->problems)) {
        return;
    }
    nearest_init(&nearest, name);
    for (unsigned i = 0; i < link->snapshot->route_count; i++) {
        nearest_offer(&nearest, link->snapshot->routes[i]->name);
    }
    if (tree_expanded(node)) {
        tree_report(link->problems, node, "\"%s\" names no route of this config",
                    QUOTE(node->source));
    } else if (nearest.best != NULL) {
        tree_report(link->problems, node, "no route is called \"%s\"; did you mean \"%s\"?",
                    QUOTE(name), nearest.best);
    } else {
        tree_report(link->problems, node,
                    "no route is called \"%s\"; write the name of one below "
                    "routes",
                    QUOTE(name));
    }
}

const struct route *link_find_route(const struct link *link, const struct tree *node,
                                    struct slice name)
{
    const struct route *route = table_get(&link->routes, name);
    if (route == NULL) {
        report_no_route(link, node, name);
    }
    return route;
}

/* Chains the rule behind those of its route. `grants` has room for all. */
static void add_grant(struct tenant_grant *grants, unsigned size, unsigned route_index,
                      struct allow_rule *rule, struct allow_rule **last)
{
    unsigned place = route_index & (size - 1);
    while (grants[place].rules != NULL && grants[place].route_index != route_index) {
        place = (place + 1) & (size - 1);
    }
    if (grants[place].rules == NULL) {
        grants[place] = (struct tenant_grant){.route_index = route_index, .rules = rule};
    } else {
        last[place]->next = rule;
    }
    last[place] = rule;
}

static void link_allow(const struct link *link, const struct tenant_section *section,
                       struct tenant *tenant)
{
    unsigned count = link_text_count(section->allow);
    unsigned size = 1;
    if (count == 0) {
        return;
    }
    while (size < count * 2) {
        size *= 2;
    }
    struct tenant_grant *grants = ARENA_ARRAY(link->arena, struct tenant_grant, size);
    struct allow_rule *rules = ARENA_ARRAY(link->arena, struct allow_rule, count);
    CLEANUP(memory_free_at)
    struct allow_rule **last = memory_alloc(size * sizeof(struct allow_rule *));
    for (unsigned i = 0; i < count; i++) {
        struct error err;
        const struct tree *node = link_text(section->allow, i);
        if (node->faulty) {
            continue;
        }
        if (allow_parse(link->arena, node->text, &rules[i], &err) != STATUS_OK) {
            link_report(link, node, "a rule such as \"stripe:GET /v1/*\"", &err);
            continue;
        }
        const struct route *route = link_find_route(link, node, rules[i].route);
        if (route == NULL) {
            continue;
        }
        add_grant(grants, size, route->index, &rules[i], last);
    }
    tenant->grants = grants;
    tenant->grants_size = size;
}

static int by_name(const void *left, const void *right)
{
    const struct tenant *const *a = left;
    const struct tenant *const *b = right;
    return strcmp((*a)->name, (*b)->name);
}

void link_tenants(struct link *link)
{
    const struct field_items *items = &link->sections->tenants;
    const struct tenant_section *sections = items->items;
    struct table keys = {0}; /* hash -> the node that lists it */
    struct tenant **tenants = ARENA_ARRAY(link->arena, struct tenant *, items->count + 1);
    for (unsigned i = 0; i < items->count; i++) {
        struct tenant *tenant = ARENA_NEW(link->arena, struct tenant);
        tenant->name = link_keep_slice(link, sections[i].node->key->text).ptr;
        tenant->max_in_flight = sections[i].max_in_flight;
        tenants[i] = tenant;
        link_keys(link, &sections[i], &keys, tenant);
        link_allow(link, &sections[i], tenant);
        link_deny(link, &sections[i], tenant);
    }
    table_fini(&keys);
    if (items->count > 1) {
        qsort(tenants, items->count, sizeof(struct tenant *), by_name);
    }
    for (unsigned i = 0; i < items->count; i++) {
        tenants[i]->index = i;
    }
    link->snapshot->tenants = tenants;
    link->snapshot->tenant_count = items->count;
    link_key_expiries(link);

    struct error err;
    if (!problems_any(link->problems) &&
        tenant_table_build(link->arena, tenants, items->count, &link->snapshot->tenant_table,
                           &err) != STATUS_OK) {
        problems_add(link->problems, "tenants", 0, 0, "%s", err.message);
    }
}
