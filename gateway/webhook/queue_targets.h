/*
 * queue_targets: the targets that the database knows, with how many deliveries each has by state.
 * There are as many as the configs had in all that time; they stay. Internal to the queue.
 */
#pragma once

#include "gateway/webhook/queue.h"

struct queue_target {
    int64_t id; /* its position, from 1 */
    char *hook; /* owned */
    char *name; /* owned */
    uint64_t counts[QUEUE_STATES];
    bool changed;     /* since it was written */
    usec_t scan_from; /* nothing that is not under way is due earlier */
};

struct queue_targets {
    struct queue_target **all; /* owned, each */
    size_t count, size;
};

struct queue_target *queue_targets_find(const struct queue_targets *targets, struct slice hook,
                                        struct slice name);
/* NULL: there is none. */
struct queue_target *queue_targets_by_id(const struct queue_targets *targets, int64_t id);
struct queue_target *queue_targets_add(struct queue_targets *targets, struct slice hook,
                                       struct slice name);
void queue_targets_clear(struct queue_targets *targets);
/* Of all of them. */
uint64_t queue_targets_sum(const struct queue_targets *targets, enum queue_state state);
/* One delivery has come to a state, or left it; others than those that are told are not counted. */
void queue_target_count(struct queue_target *target, int state, int change);
