/* cpu_time: what this process has used of the processors, for measurements within it. */
#pragma once

#include <time.h>

static inline double cpu_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}
