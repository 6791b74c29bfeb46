#include "auth/secrets/sealed_file.h"

#include "auth/secrets/sealed_format.h"
#include "auth/secrets/sealed_passphrase.h"
#include "auth/secrets/small_file.h"
#include "base/encode.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { KEY_HEX = 2 * SEALED_KEY_BYTES, LOCK_TRIES = 40, LOCK_PAUSE_MS = 50 };

struct sealed_file {
    char *path;         /* owned */
    struct secret *key; /* owned */
    struct sealed_entries entries;
    bool by_next;
    size_t lead_len; /* 0: it is under a key; else: what says how the passphrase makes one */
    char lead[SEALED_LEAD_BYTES];
};

/* 64 hex digits, with or without a newline, or 32 bytes as they are. */
static enum status parse_key(struct slice text, struct secret **ret)
{
    unsigned char bytes[SEALED_KEY_BYTES];
    if (text.len == SEALED_KEY_BYTES) {
        *ret = secret_new(text);
        return STATUS_OK;
    }
    if (text.len == KEY_HEX + 1 && text.ptr[KEY_HEX] == '\n') {
        text.len--;
    }
    if (text.len != KEY_HEX) {
        return STATUS_INVALID;
    }
    enum status status = decode_hex(text, bytes);
    if (status == STATUS_OK) {
        *ret = secret_new(slice_make((const char *)bytes, sizeof(bytes)));
    }
    secret_wipe(bytes, sizeof(bytes));
    return status;
}

static const char *kind_of(const struct sealed_file *file)
{
    return file->lead_len > 0 ? "passphrase" : "key";
}

static enum status read_key_text(const char *kind, const char *key_file, struct secret **ret,
                                 struct error *err)
{
    struct stat info;
    enum status status = small_file_read(key_file, 4096, ret, &info, err);
    if (status == STATUS_NOT_FOUND) {
        /* Not "no such secret": without its key nothing can be said about a sealed file. */
        FAIL(err, STATUS_UNAVAILABLE, "%s file %s: no such file; put it there, or name where it is",
             kind, key_file);
    }
    if (status != STATUS_OK) {
        error_prefix(err, "%s file", kind);
        return status;
    }
    if ((info.st_mode & 077) != 0) {
        FAIL(err, STATUS_DENIED, "%s file %s: is open to others (mode %04o); chmod 600 %s", kind,
             key_file, (unsigned)(info.st_mode & 07777), key_file);
    }
    return STATUS_OK;
}

/* file->lead says which kind. */
static enum status read_key(struct sealed_file *file, const char *key_file, struct error *err)
{
    struct secret *text CLEANUP(secret_free_at) = NULL;
    struct secret *key = NULL;
    TRY(read_key_text(kind_of(file), key_file, &text, err));
    if (file->lead_len > 0) {
        enum status status = sealed_passphrase_key(file->lead, secret_reveal(text), &key, err);
        if (status != STATUS_OK) {
            error_prefix(err, "passphrase file %s", key_file);
            return status;
        }
    } else if (parse_key(secret_reveal(text), &key) != STATUS_OK) {
        FAIL(err, STATUS_INVALID, "key file %s: is neither 64 hex digits nor 32 bytes", key_file);
    }
    secret_free(file->key);
    file->key = key;
    return STATUS_OK;
}

/* A replacement of the key may have been cut off between its two files. */
static bool open_by_next(struct sealed_file *file, const char *key_file, struct slice bytes)
{
    char next[PATH_MAX];
    struct error err;
    int len = snprintf(next, sizeof(next), "%s.next", key_file);
    file->by_next = file->lead_len == 0 && len > 0 && (size_t)len < sizeof(next) &&
                    access(next, F_OK) == 0 && read_key(file, next, &err) == STATUS_OK &&
                    sealed_format_read(bytes, file->key, &file->entries, &err) == STATUS_OK;
    return file->by_next;
}

static enum status read_entries(struct sealed_file *file, const char *key_file, struct slice bytes,
                                struct error *err)
{
    enum status status = sealed_format_read(bytes, file->key, &file->entries, err);
    if (status != STATUS_OK && !open_by_next(file, key_file, bytes)) {
        error_prefix(err, "%s (%s file %s)", file->path, kind_of(file), key_file);
        return status;
    }
    return STATUS_OK;
}

static void free_file_at(struct sealed_file **file)
{
    sealed_file_free(*file);
}

enum status sealed_file_open(const char *path, const char *key_file, enum sealed_absent absent,
                             struct sealed_file **ret, struct error *err)
{
    struct sealed_file *file CLEANUP(free_file_at) = MEMORY_NEW(struct sealed_file);
    struct secret *bytes CLEANUP(secret_free_at) = NULL;
    file->path = memory_copy(slice_from(path));
    enum status status = small_file_read(path, SEALED_FILE_MAX, &bytes, NULL, err);
    if (status == STATUS_NOT_FOUND && absent != SEALED_ABSENT_IS_ERROR) {
        status = STATUS_OK;
    }
    TRY(status);
    struct slice rest = bytes == NULL ? SLICE("") : secret_reveal(bytes);
    if (bytes != NULL && sealed_lead_is(rest)) {
        file->lead_len = SEALED_LEAD_BYTES;
        memcpy(file->lead, rest.ptr, SEALED_LEAD_BYTES);
        rest = slice_skip(rest, SEALED_LEAD_BYTES);
    } else if (bytes == NULL && absent == SEALED_ABSENT_IS_EMPTY_BY_PASSPHRASE) {
        file->lead_len = SEALED_LEAD_BYTES;
        sealed_lead_new(file->lead);
    }
    TRY(read_key(file, key_file, err));
    if (bytes != NULL) {
        TRY(read_entries(file, key_file, rest, err));
    }
    *ret = TAKE(file);
    return STATUS_OK;
}

