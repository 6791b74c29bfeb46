/*
 * buffer: growing bytes with a maximum that is given at creation.
 *
 * Consumed from the front, appended at the back. What is used lies in one piece at
 * buffer_bytes(). Growing moves it; see buffer_reserve().
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdint.h>

struct buffer {
    char *ptr;    /* owned */
    size_t start; /* consumed bytes before the used ones */
    size_t end;   /* where the next byte goes */
    size_t size;  /* allocated, but for a byte behind it; at most `max` */
    size_t max;   /* most bytes that may be in use at once */
};

/* Allocates nothing yet. */
void buffer_init(struct buffer *buffer, size_t max);
void buffer_fini(struct buffer *buffer);
/* The same for what held a secret: overwrites it first. (Growing has left copies behind: reserve
 * all of it at once.) */
void buffer_wipe(struct buffer *buffer);
/* Gives the memory back and stays usable. */
void buffer_reset(struct buffer *buffer);

static inline size_t buffer_len(const struct buffer *buffer)
{
    return buffer->end - buffer->start;
}

static inline struct slice buffer_bytes(const struct buffer *buffer)
{
    return slice_make(buffer->ptr == NULL ? "" : buffer->ptr + buffer->start, buffer_len(buffer));
}

/* How many more bytes it may hold. */
static inline size_t buffer_room(const struct buffer *buffer)
{
    return buffer->max - buffer_len(buffer);
}

/* Makes room by moving or growing; see buffer_reserve(). */
MUST_USE enum status buffer_grow(struct buffer *buffer, size_t count);

/* Makes `count` bytes writable behind the used ones; STATUS_TOO_LARGE beyond the maximum.
 * Slices into the buffer are invalid afterwards. Write them at buffer_tail(), then commit. */
MUST_USE static inline enum status buffer_reserve(struct buffer *buffer, size_t count)
{
    return count <= buffer->size - buffer->end ? STATUS_OK : buffer_grow(buffer, count);
}

static inline char *buffer_tail(struct buffer *buffer)
{
    return buffer->ptr + buffer->end;
}

/* Bytes that can be written at buffer_tail() without growing. */
static inline size_t buffer_tail_room(const struct buffer *buffer)
{
    return buffer->size - buffer->end;
}

static inline void buffer_commit(struct buffer *buffer, size_t count)
{
    buffer->end += count;
}

/* All or nothing. */
MUST_USE static inline enum status buffer_append(struct buffer *buffer, struct slice bytes)
{
    TRY(buffer_reserve(buffer, bytes.len));
    if (bytes.len > 0) {
        memcpy(buffer_tail(buffer), bytes.ptr, bytes.len);
        buffer_commit(buffer, bytes.len);
    }
    return STATUS_OK;
}

/* In decimal. */
MUST_USE enum status buffer_append_number(struct buffer *buffer, uint64_t number);
/* Text, and the number behind it. */
MUST_USE enum status buffer_append_with_number(struct buffer *buffer, struct slice before,
                                               uint64_t number);
/* Not for the way of every request: it costs a thousand instructions. */
MUST_USE enum status buffer_print(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);

/* Drops bytes from the front. */
static inline void buffer_consume(struct buffer *buffer, size_t count)
{
    buffer->start += count;
    if (buffer->start == buffer->end) {
        buffer->start = 0;
        buffer->end = 0;
    }
}
