#include "base/json_scan.h"

#include "base/encode.h"
#include "base/utf8.h"

#include <stddef.h>

/* States of the structure come first, those of strings last: json_scan_next() asks by range. */
enum state {
    STATE_INVALID,
    STATE_VALUE,       /* wants a value; up to STATE_FIRST_NAME a string may begin */
    STATE_FIRST_VALUE, /* a value, or the end of the array */
    STATE_NAME,
    STATE_FIRST_NAME, /* a name, or the end of the object */
    STATE_COLON,
    STATE_NEXT, /* a comma, or the end of the array or object */
    STATE_DONE, /* nothing but blanks */
    STATE_WORD,
    STATE_MINUS, /* numbers, by what was read last */
    STATE_ZERO,
    STATE_WHOLE,
    STATE_POINT,
    STATE_FRACTION,
    STATE_E,
    STATE_E_SIGN,
    STATE_E_DIGITS,
    STATE_STRING,
    STATE_STRING_ESCAPE,
    STATE_STRING_HEX,        /* digits of \u */
    STATE_STRING_PAIR,       /* wants the backslash of the low surrogate */
    STATE_STRING_PAIR_SLASH, /* wants its u */
};

static const char bad_number[] = "a number is malformed";

static enum json_event fail(struct json_scan *scan, const char *fault)
{
    scan->state = STATE_INVALID;
    scan->fault = fault;
    return JSON_INVALID;
}

/* Not for empty data. */
static char take_byte(struct slice *data)
{
    data->len--;
    return *data->ptr++;
}

/* ---- text ---- */

static void keep(struct json_scan *scan, const char *bytes, size_t len)
{
    size_t room = JSON_SCAN_TEXT - (size_t)scan->text_used;
    size_t kept = len < room ? len : room;
    memcpy(scan->text_bytes + scan->text_used, bytes, kept);
    scan->text_used = (uint16_t)(scan->text_used + kept);
    scan->text_len += len;
}

static void keep_byte(struct json_scan *scan, char byte)
{
    if (scan->text_used < JSON_SCAN_TEXT) {
        scan->text_bytes[scan->text_used++] = byte;
    }
    scan->text_len++;
}

static void keep_character(struct json_scan *scan, uint32_t code)
{
    char bytes[UTF8_CHAR_MAX];
    keep(scan, bytes, utf8_write(code, bytes));
}

/* ---- structure ---- */

static bool in_object(const struct json_scan *scan)
{
    unsigned inner = scan->level - 1;
    return (scan->objects[inner / 64] >> (inner % 64) & 1) != 0;
}

/* A value that is no part of another has ended. */
static enum json_event ended(struct json_scan *scan, enum json_event event)
{
    scan->state = scan->level == 0 ? STATE_DONE : STATE_NEXT;
    scan->depth = scan->level;
    return event;
}

static enum json_event open_level(struct json_scan *scan, bool object)
{
    if (scan->level == JSON_SCAN_DEPTH) {
        return fail(scan, "arrays and objects are nested too deeply");
    }
    uint64_t bit = UINT64_C(1) << (scan->level % 64);
    uint64_t *word = &scan->objects[scan->level / 64];
    *word = object ? *word | bit : *word & ~bit;
    scan->depth = scan->level++;
    scan->state = object ? STATE_FIRST_NAME : STATE_FIRST_VALUE;
    return object ? JSON_OBJECT_BEGIN : JSON_ARRAY_BEGIN;
}

static enum json_event close_level(struct json_scan *scan)
{
    enum json_event event = in_object(scan) ? JSON_OBJECT_END : JSON_ARRAY_END;
    scan->level--;
    return ended(scan, event);
}

static enum json_event begin_text(struct json_scan *scan, enum state state)
{
    scan->text_used = 0;
    scan->text_len = 0;
    scan->state = (uint8_t)state;
    return JSON_MORE;
}

static enum json_event end_string(struct json_scan *scan)
{
    if (!scan->in_name) {
        return ended(scan, JSON_STRING);
    }
    scan->state = STATE_COLON;
    scan->depth = scan->level;
    return JSON_NAME;
}

/* Behind its quote. Most strings are plain and whole: they end here. */
static enum json_event begin_string(struct json_scan *scan, struct slice *data)
{
    scan->in_name = scan->state >= STATE_NAME;
    size_t len = encode_json_plain(*data);
    (void)begin_text(scan, STATE_STRING);
    keep(scan, data->ptr, len);
    data->ptr += len;
    data->len -= len;
    if (data->len == 0 || *data->ptr != '"') {
        return JSON_MORE;
    }
    (void)take_byte(data);
    return end_string(scan);
}

static enum json_event begin_word(struct json_scan *scan, const char *rest, enum json_event event)
{
    scan->word = rest;
    scan->word_event = (uint8_t)event;
    scan->state = STATE_WORD;
    return JSON_MORE;
}

