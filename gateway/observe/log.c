#include "gateway/observe/log.h"

#include "base/clock.h"
#include "gateway/observe/timestamp.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1024 };

static const char *const level_names[] = {
    [LOG_LEVEL_INFO] = "info ",
    [LOG_LEVEL_WARN] = "warn ",
    [LOG_LEVEL_ERROR] = "error",
};

/* What syslog and the journal call these levels. */
static const char *const level_marks[] = {
    [LOG_LEVEL_INFO] = "<6>",
    [LOG_LEVEL_WARN] = "<4>",
    [LOG_LEVEL_ERROR] = "<3>",
};

/* systemd tells by JOURNAL_STREAM, as device:inode, that stderr is its journal, which knows the
 * time and understands marks of levels. Decided once, before there are threads. */
static bool to_journal;

void log_init(void)
{
    char mine[64];
    struct stat stat;
    const char *journal = getenv("JOURNAL_STREAM");
    if (journal != NULL && fstat(STDERR_FILENO, &stat) == 0) {
        (void)snprintf(mine, sizeof(mine), "%ju:%ju", (uintmax_t)stat.st_dev,
                       (uintmax_t)stat.st_ino);
        to_journal = strcmp(mine, journal) == 0;
    }
}

static size_t begin_line(enum log_level level, char line[LINE_MAX_BYTES])
{
    if (to_journal) {
        return (size_t)snprintf(line, LINE_MAX_BYTES, "%s", level_marks[level]);
    }
    size_t len = timestamp_write(clock_wall(), line);
    return len + (size_t)snprintf(line + len, LINE_MAX_BYTES - len, " %s ", level_names[level]);
}

void log_line(enum log_level level, const char *format, ...)
{
    char line[LINE_MAX_BYTES];
    size_t len = begin_line(level, line);
    size_t message = len;

    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(line + len, sizeof(line) - len, format, args);
    va_end(args);
    size_t room = sizeof(line) - 1 - len; /* the NUL's place is for the newline */
    len += wanted < 0 ? 0 : (size_t)wanted < room ? (size_t)wanted : room;
    for (size_t i = message; i < len; i++) { /* one line, whatever a peer put into it */
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f) {
            line[i] = '?';
        }
    }
    line[len++] = '\n';
    if (write(STDERR_FILENO, line, len) < 0) {
        return; /* there is nobody left to tell */
    }
}
