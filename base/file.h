/*
 * file: reads a whole small file, or asks whether that would work. Blocking: not for workers.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stddef.h>

struct buffer;

enum file_kind {
    FILE_REGULAR,   /* nothing that could block, such as a pipe */
    FILE_ANY_INPUT, /* what the operator named: pipes and devices, too */
};

/* Appends the contents to `out`, whose maximum is the largest size that is accepted. The message
 * does not name the file: the caller knows better how it was called. */
MUST_USE enum status file_read(const char *path, enum file_kind kind, struct buffer *out,
                               struct error *err);

/* For CLEANUP() on a descriptor; negative: none. */
void file_close_at(const int *fd);

/* A regular file that this process may read. */
MUST_USE enum status file_readable(const char *path, struct error *err);
