#include "base/buffer.h"

#include "base/digits.h"
#include "base/memory.h"
#include "base/secret.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

enum { SMALLEST = 512 };

void buffer_init(struct buffer *buffer, size_t max)
{
    *buffer = (struct buffer){.max = max};
}

void buffer_fini(struct buffer *buffer)
{
    memory_free(buffer->ptr);
    *buffer = (struct buffer){0};
}

void buffer_wipe(struct buffer *buffer)
{
    if (buffer->ptr != NULL) {
        secret_wipe(buffer->ptr, buffer->size);
    }
    buffer_fini(buffer);
}

void buffer_reset(struct buffer *buffer)
{
    size_t max = buffer->max;
    buffer_fini(buffer);
    buffer->max = max;
}

enum status buffer_grow(struct buffer *buffer, size_t count)
{
    size_t used = buffer_len(buffer);
    if (count > buffer->max || used > buffer->max - count) {
        return STATUS_TOO_LARGE;
    }
    if (count <= buffer->size - buffer->end) {
        return STATUS_OK;
    }
    if (buffer->ptr != NULL && used + count <= buffer->size && buffer->start >= buffer->size / 2) {
        memmove(buffer->ptr, buffer->ptr + buffer->start, used);
    } else {
        size_t size = buffer->size < SMALLEST ? SMALLEST : buffer->size;
        while (size < used + count) {
            size *= 2;
        }
        size = size < buffer->max ? size : buffer->max;
        char *bytes = memory_resize(NULL, size + 1); /* for the NUL of buffer_print() */
        if (buffer->ptr != NULL) {
            memcpy(bytes, buffer->ptr + buffer->start, used);
        }
        memory_free(buffer->ptr);
        buffer->ptr = bytes;
        buffer->size = size;
    }
    buffer->start = 0;
    buffer->end = used;
    return STATUS_OK;
}

enum status buffer_append_number(struct buffer *buffer, uint64_t number)
{
    TRY(buffer_reserve(buffer, digits_count(number)));
    buffer_commit(buffer, digits_write(number, buffer_tail(buffer)));
    return STATUS_OK;
}

enum status buffer_append_with_number(struct buffer *buffer, struct slice before, uint64_t number)
{
    TRY(buffer_append(buffer, before));
    return buffer_append_number(buffer, number);
}

enum status buffer_print(struct buffer *buffer, const char *format, ...)
{
    /* Mostly there is room enough already, and printing once is all. */
    size_t free = buffer->ptr == NULL ? 0 : buffer_tail_room(buffer) + 1;
    va_list args;
    va_start(args, format);
    int len = vsnprintf(free > 0 ? buffer_tail(buffer) : NULL, free, format, args);
    va_end(args);
    assert(len >= 0);
    if ((size_t)len < free) {
        buffer_commit(buffer, (size_t)len);
        return STATUS_OK;
    }
    TRY(buffer_reserve(buffer, (size_t)len));
    va_start(args, format);
    (void)vsnprintf(buffer_tail(buffer), (size_t)len + 1, format, args);
    va_end(args);
    buffer_commit(buffer, (size_t)len);
    return STATUS_OK;
}
