/*
 * expand: replaces ${env:NAME} and ${file:PATH} in a text; $${ stands for ${.
 *
 * What cannot be resolved is an error, never left as it is. What was put in is not looked at again.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct tree_document;

enum {
    EXPAND_FILE_MAX = 65536,           /* bytes of one file */
    EXPAND_TOTAL_MAX = 8 * 1024 * 1024 /* bytes put into one document */
};

/* Whether there is anything to do. */
bool expand_wanted(struct slice text);

/* `*left` is what may still be put into the document. PATH is relative to the document's folder;
 * one newline at a file's end is removed. Errors never contain what was read. */
MUST_USE enum status expand(const struct tree_document *document, struct slice text, size_t *left,
                            struct arena *arena, struct slice *ret, struct error *err);
