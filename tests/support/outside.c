/*
 * outside: preloaded into the gateway, makes the world around it a test's own: every name is this
 * machine's, its port 443 is $HTTPS_PORT, and the clock on the wall stands at $CLOCK_AT, in seconds
 * since 1970, if that is set.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

typedef int lookup(const char *name, const char *service, const struct addrinfo *hints,
                   struct addrinfo **ret);
typedef int connects(int fd, const struct sockaddr *to, socklen_t len);
typedef int read_clock(clockid_t id, struct timespec *now);

enum { HTTPS = 443 };

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret)
{
    lookup *real = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(name == NULL ? NULL : "127.0.0.1", service, hints, ret);
}

int connect(int fd, const struct sockaddr *to, socklen_t len)
{
    static connects *real;
    struct sockaddr_in local;
    const char *port = getenv("HTTPS_PORT");
    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "connect");
    }
    if (to->sa_family == AF_INET && len == sizeof(local) && port != NULL) {
        memcpy(&local, to, sizeof(local));
        if (ntohs(local.sin_port) == HTTPS) {
            local.sin_port = htons((unsigned short)atoi(port));
            return real(fd, (const struct sockaddr *)&local, sizeof(local));
        }
    }
    return real(fd, to, len);
}

int clock_gettime(clockid_t id, struct timespec *now)
{
    static read_clock *real;
    const char *at = getenv("CLOCK_AT");
    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    }
    int result = real(id, now);
    if (result == 0 && id == CLOCK_REALTIME && at != NULL) {
        now->tv_sec = atol(at);
    }
    return result;
}
