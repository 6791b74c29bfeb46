/* All quotas: their names, what is twice, and which apply to whom. */
#include "base/field_values.h"
#include "config/link.h"
#include "limiter/limit_text.h"
#include "limiter/reservation.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { NAME_MAX_LEN = 64, DERIVED_MAX = 60 };

/* The quotas of one tenant, or those over all. */
struct scope {
    const struct field_items *items;
    const char *tenant;      /* NULL: over all */
    struct table names;      /* name -> its section */
    struct table identities; /* identity -> its section */
    struct limit **limits;   /* of the sections in their order; NULL: reported */
};

struct quotas {
    struct link *link;
    struct scope over_all;
    const struct limit **limits; /* of the snapshot */
    unsigned count;
    unsigned *of_route;                 /* scratch: rules of one tenant that name the route */
    const struct quota_section *budget; /* the first that has a window; NULL: none */
};

static const struct quota_section *section_of(const struct scope *scope, unsigned index)
{
    return &((const struct quota_section *)scope->items->items)[index];
}

static void open_scope(struct scope *scope, const struct field_items *items, const char *tenant)
{
    *scope = (struct scope){.items = items, .tenant = tenant};
    scope->limits = memory_alloc((items->count + 1) * sizeof(struct limit *));
}

static void close_scope(struct scope *scope)
{
    table_fini(&scope->names);
    table_fini(&scope->identities);
    memory_free(scope->limits);
}

/* ---- names ---- */

struct derived {
    char text[NAME_MAX_LEN + 1];
    size_t len;
};

static void put_mark(struct derived *name)
{
    if (name->len > 0 && name->text[name->len - 1] != '-' && name->len < DERIVED_MAX) {
        name->text[name->len++] = '-';
    }
}

/* Whatever a name cannot have becomes one '-'. */
static void put_part(struct derived *name, struct slice part)
{
    put_mark(name);
    for (size_t i = 0; i < part.len && name->len < DERIVED_MAX; i++) {
        char byte = ascii_lower(part.ptr[i]);
        if (ascii_is_alphanumeric(byte) || byte == '.' || byte == '_') {
            name->text[name->len++] = byte;
        } else {
            put_mark(name);
        }
    }
}

static void put_span(struct derived *name, const struct limit *limit)
{
    char days[16];
    switch (limit->span) {
    case LIMIT_RATE:
        put_part(name, slice_from(FIELD_NUMBER(FIELD_KIND_DURATION, limit->period)));
        break;
    case LIMIT_DAYS:
        (void)snprintf(days, sizeof(days), "%ud", limit->days);
        put_part(name, limit->days == 1 ? SLICE("day") : slice_from(days));
        break;
    case LIMIT_WEEK:
        put_part(name, SLICE("week"));
        break;
    case LIMIT_MONTH:
        put_part(name, SLICE("month"));
        break;
    case LIMIT_HELD:
        break;
    }
}

static void put_each(struct derived *name, const struct limit *limit)
{
    switch (limit->each) {
    case EACH_NOTHING:
        break;
    case EACH_TENANT:
        put_part(name, SLICE("each-tenant"));
        break;
    case EACH_ROUTE:
        put_part(name, SLICE("each-route"));
        break;
    case EACH_IP:
        put_part(name, SLICE("each-ip"));
        break;
    case EACH_HEADER:
        put_part(name, SLICE("each"));
        put_part(name, limit->header);
        break;
    }
}

/* "requests-1m", "tokens-day-openai-gpt-4o", "all-cost-month": like the identity, for people. What
 * is over all tenants says so, that it is not mistaken for a tenant's own. */
static void derive_name(const struct limit *limit, struct derived *name)
{
    name->len = 0;
    if (limit->tenant == NULL) {
        put_part(name, SLICE("all"));
    }
    put_part(name, slice_from(limit_unit_name(limit->unit)));
    put_span(name, limit);
    put_part(name, slice_from(limit->route));
    put_part(name, limit->model);
    put_each(name, limit);
    while (name->len > 0 && name->text[name->len - 1] == '-') {
        name->len--;
    }
    name->text[name->len] = '\0';
}

static const struct quota_section *name_taken(const struct quotas *quotas,
                                              const struct scope *scope, struct slice name)
{
    const struct quota_section *twin = table_get(&scope->names, name);
    return twin != NULL || scope->tenant == NULL ? twin : table_get(&quotas->over_all.names, name);
}

