/*
 * shifted_clock: preloaded into the gateway, sets its clock on the wall ahead by $CLOCK_AHEAD
 * seconds.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

typedef int read_clock(clockid_t id, struct timespec *now);

int clock_gettime(clockid_t id, struct timespec *now)
{
    static read_clock *real;
    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    }
    int result = real(id, now);
    const char *ahead = getenv("CLOCK_AHEAD");
    if (result == 0 && id == CLOCK_REALTIME && ahead != NULL) {
        now->tv_sec += atol(ahead);
    }
    return result;
}
