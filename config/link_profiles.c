/* Provider profiles: those that are built in, and an operator's own from a folder. */
#include "config/folder.h"
#include "config/link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OWN_PROFILES_MAX = 200 };

struct own {
    const struct link *link; /* borrowed */
    const char *names[OWN_PROFILES_MAX];
    unsigned count;
    bool too_many;
};

static bool add_name(void *ctx, const char *name)
{
    struct own *own = ctx;
    own->too_many = own->count == OWN_PROFILES_MAX;
    if (!own->too_many) {
        own->names[own->count++] = link_keep(own->link, name);
    }
    return !own->too_many;
}

static int compare(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static bool list_files(const struct link *link, const char *path, struct own *own)
{
    if (folder_each(path, add_name, own)) {
        qsort(own->names, own->count, sizeof(own->names[0]), compare);
        return true;
    }
    if (own->too_many) {
        problems_add(link->problems, path, 0, 0, "it has more than %d profiles", OWN_PROFILES_MAX);
    } else {
        problems_add(link->problems, path, 0, 0, "cannot use this folder of profiles: %s",
                     strerrordesc_np(errno));
    }
    return false;
}

static void close_file(FILE **file)
{
    if (*file != NULL) {
        (void)fclose(*file);
    }
}

/* NULL: reported. */
static const char *read_file(const struct link *link, const char *path, size_t *ret_len)
{
    FILE *file CLEANUP(close_file) = fopen(path, "re");
    char *text = arena_reserve(link->arena, PROFILE_MAX_BYTES + 1);
    size_t len = file == NULL ? 0 : fread(text, 1, PROFILE_MAX_BYTES + 1, file);
    if (file == NULL || ferror(file)) {
        problems_add(link->problems, path, 0, 0, "cannot be read: %s", strerrordesc_np(errno));
        return NULL;
    }
    if (len > PROFILE_MAX_BYTES) {
        problems_add(link->problems, path, 0, 0, "a profile is at most %d bytes long",
                     PROFILE_MAX_BYTES);
        return NULL;
    }
    *ret_len = len;
    return text;
}

/* False: reported. */
static bool check_name(const struct link *link, const char *path, struct slice name)
{
    if (!field_name_valid(name)) {
        problems_add(
            link->problems, path, 0, 0,
            "a profile's file is called NAME.json; NAME has a-z, 0-9, '.', '_' and '-', 64 "
            "bytes at most");
        return false;
    }
    return true;
}

/* A built-in one is replaced only by a file that says so. */
static bool check_replaced(const struct link *link, const char *path, const struct profile *profile)
{
    bool exists = profile_find(&link->snapshot->profiles, slice_from(profile->name)) != NULL;
    if (exists && !profile->replaces) {
        problems_add(link->problems, path, 0, 0,
                     "there is a built-in profile \"%s\"; give this one another name, or write "
                     "\"replaces\": true into it",
                     profile->name);
        return false;
    }
    if (!exists && profile->replaces) {
        problems_add(link->problems, path, 0, 0,
                     "replaces: there is no built-in profile \"%s\"; take it out", profile->name);
        return false;
    }
    return true;
}

static bool read_profile(const struct link *link, const char *folder, const char *file,
                         struct profile *ret)
{
    const struct slice end = SLICE(".json");
    const char *path = arena_print(link->arena, "%s/%s", folder, file);
    struct slice name = slice_from(file);
    struct error err;
    size_t len = 0;
    if (name.len <= end.len || !slice_equal(slice_skip(name, name.len - end.len), end)) {
        problems_add(link->problems, path, 0, 0, "profiles are JSON: call it NAME.json");
        return false;
    }
    name.len -= end.len;
    const char *text = check_name(link, path, name) ? read_file(link, path, &len) : NULL;
    if (text == NULL) {
        return false;
    }
    if (profile_read(link->arena, name, slice_make(text, len), ret, &err) != STATUS_OK ||
        profile_check_errors(ret, &err) != STATUS_OK) {
        problems_add(link->problems, path, 0, 0, "%s", err.message);
        return false;
    }
    return check_replaced(link, path, ret);
}

bool link_profiles(const struct link *link)
{
    struct error err;
    if (profile_set_load(link->arena, &link->snapshot->profiles, &err) != STATUS_OK) {
        problems_add(link->problems, "profiles", 0, 0, "%s", err.message);
        return false;
    }
    const char *folder = link->sections->providers.path;
    struct own own = {.link = link};
    if (folder == NULL || !list_files(link, folder, &own)) {
        return true;
    }
    struct profile *profiles = ARENA_ARRAY(link->arena, struct profile, own.count);
    unsigned count = 0;
    for (unsigned i = 0; i < own.count; i++) {
        count += read_profile(link, folder, own.names[i], &profiles[count]) ? 1 : 0;
    }
    profile_set_add(link->arena, &link->snapshot->profiles, profiles, count);
    return true;
}