static void give_name(const struct quotas *quotas, struct scope *scope, struct slice name,
                      unsigned index)
{
    const struct quota_section *section = section_of(scope, index);
    struct slice kept = link_keep_slice(quotas->link, name);
    scope->limits[index]->name = kept.ptr;
    (void)table_add(&scope->names, kept, (void *)section);
}

static void name_as_written(const struct quotas *quotas, struct scope *scope, unsigned index)
{
    const struct quota_section *section = section_of(scope, index);
    const struct tree *node = section->name;
    if (!field_name_valid(node->text)) {
        tree_report(quotas->link->problems, node,
                    "a name has only a-z, 0-9, '.', '_' and '-', begins with a letter or digit, "
                    "and is 64 bytes long at most");
        return;
    }
    const struct quota_section *twin = name_taken(quotas, scope, node->text);
    if (twin != NULL) {
        tree_report(quotas->link->problems, node,
                    "the quota at %s is called so already, and both may apply to one request; "
                    "write another name",
                    TREE_PLACE(twin->node, node));
        return;
    }
    give_name(quotas, scope, node->text, index);
}

static void name_by_content(const struct quotas *quotas, struct scope *scope, unsigned index)
{
    struct derived name;
    derive_name(scope->limits[index], &name);
    size_t len = name.len;
    for (unsigned number = 2; name_taken(quotas, scope, slice_make(name.text, name.len)) != NULL;
         number++) {
        int digits = snprintf(name.text + len, sizeof(name.text) - len, "-%u", number);
        name.len = len + (size_t)digits;
    }
    give_name(quotas, scope, slice_make(name.text, name.len), index);
}

/* Those that were written first: what is derived gives way. */
static void name_limits(const struct quotas *quotas, struct scope *scope)
{
    for (unsigned i = 0; i < scope->items->count; i++) {
        if (scope->limits[i] != NULL && section_of(scope, i)->name != NULL) {
            name_as_written(quotas, scope, i);
        }
    }
    for (unsigned i = 0; i < scope->items->count; i++) {
        if (scope->limits[i] != NULL && section_of(scope, i)->name == NULL) {
            name_by_content(quotas, scope, i);
        }
    }
}

/* ---- scopes ---- */

static void read_limits(struct quotas *quotas, struct scope *scope)
{
    const struct link *link = quotas->link;
    for (unsigned i = 0; i < scope->items->count; i++) {
        const struct quota_section *section = section_of(scope, i);
        struct limit *limit = ARENA_NEW(link->arena, struct limit);
        limit->tenant = scope->tenant;
        if (!link_quota(link, section, limit)) {
            continue;
        }
        const struct quota_section *twin =
            table_add(&scope->identities, limit->identity, (void *)section);
        if (twin != NULL) {
            tree_report(link->problems, section->node,
                        "the quota at %s counts the same (%s); keep one of them",
                        TREE_PLACE(twin->node, section->node), limit->identity.ptr);
            continue;
        }
        scope->limits[i] = limit;
        if (limit->zone != NULL && quotas->budget == NULL) {
            quotas->budget = section;
        }
    }
}

/* Adds them to the snapshot's, where they are a set. */
static struct limit_set add_limits(struct quotas *quotas, const struct scope *scope)
{
    char policy[LIMIT_POLICY_MAX];
    struct limit_set set = {.limits = &quotas->limits[quotas->count]};
    for (unsigned i = 0; i < scope->items->count; i++) {
        struct limit *limit = scope->limits[i];
        if (limit != NULL) {
            limit->index = quotas->count;
            limit->policy =
                link_keep_slice(quotas->link, slice_make(policy, limit_policy_text(limit, policy)));
            limit->quoted = slice_make(limit->policy.ptr, slice_from(limit->name).len + 2);
            quotas->limits[quotas->count++] = limit;
            set.needs_body = set.needs_body || limit_needs_body(limit);
            set.count++;
        }
    }
    return set;
}

static struct limit_set link_scope(struct quotas *quotas, struct scope *scope)
{
    read_limits(quotas, scope);
    name_limits(quotas, scope);
    return add_limits(quotas, scope);
}

