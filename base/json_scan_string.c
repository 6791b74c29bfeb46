/* Strings whose end does not come in plain sight: escapes, what is not ASCII, what is cut. */
#include "base/json_plain.h"
#include "base/json_scan_state.h"
#include "base/utf8.h"

/* ---- text ---- */

void json_scan_begin_text(struct json_scan *scan, const char *bytes, size_t len)
{
    scan->text = slice_make(scan->kept, 0);
    scan->text_len = 0;
    json_scan_add_text(scan, bytes, len);
}

void json_scan_add_text(struct json_scan *scan, const char *bytes, size_t len)
{
    size_t room = JSON_SCAN_TEXT - scan->text.len;
    size_t added = len < room ? len : room;
    memcpy(scan->kept + scan->text.len, bytes, added);
    scan->text.len += added;
    scan->text_len += len;
}

static void keep_byte(struct json_scan *scan, char byte)
{
    if (scan->text.len < JSON_SCAN_TEXT) {
        scan->kept[scan->text.len++] = byte;
    }
    scan->text_len++;
}

static void keep_character(struct json_scan *scan, uint32_t code)
{
    char bytes[UTF8_CHAR_MAX];
    json_scan_add_text(scan, bytes, utf8_write(code, bytes));
}

/* ---- bytes ---- */

/* Bytes at the front that stand for themselves: plain ones, and other characters that are whole. */
static size_t text_bytes(struct slice data)
{
    size_t count = json_plain(data);
    while (count < data.len && (unsigned char)data.ptr[count] >= 0x80) {
        size_t len = utf8_char(slice_skip(data, count));
        if (len == 0) {
            break; /* wrong, or cut */
        }
        count += len;
        count += json_plain(slice_skip(data, count));
    }
    return count;
}

/* The first byte of a character that is not ASCII (RFC 3629, section 4). */
static enum json_event begin_character(struct json_scan *scan, unsigned char byte)
{
    if (byte < 0xc2 || byte > 0xf4) {
        return json_scan_fail(scan, "not valid UTF-8");
    }
    scan->utf8_left = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : 1;
    scan->utf8_low = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
    scan->utf8_high = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
    keep_byte(scan, (char)byte);
    return JSON_MORE;
}

static enum json_event continue_character(struct json_scan *scan, unsigned char byte)
{
    if (byte < scan->utf8_low || byte > scan->utf8_high) {
        return json_scan_fail(scan, "not valid UTF-8");
    }
    scan->utf8_left--;
    scan->utf8_low = 0x80;
    scan->utf8_high = 0xbf;
    keep_byte(scan, (char)byte);
    return JSON_MORE;
}

static enum json_event read_string_byte(struct json_scan *scan, char byte)
{
    if (scan->utf8_left > 0) {
        return continue_character(scan, (unsigned char)byte);
    }
    if (byte == '\\') {
        scan->state = STATE_STRING_ESCAPE;
        return JSON_MORE;
    }
    if (byte != '"') {
        return (unsigned char)byte < 0x20 ? json_scan_fail(scan, "a control character in a string")
                                          : begin_character(scan, (unsigned char)byte);
    }
    return json_scan_end_string(scan);
}

static enum json_event read_escape(struct json_scan *scan, char byte)
{
    static const char escapes[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    const char *found = byte == '\0' ? NULL : strchr(escapes, byte);
    scan->state = STATE_STRING;
    if (found != NULL) {
        keep_byte(scan, meanings[found - escapes]);
        return JSON_MORE;
    }
    if (byte != 'u') {
        return json_scan_fail(scan, "an escape that does not exist");
    }
    scan->digits = 0;
    scan->unit = 0;
    scan->state = STATE_STRING_HEX;
    return JSON_MORE;
}

static enum json_event read_hex(struct json_scan *scan, char byte)
{
    unsigned value = ascii_hex_value(byte);
    if (value == ASCII_NOT_HEX) {
        return json_scan_fail(scan, "\\u wants four hex digits");
    }
    scan->unit = (uint16_t)((unsigned)scan->unit << 4 | value);
    if (++scan->digits < 4) {
        return JSON_MORE;
    }
    bool is_high = scan->unit >= 0xd800 && scan->unit < 0xdc00;
    bool is_low = scan->unit >= 0xdc00 && scan->unit < 0xe000;
    if (is_low != (scan->high != 0)) {
        return json_scan_fail(scan, "half a pair of surrogates");
    }
    scan->state = is_high ? STATE_STRING_PAIR : STATE_STRING;
    if (is_high) {
        scan->high = scan->unit;
    } else if (is_low) {
        uint32_t above = (uint32_t)(scan->high & 0x3ff) << 10 | (scan->unit & 0x3ffU);
        keep_character(scan, 0x10000 + above);
        scan->high = 0;
    } else {
        keep_character(scan, scan->unit);
    }
    return JSON_MORE;
}

static enum json_event read_pair(struct json_scan *scan, char byte)
{
    bool slash = scan->state == STATE_STRING_PAIR;
    if (byte != (slash ? '\\' : 'u')) {
        return json_scan_fail(scan, "half a pair of surrogates");
    }
    scan->digits = 0;
    scan->unit = 0;
    scan->state = slash ? STATE_STRING_PAIR_SLASH : STATE_STRING_HEX;
    return JSON_MORE;
}

enum json_event json_scan_string(struct json_scan *scan, struct slice *data)
{
    if (scan->state == STATE_STRING && scan->utf8_left == 0) {
        size_t len = text_bytes(*data);
        json_scan_add_text(scan, data->ptr, len);
        data->ptr += len;
        data->len -= len;
        if (data->len == 0) {
            return JSON_MORE;
        }
    }
    char byte = json_scan_byte(data);
    switch (scan->state) {
    case STATE_STRING:
        return read_string_byte(scan, byte);
    case STATE_STRING_ESCAPE:
        return read_escape(scan, byte);
    case STATE_STRING_HEX:
        return read_hex(scan, byte);
    default: /* STATE_STRING_PAIR, STATE_STRING_PAIR_SLASH */
        return read_pair(scan, byte);
    }
}
