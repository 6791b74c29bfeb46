/*
 * tenant: who calls, and the table that finds it by the hash of its key. Immutable, part of a
 * snapshot. What a tenant may call is joined by config/link.c (forward-declared).
 */
#pragma once

#include "auth/inbound/api_key.h"
#include "base/slice.h"
#include "base/status.h"

#include <stdint.h>

struct allow_rule;
struct arena;
struct limit_set;
struct tenant_standing;

struct tenant {
    const char *name;
    unsigned index; /* position in the snapshot */
    const struct api_key_hash *keys;
    unsigned key_count;
    /* Allow rules by route: open addressing, first place route_index & (grants_size - 1), then the
     * next ones; see tenant_rules(). */
    const struct tenant_grant *grants;
    unsigned grants_size;             /* a power of two, or 0 */
    const struct limit_set *limits;   /* its own quotas; NULL: none */
    unsigned max_in_flight;           /* requests at once; 0: no bound */
    struct tenant_standing *standing; /* borrowed; set by standings_join() */
};

struct tenant_grant {
    unsigned route_index;
    const struct allow_rule *rules; /* NULL: empty place */
};

struct tenant_key_entry {
    struct api_key_hash hash;
    const struct tenant *tenant; /* NULL: empty place */
};

/* Open addressing by the first bytes of the hash (uniform by itself), compared in constant time. */
struct tenant_table {
    struct tenant_key_entry *entries; /* in the arena */
    unsigned size;
};

/* Fails, naming both tenants, if a key is listed twice. */
MUST_USE enum status tenant_table_build(struct arena *arena, struct tenant *const *tenants,
                                        unsigned count, struct tenant_table *ret,
                                        struct error *err);
const struct tenant *tenant_table_find(const struct tenant_table *table,
                                       const struct api_key_hash *hash);
/* The rules of a tenant for a route, or NULL: nothing is allowed. */
const struct allow_rule *tenant_rules(const struct tenant *tenant, unsigned route_index);
