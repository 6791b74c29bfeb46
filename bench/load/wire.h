/*
 * wire: what both programs need: a clock, and a field of an HTTP head. In a header: each program is
 * one file.
 */
#pragma once

#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* CLOCK_MONOTONIC, which all processes of a machine share. */
static inline int64_t wire_now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* The value of a field, up to the line's end; NULL if it is not there. */
static inline const char *wire_field(const char *head, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':') {
            return line + 3 + len + strspn(line + 3 + len, " ");
        }
    }
    return NULL;
}
