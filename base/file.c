#include "base/file.h"

#include "base/buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

void file_close_at(const int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
    }
}

static enum status explain(int number, struct error *err)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        FAIL(err, STATUS_NOT_FOUND, "no such file");
    case EACCES:
    case EPERM:
        FAIL(err, STATUS_DENIED, "this user may not read it");
    case EISDIR:
        FAIL(err, STATUS_INVALID, "it is a folder");
    default:
        FAIL(err, STATUS_UNAVAILABLE, "it cannot be read: %s", strerrordesc_np(number));
    }
}

/* *fd is the caller's to close, after a failure too. */
static enum status open_file(const char *path, enum file_kind kind, int *fd, struct error *err)
{
    /* Without O_NONBLOCK, opening a pipe that nobody writes would wait for ever. */
    int flags = O_RDONLY | O_CLOEXEC | (kind == FILE_REGULAR ? O_NONBLOCK : 0);
    *fd = open(path, flags);
    struct stat info;
    if (*fd < 0 || fstat(*fd, &info) != 0) {
        return explain(errno, err);
    }
    if (S_ISDIR(info.st_mode)) {
        return explain(EISDIR, err);
    }
    if (kind == FILE_REGULAR && !S_ISREG(info.st_mode)) {
        FAIL(err, STATUS_INVALID, "it is no regular file");
    }
    return STATUS_OK;
}

enum status file_read(const char *path, enum file_kind kind, struct buffer *out, struct error *err)
{
    int fd CLEANUP(file_close_at) = -1;
    TRY(open_file(path, kind, &fd, err));
    for (;;) {
        enum { STEP = 65536 };
        char beyond;
        size_t want = buffer_room(out) < STEP ? buffer_room(out) : STEP;
        TRY(buffer_reserve(out, want));
        ssize_t got = want > 0 ? read(fd, buffer_tail(out), want) : read(fd, &beyond, 1);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return explain(errno, err);
        }
        if (got == 0) {
            return STATUS_OK;
        }
        if (want == 0) {
            FAIL(err, STATUS_TOO_LARGE, "it is larger than %zu KiB", out->max / 1024);
        }
        buffer_commit(out, (size_t)got);
    }
}

enum status file_readable(const char *path, struct error *err)
{
    int fd CLEANUP(file_close_at) = -1;
    return open_file(path, FILE_REGULAR, &fd, err);
}
