/*
 * merge: several documents as one config. Sections merge by key, maps of names hold the names of
 * all, lists of sections (`secrets`, `quotas`) are put behind each other. Anything else may be said
 * once: a second time is a problem that names both places.
 */
#pragma once

#include "base/fields.h"

/* The roots, at least one, all of them maps, in their order; what is returned lies in the arena and
 * shares their nodes, which keep their places, keys and parents. Where something is there twice,
 * the first one stays. */
const struct tree *merge(struct arena *arena, const struct tree *const *roots, unsigned count,
                         const struct field *fields, struct problems *problems);
