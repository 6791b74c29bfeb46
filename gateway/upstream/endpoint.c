#include "gateway/upstream/endpoint.h"

#include "base/memory.h"

#include <assert.h>

static void free_endpoint(struct endpoint *endpoint)
{
    memory_free(endpoint->key);
    memory_free(endpoint);
}

void endpoint_table_fini(struct endpoint_table *endpoints)
{
    endpoint_table_trim(endpoints);
    assert(endpoints->first == NULL);
    table_fini(&endpoints->table);
}

/* Where most are in use, not at each new one. */
static void make_room(struct endpoint_table *endpoints)
{
    if (endpoints->trim_at == 0) {
        endpoints->trim_at = ENDPOINTS_KEPT;
    }
    if (endpoints->count >= endpoints->trim_at) {
        endpoint_table_trim(endpoints);
        unsigned twice = 2 * endpoints->count;
        endpoints->trim_at = twice > ENDPOINTS_KEPT ? twice : ENDPOINTS_KEPT;
    }
}

struct endpoint *endpoint_use(struct endpoint_table *endpoints, const char *key)
{
    struct endpoint *endpoint = table_get(&endpoints->table, slice_from(key));
    if (endpoint == NULL) {
        make_room(endpoints);
        endpoint = MEMORY_NEW(struct endpoint);
        endpoint->key = memory_copy(slice_from(key));
        endpoint->next = endpoints->first;
        endpoints->first = endpoint;
        endpoints->count++;
        (void)table_add(&endpoints->table, slice_from(endpoint->key), endpoint);
    }
    endpoint->users++;
    return endpoint;
}

void endpoint_table_trim(struct endpoint_table *endpoints)
{
    table_fini(&endpoints->table);
    struct endpoint **place = &endpoints->first;
    while (*place != NULL) {
        struct endpoint *endpoint = *place;
        if (endpoint->users == 0 && !endpoint->listed) {
            *place = endpoint->next;
            endpoints->count--;
            free_endpoint(endpoint);
        } else {
            (void)table_add(&endpoints->table, slice_from(endpoint->key), endpoint);
            place = &endpoint->next;
        }
    }
}
