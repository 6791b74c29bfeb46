#include "base/encode.h"

#include "base/buffer.h"
#include "base/json_plain.h"
#include "base/utf8.h"

#include <endian.h>
#include <stdbool.h>
#include <zlib.h>

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base62_digits[] =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

enum { NO_DIGIT = 255 };

static unsigned base64_value(char digit)
{
    if (digit >= 'A' && digit <= 'Z') {
        return (unsigned)(digit - 'A');
    }
    if (digit >= 'a' && digit <= 'z') {
        return (unsigned)(digit - 'a') + 26;
    }
    if (ascii_is_digit(digit)) {
        return (unsigned)(digit - '0') + 52;
    }
    return digit == '+' ? 62 : digit == '/' ? 63 : NO_DIGIT;
}

void encode_hex(struct slice bytes, char *out)
{
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char byte = (unsigned char)bytes.ptr[i];
        out[2 * i] = hex_digits[byte >> 4];
        out[2 * i + 1] = hex_digits[byte & 15];
    }
}

enum status decode_hex(struct slice text, unsigned char *out)
{
    if (text.len % 2 != 0) {
        return STATUS_INVALID;
    }
    for (size_t i = 0; i < text.len; i += 2) {
        unsigned high = ascii_hex_value(text.ptr[i]);
        unsigned low = ascii_hex_value(text.ptr[i + 1]);
        if (high == ASCII_NOT_HEX || low == ASCII_NOT_HEX) {
            return STATUS_INVALID;
        }
        out[i / 2] = (unsigned char)(high << 4 | low);
    }
    return STATUS_OK;
}

size_t encode_base64(struct slice bytes, char *out)
{
    char *start = out;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t count = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t group = 0;
        for (size_t j = 0; j < 3; j++) {
            group = group << 8 | (j < count ? (unsigned char)bytes.ptr[i + j] : 0U);
        }
        *out++ = base64_digits[group >> 18];
        *out++ = base64_digits[group >> 12 & 63];
        *out++ = count > 1 ? base64_digits[group >> 6 & 63] : '=';
        *out++ = count > 2 ? base64_digits[group & 63] : '=';
    }
    return (size_t)(out - start);
}

/* Reads one group of four; `padding` of them are '='. Bits that padding cuts off must be 0. */
static enum status decode_group(const char *text, size_t padding, unsigned char *out)
{
    uint32_t group = 0;
    for (size_t i = 0; i < 4; i++) {
        unsigned value = i < 4 - padding ? base64_value(text[i]) : 0;
        if (value == NO_DIGIT) {
            return STATUS_INVALID;
        }
        group = group << 6 | value;
    }
    if ((group & ((1U << (8 * padding)) - 1)) != 0) {
        return STATUS_INVALID;
    }
    for (size_t i = 0; i < 3 - padding; i++) {
        out[i] = (unsigned char)(group >> (16 - 8 * i));
    }
    return STATUS_OK;
}

enum status decode_base64(struct slice text, unsigned char *out, size_t *ret_len)
{
    if (text.len % 4 != 0) {
        return STATUS_INVALID;
    }
    size_t padding = 0;
    while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=') {
        padding++;
    }
    size_t len = 0;
    for (size_t i = 0; i < text.len; i += 4) {
        size_t cut = i + 4 == text.len ? padding : 0;
        TRY(decode_group(text.ptr + i, cut, out + len));
        len += 3 - cut;
    }
    *ret_len = len;
    return STATUS_OK;
}

void encode_base62(uint64_t value, char *out, size_t count)
{
    for (size_t i = count; i-- > 0; value /= 62) {
        out[i] = base62_digits[value % 62];
    }
}

bool is_base62(char byte)
{
    return ascii_is_alphanumeric(byte);
}

uint32_t crc32_of(struct slice bytes)
{
    return (uint32_t)crc32_z(0, (const unsigned char *)bytes.ptr, bytes.len);
}

enum status encode_percent(struct slice bytes, struct buffer *out)
{
    static const char upper[] = "0123456789ABCDEF";
    size_t len = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        len += ascii_is_unreserved(bytes.ptr[i]) ? 1 : 3;
    }
    TRY(buffer_reserve(out, len));
    char *tail = buffer_tail(out);
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char byte = (unsigned char)bytes.ptr[i];
        if (ascii_is_unreserved(bytes.ptr[i])) {
            *tail++ = bytes.ptr[i];
            continue;
        }
        *tail++ = '%';
        *tail++ = upper[byte >> 4];
        *tail++ = upper[byte & 15];
    }
    buffer_commit(out, len);
    return STATUS_OK;
}

enum status decode_percent(struct slice text, char *out, size_t *ret_len)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '%') {
            out[len++] = text.ptr[i];
            continue;
        }
        unsigned high = text.len - i > 2 ? ascii_hex_value(text.ptr[i + 1]) : ASCII_NOT_HEX;
        unsigned low = text.len - i > 2 ? ascii_hex_value(text.ptr[i + 2]) : ASCII_NOT_HEX;
        if (high == ASCII_NOT_HEX || low == ASCII_NOT_HEX) {
            return STATUS_INVALID;
        }
        out[len++] = (char)(high << 4 | low);
        i += 2;
    }
    *ret_len = len;
    return STATUS_OK;
}

/* The character behind the backslash in the short form, or 0. */
static char json_short_form(char byte)
{
    switch (byte) {
    case '"':
    case '\\':
        return byte;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

enum status encode_json(struct slice text, struct buffer *out)
{
    for (;;) {
        size_t plain = json_plain(text);
        TRY(buffer_append(out, slice_make(text.ptr, plain)));
        text = slice_skip(text, plain);
        if (text.len == 0) {
            return STATUS_OK;
        }
        size_t len = utf8_char(text);
        char escape = json_short_form(text.ptr[0]);
        if (len == 0) {
            TRY(buffer_append(out, SLICE("\xef\xbf\xbd"))); /* U+FFFD */
            len = 1;
        } else if (escape != 0) {
            TRY(buffer_append(out, slice_make((char[]){'\\', escape}, 2)));
        } else if ((unsigned char)text.ptr[0] < 0x20) {
            TRY(buffer_print(out, "\\u%04x", (unsigned)text.ptr[0]));
        } else {
            TRY(buffer_append(out, slice_make(text.ptr, len)));
        }
        text = slice_skip(text, len);
    }
}

enum status encode_json_string(struct slice text, struct buffer *out)
{
    TRY(buffer_append(out, SLICE("\"")));
    TRY(encode_json(text, out));
    return buffer_append(out, SLICE("\""));
}
