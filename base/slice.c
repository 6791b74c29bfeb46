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