static enum json_event begin_value(struct json_scan *scan, char byte)
{
    switch (byte) {
    case '{':
        return open_level(scan, true);
    case '[':
        return open_level(scan, false);
    case 't':
        return begin_word(scan, "rue", JSON_TRUE);
    case 'f':
        return begin_word(scan, "alse", JSON_FALSE);
    case 'n':
        return begin_word(scan, "ull", JSON_NULL);
    default:
        break;
    }
    if (byte != '-' && !ascii_is_digit(byte)) {
        return fail(scan, "a value is expected");
    }
    (void)begin_text(scan, byte == '-' ? STATE_MINUS : byte == '0' ? STATE_ZERO : STATE_WHOLE);
    keep_byte(scan, byte);
    return JSON_MORE;
}

static enum json_event read_next(struct json_scan *scan, char byte)
{
    bool object = in_object(scan);
    if (byte == ',') {
        scan->state = object ? STATE_NAME : STATE_VALUE;
        return JSON_MORE;
    }
    if (byte != (object ? '}' : ']')) {
        return fail(scan, "a comma or the end of the array or object is expected");
    }
    return close_level(scan);
}

/* No quote where a string may begin: begin_string() is for that. */
static enum json_event read_mark(struct json_scan *scan, char byte)
{
    switch (scan->state) {
    case STATE_VALUE:
        return begin_value(scan, byte);
    case STATE_FIRST_VALUE:
        return byte == ']' ? close_level(scan) : begin_value(scan, byte);
    case STATE_NAME:
    case STATE_FIRST_NAME:
        return byte == '}' && scan->state == STATE_FIRST_NAME
                   ? close_level(scan)
                   : fail(scan, "a name in quotes is expected");
    case STATE_COLON:
        scan->state = STATE_VALUE;
        return byte == ':' ? JSON_MORE : fail(scan, "a colon is expected behind a name");
    case STATE_NEXT:
        return read_next(scan, byte);
    default: /* STATE_DONE */
        return fail(scan, "something follows the value");
    }
}

static enum json_event read_word(struct json_scan *scan, struct slice *data)
{
    const char *rest = scan->word;
    while (data->len > 0) {
        if (take_byte(data) != *rest) {
            return fail(scan, "a value is expected");
        }
        if (*++rest == '\0') {
            return ended(scan, (enum json_event)scan->word_event);
        }
    }
    scan->word = rest;
    return JSON_MORE;
}

/* ---- numbers ---- */

static bool number_may_end(unsigned state)
{
    return state == STATE_ZERO || state == STATE_WHOLE || state == STATE_FRACTION ||
           state == STATE_E_DIGITS;
}

enum mark { MARK_OTHER, MARK_ZERO, MARK_DIGIT, MARK_POINT, MARK_E, MARK_SIGN, MARKS };

static enum mark mark_of(char byte)
{
    if (ascii_is_digit(byte)) {
        return byte == '0' ? MARK_ZERO : MARK_DIGIT;
    }
    if (byte == 'e' || byte == 'E') {
        return MARK_E;
    }
    bool sign = byte == '+' || byte == '-';
    return byte == '.' ? MARK_POINT : sign ? MARK_SIGN : MARK_OTHER;
}

/* The state behind `byte`; STATE_INVALID: it cannot be part of the number. */
static uint8_t number_next(unsigned state, char byte)
{
    /* clang-format off */
    static const uint8_t next[][MARKS] = { /* behind: else, 0, 1-9, point, e, sign */
        [STATE_MINUS]    = {0, STATE_ZERO, STATE_WHOLE, 0, 0, 0},
        [STATE_ZERO]     = {0, 0, 0, STATE_POINT, STATE_E, 0},
        [STATE_WHOLE]    = {0, STATE_WHOLE, STATE_WHOLE, STATE_POINT, STATE_E, 0},
        [STATE_POINT]    = {0, STATE_FRACTION, STATE_FRACTION, 0, 0, 0},
        [STATE_FRACTION] = {0, STATE_FRACTION, STATE_FRACTION, 0, STATE_E, 0},
        [STATE_E]        = {0, STATE_E_DIGITS, STATE_E_DIGITS, 0, 0, STATE_E_SIGN},
        [STATE_E_SIGN]   = {0, STATE_E_DIGITS, STATE_E_DIGITS, 0, 0, 0},
        [STATE_E_DIGITS] = {0, STATE_E_DIGITS, STATE_E_DIGITS, 0, 0, 0},
    };
    /* clang-format on */
    return next[state][mark_of(byte)];
}

/* The byte behind a number is not taken: it may mean something. */
static enum json_event read_number(struct json_scan *scan, struct slice *data)
{
    unsigned state = scan->state;
    size_t count = 0;
    while (count < data->len) {
        if (state == STATE_WHOLE && ascii_is_digit(data->ptr[count])) { /* most of them */
            count++;
            continue;
        }
        uint8_t next = number_next(state, data->ptr[count]);
        if (next == STATE_INVALID) {
            break;
        }
        state = next;
        count++;
    }
    keep(scan, data->ptr, count);
    scan->state = (uint8_t)state;
    *data = slice_skip(*data, count);
    if (data->len == 0) {
        return JSON_MORE;
    }
    bool whole = number_may_end(state) && !ascii_is_digit(data->ptr[0]);
    return whole ? ended(scan, JSON_NUMBER) : fail(scan, bad_number);
}

