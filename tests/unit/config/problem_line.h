/*
 * problem_line: a problem or warning of a config as the line that an operator reads.
 */
#pragma once

#include "base/problems.h"

/* The line of list[index], until the next call; "" if there are not so many. */
static inline const char *problem_line(const struct problem *list, unsigned count, unsigned index)
{
    static char line[2048];
    line[0] = '\0';
    if (index < count) {
        problem_format(&list[index], line, sizeof(line));
    }
    return line;
}