static void choose_for_route(const struct link *link, const struct limit_set *all,
                             unsigned route_index, struct limit_set *ret)
{
    const struct limit **limits = ARENA_ARRAY(link->arena, const struct limit *, all->count + 1);
    for (unsigned i = 0; i < all->count; i++) {
        const struct limit *limit = all->limits[i];
        if (limit->route_index < 0 || (unsigned)limit->route_index == route_index) {
            limits[ret->count++] = limit;
            ret->needs_body = ret->needs_body || limit_needs_body(limit);
        }
    }
    ret->limits = limits;
}

static void link_over_all(struct quotas *quotas)
{
    const struct link *link = quotas->link;
    unsigned routes = link->snapshot->route_count;
    struct limit_set all = link_scope(quotas, &quotas->over_all);
    struct limit_set *sets = ARENA_ARRAY(link->arena, struct limit_set, routes + 1);
    for (unsigned i = 0; i < routes; i++) {
        choose_for_route(link, &all, i, &sets[i]);
    }
    link->snapshot->route_limits = sets;
}

/* ---- how many apply to one request ---- */

static void check_count(const struct quotas *quotas, const struct tree *place,
                        const struct limit_set *own)
{
    const struct link *link = quotas->link;
    const struct snapshot *snapshot = link->snapshot;
    unsigned any = 0;
    unsigned most = 0;
    const struct route *worst = NULL;
    for (unsigned i = 0; own != NULL && i < own->count; i++) {
        int route = own->limits[i]->route_index;
        any += route < 0;
        quotas->of_route[route < 0 ? snapshot->route_count : (unsigned)route]++;
    }
    for (unsigned i = 0; i < snapshot->route_count; i++) {
        unsigned count = any + quotas->of_route[i] + snapshot->route_limits[i].count;
        if (count > most) {
            most = count;
            worst = snapshot->routes[i];
        }
        quotas->of_route[i] = 0;
    }
    if (most > RESERVATION_DEMANDS_MAX) {
        tree_report_key(link->problems, place,
                        "%u quotas apply to one request of route \"%s\", those over all tenants "
                        "included, and %d are the most; take some out",
                        most, worst->name, RESERVATION_DEMANDS_MAX);
    }
}

static void link_own(struct quotas *quotas, const struct tenant_section *section)
{
    struct snapshot *snapshot = quotas->link->snapshot;
    struct tenant *tenant = snapshot_tenant(snapshot, section->node->key->text.ptr);
    assert(tenant != NULL); /* linked before */
    struct scope scope;
    open_scope(&scope, &section->quotas, tenant->name);
    struct limit_set set = link_scope(quotas, &scope);
    close_scope(&scope);
    struct limit_set *kept = ARENA_NEW(quotas->link->arena, struct limit_set);
    *kept = set;
    tenant->limits = kept;
    check_count(quotas, tree_get(section->node, "quotas"), kept);
}

static unsigned count_all(const struct config_sections *sections)
{
    const struct tenant_section *tenants = sections->tenants.items;
    unsigned count = sections->quotas.count;
    for (unsigned i = 0; i < sections->tenants.count; i++) {
        count += tenants[i].quotas.count;
    }
    return count;
}

void link_quotas(struct link *link)
{
    const struct tenant_section *tenants = link->sections->tenants.items;
    struct quotas quotas = {.link = link};
    quotas.limits = ARENA_ARRAY(link->arena, const struct limit *, count_all(link->sections) + 1);
    quotas.of_route = memory_alloc((link->snapshot->route_count + 1) * sizeof(unsigned));
    open_scope(&quotas.over_all, &link->sections->quotas, NULL);
    link_over_all(&quotas);
    if (link->sections->quotas.count > 0) {
        check_count(&quotas, tree_get(link->root, "quotas"), NULL);
    }
    for (unsigned i = 0; i < link->sections->tenants.count; i++) {
        if (tenants[i].quotas.count > 0) {
            link_own(&quotas, &tenants[i]);
        }
    }
    if (quotas.budget != NULL && !link->snapshot->store.redis &&
        link->snapshot->ledger.path == NULL) {
        tree_warn(link->problems, quotas.budget->per,
                  "budgets restart at zero when the gateway restarts, for store.url is memory: and "
                  "there is no ledger to fill them from; to keep them write ledger: {url: "
                  "\"sqlite:usage.db\"}");
    }
    link->snapshot->limits = quotas.limits;
    link->snapshot->limit_count = quotas.count;
    close_scope(&quotas.over_all);
    memory_free(quotas.of_route);
}
