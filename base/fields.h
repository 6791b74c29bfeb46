/*
 * fields: fills a settings struct from a map of a document, driven by a table.
 *
 * The table is the only description of a setting: it parses, checks, supplies the default and
 * prints the reference manual. Unknown keys are problems. Everything that is wrong is reported; it
 * never stops at the first. What a value means for others (names, links) is the caller's to check.
 */
#pragma once

#include "base/clock.h"
#include "base/status.h"
#include "base/tree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

/* What a key takes, and the C type that it fills. Up to TEXT: a single value. */
enum field_kind {
    FIELD_KIND_BOOL,     /* bool: true, false */
    FIELD_KIND_UINT,     /* unsigned: 600, 2k, 1M */
    FIELD_KIND_DURATION, /* usec_t: 250ms, 10s, 5m, 1h, 1d */
    FIELD_KIND_SIZE,     /* uint64_t: 512B, 64KiB, 25MiB, 1GiB */
    FIELD_KIND_SHARE,    /* unsigned: whole percents, 20% */
    FIELD_KIND_ENUM,     /* unsigned: the position in `names` */
    FIELD_KIND_STRING,   /* const char *: copied; not empty */
    FIELD_KIND_PATH,     /* const char *: resolved against the document's folder */
    FIELD_KIND_FILE,     /* const char *: likewise, and it must be readable now */
    FIELD_KIND_TEXT,     /* const struct tree *: a scalar, not empty, for the caller to read */
    FIELD_KIND_TEXTS,    /* const struct tree *: a list of such; a lone one, if `lone` */
    FIELD_KIND_TEXT_MAP, /* const struct tree *: a map of such. Both, with `section`: of maps with
                            those keys as well, which the caller binds */
    FIELD_KIND_SECTION,  /* a nested struct, by the table `section` */
    FIELD_KIND_LIST,     /* struct field_items: a list of sections; a lone one, if `lone` */
    FIELD_KIND_NAMED,    /* struct field_items: a map from names to sections */
};

/* An array in the arena, each element `size` bytes, beginning with a `const struct tree *`: the
 * node that it was bound from. */
struct field_items {
    void *items;
    unsigned count;
};

struct field {
    const char *name;
    enum field_kind kind;
    size_t offset;
    int64_t min, max;          /* inclusive; microseconds, bytes, percents, or the number itself;
                                  of texts with a pattern: of those that are bare numbers, if any */
    int64_t fallback;          /* value when absent, of numbers, booleans and enums */
    const char *fallback_text; /* of strings; for the others, a word for the manual */
    bool required;             /* within its section, if that is there at all */
    bool lone;
    const char *word;         /* numbers: stands for 0; lists of sections: for an empty one;
                                 sections: may stand in its place */
    size_t word_offset;       /* of a section: the bool in its struct that says so */
    const char *const *names; /* of an enum; NULL ends */
    const struct field *section;
    size_t size;         /* of one element of a list or map of sections */
    const char *see;     /* of a section: where the manual has its keys; NULL: at its own place */
    const char *example; /* what to write, for messages and the manual */
    const char *pattern; /* of texts: what one looks like as a whole, for the schema; a regular
                            expression that POSIX (extended) and JavaScript read alike */
    const char *help;    /* one or two sentences; the manual shows them */
};

/* clang-format off */
/* Compiles only if the member has the C type that this kind of field writes. */
#define FIELD(kind_, c_type, type, member, ...)                                                    \
    {.name = #member, .kind = (kind_),                                                             \
     .offset = _Generic(((type *)0)->member, c_type : offsetof(type, member)), __VA_ARGS__}
#define FIELD_BOOL(...)     FIELD(FIELD_KIND_BOOL, bool, __VA_ARGS__)
#define FIELD_UINT(...)     FIELD(FIELD_KIND_UINT, unsigned, __VA_ARGS__)
#define FIELD_DURATION(...) FIELD(FIELD_KIND_DURATION, usec_t, __VA_ARGS__)
#define FIELD_SIZE(...)     FIELD(FIELD_KIND_SIZE, uint64_t, __VA_ARGS__)
#define FIELD_SHARE(...)    FIELD(FIELD_KIND_SHARE, unsigned, __VA_ARGS__)
#define FIELD_ENUM(...)     FIELD(FIELD_KIND_ENUM, unsigned, __VA_ARGS__)
#define FIELD_STRING(...)   FIELD(FIELD_KIND_STRING, const char *, __VA_ARGS__)
#define FIELD_PATH(...)     FIELD(FIELD_KIND_PATH, const char *, __VA_ARGS__)
#define FIELD_FILE(...)     FIELD(FIELD_KIND_FILE, const char *, __VA_ARGS__)
#define FIELD_TEXT(...)     FIELD(FIELD_KIND_TEXT, const struct tree *, __VA_ARGS__)
#define FIELD_TEXTS(...)    FIELD(FIELD_KIND_TEXTS, const struct tree *, __VA_ARGS__)
#define FIELD_TEXT_MAP(...) FIELD(FIELD_KIND_TEXT_MAP, const struct tree *, __VA_ARGS__)
#define FIELD_SECTION(type, member, table, ...)                                                    \
    {.name = #member, .kind = FIELD_KIND_SECTION, .offset = offsetof(type, member),                \
     .section = (table), __VA_ARGS__}
#define FIELD_LIST(type, member, element, table, ...)                                              \
    FIELD(FIELD_KIND_LIST, struct field_items, type, member, .size = sizeof(element),              \
          .section = (table), __VA_ARGS__)
#define FIELD_NAMED(type, member, element, table, ...)                                             \
    FIELD(FIELD_KIND_NAMED, struct field_items, type, member, .size = sizeof(element),             \
          .section = (table), __VA_ARGS__)
#define FIELD_END           {.name = NULL}
/* clang-format on */

/* Where things go. */
struct fields_sink {
    struct arena *arena; /* strings and arrays; nodes stay where the document is */
    struct problems *problems;
};

/* Fills *out, defaults included. `map` NULL: all absent. Where there were problems, the defaults
 * stand, so that the caller's own checks can go on. */
void fields_bind(const struct fields_sink *sink, const struct tree *map, const struct field *fields,
                 void *out);

/* Names of routes and tenants. */
#define FIELD_NAME_PATTERN "[a-z0-9][a-z0-9._-]{0,63}"
bool field_name_valid(struct slice name);
