#include "base/json_plain.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The compiler makes the processor's own vectors of these, whichever it has. */
typedef int8_t vector __attribute__((vector_size(16)));
typedef uint64_t halves __attribute__((vector_size(16)));

/* All ones where a byte is not plain; as signed numbers, those that are not ASCII are below zero.
 */
static vector not_plain(const char *ptr)
{
    vector bytes;
    memcpy(&bytes, ptr, sizeof(bytes));
    return (bytes < 0x20) | (bytes == '"') | (bytes == '\\');
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
    while (data.len - count >= 2 * sizeof(vector)) {
        const char *at = data.ptr + count;
        if (any(not_plain(at) | not_plain(at + sizeof(vector)))) {
            break;
        }
        count += 2 * sizeof(vector);
    }
    if (data.len - count >= sizeof(vector) && !any(not_plain(data.ptr + count))) {
        count += sizeof(vector);
    }
    while (count < data.len && is_plain(data.ptr[count])) {
        count++;
    }
    return count;
}
