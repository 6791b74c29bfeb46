/*
 * tenant: who calls, and the table that finds it by the hash of its key. Immutable, part of a
 * snapshot. What a tenant may call is joined by config/link.c (forward-declared).
 */
#pragma once

#include "auth/inbound/api_key.h"
#include "base/clock.h"
#include "base/slice.h"
#include "base/status.h"

#include <stdint.h>

struct allow_rule;
struct arena;
struct deny_rule;
struct jwt_rule;
struct limit_set;
struct tenant_standing;

/* Times are wall clock; 0: no bound on that side. */
struct tenant_key {
    struct api_key_hash hash;
    usec_t not_before; /* from then on, */
    usec_t expires;    /* and up to then, it is good */
    const char *label; /* what its owner calls it; NULL: nothing */
};

struct tenant {
    const char *name;
    unsigned index; /* position in the snapshot */
    const struct tenant_key *keys;
    unsigned key_count;
    const struct jwt_rule *tokens; /* which are its; NULL: none */
    const struct slice *sans;      /* of its certificates, as they were written */
    unsigned san_count;
    /* Allow rules by route: open addressing, first place route_index & (grants_size - 1), then the
     * next ones; see tenant_rules(). */
    const struct tenant_grant *grants;
    unsigned grants_size;             /* a power of two, or 0 */
    const struct deny_rule *denials;  /* what it may not call all the same; NULL: nothing */
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
    const struct tenant_key *key;
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
/* NULL: nobody has it. Whether it is good now is for tenant_key_state(). */
const struct tenant_key_entry *tenant_table_find(const struct tenant_table *table,
                                                 const struct api_key_hash *hash);
/* How many entries a lookup of that hash compares, at most; for tests and measurements. */
unsigned tenant_table_steps(const struct tenant_table *table, const struct api_key_hash *hash);

enum tenant_key_state { TENANT_KEY_GOOD, TENANT_KEY_EARLY, TENANT_KEY_EXPIRED };
enum tenant_key_state tenant_key_state(const struct tenant_key *key, usec_t wall);
/* The rules of a tenant for a route, or NULL: nothing is allowed. */
const struct allow_rule *tenant_rules(const struct tenant *tenant, unsigned route_index);
