/*
 * slice: borrowed bytes with a length. Never NUL-terminated, never owned.
 */
#pragma once

#include "base/ascii.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *ptr; /* borrowed; may be NULL when len is 0 */
    size_t len;
};

#define SLICE(literal) ((struct slice){"" literal "", sizeof(literal) - 1})
#define SLICE_INIT(literal)                                                                        \
    {                                                                                              \
        "" literal "", sizeof(literal) - 1                                                         \
    }
/* For printf("%.*s"). */
#define SLICE_ARG(slice) (int)(slice).len, (slice).ptr

static inline struct slice slice_make(const char *ptr, size_t len)
{
    return (struct slice){ptr, len};
}

/* NULL is the empty slice. */
static inline struct slice slice_from(const char *text)
{
    return (struct slice){text, text == NULL ? 0 : strlen(text)};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool slice_starts_with(struct slice text, struct slice prefix)
{
    return text.len >= prefix.len &&
           (prefix.len == 0 || memcmp(text.ptr, prefix.ptr, prefix.len) == 0);
}

static inline struct slice slice_skip(struct slice text, size_t count)
{
    return count >= text.len ? slice_make(text.ptr + text.len, 0)
                             : slice_make(text.ptr + count, text.len - count);
}

/* ASCII letters only, as header names and schemes are compared. */
bool slice_equal_nocase(struct slice a, struct slice b);
bool slice_starts_with_nocase(struct slice text, struct slice prefix);

/* Without the spaces and tabs at both ends. */
struct slice slice_trim(struct slice text);

/* Position of the first `byte`, or text.len. */
size_t slice_find(struct slice text, char byte);

/* A number in decimal digits and nothing else. False, and nothing set, if it is none, or above
 * `max`. */
bool slice_number(struct slice text, uint64_t max, uint64_t *ret);
