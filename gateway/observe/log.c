#include "gateway/observe/log.h"

#include "base/clock.h"
#include "gateway/observe/timestamp.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1024 };

static const char *const level_names[] = {
    [LOG_LEVEL_INFO] = "info ",
    [LOG_LEVEL_WARN] = "warn ",
    [LOG_LEVEL_ERROR] = "error",
};

void log_line(enum log_level level, const char *format, ...)
{
    char line[LINE_MAX_BYTES];
    size_t len = timestamp_write(clock_wall(), line);
    len += (size_t)snprintf(line + len, sizeof(line) - len, " %s ", level_names[level]);
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
