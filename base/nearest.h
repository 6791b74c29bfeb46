/*
 * nearest: the known name that an unknown one was probably meant to be, or all that there are. For
 * messages only.
 */
#pragma once

#include "base/slice.h"

struct nearest {
    struct slice wanted;
    const char *best; /* NULL: none is near enough */
    unsigned distance;
    char known[300]; /* all that were offered, "a, b, c"; cut when long */
    size_t known_len;
};

void nearest_init(struct nearest *nearest, struct slice wanted);
/* One of the known names; borrowed. */
void nearest_offer(struct nearest *nearest, const char *known);
