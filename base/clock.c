#include "base/clock.h"

#include <time.h>

static usec_t read_clock(clockid_t id)
{
    struct timespec now;
    (void)clock_gettime(id, &now);
    return now.tv_sec * SEC + now.tv_nsec / 1000;
}

usec_t clock_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

usec_t clock_wall(void)
{
    return read_clock(CLOCK_REALTIME);
}
