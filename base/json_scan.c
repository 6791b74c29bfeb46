#include "base/json_scan.h"

#include "base/json_plain.h"
#include "base/json_scan_state.h"

#include <stddef.h>

static const char bad_number[] = "a number is malformed";

/* ---- structure ---- */

static bool in_object(const struct json_scan *scan)
{
    unsigned inner = scan->level - 1;
    return (scan->objects[inner / 64] >> (inner % 64) & 1) != 0;
}

static enum json_event open_level(struct json_scan *scan, bool object)
{
    if (scan->level == JSON_SCAN_DEPTH) {
        return json_scan_fail(scan, "arrays and objects are nested too deeply");
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
    return json_scan_ended(scan, event);
}

/* Behind its quote. Most strings are plain and whole: they end here. */
static inline enum json_event begin_string(struct json_scan *scan, struct slice *data)
{
    const char *bytes = data->ptr;
    size_t len = json_plain(*data);
    scan->in_name = scan->state >= STATE_NAME;
    if (len < data->len && bytes[len] == '"') {
        data->ptr += len + 1;
        data->len -= len + 1;
        json_scan_set_text(scan, bytes, len);
        return json_scan_end_string(scan);
    }
    json_scan_begin_text(scan, bytes, len);
    scan->state = STATE_STRING;
    data->ptr += len;
    data->len -= len;
    return JSON_MORE;
}

/* Behind its first letter; `rest` are `len` more. */
static enum json_event begin_word(struct json_scan *scan, struct slice *data, const char *rest,
                                  size_t len, enum json_event event)
{
    if (data->len >= len && memcmp(data->ptr, rest, len) == 0) {
        data->ptr += len;
        data->len -= len;
        return json_scan_ended(scan, event);
    }
    scan->word = rest;
    scan->word_event = (uint8_t)event;
    scan->state = STATE_WORD;
    return JSON_MORE;
}

/* Behind its first byte. Most numbers are digits alone, and end here. */
static enum json_event begin_number(struct json_scan *scan, struct slice *data, char byte)
{
    const char *bytes = data->ptr - 1;
    size_t count = 0;
    if (byte != '-' && !ascii_is_digit(byte)) {
        return json_scan_fail(scan, "a value is expected");
    }
    scan->state = byte == '-' ? STATE_MINUS : byte == '0' ? STATE_ZERO : STATE_WHOLE;
    while (scan->state == STATE_WHOLE && count < data->len && ascii_is_digit(data->ptr[count])) {
        count++;
    }
    if (scan->state >= STATE_ZERO && count < data->len &&
        (data->ptr[count] == ',' || data->ptr[count] == '}')) {
        json_scan_set_text(scan, bytes, count + 1);
        data->ptr += count;
        data->len -= count;
        return json_scan_ended(scan, JSON_NUMBER);
    }
    json_scan_begin_text(scan, bytes, 1);
    return JSON_MORE;
}

static enum json_event begin_value(struct json_scan *scan, struct slice *data, char byte)
{
    switch (byte) {
    case '{':
        return open_level(scan, true);
    case '[':
        return open_level(scan, false);
    case 't':
        return begin_word(scan, data, "rue", 3, JSON_TRUE);
    case 'f':
        return begin_word(scan, data, "alse", 4, JSON_FALSE);
    case 'n':
        return begin_word(scan, data, "ull", 3, JSON_NULL);
    default:
        return begin_number(scan, data, byte);
    }
}

static enum json_event read_next(struct json_scan *scan, char byte)
{
    bool object = in_object(scan);
    if (byte == ',') {
        scan->state = object ? STATE_NAME : STATE_VALUE;
        return JSON_MORE;
    }
    if (byte != (object ? '}' : ']')) {
        return json_scan_fail(scan, "a comma or the end of the array or object is expected");
    }
    return close_level(scan);
}

/* No quote where a string may begin: begin_string() is for that. */
static enum json_event read_mark(struct json_scan *scan, struct slice *data, char byte)
{
    switch (scan->state) {
    case STATE_VALUE:
        return begin_value(scan, data, byte);
    case STATE_FIRST_VALUE:
        return byte == ']' ? close_level(scan) : begin_value(scan, data, byte);
    case STATE_NAME:
    case STATE_FIRST_NAME:
        return byte == '}' && scan->state == STATE_FIRST_NAME
                   ? close_level(scan)
                   : json_scan_fail(scan, "a name in quotes is expected");
    case STATE_COLON:
        scan->state = STATE_VALUE;
        return byte == ':' ? JSON_MORE : json_scan_fail(scan, "a colon is expected behind a name");
    case STATE_NEXT:
        return read_next(scan, byte);
    default: /* STATE_DONE */
        return json_scan_fail(scan, "something follows the value");
    }
}

static enum json_event read_word(struct json_scan *scan, struct slice *data)
{
    const char *rest = scan->word;
    while (data->len > 0) {
        if (json_scan_byte(data) != *rest) {
            return json_scan_fail(scan, "a value is expected");
        }
        if (*++rest == '\0') {
            return json_scan_ended(scan, (enum json_event)scan->word_event);
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
    json_scan_add_text(scan, data->ptr, count);
    scan->state = (uint8_t)state;
    *data = slice_skip(*data, count);
    if (data->len == 0) {
        return JSON_MORE;
    }
    bool whole = number_may_end(state) && !ascii_is_digit(data->ptr[0]);
    return whole ? json_scan_ended(scan, JSON_NUMBER) : json_scan_fail(scan, bad_number);
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
        char byte = json_scan_byte(data);
        if (byte == '"' && scan->state <= STATE_FIRST_NAME) {
            return begin_string(scan, data);
        }
        return is_blank(byte) ? JSON_MORE : read_mark(scan, data, byte);
    }
    if (scan->state >= STATE_STRING) {
        return json_scan_string(scan, data);
    }
    return scan->state == STATE_WORD ? read_word(scan, data) : read_number(scan, data);
}

/* What mostly stands behind a name and behind a value; else it is for read_mark(). */
static void skip_separator(struct json_scan *scan, struct slice *data)
{
    if (scan->state == STATE_COLON && *data->ptr == ':') {
        (void)json_scan_byte(data);
        scan->state = STATE_VALUE;
    } else if (scan->state == STATE_NEXT && *data->ptr == ',') {
        (void)json_scan_byte(data);
        scan->state = in_object(scan) ? STATE_NAME : STATE_VALUE;
    }
}

/* Whatever comes. Apart, for what json_scan_next() does itself needs no room on the stack. */
__attribute__((noinline)) static enum json_event next(struct json_scan *scan, struct slice *data)
{
    struct slice rest = *data; /* a copy that nobody else can change */
    enum json_event event = scan->state == STATE_INVALID ? JSON_INVALID : JSON_MORE;
    while (rest.len > 0 && event == JSON_MORE) {
        event = advance(scan, &rest);
    }
    *data = rest;
    return event;
}

/* Most events are strings that are plain and whole, with no blanks before them. */
enum json_event json_scan_next(struct json_scan *scan, struct slice *data)
{
    if (data->len > 0) {
        skip_separator(scan, data);
    }
    if (data->len > 0 && *data->ptr == '"' && scan->state >= STATE_VALUE &&
        scan->state <= STATE_FIRST_NAME) {
        (void)json_scan_byte(data);
        enum json_event event = begin_string(scan, data);
        if (event != JSON_MORE) {
            return event;
        }
    }
    return next(scan, data);
}

bool json_scan_done(const struct json_scan *scan)
{
    return scan->state == STATE_DONE;
}

enum json_event json_scan_end(struct json_scan *scan)
{
    if (scan->state == STATE_DONE || scan->state == STATE_INVALID) {
        return scan->state == STATE_DONE ? JSON_DONE : JSON_INVALID;
    }
    if (scan->level == 0 && scan->state >= STATE_MINUS && scan->state < STATE_STRING) {
        return number_may_end(scan->state) ? json_scan_ended(scan, JSON_NUMBER)
                                           : json_scan_fail(scan, bad_number);
    }
    return json_scan_fail(scan, "the value is not complete");
}
