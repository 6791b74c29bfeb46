#include "gateway/observe/log_target.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NO_FILE = -1, PATIENCE_USEC = 100 * MSEC };

static const char logger_prefix[] = "syslog:";
static const char logger_path[] = "/dev/log";
/* local0 is facility 16, info is severity 6. */
static const char logger_head[] = "<134>sallyport: ";

/* The path of the logger's socket; NULL: `name` is no logger. */
static const char *logger_of(const char *name)
{
    if (strcmp(name, "syslog") == 0) {
        return logger_path;
    }
    size_t len = sizeof(logger_prefix) - 1;
    return strncmp(name, logger_prefix, len) == 0 ? name + len : NULL;
}

/* Not connected: a logger that is started anew has the same name, but is another socket. */
static int open_logger(const char *path, struct sockaddr_un *ret_address)
{
    const struct timeval patience = {.tv_usec = PATIENCE_USEC};
    struct stat stat_of;
    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(ret_address->sun_path)) {
        errno = ENAMETOOLONG;
        return NO_FILE;
    }
    memcpy(ret_address->sun_path, path, strlen(path) + 1);
    if (stat(path, &stat_of) != 0) {
        return NO_FILE;
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    }
    return fd;
}

static enum log_target_kind kind_of(int fd)
{
    struct stat stat;
    return fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) ? LOG_TARGET_FILE : LOG_TARGET_STREAM;
}

enum status log_target_open(const char *name, const char *setting, struct log_target *ret,
                            struct error *err)
{
    *ret = (struct log_target){.fd = NO_FILE};
    const char *logger = logger_of(name);
    if (strcmp(name, "off") == 0) {
        return STATUS_OK;
    }
    if (logger != NULL) {
        ret->fd = open_logger(logger, &ret->logger);
    } else if (strcmp(name, "stdout") == 0) {
        ret->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    } else {
        ret->fd = open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    }
    if (ret->fd < 0 && logger != NULL) {
        FAIL(err, STATUS_UNAVAILABLE,
             "%s: cannot reach the system's logger at %s: %s; start one, or name its socket as "
             "syslog:PATH",
             setting, logger, strerrordesc_np(errno));
    }
    if (ret->fd < 0) {
        FAIL(err, STATUS_UNAVAILABLE,
             "%s: cannot open \"%s\": %s; name a file that can be written, stdout, syslog or off",
             setting, name, strerrordesc_np(errno));
    }
    ret->kind = logger != NULL ? LOG_TARGET_LOGGER : kind_of(ret->fd);
    return STATUS_OK;
}

void log_target_close(struct log_target *target)
{
    if (target->fd >= 0) {
        (void)close(target->fd);
    }
    *target = (struct log_target){.fd = NO_FILE};
}

static bool has_room(const struct log_target *target)
{
    struct pollfd poll_fd = {.fd = target->fd, .events = POLLOUT};
    return poll(&poll_fd, 1, PATIENCE_USEC / MSEC) > 0;
}

static int64_t write_to_logger(const struct log_target *target, struct slice lines)
{
    size_t end = slice_find(lines, '\n');
    struct iovec parts[] = {
        {(void *)logger_head, sizeof(logger_head) - 1},
        {(void *)lines.ptr, end},
    };
    const struct msghdr message = {
        .msg_name = (void *)&target->logger,
        .msg_namelen = sizeof(target->logger),
        .msg_iov = parts,
        .msg_iovlen = 2,
    };
    if (sendmsg(target->fd, &message, MSG_NOSIGNAL) < 0) {
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    }
    return (int64_t)(end < lines.len ? end + 1 : end);
}

int64_t log_target_write(const struct log_target *target, struct slice lines)
{
    switch (target->kind) {
    case LOG_TARGET_OFF:
        return (int64_t)lines.len;
    case LOG_TARGET_LOGGER:
        return write_to_logger(target, lines);
    case LOG_TARGET_STREAM:
        if (!has_room(target)) {
            return 0;
        }
        lines.len = lines.len < PIPE_BUF ? lines.len : PIPE_BUF;
        break;
    case LOG_TARGET_FILE:
        break;
    }
    ssize_t count = write(target->fd, lines.ptr, lines.len);
    return count < 0 && (errno == EINTR || errno == EAGAIN) ? 0 : count;
}
