#include "auth/inbound/tenant.h"

#include "base/memory.h"
#include "base/secret.h"

#include <stdbool.h>

static unsigned first_place(const struct tenant_table *table, const struct api_key_hash *hash)
{
    uint32_t front;
    memcpy(&front, hash->bytes, sizeof(front));
    return front & (table->size - 1);
}

static bool same_hash(const struct api_key_hash *a, const struct api_key_hash *b)
{
    return secret_equal(slice_make((const char *)a->bytes, SHA256_BYTES),
                        slice_make((const char *)b->bytes, SHA256_BYTES));
}

/* The entry of that hash, or the empty one where it belongs. The table is never full. */
static struct tenant_key_entry *place_of(const struct tenant_table *table,
                                         const struct api_key_hash *hash)
{
    unsigned place = first_place(table, hash);
    while (table->entries[place].tenant != NULL && !same_hash(&table->entries[place].hash, hash)) {
        place = (place + 1) & (table->size - 1);
    }
    return &table->entries[place];
}

static enum status add_keys(const struct tenant_table *table, const struct tenant *tenant,
                            struct error *err)
{
    for (unsigned i = 0; i < tenant->key_count; i++) {
        struct tenant_key_entry *entry = place_of(table, &tenant->keys[i].hash);
        if (entry->tenant == tenant) {
            FAIL(err, STATUS_INVALID, "tenants.%s.keys[%u]: is listed twice; remove one",
                 tenant->name, i);
        }
        if (entry->tenant != NULL) {
            FAIL(err, STATUS_INVALID,
                 "tenants.%s.keys[%u]: is a key of tenant %s, too; make a key for each with "
                 "`sallyport keys new`",
                 tenant->name, i, entry->tenant->name);
        }
        *entry = (struct tenant_key_entry){tenant->keys[i].hash, tenant, &tenant->keys[i]};
    }
    return STATUS_OK;
}

enum status tenant_table_build(struct arena *arena, struct tenant *const *tenants, unsigned count,
                               struct tenant_table *ret, struct error *err)
{
    size_t keys = 0;
    for (unsigned i = 0; i < count; i++) {
        keys += tenants[i]->key_count;
    }
    struct tenant_table table = {.size = 16};
    while (table.size < keys * 2) {
        table.size *= 2;
    }
    table.entries = ARENA_ARRAY(arena, struct tenant_key_entry, table.size);
    for (unsigned i = 0; i < count; i++) {
        TRY(add_keys(&table, tenants[i], err));
    }
    *ret = table;
    return STATUS_OK;
}

const struct tenant_key_entry *tenant_table_find(const struct tenant_table *table,
                                                 const struct api_key_hash *hash)
{
    const struct tenant_key_entry *entry = table->size == 0 ? NULL : place_of(table, hash);
    return entry == NULL || entry->tenant == NULL ? NULL : entry;
}

unsigned tenant_table_steps(const struct tenant_table *table, const struct api_key_hash *hash)
{
    unsigned place = table->size == 0 ? 0 : (unsigned)(place_of(table, hash) - table->entries);
    return table->size == 0 ? 0 : ((place - first_place(table, hash)) & (table->size - 1)) + 1;
}

enum tenant_key_state tenant_key_state(const struct tenant_key *key, usec_t wall)
{
    if (key->expires != 0 && wall >= key->expires) {
        return TENANT_KEY_EXPIRED;
    }
    return wall < key->not_before ? TENANT_KEY_EARLY : TENANT_KEY_GOOD;
}

const struct allow_rule *tenant_rules(const struct tenant *tenant, unsigned route_index)
{
    if (tenant->grants_size == 0) {
        return NULL;
    }
    unsigned mask = tenant->grants_size - 1;
    /* Bounded, for a table that its builder has filled to the last place. */
    for (unsigned i = 0; i < tenant->grants_size; i++) {
        const struct tenant_grant *grant = &tenant->grants[(route_index + i) & mask];
        if (grant->rules == NULL || grant->route_index == route_index) {
            return grant->rules;
        }
    }
    return NULL;
}
