#include "base/utf8.h"

static bool continues(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

size_t utf8_char(struct slice text)
{
    const unsigned char *ptr = (const unsigned char *)text.ptr;
    unsigned char first = ptr[0];
    if (first < 0x80) {
        return 1;
    }
    size_t len = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.len < len) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if (!continues(ptr[i])) {
            return 0;
        }
    }
    bool overlong = (first == 0xe0 && ptr[1] < 0xa0) || (first == 0xf0 && ptr[1] < 0x90);
    bool surrogate = first == 0xed && ptr[1] >= 0xa0;
    bool beyond = first == 0xf4 && ptr[1] >= 0x90;
    return overlong || surrogate || beyond ? 0 : len;
}

size_t utf8_fault(struct slice text)
{
    size_t at = 0;
    while (at < text.len) {
        size_t len = utf8_char(slice_skip(text, at));
        if (len == 0) {
            return at;
        }
        at += len;
    }
    return text.len;
}

size_t utf8_write(uint32_t code, char out[UTF8_CHAR_MAX])
{
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    out[0] = (char)(lead[len] | code);
    return len;
}
