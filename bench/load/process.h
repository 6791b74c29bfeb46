/*
 * process: what another process has used, from /proc. In a header: each program is one file.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct process_use {
    uint64_t cpu_us; /* user and system, all threads; in steps of a clock tick (10 ms) */
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

/* proc(5): utime and stime are the 14th and 15th field; the 2nd ends with the last ')'. */
static inline struct process_use process_measure(int pid)
{
    struct process_use use = {0};
    char text[4096];
    unsigned long user = 0;
    unsigned long system = 0;
    if (pid <= 0) {
        return use;
    }
    (void)process_read(pid, "stat", text, sizeof(text));
    const char *rest = strrchr(text, ')');
    if (rest != NULL && sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                               &user, &system) == 2) {
        use.cpu_us = (uint64_t)(user + system) * 1000000U / (uint64_t)sysconf(_SC_CLK_TCK);
    }
    (void)process_read(pid, "status", text, sizeof(text));
    rest = strstr(text, "VmRSS:");
    use.rss_kib = rest == NULL ? 0 : strtoul(rest + 6, NULL, 10);
    return use;
}
