#include "gateway/meter/json_text.h"

#include "base/utf8.h"

/* Bytes at the front that stand for themselves. */
static size_t plain_bytes(struct slice text)
{
    size_t count = 0;
    while (count < text.len) {
        char byte = text.ptr[count];
        size_t len = utf8_char(slice_skip(text, count));
        if (len == 0 || (unsigned char)byte < 0x20 || byte == '"' || byte == '\\') {
            break;
        }
        count += len;
    }
    return count;
}

static enum status write_escape(char byte, struct buffer *out)
{
    static const char hex[] = "0123456789abcdef";
    if (byte == '"' || byte == '\\') {
        const char pair[] = {'\\', byte};
        return buffer_append(out, slice_make(pair, sizeof(pair)));
    }
    if ((unsigned char)byte >= 0x80) {
        return buffer_append(out, SLICE("\xef\xbf\xbd"));
    }
    const char unit[] = {'\\', 'u', '0', '0', hex[byte >> 4 & 0xf], hex[byte & 0xf]};
    return buffer_append(out, slice_make(unit, sizeof(unit)));
}

enum status json_text_write(struct slice text, struct buffer *out)
{
    TRY(buffer_append(out, SLICE("\"")));
    while (text.len > 0) {
        size_t plain = plain_bytes(text);
        TRY(buffer_append(out, slice_make(text.ptr, plain)));
        text = slice_skip(text, plain);
        if (text.len > 0) {
            TRY(write_escape(text.ptr[0], out));
            text = slice_skip(text, 1);
        }
    }
    return buffer_append(out, SLICE("\""));
}
