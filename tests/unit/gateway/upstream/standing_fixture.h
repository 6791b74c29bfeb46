/* A snapshot made by hand: routes with pools, and tenants, joined to standings. */
#pragma once

#include "config/snapshot.h"
#include "gateway/upstream/standing.h"

#include <stdio.h>

enum { FIXTURE_ROUTES = 3, FIXTURE_KEYS = 4 };

static const struct breaker_policy fixture_policy = {
    .window = 10 * SEC,
    .min_requests = 10,
    .failure_rate = 50,
    .consecutive = 3,
    .open = 5 * SEC,
    .max_open = 60 * SEC,
    .probes = 2,
};

struct fixture_config {
    struct snapshot snapshot;
    struct route routes[FIXTURE_ROUTES];
    struct route *route_list[FIXTURE_ROUTES];
    struct route_credential keys[FIXTURE_ROUTES][FIXTURE_KEYS];
    char names[FIXTURE_ROUTES][FIXTURE_KEYS][16];
    struct tenant tenant;
    struct tenant *tenant_list[1];
};

/* Routes "a", "b", "c" with `keys` credentials each: "a0", "a1", ..., and tenant "acme". */
static inline void fixture_fill(struct fixture_config *config, unsigned keys)
{
    static const char *const names[FIXTURE_ROUTES] = {"a", "b", "c"};
    *config = (struct fixture_config){0};
    for (unsigned i = 0; i < FIXTURE_ROUTES; i++) {
        config->routes[i] = (struct route){
            .name = names[i],
            .index = i,
            .credentials = config->keys[i],
            .credential_count = keys,
            .account_count = 1,
            .breaker = fixture_policy,
        };
        for (unsigned k = 0; k < keys; k++) {
            (void)snprintf(config->names[i][k], sizeof(config->names[i][k]), "%s%u", names[i], k);
            config->keys[i][k] = (struct route_credential){
                .secret_name = config->names[i][k], .account = "", .weight = 1};
        }
        config->route_list[i] = &config->routes[i];
    }
    config->tenant = (struct tenant){.name = "acme"};
    config->tenant_list[0] = &config->tenant;
    config->snapshot.routes = config->route_list;
    config->snapshot.route_count = FIXTURE_ROUTES;
    config->snapshot.tenants = config->tenant_list;
    config->snapshot.tenant_count = 1;
}