enum status sealed_file_rekey(struct sealed_file *file, const char *key_file, enum sealed_kind kind,
                              struct error *err)
{
    file->lead_len = kind == SEALED_BY_PASSPHRASE ? SEALED_LEAD_BYTES : 0;
    sealed_lead_new(file->lead);
    return read_key(file, key_file, err);
}

enum sealed_kind sealed_file_kind(const struct sealed_file *file)
{
    return file->lead_len > 0 ? SEALED_BY_PASSPHRASE : SEALED_BY_KEY;
}

bool sealed_file_opened_by_next(const struct sealed_file *file)
{
    return file->by_next;
}

void sealed_file_free(struct sealed_file *file)
{
    if (file == NULL) {
        return;
    }
    sealed_entries_fini(&file->entries);
    secret_free(file->key);
    memory_free(file->path);
    memory_free(file);
}

/* entries.count if it is not there. */
static size_t index_of(const struct sealed_file *file, const char *name)
{
    size_t at = sealed_entries_find(&file->entries, name);
    bool found = at < file->entries.count && strcmp(file->entries.all[at].name, name) == 0;
    return found ? at : file->entries.count;
}

const struct secret *sealed_file_get(const struct sealed_file *file, const char *name)
{
    size_t at = index_of(file, name);
    return at < file->entries.count ? file->entries.all[at].secret : NULL;
}

const char *sealed_file_name(const struct sealed_file *file, unsigned index)
{
    return index < file->entries.count ? file->entries.all[index].name : NULL;
}

void sealed_file_set(struct sealed_file *file, const char *name, struct slice value)
{
    sealed_entries_set(&file->entries, name, value);
}

bool sealed_file_remove(struct sealed_file *file, const char *name)
{
    size_t at = index_of(file, name);
    if (at == file->entries.count) {
        return false;
    }
    sealed_entries_remove(&file->entries, at);
    return true;
}

enum status sealed_file_save(const struct sealed_file *file, struct error *err)
{
    char *bytes CLEANUP(memory_free_at) = NULL;
    size_t len = 0;
    sealed_format_write(&file->entries, file->key, &bytes, &len);
    if (file->lead_len + len > SEALED_FILE_MAX) {
        FAIL(err, STATUS_TOO_LARGE, "%s: would be larger than %d MiB; use several files",
             file->path, SEALED_FILE_MAX >> 20);
    }
    char *all CLEANUP(memory_free_at) = memory_alloc(file->lead_len + len);
    memcpy(all, file->lead, file->lead_len);
    memcpy(all + file->lead_len, bytes, len);
    return small_file_replace(file->path, slice_make(all, file->lead_len + len), err);
}

_Static_assert((int)SEALED_KEY_BYTES == (int)SMALL_FILE_KEY_BYTES,
               "a new key has the length of all keys");

enum status sealed_key_ensure(const char *key_file, struct error *err)
{
    return access(key_file, F_OK) == 0 ? STATUS_OK : small_file_new_key(key_file, err);
}

/* 0, or errno. Nobody holds it for longer than a file takes to be written, unless it hangs: then
 * who waits shall not hang, too. */
static int lock_within_bounds(int fd)
{
    for (unsigned tries = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; tries++) {
        if ((errno != EINTR && errno != EWOULDBLOCK) || tries >= LOCK_TRIES) {
            return errno;
        }
        (void)poll(NULL, 0, LOCK_PAUSE_MS);
    }
    return 0;
}

enum status sealed_file_lock(const char *path, int *ret_fd, struct error *err)
{
    char beside[PATH_MAX];
    int len = snprintf(beside, sizeof(beside), "%s.lock", path);
    if (len < 0 || (size_t)len >= sizeof(beside)) {
        FAIL(err, STATUS_INVALID, "the path of the sealed file is too long");
    }
    int fd = open(beside, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        FAIL(err, STATUS_UNAVAILABLE, "%s: cannot be opened: %s", beside, strerrordesc_np(errno));
    }
    int failed = lock_within_bounds(fd);
    if (failed == EWOULDBLOCK) {
        (void)close(fd);
        FAIL(err, STATUS_UNAVAILABLE,
             "%s: another process has held the lock for longer than %d ms; try again when it is "
             "done",
             beside, LOCK_TRIES * LOCK_PAUSE_MS);
    }
    if (failed != 0) {
        (void)close(fd);
        FAIL(err, STATUS_UNAVAILABLE, "%s: cannot be locked: %s", beside, strerrordesc_np(failed));
    }
    *ret_fd = fd;
    return STATUS_OK;
}
