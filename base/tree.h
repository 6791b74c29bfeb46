/*
 * tree: a parsed document: maps, lists and scalars that know their place. Neutral: it does not know
 * which syntax it came from, nor what it means. Lies in an arena as a whole.
 */
#pragma once

#include "base/problems.h"
#include "base/slice.h"

#include <stdbool.h>

struct arena;

enum tree_kind { TREE_SCALAR, TREE_MAP, TREE_LIST };

/* The file that a tree was read from. */
struct tree_document {
    const char *file;   /* as it was named, for messages */
    const char *folder; /* what relative paths are relative to; "" is the working folder */
};

struct tree {
    enum tree_kind kind : 8;
    bool quoted : 1;       /* a scalar in quotes, or a block of text: never null */
    bool faulty : 1;       /* a problem was already reported: to be passed over in silence */
    unsigned line, column; /* from 1; columns in characters */
    unsigned index;        /* position in the parent */
    unsigned count;        /* of items */
    const struct tree_document *document;
    const struct tree *parent; /* NULL: the root */
    const struct tree *key;    /* a scalar; NULL if the parent is no map */
    struct tree *const *items; /* of a map: the values, each with its key */
    struct slice text;         /* of a scalar: ${...} replaced; a NUL follows */
    struct slice source;       /* as written: what may be shown; `text` may hold a secret */
};

/* The value of a key, or NULL; `map` may be NULL. Linear: for settings, not for tables. */
const struct tree *tree_get(const struct tree *map, const char *key);
/* Nothing was written there: an unquoted empty scalar, ~ or null. */
bool tree_is_null(const struct tree *node);
/* Its text is not what was written: it must not be shown. */
bool tree_expanded(const struct tree *node);

/* "routes.openai.keys[2]": where a node hangs, from the keys as written. Cut if `size` is short. */
void tree_path(const struct tree *node, char *out, size_t size);

/* "line 5", or "other.yaml:5" if that is not the file of `from`: where a node is, for messages
 * about `from`. Cut if it is long. */
struct tree_place {
    char text[200];
};
const char *tree_place(const struct tree *named, const struct tree *from, struct tree_place *out);
#define TREE_PLACE(named, from) tree_place((named), (from), &(struct tree_place){{0}})

/* Adds the problem "<path>: <message>" at the node's own place, or at its key's, if it has one. */
void tree_report(struct problems *problems, const struct tree *node, const char *format, ...)
    PRINTF_LIKE(3, 4);
void tree_report_key(struct problems *problems, const struct tree *node, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* The same as a warning, at the node's own place. */
void tree_warn(struct problems *problems, const struct tree *node, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* What stands between the first ':' (or "://") and the last '@' may be a password: wherever a URL
 * was written, and however badly. False: there is none. */
bool tree_find_password(struct slice text, size_t *ret_begin, size_t *ret_end);

/* Text for a message: control characters and a URL's password replaced, cut when long. */
struct quoted {
    char text[72];
};
const char *quote_text(struct slice text, struct quoted *out);
/* Usable as an argument of printf within one block. */
#define QUOTE(slice) quote_text((slice), &(struct quoted){{0}})

/* A path of the document: absolute, or relative to the document's folder. */
const char *tree_resolve(const struct tree_document *document, struct slice path,
                         struct arena *arena);
