#include "gateway/admin/dashboard.h"

#include "base/embedded.h"

#include <string.h>

extern const struct embedded_file dashboard_data[];

static const struct {
    const char *ending;
    const char *content_type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".svg", "image/svg+xml"},
};

static const char *type_of(const char *name)
{
    const char *ending = strrchr(name, '.');
    for (size_t i = 0; ending != NULL && i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(ending, types[i].ending) == 0) {
            return types[i].content_type;
        }
    }
    return "application/octet-stream";
}

bool dashboard_find(const char *path, struct dashboard_file *ret)
{
    const char *name = strcmp(path, "/") == 0 ? "index.html" : path + 1;
    for (const struct embedded_file *file = dashboard_data; file->name != NULL; file++) {
        if (strcmp(file->name, name) == 0) {
            ret->bytes = slice_make(file->bytes, file->len);
            ret->content_type = type_of(name);
            return true;
        }
    }
    return false;
}
