/*
 * json: reading and writing JSON documents, over cJSON, which only json.c knows.
 *
 * Stricter than cJSON: a bound on bytes and depth, valid UTF-8, no raw control characters, no
 * "\u0000", no byte behind the value, and, where asked for, no name twice in an object.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct buffer;
struct cJSON;

enum json_names {
    JSON_NAMES_ANY,
    JSON_NAMES_ONCE, /* a name twice in one object is an error */
};

struct json_limits {
    size_t bytes;   /* STATUS_TOO_LARGE */
    unsigned depth; /* of arrays and objects in each other, at most 1,000: STATUS_INVALID */
    enum json_names names;
};

/* Errors of syntax say line and column. *ret is the caller's to free. */
MUST_USE enum status json_parse(struct slice text, const struct json_limits *limits,
                                struct cJSON **ret, struct error *err);
void json_free(struct cJSON *value); /* takes NULL */
/* For CLEANUP() on a `struct cJSON *`. */
void json_free_at(struct cJSON **value);

/* The rest takes NULL for a value, which is of no kind and has no members. */
bool json_is_object(const struct cJSON *value);
bool json_is_array(const struct cJSON *value);

/* The member of that name, compared exactly; NULL if absent or `object` is none. */
const struct cJSON *json_get(const struct cJSON *object, const char *name);

/* Goes over the items of an array or the members of an object. NULL: none (left). */
const struct cJSON *json_first(const struct cJSON *value);
const struct cJSON *json_next(const struct cJSON *item);
const char *json_name(const struct cJSON *member);
unsigned json_count(const struct cJSON *value);

/* False, and nothing set, if it is no string; the text lives as long as the document. */
bool json_string(const struct cJSON *value, struct slice *ret_text);
/* False if it is neither true nor false. */
bool json_bool(const struct cJSON *value, bool *ret_value);
/* False if it is no whole number in 0..2^53. */
bool json_uint(const struct cJSON *value, uint64_t *ret_number);

/* The member `name` of `object`: STATUS_INVALID if it is there and no string. Absent: empty. */
MUST_USE enum status json_text(const struct cJSON *object, const char *name, struct slice *ret_text,
                               struct error *err);

/* Appends it without blanks. STATUS_TOO_LARGE if the buffer is full. */
MUST_USE enum status json_write(const struct cJSON *value, struct buffer *out);
