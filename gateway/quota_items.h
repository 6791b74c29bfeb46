/*
 * quota_items: the counts that the config alone names: each limit of each tenant, without those by
 * address or header value. For metrics, the admin API and the audit.
 */
#pragma once

#include "limiter/limit.h"

#include <stdbool.h>

struct snapshot;

struct quota_item {
    const struct limit *limit;
    const char *tenant; /* whose; "" of one over tenants that all share */
    const char *route;  /* of `each: route`; else "" */
    struct slice key;   /* valid during the visit */
};

/* Visits them until `visit` returns false. `tenant` NULL: of all tenants; else of this one, and
 * those over tenants. */
void quota_items_each(const struct snapshot *snapshot, const char *tenant,
                      bool (*visit)(void *ctx, const struct quota_item *item), void *ctx);
