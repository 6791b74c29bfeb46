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

size_t query_decode(struct slice text, char *out, size_t size)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len && len + 1 < size; i++) {
        char byte = text.ptr[i];
        if (byte == '%') {
            unsigned high = i + 2 < text.len ? ascii_hex_value(text.ptr[i + 1]) : ASCII_NOT_HEX;
            unsigned low = i + 2 < text.len ? ascii_hex_value(text.ptr[i + 2]) : ASCII_NOT_HEX;
            if (high == ASCII_NOT_HEX || low == ASCII_NOT_HEX) {
                continue;
            }
            byte = (char)(high << 4 | low);
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
    return text.len <= 15 && slice_number(text, UINT64_MAX, ret);
}