/* ---- strings ---- */

/* Bytes at the front that stand for themselves: plain ones, and other characters that are whole. */
static size_t text_bytes(struct slice data)
{
    size_t count = encode_json_plain(data);
    while (count < data.len && (unsigned char)data.ptr[count] >= 0x80) {
        size_t len = utf8_char(slice_skip(data, count));
        if (len == 0) {
            break; /* wrong, or cut */
        }
        count += len;
        count += encode_json_plain(slice_skip(data, count));
    }
    return count;
}

/* The first byte of a character that is not ASCII (RFC 3629, section 4). */
static enum json_event begin_character(struct json_scan *scan, unsigned char byte)
{
    if (byte < 0xc2 || byte > 0xf4) {
        return fail(scan, "not valid UTF-8");
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
        return fail(scan, "not valid UTF-8");
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
        return (unsigned char)byte < 0x20 ? fail(scan, "a control character in a string")
                                          : begin_character(scan, (unsigned char)byte);
    }
    return end_string(scan);
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
        return fail(scan, "an escape that does not exist");
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
        return fail(scan, "\\u wants four hex digits");
    }
    scan->unit = (uint16_t)((unsigned)scan->unit << 4 | value);
    if (++scan->digits < 4) {
        return JSON_MORE;
    }
    bool is_high = scan->unit >= 0xd800 && scan->unit < 0xdc00;
    bool is_low = scan->unit >= 0xdc00 && scan->unit < 0xe000;
    if (is_low != (scan->high != 0)) {
        return fail(scan, "half a pair of surrogates");
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
        return fail(scan, "half a pair of surrogates");
    }
    scan->digits = 0;
    scan->unit = 0;
    scan->state = slash ? STATE_STRING_PAIR_SLASH : STATE_STRING_HEX;
    return JSON_MORE;
}

static enum json_event read_text(struct json_scan *scan, struct slice *data)
{
    if (scan->state == STATE_STRING && scan->utf8_left == 0) {
        size_t len = text_bytes(*data);
        keep(scan, data->ptr, len);
        data->ptr += len;
        data->len -= len;
        if (data->len == 0) {
            return JSON_MORE;
        }
    }
    char byte = take_byte(data);
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

/* ---- all of it ---- */

void json_scan_init(struct json_scan *scan)
{
    memset(scan, 0, offsetof(struct json_scan, objects)); /* the rest is set before it is read */
    scan->state = STATE_VALUE;
}

static bool is_blank(char byte)
{
    return byte <= ' ' && (byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n');
}

/* Some progress: an event, or JSON_MORE: ask again if data is left. */
static enum json_event advance(struct json_scan *scan, struct slice *data)
{
    if (scan->state <= STATE_DONE) {
        char byte = take_byte(data);
        if (byte == '"' && scan->state <= STATE_FIRST_NAME) {
            return begin_string(scan, data);
        }
        return is_blank(byte) ? JSON_MORE : read_mark(scan, byte);
    }
    if (scan->state >= STATE_STRING) {
        return read_text(scan, data);
    }
    return scan->state == STATE_WORD ? read_word(scan, data) : read_number(scan, data);
}

/* What mostly stands behind a name and behind a value; else it is for read_mark(). */
static void skip_separator(struct json_scan *scan, struct slice *data)
{
    if (scan->state == STATE_COLON && *data->ptr == ':') {
        (void)take_byte(data);
        scan->state = STATE_VALUE;
    } else if (scan->state == STATE_NEXT && *data->ptr == ',') {
        (void)take_byte(data);
        scan->state = in_object(scan) ? STATE_NAME : STATE_VALUE;
    }
}

enum json_event json_scan_next(struct json_scan *scan, struct slice *data)
{
    struct slice rest = *data; /* a copy that nobody else can change */
    enum json_event event = scan->state == STATE_INVALID ? JSON_INVALID : JSON_MORE;
    if (rest.len > 0) {
        skip_separator(scan, &rest);
    }
    while (rest.len > 0 && event == JSON_MORE) {
        event = advance(scan, &rest);
    }
    *data = rest;
    return event;
}

enum json_event json_scan_end(struct json_scan *scan)
{
    if (scan->state == STATE_DONE || scan->state == STATE_INVALID) {
        return scan->state == STATE_DONE ? JSON_DONE : JSON_INVALID;
    }
    if (scan->level == 0 && scan->state >= STATE_MINUS && scan->state < STATE_STRING) {
        return number_may_end(scan->state) ? ended(scan, JSON_NUMBER) : fail(scan, bad_number);
    }
    return fail(scan, "the value is not complete");
}
