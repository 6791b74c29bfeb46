/*
 * naive_scrub: what the scrubber must do, the slow and obvious way, to compare with.
 */
#pragma once

#include "auth/outbound/needles.h"
#include "base/secret.h"
#include "base/slice.h"

#include <stdbool.h>

/* Replaces every byte that any needle covers: `out` has room for text.len bytes. */
static inline void naive_scrub(const struct needles *needles, struct slice text, char *out)
{
    if (text.len > 0) {
        memcpy(out, text.ptr, text.len);
    }
    for (size_t at = 0; at < text.len; at++) {
        for (size_t i = 0; i < needles->count; i++) {
            struct slice needle = secret_reveal(needles->all[i]);
            if (slice_starts_with(slice_skip(text, at), needle)) {
                memset(out + at, '*', needle.len);
            }
        }
    }
}

/* Length of the longest end of the text that is the beginning, and not the whole, of a needle. */
static inline size_t naive_held(const struct needles *needles, struct slice text)
{
    for (size_t at = 0; at < text.len; at++) {
        for (size_t i = 0; i < needles->count; i++) {
            struct slice needle = secret_reveal(needles->all[i]);
            struct slice end = slice_skip(text, at);
            if (needle.len > end.len && slice_starts_with(needle, end)) {
                return end.len;
            }
        }
    }
    return 0;
}
