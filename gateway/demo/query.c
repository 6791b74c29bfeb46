#include "gateway/demo/query.h"

enum { NAME_MAX_BYTES = 128 };

bool query_next(struct slice *rest, struct query_pair *ret)
{
    if (rest->len == 0) {
        return false;
    }
    size_t end = slice_find(*rest, '&');
    struct slice pair = slice_make(rest->ptr, end);
    size_t equals = slice_find(pair, '=');
    ret->name = slice_make(pair.ptr, equals);
    ret->value = slice_skip(pair, equals + 1);
    *rest = slice_skip(*rest, end + 1);
    return true;
}

struct slice query_find(struct slice query, const char *name)
{
    struct query_pair pair;
    char decoded[NAME_MAX_BYTES];
    while (query_next(&query, &pair)) {
        size_t len = query_decode(pair.name, decoded, sizeof(decoded));
        if (slice_equal(slice_make(decoded, len), slice_from(name))) {
            return pair.value;
        }
    }
    return slice_make(NULL, 0);
}

static int hex_value(char byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    char lower = ascii_lower(byte);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

size_t query_decode(struct slice text, char *out, size_t size)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len && len + 1 < size; i++) {
        char byte = text.ptr[i];
        if (byte == '%') {
            int high = i + 2 < text.len ? hex_value(text.ptr[i + 1]) : -1;
            int low = high >= 0 ? hex_value(text.ptr[i + 2]) : -1;
            if (low < 0) {
                continue;
            }
            byte = (char)(high * 16 + low);
            i += 2;
        } else if (byte == '+') {
            byte = ' ';
        }
        out[len++] = byte;
    }
    out[len] = '\0';
    return len;
}

bool query_number(struct slice text, uint64_t *ret)
{
    uint64_t number = 0;
    if (text.len == 0 || text.len > 15) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
        number = number * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    *ret = number;
    return true;
}
