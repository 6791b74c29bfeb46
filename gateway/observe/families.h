/*
 * families: counters with labels, a block a worker, summed at a scrape. A part of metrics.
 *
 * Values of labels come from the config; still the series of a block are capped, and what is beyond
 * counts with __other__ in every label.
 */
#pragma once

#include "gateway/observe/metrics.h"

enum metric_family {
#define METRIC_FAMILY(name, help, ...) FAMILY_##name,
#include "gateway/observe/families.def"
#undef METRIC_FAMILY
    FAMILY_COUNT
};

enum { FAMILY_LABELS_MAX = 4 };

/* By the block's own thread. `values` has as many texts as the family has labels, borrowed during
 * the call. */
void metrics_count(struct metrics_block *block, enum metric_family family,
                   const char *const *values, uint64_t amount);
