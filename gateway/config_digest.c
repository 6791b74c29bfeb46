#include "gateway/config_digest.h"

#include "base/buffer.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/memory.h"
#include "config/folder.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX_BYTES = 64 * 1024 * 1024 };

static void print(struct slice text, char out[CONFIG_DIGEST_SIZE])
{
    unsigned char digest[SHA256_BYTES];
    digest_sha256(text, digest);
    encode_hex(slice_make((const char *)digest, sizeof(digest)), out);
    out[CONFIG_DIGEST_SIZE - 1] = '\0';
}

static const char *of_file(const char *path, char out[CONFIG_DIGEST_SIZE])
{
    struct buffer text CLEANUP(buffer_fini);
    buffer_init(&text, TEXT_MAX_BYTES);
    if (file_read(path, FILE_REGULAR, &text, NULL) != STATUS_OK) {
        return NULL;
    }
    print(buffer_bytes(&text), out);
    return out;
}

static int compare(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* A line for each file. */
struct lines {
    struct arena arena; /* owned */
    const char *path;
    const char *list[FOLDER_FILES_MAX];
    unsigned count;
};

static bool add_line(void *ctx, const char *name)
{
    struct lines *lines = ctx;
    char digest[CONFIG_DIGEST_SIZE];
    if (lines->count == FOLDER_FILES_MAX ||
        of_file(arena_print(&lines->arena, "%s/%s", lines->path, name), digest) == NULL) {
        return false;
    }
    lines->list[lines->count++] = arena_print(&lines->arena, "%s  %s\n", digest, name);
    return true;
}

static void free_lines(struct lines **lines)
{
    arena_fini(&(*lines)->arena);
    memory_free(*lines);
}

static const char *of_folder(const char *path, char out[CONFIG_DIGEST_SIZE])
{
    struct lines *lines CLEANUP(free_lines) = MEMORY_NEW(struct lines);
    struct buffer text CLEANUP(buffer_fini);
    lines->path = path;
    buffer_init(&text, TEXT_MAX_BYTES);
    if (!folder_each(path, add_line, lines)) {
        return NULL;
    }
    qsort(lines->list, lines->count, sizeof(lines->list[0]), compare);
    for (unsigned i = 0; i < lines->count; i++) {
        if (buffer_append(&text, slice_from(lines->list[i])) != STATUS_OK) {
            return NULL; /* not reached: a thousand names are shorter */
        }
    }
    print(buffer_bytes(&text), out);
    return out;
}

const char *config_digest(const char *path, char out[CONFIG_DIGEST_SIZE])
{
    return folder_is(path) ? of_folder(path, out) : of_file(path, out);
}
