#include "gateway/quotas.h"

#include "auth/inbound/tenant.h"
#include "base/memory.h"
#include "config/snapshot.h"
#include "gateway/exchange/wait_line.h"
#include "gateway/loop/loop.h"
#include "gateway/observe/audit_log.h"
#include "gateway/quotas_refill.h"
#include "gateway/quotas_state.h"
#include "limiter/each_values.h"
#include "limiter/past_windows.h"
#include "limiter/store_memory.h"
#include "limiter/store_redis.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* ---- what the store says ---- */

static void on_news(void *ctx, enum store_news kind, const char *text)
{
    (void)ctx;
    static const enum audit_kind kinds[] = {
        [STORE_CAME_UP] = AUDIT_STORE_UP,
        [STORE_WENT_DOWN] = AUDIT_STORE_DOWN,
        [STORE_LOST_DATA] = AUDIT_STORE_LOST_DATA,
        [STORE_WARNING] = AUDIT_STORE_WARNING,
    };
    const struct audit_event event = {.kind = kinds[kind]};
    audit(kind == STORE_CAME_UP ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, &event, "store: %s", text);
}

static const struct limiter_clock clock = {.now = clock_now, .wall = clock_wall};

static enum status open_store(const struct snapshot *snapshot, struct quotas *quotas,
                              struct error *err)
{
    const struct store_settings *store = &snapshot->store;
    if (!store->redis) {
        quotas->memory = store_memory_new(&clock);
        return STATUS_OK;
    }
    const struct store_redis_settings settings = {
        .address = store->address,
        .name = store->name,
        .timeout = store->timeout,
        .gateways = store->gateways,
        .clock = clock,
        .ears = {.news = on_news},
    };
    return store_redis_new(&settings, &quotas->redis, err);
}

enum status quotas_new(const struct snapshot *snapshot, struct quotas **ret, struct error *err)
{
    struct quotas *quotas = MEMORY_NEW(struct quotas);
    enum status status = open_store(snapshot, quotas, err);
    if (status != STATUS_OK) {
        memory_free(quotas);
        return status;
    }
    quotas->store_name = memory_copy(slice_from(snapshot->store.name));
    quotas->values = each_values_new();
    quotas->lines = wait_lines_new();
    quotas->joins = wait_lines_new();
    *ret = quotas;
    return STATUS_OK;
}

/* ---- what was left ---- */

void quotas_settle_left(struct quotas *quotas, const char *id, const char *tenant,
                        const uint64_t *used, unsigned count)
{
    struct quotas_left *left = MEMORY_NEW(struct quotas_left);
    assert(count <= RESERVATION_DEMANDS_MAX);
    (void)snprintf(left->id, sizeof(left->id), "%s", id);
    (void)snprintf(left->tenant, sizeof(left->tenant), "%s", tenant);
    memcpy(left->used, used, count * sizeof(*used));
    left->count = count;
    left->next = quotas->left;
    quotas->left = left;
}

/* `redis` is NULL: it is forgotten. */
static void take_left(struct quotas *quotas, struct store_redis_side *redis)
{
    while (quotas->left != NULL) {
        struct quotas_left *left = quotas->left;
        quotas->left = left->next;
        if (redis != NULL) {
            store_redis_settle_left(redis, left->id, left->tenant, left->used, left->count);
        }
        memory_free(left);
    }
}

void quotas_free(struct quotas *quotas)
{
    if (quotas == NULL) {
        return;
    }
    store_memory_free(quotas->memory);
    past_windows_free(quotas->past);
    take_left(quotas, NULL);
    store_redis_free(quotas->redis);
    quotas_refill_free(quotas->refill);
    each_values_free(quotas->values);
    wait_lines_free(quotas->lines);
    wait_lines_free(quotas->joins);
    memory_free(quotas->store_name);
    memory_free(quotas);
}

void quotas_recall(struct quotas *quotas, struct past_windows *take_past)
{
    quotas->past = take_past;
    if (quotas->memory != NULL) {
        store_memory_recall(quotas->memory, quotas->past);
    }
}

/* ---- a worker's side ---- */

void quotas_attach(struct quotas *quotas, struct loop *loop, struct mailbox *mailbox,
                   struct quota_side *ret)
{
    *ret = (struct quota_side){
        .values = quotas->values,
        .lines = quotas->lines,
        .joins = quotas->joins,
        .mailbox = mailbox,
        .store_name = quotas->store_name,
        .shared = quotas->redis != NULL,
    };
    if (quotas->redis == NULL) {
        ret->store = store_memory_side(quotas->memory);
        return;
    }
    struct store_redis_side *redis = store_redis_side_new(quotas->redis, loop->base, &loop->timers);
    ret->store = store_redis_side(redis);
    ret->redis = redis;
    if (quotas->side_count < QUOTA_SIDES_MAX) {
        quotas->sides[quotas->side_count++] = redis;
    }
    take_left(quotas, redis);
}

void quotas_detach(struct quotas *quotas, struct quota_side *side)
{
    for (unsigned i = 0; i < quotas->side_count; i++) {
        if (quotas->sides[i] == side->redis) {
            quotas->sides[i] = quotas->sides[--quotas->side_count];
        }
    }
    if (side->redis != NULL) {
        store_redis_side_free(side->redis);
        side->redis = NULL;
    }
    memory_free(TAKE(side->tenants));
}

void quotas_set_tenants(struct quota_side *side, const struct snapshot *snapshot)
{
    if (side->redis == NULL) {
        return;
    }
    const char **names = memory_alloc((snapshot->tenant_count + 1) * sizeof(*names));
    for (unsigned i = 0; i < snapshot->tenant_count; i++) {
        names[i] = snapshot->tenants[i]->name;
    }
    store_redis_set_tenants(side->redis, names, snapshot->tenant_count);
    memory_free(side->tenants);
    side->tenants = names;
}
