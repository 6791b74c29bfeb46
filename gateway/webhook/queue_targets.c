#include "gateway/webhook/queue_targets.h"

#include "base/memory.h"

#include <assert.h>

struct queue_target *queue_targets_find(const struct queue_targets *targets, struct slice hook,
                                        struct slice name)
{
    for (size_t i = 0; i < targets->count; i++) {
        struct queue_target *target = targets->all[i];
        if (slice_equal(slice_from(target->hook), hook) &&
            slice_equal(slice_from(target->name), name)) {
            return target;
        }
    }
    return NULL;
}

struct queue_target *queue_targets_by_id(const struct queue_targets *targets, int64_t id)
{
    return id < 1 || (uint64_t)id > targets->count ? NULL : targets->all[id - 1];
}

struct queue_target *queue_targets_add(struct queue_targets *targets, struct slice hook,
                                       struct slice name)
{
    struct queue_target *target = MEMORY_NEW(struct queue_target);
    MEMORY_GROW(targets->all, targets->count, &targets->size);
    targets->all[targets->count++] = target;
    target->id = (int64_t)targets->count;
    target->hook = memory_copy(hook);
    target->name = memory_copy(name);
    return target;
}

void queue_targets_clear(struct queue_targets *targets)
{
    for (size_t i = 0; i < targets->count; i++) {
        memory_free(targets->all[i]->hook);
        memory_free(targets->all[i]->name);
        memory_free(targets->all[i]);
    }
    memory_free(targets->all);
    *targets = (struct queue_targets){0};
}

uint64_t queue_targets_sum(const struct queue_targets *targets, enum queue_state state)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < targets->count; i++) {
        sum += targets->all[i]->counts[state];
    }
    return sum;
}

void queue_target_count(struct queue_target *target, int state, int change)
{
    if (state < 0 || state >= QUEUE_STATES) {
        return;
    }
    target->counts[state] += (uint64_t)(int64_t)change;
    target->changed = true;
}
