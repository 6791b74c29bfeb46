/*
 * families: counters with labels, a block a worker, summed at a scrape. A part of metrics.
 *
 * Values of labels come from the config; still the series of a block are capped, and what is beyond
 * counts with __other__ in every label.
 */
#pragma once

#include "base/slice.h"
#include "gateway/observe/metrics.h"

enum metric_family {
#define METRIC_FAMILY(name, help, ...)     FAMILY_##name,
#define METRIC_USD_FAMILY(name, help, ...) FAMILY_##name,
#include "gateway/observe/families.def"
#undef METRIC_FAMILY
#undef METRIC_USD_FAMILY
    FAMILY_COUNT
};

enum { FAMILY_LABELS_MAX = 4 };

/* A model's name that a caller wrote, as a label's value: one of the first METRIC_MODELS_MAX that
 * the block has seen, else "__other__". Lives as long as the block; by its own thread. */
enum { METRIC_MODELS_MAX = 100 };
const char *metrics_model(struct metrics_block *block, struct slice name);

/* By the block's own thread. `values` has as many texts as the family has labels, borrowed during
 * the call. */
void metrics_count(struct metrics_block *block, enum metric_family family,
                   const char *const *values, uint64_t amount);
