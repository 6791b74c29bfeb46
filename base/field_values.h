/*
 * field_values: numbers with units as settings write them, read and printed.
 */
#pragma once

#include "base/fields.h"

/* UINT, DURATION, SIZE or SHARE. The message says what is wrong and what to write, not what was
 * read. */
MUST_USE enum status field_number_parse(enum field_kind kind, struct slice text, int64_t *ret,
                                        struct error *err);

/* "a size such as 64KiB": what to write, for messages. */
const char *field_number_example(enum field_kind kind);

/* In the largest unit that is exact. */
struct field_number {
    char text[32];
};
const char *field_number_print(enum field_kind kind, int64_t value, struct field_number *out);
#define FIELD_NUMBER(kind, value) field_number_print((kind), (value), &(struct field_number){{0}})

/* What such a number looks like as a whole, as `pattern` of struct field: "[0-9]+(B|KiB)". */
struct field_pattern {
    char text[48];
};
const char *field_number_pattern(enum field_kind kind, struct field_pattern *out);
#define FIELD_NUMBER_PATTERN(kind) field_number_pattern((kind), &(struct field_pattern){{0}})
