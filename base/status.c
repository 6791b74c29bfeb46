#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *status_name(enum status status)
{
    static const char *const names[STATUS_COUNT] = {
        [STATUS_OK] = "ok",
        [STATUS_INVALID] = "invalid",
        [STATUS_NOT_FOUND] = "not_found",
        [STATUS_DENIED] = "denied",
        [STATUS_TIMEOUT] = "timeout",
        [STATUS_UNAVAILABLE] = "unavailable",
        [STATUS_TOO_LARGE] = "too_large",
        [STATUS_CANCELED] = "canceled",
    };
    return (unsigned)status < STATUS_COUNT ? names[status] : "unknown";
}

enum status error_set(struct error *err, enum status code, const char *file, int line,
                      const char *format, ...)
{
    if (err != NULL) {
        va_list args;
        err->code = code;
        err->file = file;
        err->line = line;
        va_start(args, format);
        (void)vsnprintf(err->message, sizeof(err->message), format, args);
        va_end(args);
    }
    return code;
}

void error_prefix(struct error *err, const char *format, ...)
{
    if (err == NULL) {
        return;
    }
    char rest[sizeof(err->message)];
    memcpy(rest, err->message, sizeof(rest));
    va_list args;
    va_start(args, format);
    (void)vsnprintf(err->message, sizeof(err->message), format, args);
    va_end(args);
    size_t used = strlen(err->message);
    (void)snprintf(err->message + used, sizeof(err->message) - used, ": %s", rest);
}
