/* body_schema_state: a schema that was read. For body_schema*.c alone. */
#pragma once

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum schema_type {
    SCHEMA_OBJECT = 1,
    SCHEMA_ARRAY = 2,
    SCHEMA_STRING = 4,
    SCHEMA_NUMBER = 8,
    SCHEMA_INTEGER = 16, /* a number without a fraction; SCHEMA_NUMBER takes it, too */
    SCHEMA_BOOLEAN = 32,
    SCHEMA_NULL = 64,
    SCHEMA_ANY = 127,
};

/* A value of "enum": of one of the types, with its text or number. */
struct schema_value {
    enum schema_type type;
    struct slice text; /* of a string; "true" or "false" */
    double number;
};

struct schema_property {
    const char *name;
    struct schema_node *node; /* NULL: anything */
    bool required;
};

struct schema_node {
    unsigned types; /* those that it takes, a bit each */
    const struct schema_value *values;
    unsigned value_count;                                        /* 0: any */
    bool has_minimum, has_maximum, above_minimum, below_maximum; /* the last two: not equal */
    double minimum, maximum;
    uint64_t min_length, max_length; /* code points of a string */
    uint64_t min_items, max_items;
    struct schema_property *properties; /* room for BODY_SCHEMA_PROPERTIES_MAX */
    unsigned property_count;
    bool closed;                     /* no others */
    const struct schema_node *more;  /* what others have to be; NULL: anything */
    const struct schema_node *items; /* NULL: anything */
};
