/*
 * scratch_folder: a folder of a test's own, removed at its end with the files in it.
 */
#pragma once

#include "base/memory.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

struct scratch_folder {
    char path[64];
    struct arena arena; /* of the paths handed out */
};

static inline void scratch_make(struct scratch_folder *folder)
{
    *folder = (struct scratch_folder){.path = "/tmp/sallyport-test-XXXXXX"};
    cr_assert_not_null(mkdtemp(folder->path));
}

/* "FOLDER/NAME"; good until the folder is removed. */
static inline const char *scratch_path(struct scratch_folder *folder, const char *name)
{
    return arena_print(&folder->arena, "%s/%s", folder->path, name);
}

static inline void scratch_remove(struct scratch_folder *folder)
{
    DIR *open = opendir(folder->path);
    struct dirent *entry;
    while (open != NULL && (entry = readdir(open)) != NULL) {
        (void)remove(scratch_path(folder, entry->d_name)); /* refuses . and .. */
    }
    if (open != NULL) {
        (void)closedir(open);
    }
    (void)rmdir(folder->path);
    arena_fini(&folder->arena);
}

/* Replaces the file by a new one, so that its stamp surely differs. */
static inline void scratch_write(struct scratch_folder *folder, const char *name, const void *bytes,
                                 size_t len, unsigned mode)
{
    const char *beside = arena_print(&folder->arena, "%s/%s~", folder->path, name);
    FILE *file = fopen(beside, "we");
    cr_assert_not_null(file, "%s", beside);
    cr_assert_eq(fwrite(bytes, 1, len, file), len);
    cr_assert_eq(fclose(file), 0);
    cr_assert_eq(chmod(beside, mode), 0);
    cr_assert_eq(rename(beside, scratch_path(folder, name)), 0);
}

static inline void scratch_write_text(struct scratch_folder *folder, const char *name,
                                      const char *text)
{
    scratch_write(folder, name, text, strlen(text), 0600);
}

/* Returns the length; at most `size` bytes are read. */
static inline size_t scratch_read(struct scratch_folder *folder, const char *name, void *out,
                                  size_t size)
{
    FILE *file = fopen(scratch_path(folder, name), "re");
    cr_assert_not_null(file, "%s", name);
    size_t len = fread(out, 1, size, file);
    (void)fclose(file);
    return len;
}
