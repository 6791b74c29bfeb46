/*
 * json_scan_state: what the files of json_scan share. The states, and the text of the last event:
 * where it lies whole in the data it is not copied; else it is put together in `kept`.
 */
#pragma once

#include "base/json_scan.h"

#include <string.h>

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

static inline enum json_event json_scan_fail(struct json_scan *scan, const char *fault)
{
    scan->state = STATE_INVALID;
    scan->fault = fault;
    return JSON_INVALID;
}

/* Not for empty data. */
static inline char json_scan_byte(struct slice *data)
{
    data->len--;
    return *data->ptr++;
}

/* A value that is no part of another has ended. */
static inline enum json_event json_scan_ended(struct json_scan *scan, enum json_event event)
{
    scan->state = scan->level == 0 ? STATE_DONE : STATE_NEXT;
    scan->depth = scan->level;
    return event;
}

/* The string has ended. */
static inline enum json_event json_scan_end_string(struct json_scan *scan)
{
    if (!scan->in_name) {
        return json_scan_ended(scan, JSON_STRING);
    }
    scan->state = STATE_COLON;
    scan->depth = scan->level;
    return JSON_NAME;
}

/* The text is these bytes, all of it. */
static inline void json_scan_set_text(struct json_scan *scan, const char *bytes, size_t len)
{
    scan->text = slice_make(bytes, len < JSON_SCAN_TEXT ? len : JSON_SCAN_TEXT);
    scan->text_len = len;
}

/* The text begins with these bytes, and goes on with what is added. */
void json_scan_begin_text(struct json_scan *scan, const char *bytes, size_t len);
void json_scan_add_text(struct json_scan *scan, const char *bytes, size_t len);

/* Reads on in a string whose begin did not show its end. Not for empty data. */
enum json_event json_scan_string(struct json_scan *scan, struct slice *data);
