/*
 * process: what another process has used, from its CPU clock and /proc. In a header: each program
 * is one file.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct process_use {
    uint64_t cpu_us; /* user and system, all threads */
    uint64_t rss_kib;
};

static inline size_t process_read(int pid, const char *name, char *out, size_t size)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    FILE *file = fopen(path, "re");
    size_t len = file == NULL ? 0 : fread(out, 1, size - 1, file);
    if (file != NULL) {
        (void)fclose(file);
    }
    out[len] = '\0';
    return len;
}

static inline uint64_t process_cpu_us(int pid)
{
    clockid_t clock;
    struct timespec used = {0};
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0) {
        return 0;
    }
    return (uint64_t)used.tv_sec * 1000000 + (uint64_t)used.tv_nsec / 1000;
}

static inline struct process_use process_measure(int pid)
{
    struct process_use use = {0};
    char text[4096];
    if (pid <= 0) {
        return use;
    }
    use.cpu_us = process_cpu_us(pid);
    (void)process_read(pid, "status", text, sizeof(text));
    const char *rest = strstr(text, "VmRSS:");
    use.rss_kib = rest == NULL ? 0 : strtoul(rest + 6, NULL, 10);
    return use;
}
