#include "gateway/quota_items.h"

#include "auth/inbound/tenant.h"
#include "config/snapshot.h"

#include <string.h>

struct visit {
    const struct snapshot *snapshot;
    bool (*call)(void *ctx, const struct quota_item *item);
    void *ctx;
};

static bool visit_one(const struct visit *visit, const struct limit *limit, const char *tenant,
                      const char *route)
{
    char key[LIMIT_KEY_MAX];
    size_t len =
        limit_key_write(limit, visit->snapshot->store.name, tenant, slice_from(route), key);
    const struct quota_item item = {
        .limit = limit, .tenant = tenant, .route = route, .key = slice_make(key, len)};
    return visit->call(visit->ctx, &item);
}

static bool visit_routes(const struct visit *visit, const struct limit *limit, const char *tenant)
{
    const struct snapshot *snapshot = visit->snapshot;
    for (unsigned i = 0; i < snapshot->route_count; i++) {
        if ((limit->route_index < 0 || (unsigned)limit->route_index == i) &&
            !visit_one(visit, limit, tenant, snapshot->routes[i]->name)) {
            return false;
        }
    }
    return true;
}

static bool visit_tenants(const struct visit *visit, const struct limit *limit, const char *only)
{
    const struct snapshot *snapshot = visit->snapshot;
    for (unsigned i = 0; i < snapshot->tenant_count; i++) {
        const char *name = snapshot->tenants[i]->name;
        if ((only == NULL || strcmp(only, name) == 0) && !visit_one(visit, limit, name, "")) {
            return false;
        }
    }
    return true;
}

static bool visit_limit(const struct visit *visit, const struct limit *limit, const char *only)
{
    const char *tenant = limit->tenant == NULL ? "" : limit->tenant;
    switch (limit->each) {
    case EACH_NOTHING:
        return visit_one(visit, limit, tenant, "");
    case EACH_ROUTE:
        return visit_routes(visit, limit, tenant);
    case EACH_TENANT:
        return visit_tenants(visit, limit, only);
    case EACH_IP:
    case EACH_HEADER:
        break;
    }
    return true;
}

void quota_items_each(const struct snapshot *snapshot, const char *tenant,
                      bool (*visit)(void *ctx, const struct quota_item *item), void *ctx)
{
    const struct visit all = {.snapshot = snapshot, .call = visit, .ctx = ctx};
    for (unsigned i = 0; i < snapshot->limit_count; i++) {
        const struct limit *limit = snapshot->limits[i];
        bool wanted = tenant == NULL || limit->tenant == NULL || strcmp(limit->tenant, tenant) == 0;
        if (wanted && !visit_limit(&all, limit, tenant)) {
            return;
        }
    }
}
