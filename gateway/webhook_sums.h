/*
 * webhook_sums: how many deliveries wait, are dead and are kept, of each target; with its circuit.
 */
#pragma once

#include "base/status.h"

struct buffer;
struct delivery;
struct queue;
struct snapshot;

struct webhook_sums_source {
    struct queue *queue;
    struct delivery *delivery;       /* NULL: none runs */
    const struct snapshot *snapshot; /* whose targets are told, too, if nothing is kept of them */
};
/* Appends JSON. */
MUST_USE enum status webhook_sums_tell(const struct webhook_sums_source *source, struct buffer *out,
                                       struct error *err);
