/*
 * query: names and values of a query string or of a form body, which have one form.
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct query_pair {
    struct slice name; /* still encoded */
    struct slice value;
};

/* Takes the first pair off *rest; false at the end. */
bool query_next(struct slice *rest, struct query_pair *ret);
/* The first value of that name, still encoded; empty if there is none. Names may be
 * percent-encoded: `metadata%5Bid%5D` is found as `metadata[id]`. */
struct slice query_find(struct slice query, const char *name);
/* Decodes '%' and '+' into `out`, which has `size` bytes; a NUL follows. What is broken or does
 * not fit is left out. Returns the length. */
size_t query_decode(struct slice text, char *out, size_t size);
/* Decimal digits only, at most 15. */
bool query_number(struct slice text, uint64_t *ret);
