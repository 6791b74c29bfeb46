/*
 * process_stats: what the kernel says of this process: memory, descriptors, CPU time. For a scrape.
 */
#pragma once

#include "base/clock.h"

#include <stdint.h>

struct process_stats {
    int64_t resident_bytes;
    int64_t open_fds;
    int64_t max_fds;
    usec_t cpu_time; /* user and system, of all threads */
};

/* What cannot be read is 0. Opens files under /proc. */
struct process_stats process_stats_read(void);
