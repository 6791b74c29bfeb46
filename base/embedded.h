/*
 * embedded: files that are part of the binary, made by cmake/embed.cmake.
 */
#pragma once

#include <stddef.h>

struct embedded_file {
    const char *name;  /* file name without folder; NULL ends the array */
    const char *bytes; /* a NUL follows */
    size_t len;
};
