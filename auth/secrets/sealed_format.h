/*
 * sealed_format: the bytes of a sealed file, from and to a list of entries. Pure: no files.
 *
 *     "SLYSEAL" 01 | 12 bytes nonce | ciphertext | 16 bytes tag
 *
 * AES-256-GCM; magic, version and nonce are authenticated with the rest. The plaintext is a list of
 * (2 bytes length, name, 4 bytes length, value), lengths big-endian, sorted by name.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stddef.h>

struct secret;

enum {
    SEALED_KEY_BYTES = 32,
    SEALED_HEAD_BYTES = 8 + 12,
    SEALED_TAG_BYTES = 16,
    SEALED_FILE_MAX = 16 << 20,
};

struct sealed_entry {
    char *name;            /* owned */
    struct secret *secret; /* owned */
};

/* Sorted by name, no name twice. Zero-initialized is empty. */
struct sealed_entries {
    struct sealed_entry *all; /* owned */
    size_t count;
    size_t size;
};

/* Position of the name, or of the first one behind it. */
size_t sealed_entries_find(const struct sealed_entries *entries, const char *name);
void sealed_entries_set(struct sealed_entries *entries, const char *name, struct slice value);
void sealed_entries_remove(struct sealed_entries *entries, size_t index);
void sealed_entries_fini(struct sealed_entries *entries);

/* *ret_bytes is owned by the caller; it holds nothing that must be wiped. */
void sealed_format_write(const struct sealed_entries *entries, const struct secret *key,
                         char **ret_bytes, size_t *ret_len);
/* STATUS_INVALID, and *ret stays empty, if a single bit is not as it was written. */
MUST_USE enum status sealed_format_read(struct slice bytes, const struct secret *key,
                                        struct sealed_entries *ret, struct error *err);
