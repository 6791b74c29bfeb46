/*
 * document: a YAML file (so JSON, too) as a tree. The only file that knows libyaml.
 *
 * A strict part of YAML: one document, no anchors and aliases, no tags, no key twice, UTF-8
 * without control characters. ${env:NAME} and ${file:PATH} are replaced in every scalar. All that
 * is wrong is reported; only a fault of syntax ends the reading.
 */
#pragma once

#include "base/slice.h"
#include "base/tree.h"

enum {
    DOCUMENT_MAX = 8 * 1024 * 1024, /* bytes of a file */
    DOCUMENT_DEPTH_MAX = 32,        /* maps and lists in each other */
};

/* `file` is for messages, its folder what relative paths start from. Everything returned lies in
 * the arena; NULL if there is nothing that could be looked at further. */
const struct tree *document_parse(struct arena *arena, const char *file, struct slice text,
                                  struct problems *problems);
const struct tree *document_load(struct arena *arena, const char *path, struct problems *problems);
/* One file of several, a regular one; there may be nothing in it, then *ret is NULL. False: nothing
 * that could be looked at further. */
bool document_load_part(struct arena *arena, const char *path, struct problems *problems,
                        const struct tree **ret);
