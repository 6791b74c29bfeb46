#include "gateway/observe/process_stats.h"

#include <dirent.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { FILE_MAX_BYTES = 4096 };

/* The file's beginning, NUL-terminated; "" if it cannot be read. */
static void read_file(const char *path, char out[FILE_MAX_BYTES])
{
    FILE *file = fopen(path, "re");
    size_t len = file == NULL ? 0 : fread(out, 1, FILE_MAX_BYTES - 1, file);
    out[len] = '\0';
    if (file != NULL) {
        (void)fclose(file);
    }
}

/* The number in field `index` (from 0) of words separated by single spaces. */
static int64_t number_at(const char *text, unsigned index)
{
    for (; index > 0 && text != NULL; index--) {
        const char *space = strchr(text, ' ');
        text = space == NULL ? NULL : space + 1;
    }
    return text == NULL ? 0 : strtoll(text, NULL, 10);
}

static int64_t count_open_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL) {
        return 0;
    }
    int64_t count = -1; /* the folder's own descriptor */
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        count += entry->d_name[0] != '.';
    }
    (void)closedir(folder);
    return count;
}

static usec_t to_usec(struct timeval time)
{
    return time.tv_sec * SEC + time.tv_usec;
}

struct process_stats process_stats_read(void)
{
    char text[FILE_MAX_BYTES];
    struct process_stats stats = {0};
    read_file("/proc/self/statm", text);
    stats.resident_bytes = number_at(text, 1) * sysconf(_SC_PAGESIZE);
    stats.open_fds = count_open_fds();
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        stats.max_fds = (int64_t)limit.rlim_cur;
    }
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        stats.cpu_time = to_usec(usage.ru_utime) + to_usec(usage.ru_stime);
    }
    return stats;
}
