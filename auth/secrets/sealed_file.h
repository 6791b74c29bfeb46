/*
 * sealed_file: secrets in one file, encrypted and authenticated with AES-256-GCM under a key file,
 * or a key that scrypt makes of a passphrase, which is the file's first bytes then:
 *
 *     "SLYSEAL" 02 | log2 of scrypt's N, r = 8, p = 3 | 16 bytes salt | a sealed file as it is else
 *
 * A passphrase is the contents of a file, without a newline at its end, 12 to 1,024 bytes.
 *
 * Written atomically (temporary file, fsync, rename, fsync of the folder), mode 0600. Names are
 * bound to their values; a file that was cut, swapped or changed is refused as a whole.
 */
#pragma once

#include "base/secret.h"
#include "base/status.h"

#include <stdbool.h>

struct sealed_file;

/* Reads and opens it. A file that is absent is empty if `absent` says so. Errors name the file and
 * the cure: wrong key, damaged, unreadable, open to others (mode). */
enum sealed_absent {
    SEALED_ABSENT_IS_ERROR,
    SEALED_ABSENT_IS_EMPTY,
    SEALED_ABSENT_IS_EMPTY_BY_PASSPHRASE, /* `key_file` has a passphrase */
};
/* The file itself says whether `key_file` has a key or a passphrase. While a key is replaced, the
 * new one may still lie beside it, as KEY_FILE.next: it is tried, too. */
MUST_USE enum status sealed_file_open(const char *path, const char *key_file,
                                      enum sealed_absent absent, struct sealed_file **ret,
                                      struct error *err);
void sealed_file_free(struct sealed_file *file);

const struct secret *sealed_file_get(const struct sealed_file *file, const char *name);
/* Names in order; NULL behind the last. */
const char *sealed_file_name(const struct sealed_file *file, unsigned index);
void sealed_file_set(struct sealed_file *file, const char *name, struct slice value);
bool sealed_file_remove(struct sealed_file *file, const char *name);
MUST_USE enum status sealed_file_save(const struct sealed_file *file, struct error *err);

/* The next save is under another key. Errors as of opening. */
enum sealed_kind { SEALED_BY_KEY, SEALED_BY_PASSPHRASE };
MUST_USE enum status sealed_file_rekey(struct sealed_file *file, const char *key_file,
                                       enum sealed_kind kind, struct error *err);
enum sealed_kind sealed_file_kind(const struct sealed_file *file);
/* It opened with KEY_FILE.next: a replacement was cut off before its last step, which is to rename
 * that. */
bool sealed_file_opened_by_next(const struct sealed_file *file);
enum { SEALED_PASSPHRASE_MIN = 12, SEALED_PASSPHRASE_MAX = 1024 };

/* Makes a key file (32 random bytes as hex, mode 0600) if there is none. */
MUST_USE enum status sealed_key_ensure(const char *key_file, struct error *err);
/* Locks the file against other writers for a read-change-write; unlock by closing. Waits 2 s at
 * most for one that has it: STATUS_UNAVAILABLE. */
MUST_USE enum status sealed_file_lock(const char *path, int *ret_fd, struct error *err);
