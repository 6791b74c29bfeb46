/*
 * moving_clock: preloaded into the gateway, sets all of its clocks ahead by as many seconds as the
 * file $CLOCK_FILE says now: 8 bytes, the lowest first.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

typedef int read_clock(clockid_t id, struct timespec *now);

static const volatile int64_t *open_file(void)
{
    static const int64_t none;
    const char *name = getenv("CLOCK_FILE");
    int fd = name == NULL ? -1 : open(name, O_RDONLY | O_CLOEXEC);
    void *page = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    if (fd >= 0) {
        (void)close(fd);
    }
    return page == MAP_FAILED ? &none : page;
}

int clock_gettime(clockid_t id, struct timespec *now)
{
    static read_clock *real;
    static const volatile int64_t *ahead;
    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
        ahead = open_file();
    }
    int result = real(id, now);
    if (result == 0 && id != CLOCK_PROCESS_CPUTIME_ID && id != CLOCK_THREAD_CPUTIME_ID) {
        now->tv_sec += *ahead;
    }
    return result;
}
