#include "base/slice.h"

bool slice_starts_with_nocase(struct slice text, struct slice prefix)
{
    if (text.len < prefix.len) {
        return false;
    }
    for (size_t i = 0; i < prefix.len; i++) {
        char a = text.ptr[i];
        char b = prefix.ptr[i];
        if (a != b && ascii_lower(a) != ascii_lower(b)) {
            return false;
        }
    }
    return true;
}

bool slice_equal_nocase(struct slice a, struct slice b)
{
    return a.len == b.len && slice_starts_with_nocase(a, b);
}

static bool blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

struct slice slice_trim(struct slice text)
{
    while (text.len > 0 && blank(text.ptr[0])) {
        text = slice_skip(text, 1);
    }
    while (text.len > 0 && blank(text.ptr[text.len - 1])) {
        text.len--;
    }
    return text;
}

size_t slice_find(struct slice text, char byte)
{
    const char *found = text.len == 0 ? NULL : memchr(text.ptr, byte, text.len);
    return found == NULL ? text.len : (size_t)(found - text.ptr);
}

bool slice_number(struct slice text, uint64_t max, uint64_t *ret)
{
    uint64_t number = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned)(text.ptr[i] - '0');
        if (digit > 9 || __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, digit, &number) || number > max) {
            return false;
        }
    }
    if (text.len > 0) {
        *ret = number;
    }
    return text.len > 0;
}
