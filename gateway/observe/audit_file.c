#include "gateway/observe/audit_file.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "gateway/observe/timestamp.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MODE = 0640, TORN_NAMES_MAX = 100, TORN_TIME_LEN = 16 };

struct audit_file {
    int fd;
    dev_t device;
    ino_t inode;
    struct audit_chain chain; /* of the last whole line */
    struct audit_chain next;  /* with `line`, once it is whole */
    struct buffer line;       /* what is left to write of one that was begun */
    size_t written;           /* of it */
    char *torn;               /* owned; NULL: nothing was */
    size_t torn_bytes;
};

/* ---- the end of what is there ---- */

/* Reads the file's last bytes, two lines' worth: the last whole one is among them. */
static enum status read_end(int fd, off_t size, struct buffer *out, struct error *err)
{
    size_t left = size > 2 * AUDIT_LINE_MAX ? 2 * AUDIT_LINE_MAX : (size_t)size;
    off_t from = size - (off_t)left;
    TRY(buffer_reserve(out, left));
    while (left > 0) {
        ssize_t count = pread(fd, buffer_tail(out), left, from);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            FAIL(err, STATUS_UNAVAILABLE, "its end cannot be read: %s",
                 count < 0 ? strerrordesc_np(errno) : "it became shorter");
        }
        buffer_commit(out, (size_t)count);
        left -= (size_t)count;
        from += count;
    }
    return STATUS_OK;
}

/* Position behind the last newline; 0: there is none. */
static size_t line_end(struct slice text)
{
    size_t end = text.len;
    while (end > 0 && text.ptr[end - 1] != '\n') {
        end--;
    }
    return end;
}

static enum status read_chain(struct slice lines, struct audit_chain *ret, struct error *err)
{
    struct audit_line line;
    struct slice last = slice_make(lines.ptr, lines.len - 1);
    last = slice_skip(last, line_end(last));
    if (!audit_line_read(last, &line)) {
        FAIL(err, STATUS_INVALID,
             "its last line is none of an audit log; look at it with 'sallyport audit verify', "
             "move it away, or name another file");
    }
    ret->seq = line.seq;
    memcpy(ret->hash, line.hash.ptr, AUDIT_HASH_LEN);
    ret->hash[AUDIT_HASH_LEN] = '\0';
    return STATUS_OK;
}

/* ---- a torn line ---- */

/* "20260102T030405Z" */
static void torn_time(usec_t wall, char out[TORN_TIME_LEN + 1])
{
    char time[TIMESTAMP_LEN];
    (void)timestamp_write(wall, time);
    size_t len = 0;
    for (size_t i = 0; i < TIMESTAMP_LEN && time[i] != '.'; i++) {
        if (time[i] != '-' && time[i] != ':') {
            out[len++] = time[i];
        }
    }
    out[len++] = 'Z';
    out[len] = '\0';
}

/* Makes a file that is not there yet. *ret_path is the caller's. */
static int make_torn_file(const char *path, usec_t wall, char **ret_path)
{
    char time[TORN_TIME_LEN + 1];
    torn_time(wall, time);
    size_t size = strlen(path) + sizeof(".torn-") + sizeof(time) + sizeof("-100");
    char *name = memory_alloc(size);
    int fd = -1;
    for (unsigned i = 0; i < TORN_NAMES_MAX && fd < 0; i++) {
        (void)snprintf(name, size, i == 0 ? "%s.torn-%s" : "%s.torn-%s-%u", path, time, i);
        fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, MODE);
        if (fd < 0 && errno != EEXIST) {
            break;
        }
    }
    *ret_path = name;
    return fd;
}

static enum status keep_torn(struct audit_file *file, const char *path, usec_t wall,
                             struct slice torn, struct error *err)
{
    int fd CLEANUP(file_close_at) = make_torn_file(path, wall, &file->torn);
    if (fd < 0 || write(fd, torn.ptr, torn.len) != (ssize_t)torn.len || fsync(fd) != 0) {
        FAIL(err, STATUS_UNAVAILABLE, "its torn last line cannot be kept in \"%s\": %s", file->torn,
             strerrordesc_np(errno));
    }
    file->torn_bytes = torn.len;
    return STATUS_OK;
}

/* Finds where the chain stands; cuts off what is behind it. */
static enum status look_at_end(struct audit_file *file, const char *path, off_t size, usec_t wall,
                               struct error *err)
{
    struct buffer end CLEANUP(buffer_fini);
    buffer_init(&end, 2 * AUDIT_LINE_MAX);
    TRY(read_end(file->fd, size, &end, err));
    struct slice text = buffer_bytes(&end);
    size_t whole = line_end(text);
    size_t torn = text.len - whole;
    if (whole > 0) {
        TRY(read_chain(slice_make(text.ptr, whole), &file->chain, err));
    } else if (torn < (size_t)size || torn > AUDIT_LINE_MAX ||
               !slice_starts_with(SLICE("{\"seq\":"), slice_make(text.ptr, torn < 7 ? torn : 7))) {
        FAIL(err, STATUS_INVALID, "it is no audit log; name another file");
    }
    if (torn > 0) {
        TRY(keep_torn(file, path, wall, slice_skip(text, whole), err));
        if (ftruncate(file->fd, size - (off_t)torn) != 0) {
            FAIL(err, STATUS_UNAVAILABLE, "its torn last line cannot be cut off: %s",
                 strerrordesc_np(errno));
        }
    }
    return STATUS_OK;
}

