/*
 * folder: a config as a folder of files: those called *.yaml, *.yml or *.json are read in the order
 * of their names (byte by byte) and merged. Hidden ones, as editors and Kubernetes make them, and
 * those in folders below are passed over.
 */
#pragma once

#include "base/slice.h"
#include "base/tree.h"

enum { FOLDER_FILES_MAX = 1000 };

bool folder_is(const char *path);
/* A file's name, as it is in a folder: whether it is part of the config. */
bool folder_counts(const char *name);
/* Calls visit() with the name of each file that is part of the config, in no order, until it says
 * false. False: it did, or the folder cannot be read (errno). One thread at a time a folder. */
bool folder_each(const char *path, bool (*visit)(void *ctx, const char *name), void *ctx);

/* As document_load(). Each node's file is its own; the root's is the folder. */
const struct tree *folder_load(struct arena *arena, const char *path, struct problems *problems);
