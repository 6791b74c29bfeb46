#include "gateway/client/listen_socket.h"

#include "base/slice.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    BACKLOG = 4096,         /* the kernel caps it at net.core.somaxconn */
    KEEPALIVE_SECONDS = 60, /* of silence, before the first of 4 probes, 15 s apart */
};

struct host_port {
    char host[256];
    char port[8];
};

void listen_socket_tune(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_SECONDS},
        {IPPROTO_TCP, TCP_KEEPINTVL, 15},
        {IPPROTO_TCP, TCP_KEEPCNT, 4},
    };
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        /* A unix socket knows none of them. */
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int));
    }
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static void close_at(const int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
    }
}

static int take_fd(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

static bool set_option(int fd, int name)
{
    int on = 1;
    return setsockopt(fd, SOL_SOCKET, name, &on, sizeof(on)) == 0;
}

static enum status bind_failed(const char *address, int why, struct error *err)
{
    switch (why) {
    case EADDRINUSE:
        FAIL(err, STATUS_UNAVAILABLE,
             "%s is taken; stop what listens there (ss -ltnp), or write another port", address);
    case EACCES:
        FAIL(err, STATUS_DENIED,
             "%s may not be listened on; choose a port above 1023, or grant CAP_NET_BIND_SERVICE",
             address);
    case EADDRNOTAVAIL:
        FAIL(err, STATUS_UNAVAILABLE,
             "%s: this machine has no such address; choose one that `ip address` shows, or 0.0.0.0",
             address);
    default:
        FAIL(err, STATUS_UNAVAILABLE, "%s: cannot listen: %s", address, strerrordesc_np(why));
    }
}

/* ---- TCP ---- */

static enum status split(const char *address, struct host_port *to, struct error *err)
{
    struct slice host = slice_from(address);
    const char *colon = strrchr(address, ':');
    bool valid = colon != NULL && strlen(colon + 1) > 0 && strlen(colon + 1) < sizeof(to->port) &&
                 strspn(colon + 1, "0123456789") == strlen(colon + 1) &&
                 strtoul(colon + 1, NULL, 10) <= UINT16_MAX;
    if (valid) {
        host.len = (size_t)(colon - address);
        if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
            host = slice_make(host.ptr + 1, host.len - 2);
        } else if (slice_find(host, ':') < host.len) {
            valid = false; /* an IPv6 address without its brackets */
        }
    }
    if (!valid || host.len == 0 || host.len >= sizeof(to->host)) {
        FAIL(err, STATUS_INVALID,
             "\"%s\" is no address to listen on; write host:port, [v6]:port or unix:/path",
             address);
    }
    memcpy(to->host, host.ptr, host.len);
    to->host[host.len] = '\0';
    (void)snprintf(to->port, sizeof(to->port), "%s", colon + 1);
    return STATUS_OK;
}

static enum status resolve(const char *address, struct addrinfo **ret, struct error *err)
{
    struct host_port parts;
    TRY(split(address, &parts, err));
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    int failed = getaddrinfo(parts.host, parts.port, &hints, ret);
    if (failed != 0) {
        FAIL(err, STATUS_INVALID, "%s: %s; write an address of this machine, such as 127.0.0.1",
             address, gai_strerror(failed));
    }
    return STATUS_OK;
}

static enum status open_tcp(const struct addrinfo *at, const char *address, bool shared,
                            int *ret_fd, struct error *err)
{
    int fd CLEANUP(close_at) = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || !set_option(fd, SO_REUSEADDR) || (shared && !set_option(fd, SO_REUSEPORT)) ||
        bind(fd, at->ai_addr, at->ai_addrlen) != 0) {
        return bind_failed(address, errno, err);
    }
    *ret_fd = take_fd(&fd);
    return STATUS_OK;
}

static bool port_is_zero(const struct addrinfo *at)
{
    const struct sockaddr_in *any = (const struct sockaddr_in *)at->ai_addr; /* v6: same place */
    return any->sin_port == 0;
}

static enum status listen_tcp(const struct addrinfo *at, const char *address, bool probe,
                              int *ret_fd, struct error *err)
{
    if (probe && !port_is_zero(at)) {
        /* With SO_REUSEPORT a second gateway would silently get a part of the connections. */
        int probed CLEANUP(close_at) = -1;
        TRY(open_tcp(at, address, false, &probed, err));
    }
    int fd CLEANUP(close_at) = -1;
    TRY(open_tcp(at, address, true, &fd, err));
    if (listen(fd, BACKLOG) != 0) {
        return bind_failed(address, errno, err);
    }
    listen_socket_tune(fd);
    *ret_fd = take_fd(&fd);
    return STATUS_OK;
}

/* ---- unix ---- */

static bool is_alive(const struct sockaddr_un *at)
{
    int fd CLEANUP(close_at) = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return connect(fd, (const struct sockaddr *)at, sizeof(*at)) == 0 || errno != ECONNREFUSED;
}

/* Makes way for a new socket, if nobody listens on the old one. */
static enum status remove_stale(const struct sockaddr_un *at, const char *address,
                                struct error *err)
{
    struct stat found;
    if (lstat(at->sun_path, &found) != 0) {
        return STATUS_OK; /* bind() says what is wrong, if anything */
    }
    if (!S_ISSOCK(found.st_mode)) {
        FAIL(err, STATUS_INVALID,
             "%s: a file that is no socket is there; remove it, or write another path", address);
    }
    if (is_alive(at)) {
        FAIL(err, STATUS_UNAVAILABLE,
             "%s is in use; stop what listens there (ss -lxp), or write another path", address);
    }
    (void)unlink(at->sun_path);
    return STATUS_OK;
}

static enum status listen_unix(const char *address, int *ret_fd, struct error *err)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    const char *path = address + strlen("unix:");
    if (path[0] != '/' || strlen(path) >= sizeof(at.sun_path)) {
        FAIL(err, STATUS_INVALID,
             "\"%s\" is no address to listen on; write unix:/path, at most %zu bytes of path",
             address, sizeof(at.sun_path) - 1);
    }
    memcpy(at.sun_path, path, strlen(path));
    TRY(remove_stale(&at, address, err));
    int fd CLEANUP(close_at) = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)) != 0 ||
        listen(fd, BACKLOG) != 0) {
        FAIL(err, STATUS_UNAVAILABLE,
             "%s: cannot listen: %s; the folder must exist and be "
             "writable",
             address, strerrordesc_np(errno));
    }
    *ret_fd = take_fd(&fd);
    return STATUS_OK;
}

enum status listen_socket_open(const char *address, bool probe, int *ret_fd, struct error *err)
{
    if (strncmp(address, "unix:", strlen("unix:")) == 0) {
        return listen_unix(address, ret_fd, err);
    }
    struct addrinfo *found = NULL;
    TRY(resolve(address, &found, err));
    enum status status = listen_tcp(found, address, probe, ret_fd, err);
    freeaddrinfo(found);
    return status;
}

unsigned listen_socket_port(int fd)
{
    struct sockaddr_storage bound = {0};
    socklen_t len = sizeof(bound);
    if (getsockname(fd, (struct sockaddr *)&bound, &len) != 0) {
        return 0;
    }
    if (bound.ss_family == AF_INET) {
        return ntohs(((const struct sockaddr_in *)&bound)->sin_port);
    }
    if (bound.ss_family == AF_INET6) {
        return ntohs(((const struct sockaddr_in6 *)&bound)->sin6_port);
    }
    return 0;
}
