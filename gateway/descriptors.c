#include "gateway/descriptors.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <unistd.h>

/* Beside two for each client: listeners, logs, stores, watches, idle upstream connections. */
enum { BESIDE_CLIENTS = 1024 };

void descriptors_raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

void descriptors_reserve(unsigned connections)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)connections * 2 + BESIDE_CLIENTS;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    if (limit.rlim_cur != RLIM_INFINITY && wanted > limit.rlim_cur) {
        wanted = limit.rlim_cur;
    }
    if (wanted > INT_MAX) {
        wanted = INT_MAX;
    }
    /* The table never shrinks. */
    int highest = wanted > 0 ? fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, (int)wanted - 1) : -1;
    if (highest >= 0) {
        (void)close(highest);
    }
}
