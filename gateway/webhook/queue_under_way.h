/*
 * queue_under_way: which deliveries are under way: a set of their numbers. Internal to the queue.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-initialized is an empty set. */
struct queue_under_way {
    int64_t *places; /* owned; 0: empty; no number is */
    size_t size;     /* a power of two, or 0 */
    size_t count;
};

void queue_under_way_fini(struct queue_under_way *set);
bool queue_under_way_has(const struct queue_under_way *set, int64_t number);
/* One that is not in it. */
void queue_under_way_add(struct queue_under_way *set, int64_t number);
/* One that is. */
void queue_under_way_remove(struct queue_under_way *set, int64_t number);
