#include "auth/secrets/small_file.h"

#include "base/digest.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static enum status open_failure(const char *path, struct error *err)
{
    switch (errno) {
    case ENOENT:
    case ENOTDIR:
        FAIL(err, STATUS_NOT_FOUND, "%s: no such file", path);
    case EACCES:
    case EPERM:
        FAIL(err, STATUS_DENIED, "%s: may not be read by this user; change its owner or mode",
             path);
    default:
        FAIL(err, STATUS_UNAVAILABLE, "%s: cannot be read: %s", path, strerrordesc_np(errno));
    }
}

/* Reads until the end or until the room is used up. */
static ssize_t read_all(int fd, char *out, size_t room)
{
    size_t len = 0;
    while (len < room) {
        ssize_t count = read(fd, out + len, room - len);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return count < 0 ? -1 : (ssize_t)len;
        }
        len += (size_t)count;
    }
    return (ssize_t)len;
}

enum status small_file_read(const char *path, size_t max, struct secret **ret,
                            struct stat *ret_info, struct error *err)
{
    struct stat info;
    /* Without blocking, should somebody have put a pipe there. */
    int fd CLEANUP(file_close_at) = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return open_failure(path, err);
    }
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        FAIL(err, STATUS_UNAVAILABLE, "%s: is not a regular file", path);
    }
    if (info.st_size < 0 || (size_t)info.st_size > max) {
        FAIL(err, STATUS_TOO_LARGE, "%s: is larger than %zu bytes", path, max);
    }
    /* One more than it should have, to see that it does not grow. */
    size_t room = (size_t)info.st_size + 1;
    char *bytes = memory_alloc(room);
    ssize_t len = read_all(fd, bytes, room);
    if (len >= 0 && (size_t)len < room) {
        *ret = secret_new(slice_make(bytes, (size_t)len));
    }
    secret_wipe(bytes, room);
    memory_free(bytes);
    if (len < 0 || (size_t)len == room) {
        FAIL(err, STATUS_UNAVAILABLE, "%s: could not be read, or is being written", path);
    }
    if (ret_info != NULL) {
        *ret_info = info;
    }
    return STATUS_OK;
}

static bool write_all(int fd, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t count = write(fd, bytes.ptr, bytes.len);
        if (count < 0 && errno != EINTR) {
            return false;
        }
        bytes = slice_skip(bytes, count < 0 ? 0 : (size_t)count);
    }
    return true;
}

static void sync_folder_of(const char *path)
{
    char *copy CLEANUP(memory_free_at) = memory_copy(slice_from(path));
    int fd CLEANUP(file_close_at) = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd); /* some file systems cannot; the rename is made all the same */
    }
}

enum status small_file_replace(const char *path, struct slice bytes, struct error *err)
{
    char beside[PATH_MAX];
    int len = snprintf(beside, sizeof(beside), "%s.new", path);
    if (len < 0 || (size_t)len >= sizeof(beside)) {
        FAIL(err, STATUS_INVALID, "the path of the file is too long");
    }
    (void)unlink(beside); /* left by a crash */
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        FAIL(err, STATUS_UNAVAILABLE,
             "%s: no file can be made in its folder: %s; let this user write there, or choose "
             "another place",
             path, strerrordesc_np(errno));
    }
    bool written = write_all(fd, bytes) && fsync(fd) == 0;
    written = close(fd) == 0 && written;
    if (!written || rename(beside, path) != 0) {
        int why = errno;
        (void)unlink(beside);
        FAIL(err, STATUS_UNAVAILABLE, "%s: cannot be written: %s; the old one is still there", path,
             strerrordesc_np(why));
    }
    sync_folder_of(path);
    return STATUS_OK;
}

enum status small_file_new_key(const char *path, struct error *err)
{
    unsigned char key[SMALL_FILE_KEY_BYTES];
    char text[2 * SMALL_FILE_KEY_BYTES + 1];
    random_bytes(key, sizeof(key));
    encode_hex(slice_make((const char *)key, sizeof(key)), text);
    text[sizeof(text) - 1] = '\n';
    enum status status = small_file_replace(path, slice_make(text, sizeof(text)), err);
    secret_wipe(key, sizeof(key));
    secret_wipe(text, sizeof(text));
    return status;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15U;
    return hash ^ hash >> 32;
}

uint64_t small_file_stamp(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        return 1;
    }
    uint64_t hash = mix((uint64_t)info.st_dev, (uint64_t)info.st_ino);
    hash = mix(hash, (uint64_t)info.st_size);
    hash = mix(hash, (uint64_t)info.st_mtim.tv_sec);
    hash = mix(hash, (uint64_t)info.st_mtim.tv_nsec);
    hash = mix(hash, (uint64_t)info.st_ctim.tv_sec);
    return mix(hash, (uint64_t)info.st_ctim.tv_nsec) | 2;
}
