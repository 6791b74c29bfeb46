#include "gateway/config_digest.h"

#include "base/buffer.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/memory.h"
#include "config/folder.h"

#include <dirent.h>
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

static void close_folder(DIR **folder)
{
    if (*folder != NULL) {
        (void)closedir(*folder);
    }
}

static int compare(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* A line for each file; -1: one cannot be read, or there are too many. */
static int list(struct arena *arena, const char *path, const char **lines)
{
    int count = 0;
    DIR *folder CLEANUP(close_folder) = opendir(path);
    if (folder == NULL) {
        return -1;
    }
    /* Of a folder that is this thread's alone. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char digest[CONFIG_DIGEST_SIZE];
        if (!folder_counts(entry->d_name)) {
            continue;
        }
        if (count == FOLDER_FILES_MAX ||
            of_file(arena_print(arena, "%s/%s", path, entry->d_name), digest) == NULL) {
            return -1;
        }
        lines[count++] = arena_print(arena, "%s  %s\n", digest, entry->d_name);
    }
    return count;
}

static const char *of_folder(const char *path, char out[CONFIG_DIGEST_SIZE])
{
    struct arena arena CLEANUP(arena_fini) = {0};
    struct buffer text CLEANUP(buffer_fini);
    const char **lines = ARENA_ARRAY(&arena, const char *, FOLDER_FILES_MAX);
    int count = list(&arena, path, lines);
    if (count < 0) {
        return NULL;
    }
    buffer_init(&text, TEXT_MAX_BYTES);
    qsort(lines, (size_t)count, sizeof(lines[0]), compare);
    for (int i = 0; i < count; i++) {
        if (buffer_append(&text, slice_from(lines[i])) != STATUS_OK) {
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
