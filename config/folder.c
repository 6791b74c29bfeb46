#include "config/folder.h"

#include "base/memory.h"
#include "config/document.h"
#include "config/merge.h"
#include "config/sections.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool folder_is(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool folder_counts(const char *name)
{
    static const struct slice ends[] = {SLICE_INIT(".yaml"), SLICE_INIT(".yml"),
                                        SLICE_INIT(".json")};
    struct slice text = slice_from(name);
    bool counts = false;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]) && name[0] != '.'; i++) {
        counts = counts || (text.len > ends[i].len &&
                            slice_equal(slice_skip(text, text.len - ends[i].len), ends[i]));
    }
    return counts;
}

static void close_folder(DIR **folder)
{
    if (*folder != NULL) {
        (void)closedir(*folder);
    }
}

bool folder_each(const char *path, bool (*visit)(void *ctx, const char *name), void *ctx)
{
    bool goes_on = true;
    DIR *folder CLEANUP(close_folder) = opendir(path);
    if (folder == NULL) {
        return false;
    }
    /* Of a folder that is this thread's alone. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    for (const struct dirent *entry; goes_on && (entry = readdir(folder)) != NULL;) {
        goes_on = !folder_counts(entry->d_name) || visit(ctx, entry->d_name);
    }
    return goes_on;
}

struct names {
    struct arena *arena; /* borrowed */
    const char *list[FOLDER_FILES_MAX];
    unsigned count;
    bool too_many;
};

static bool add_name(void *ctx, const char *name)
{
    struct names *names = ctx;
    names->too_many = names->count == FOLDER_FILES_MAX;
    if (!names->too_many) {
        names->list[names->count++] = arena_copy(names->arena, slice_from(name)).ptr;
    }
    return !names->too_many;
}

static int compare(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static bool list(const char *path, struct names *names, struct problems *problems)
{
    if (!folder_each(path, add_name, names)) {
        if (names->too_many) {
            problems_add(problems, path, 0, 0, "it has more than %d config files",
                         FOLDER_FILES_MAX);
        } else {
            problems_add(problems, path, 0, 0, "cannot use this folder: %s",
                         strerrordesc_np(errno));
        }
        return false;
    }
    qsort(names->list, names->count, sizeof(names->list[0]), compare);
    return true;
}

/* The root of all, of no file: the folder is its place, and its relative paths start there. */
static const struct tree *as_root(struct arena *arena, const struct tree *merged, const char *path)
{
    struct tree_document *document = ARENA_NEW(arena, struct tree_document);
    struct tree *root = ARENA_NEW(arena, struct tree);
    document->file = arena_copy(arena, slice_from(path)).ptr;
    document->folder = document->file;
    *root = *merged;
    root->document = document;
    root->line = 0;
    root->column = 0;
    return root;
}

/* False: a part is missing, so that what the others refer to may be, too. */
static bool load_parts(struct arena *arena, const char *path, const struct names *names,
                       struct problems *problems, const struct tree **roots, unsigned *ret_count)
{
    bool complete = true;
    size_t len = strlen(path);
    const char *slash = len > 0 && path[len - 1] == '/' ? "" : "/";
    unsigned count = 0;
    for (unsigned i = 0; i < names->count; i++) {
        const char *file = arena_print(arena, "%s%s%s", path, slash, names->list[i]);
        const struct tree *root = NULL;
        complete = document_load_part(arena, file, problems, &root) && complete;
        if (root != NULL && root->kind != TREE_MAP) {
            tree_report(problems, root, "a file of a config is a map of keys, such as routes:");
            complete = false;
        } else if (root != NULL) {
            roots[count++] = root;
        }
    }
    *ret_count = count;
    return complete;
}

const struct tree *folder_load(struct arena *arena, const char *path, struct problems *problems)
{
    struct names *names = ARENA_NEW(arena, struct names);
    names->arena = arena;
    if (!list(path, names, problems)) {
        return NULL;
    }
    const struct tree **roots = ARENA_ARRAY(arena, const struct tree *, names->count + 1);
    unsigned count = 0;
    if (!load_parts(arena, path, names, problems, roots, &count)) {
        return NULL;
    }
    if (count == 0) {
        problems_add(problems, path, 0, 0, "%s; one of the files says version: 1",
                     names->count == 0 ? "no file in this folder is called *.yaml, *.yml or *.json"
                                       : "there is nothing in the files of this folder");
        return NULL;
    }
    return as_root(arena, merge(arena, roots, count, config_fields, problems), path);
}
