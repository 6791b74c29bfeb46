/*
 * small_file: whole files in and out, for what holds secrets: copies are wiped, writes are atomic.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdint.h>
#include <sys/stat.h>

struct secret;

/* STATUS_NOT_FOUND if it is absent, STATUS_DENIED, STATUS_TOO_LARGE above `max` bytes, else
 * STATUS_UNAVAILABLE. Only regular files (links are followed). *ret_info may be NULL. */
MUST_USE enum status small_file_read(const char *path, size_t max, struct secret **ret,
                                     struct stat *ret_info, struct error *err);

/* Replaces the file: a new one beside it (mode 0600), fsync, rename, fsync of the folder. After a
 * crash the old contents are there, or the new ones, whole. One writer at a time. */
MUST_USE enum status small_file_replace(const char *path, struct slice bytes, struct error *err);

/* Makes it, or replaces it: SMALL_FILE_KEY_BYTES random bytes as hex digits and a newline. */
enum { SMALL_FILE_KEY_BYTES = 32 };
MUST_USE enum status small_file_new_key(const char *path, struct error *err);

/* Differs whenever the file was changed, replaced or became (un)readable; 1 if it is absent. */
uint64_t small_file_stamp(const char *path);