/* ---- opening ---- */

/* A new name is on the disk once its folder is. */
static void sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder CLEANUP(memory_free_at) =
        slash == NULL   ? memory_copy(SLICE("."))
        : slash == path ? memory_copy(SLICE("/"))
                        : memory_copy(slice_make(path, (size_t)(slash - path)));
    int fd CLEANUP(file_close_at) = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
    }
}

static enum status open_file(struct audit_file *file, const char *path, usec_t wall,
                             struct error *err)
{
    /* Without O_NONBLOCK, opening a pipe could wait for ever. */
    file->fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, MODE);
    struct stat info;
    if (file->fd < 0 || fstat(file->fd, &info) != 0) {
        FAIL(err, STATUS_UNAVAILABLE, "%s; name a file that can be written",
             strerrordesc_np(errno));
    }
    if (!S_ISREG(info.st_mode)) {
        FAIL(err, STATUS_INVALID, "it is no regular file");
    }
    if (flock(file->fd, LOCK_EX | LOCK_NB) != 0) {
        FAIL(err, STATUS_UNAVAILABLE,
             "another process writes to it; each gateway needs a file of its own");
    }
    file->device = info.st_dev;
    file->inode = info.st_ino;
    if (info.st_size == 0) {
        sync_folder(path);
        return STATUS_OK;
    }
    return look_at_end(file, path, info.st_size, wall, err);
}

enum status audit_file_open(const char *path, usec_t wall, struct audit_file **ret,
                            struct error *err)
{
    struct audit_file *file = MEMORY_NEW(struct audit_file);
    file->fd = -1;
    audit_chain_init(&file->chain);
    buffer_init(&file->line, AUDIT_LINE_MAX);
    enum status status = open_file(file, path, wall, err);
    if (status != STATUS_OK) {
        error_prefix(err, "gateway.audit_log: \"%s\"", path);
        audit_file_close(file);
        return status;
    }
    *ret = file;
    return STATUS_OK;
}

void audit_file_close(struct audit_file *file)
{
    if (file == NULL) {
        return;
    }
    file_close_at(&file->fd);
    buffer_fini(&file->line);
    memory_free(file->torn);
    memory_free(file);
}

const struct audit_chain *audit_file_chain(const struct audit_file *file)
{
    return &file->chain;
}

void audit_file_go_on(struct audit_file *file, const struct audit_chain *chain)
{
    assert(file->chain.seq == 0);
    file->chain = *chain;
}

const char *audit_file_torn(const struct audit_file *file, size_t *ret_bytes)
{
    *ret_bytes = file->torn_bytes;
    return file->torn;
}

bool audit_file_is(const struct audit_file *file, const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && info.st_dev == file->device && info.st_ino == file->inode;
}

/* ---- writing ---- */

enum status audit_file_append(struct audit_file *file, struct slice body, struct error *err)
{
    if (buffer_len(&file->line) == 0) {
        file->written = 0;
        TRY(audit_line_write(&file->chain, body, &file->line, &file->next));
    }
    while (buffer_len(&file->line) > 0) {
        struct slice left = buffer_bytes(&file->line);
        ssize_t count = write(file->fd, left.ptr, left.len);
        if (count < 0 && errno != EINTR) {
            FAIL(err, STATUS_UNAVAILABLE, "%s", strerrordesc_np(errno));
        }
        if (count > 0) {
            buffer_consume(&file->line, (size_t)count);
            file->written += (size_t)count;
        }
    }
    file->chain = file->next;
    return STATUS_OK;
}

void audit_file_drop(struct audit_file *file)
{
    if (buffer_len(&file->line) == 0) {
        return;
    }
    struct stat info;
    if (file->written > 0 && fstat(file->fd, &info) == 0 &&
        ftruncate(file->fd, info.st_size - (off_t)file->written) != 0) {
        /* Half a line stays: whoever verifies the file is told that it is torn. */
    }
    buffer_consume(&file->line, buffer_len(&file->line));
}

enum status audit_file_sync(struct audit_file *file, struct error *err)
{
    if (fdatasync(file->fd) != 0) {
        FAIL(err, STATUS_UNAVAILABLE, "%s", strerrordesc_np(errno));
    }
    return STATUS_OK;
}
