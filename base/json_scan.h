/*
 * json_scan: reads one JSON value event by event, from slices that may be split anywhere, in
 * constant memory: for texts that are too long, or too many, to build a tree of (json.h does that).
 *
 * As strict as RFC 8259: valid UTF-8, no control characters in strings, surrogates in pairs only,
 * nothing behind the value. It differs from json_parse() in that "\u0000" is allowed, and stands
 * for a zero byte; and that names may stand twice in an object: who reads it says what that means.
 *
 *     while ((event = json_scan_next(&scan, &data)) > JSON_MORE) {
 *         ... a name, a value, or a part of it; scan.depth, scan.text, scan.text_len
 *     }
 *     JSON_MORE: go on with the next slice, or, if there is none: json_scan_end()
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    JSON_SCAN_DEPTH = 256, /* most arrays and objects in each other */
    JSON_SCAN_TEXT = 256,  /* most bytes that are kept of a name, string or number */
};

enum json_event {
    JSON_INVALID, /* and so it stays; json_scan_fault() says why */
    JSON_DONE,    /* from json_scan_end(): the value is whole */
    JSON_MORE,    /* all of the data was read */
    JSON_OBJECT_BEGIN,
    JSON_OBJECT_END,
    JSON_ARRAY_BEGIN,
    JSON_ARRAY_END,
    JSON_NAME, /* of a member; the next event is, or begins, its value */
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
};

struct json_scan {
    /* Of the last event. */
    unsigned depth;    /* arrays and objects around it: 0 for the value itself (its begin and its
                          end, too), 1 for what is in it, and for the names of its members */
    uint64_t text_len; /* bytes of the name or string, unescaped, or of the number, as it is */
    struct slice text; /* its first JSON_SCAN_TEXT bytes; in the data, or in `kept` */

    /* For json_scan*.c alone. */
    uint8_t state;
    bool in_name;      /* the string is a member's name */
    uint8_t utf8_left; /* bytes that the character still wants */
    uint8_t utf8_low;  /* least and greatest that its next byte may be */
    uint8_t utf8_high;
    uint8_t digits;     /* of a \u escape, read so far */
    uint16_t unit;      /* their value */
    uint16_t high;      /* high surrogate that waits for its low one; 0: none */
    unsigned level;     /* arrays and objects that are open */
    uint8_t word_event; /* what the word will be */
    const char *word;   /* what is left of "true", "false", "null" */
    const char *fault;
    uint64_t objects[JSON_SCAN_DEPTH / 64]; /* a bit a level: it is an object */
    char kept[JSON_SCAN_TEXT];              /* a text that does not lie in one piece of data */
};

void json_scan_init(struct json_scan *scan);

/* Reads from the front of *data up to the next event, and takes that off *data. */
enum json_event json_scan_next(struct json_scan *scan, struct slice *data);

/* No data is left: JSON_DONE, JSON_INVALID if the value is not whole, or, once, the JSON_NUMBER
 * that is the whole text (only its end shows where it ends); then ask again. */
enum json_event json_scan_end(struct json_scan *scan);

/* What was read so far is a whole value, and no number that may go on. */
bool json_scan_done(const struct json_scan *scan);

/* Of a JSON_NAME, JSON_STRING or JSON_NUMBER, until the next call, while the data is there: the
 * text, of a longer one than JSON_SCAN_TEXT its first bytes (a character may be cut); text_len says
 * how long it is. */
static inline struct slice json_scan_text(const struct json_scan *scan)
{
    return scan->text;
}

/* The text of the last event is exactly this. */
static inline bool json_scan_is(const struct json_scan *scan, struct slice text)
{
    return scan->text_len == text.len && slice_equal(json_scan_text(scan), text);
}

/* The last event's text is kept whole. */
static inline bool json_scan_whole(const struct json_scan *scan)
{
    return scan->text_len == scan->text.len;
}

/* The number of the last event, a JSON_NUMBER: false, and nothing set, if it is not a whole number
 * in plain digits (no sign, fraction or exponent), or above `max`. */
static inline bool json_scan_number(const struct json_scan *scan, uint64_t max, uint64_t *ret)
{
    return json_scan_whole(scan) && slice_number(json_scan_text(scan), max, ret);
}

/* What is wrong, for a person; quotes nothing. After JSON_INVALID. */
static inline const char *json_scan_fault(const struct json_scan *scan)
{
    return scan->fault;
}
