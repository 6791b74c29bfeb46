/*
 * dashboard: the files of the page that shows the gateway to an operator; they are in
 * gateway/admin/dashboard/, and part of the binary.
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>

struct dashboard_file {
    struct slice bytes;
    const char *content_type;
};

/* "/" is index.html. False: no file has that path. */
bool dashboard_find(const char *path, struct dashboard_file *ret);
