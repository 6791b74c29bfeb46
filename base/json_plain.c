#include "base/json_plain.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The compiler makes the processor's own vectors of these, whichever it has. */
typedef int8_t vector __attribute__((vector_size(16)));
typedef uint64_t halves __attribute__((vector_size(16)));
enum { STRIDE = 4 * sizeof(vector) };

/* All ones where a byte is not plain. As signed numbers, those that are not ASCII are below zero;
 * and with one bit turned round a quote comes right behind the controls, which stay among
 * themselves. */
static vector not_plain(const char *ptr)
{
    vector bytes;
    memcpy(&bytes, ptr, sizeof(bytes));
    return ((bytes ^ ('"' ^ ' ')) < ' ' + 1) | (bytes == '\\');
}

static bool any(vector flags)
{
    halves both = (halves)flags;
    return (both[0] | both[1]) != 0;
}

static bool is_plain(char byte)
{
    return (signed char)byte >= 0x20 && byte != '"' && byte != '\\';
}

size_t json_plain_bytes(struct slice data)
{
    size_t count = 0;
    while (data.len - count >= STRIDE) {
        const char *at = data.ptr + count;
        if (any(not_plain(at) | not_plain(at + sizeof(vector)) |
                not_plain(at + 2 * sizeof(vector)) | not_plain(at + 3 * sizeof(vector)))) {
            break;
        }
        count += STRIDE;
    }
    while (data.len - count >= sizeof(vector) && !any(not_plain(data.ptr + count))) {
        count += sizeof(vector);
    }
    while (count < data.len && is_plain(data.ptr[count])) {
        count++;
    }
    return count;
}
