/*
 * json_plain: how much of a text can stand in a JSON string as it is. In a header, for whoever
 * reads JSON asks this of each string.
 */
#pragma once

#include "base/slice.h"

#include <endian.h>

static inline bool json_plain_byte(char byte)
{
    return (signed char)byte >= 0x20 && byte != '"' && byte != '\\';
}

/* The compiler makes the processor's own vectors of these, whichever it has. */
typedef int8_t json_plain_vector __attribute__((vector_size(16)));
typedef uint64_t json_plain_halves __attribute__((vector_size(16)));
enum { JSON_PLAIN_VECTOR = sizeof(json_plain_vector), JSON_PLAIN_STRIDE = 4 * JSON_PLAIN_VECTOR };

/* All ones where a byte is plain. As signed numbers, those that are not ASCII are below zero; and
 * with one bit turned round a quote comes right behind the controls, which stay among themselves.
 */
static inline json_plain_vector json_plain_at(const char *ptr)
{
    json_plain_vector bytes;
    memcpy(&bytes, ptr, sizeof(bytes));
    return ((bytes ^ ('"' ^ ' ')) > ' ') & (bytes != '\\');
}

/* How many bytes are in front of the first that is not. */
static inline size_t json_plain_in(json_plain_vector flags)
{
    json_plain_halves both = ~(json_plain_halves)flags;
    uint64_t low = le64toh(both[0]);
    uint64_t high = le64toh(both[1]);
    return low != 0    ? (size_t)__builtin_ctzll(low) / 8
           : high != 0 ? JSON_PLAIN_VECTOR / 2 + (size_t)__builtin_ctzll(high) / 8
                       : JSON_PLAIN_VECTOR;
}

static inline bool json_plain_stride(const char *at)
{
    json_plain_halves all =
        (json_plain_halves)(json_plain_at(at) & json_plain_at(at + JSON_PLAIN_VECTOR) &
                            json_plain_at(at + 2 * JSON_PLAIN_VECTOR) &
                            json_plain_at(at + 3 * JSON_PLAIN_VECTOR));
    return (all[0] & all[1]) == UINT64_MAX;
}

/* How many bytes from the front. Most texts are short and have more bytes behind them: the first
 * vector tells. */
static inline size_t json_plain(struct slice text)
{
    size_t count = 0;
    while (text.len - count >= JSON_PLAIN_VECTOR) {
        size_t plain = json_plain_in(json_plain_at(text.ptr + count));
        count += plain;
        if (plain < JSON_PLAIN_VECTOR) {
            return count;
        }
        while (text.len - count >= JSON_PLAIN_STRIDE && json_plain_stride(text.ptr + count)) {
            count += JSON_PLAIN_STRIDE;
        }
    }
    while (count < text.len && json_plain_byte(text.ptr[count])) {
        count++;
    }
    return count;
}
