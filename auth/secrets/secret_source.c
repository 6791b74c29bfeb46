#include "auth/secrets/secret_source.h"

#include "auth/secrets/sealed_file.h"
#include "auth/secrets/secret_name.h"
#include "auth/secrets/small_file.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum { VALUE_MAX = 64 << 10 };

const char *const secret_source_types[SECRET_SOURCE_KINDS + 1] = {
    [SECRET_SOURCE_SEALED] = "sealed",
    [SECRET_SOURCE_ENV] = "env",
    [SECRET_SOURCE_DIRECTORY] = "directory",
    [SECRET_SOURCE_SYSTEMD] = "systemd",
    [SECRET_SOURCE_VAULT] = "vault",
    [SECRET_SOURCE_AWS_SECRETS_MANAGER] = "aws-secrets-manager",
    [SECRET_SOURCE_AWS_SSM] = "aws-ssm",
    [SECRET_SOURCE_GCP_SECRET_MANAGER] = "gcp-secret-manager",
    [SECRET_SOURCE_AZURE_KEY_VAULT] = "azure-key-vault",
};

bool secret_source_remote(const struct secret_source *source)
{
    return source->kind >= SECRET_SOURCE_VAULT;
}

/* Of systemd what it has put there for this service alone; NULL: nothing. */
static const char *folder_of(const struct secret_source *source)
{
    /* Nothing sets variables once the process has started. */
    return source->kind == SECRET_SOURCE_SYSTEMD
               ? getenv("CREDENTIALS_DIRECTORY") /* NOLINT(concurrency-mt-unsafe) */
               : source->path;
}

/* The variable's or the file's name; false if it is too long to exist. */
static bool location_of(const struct secret_source *source, const char *name, char *out,
                        size_t size)
{
    bool is_env = source->kind == SECRET_SOURCE_ENV;
    const char *folder = is_env ? "" : folder_of(source);
    int len = is_env ? snprintf(out, size, "%s%s", source->prefix, name)
                     : snprintf(out, size, "%s/%s",
                                folder == NULL ? "$CREDENTIALS_DIRECTORY" : folder, name);
    if (len < 0 || (size_t)len >= size) {
        return false;
    }
    for (char *at = out + (is_env ? strlen(source->prefix) : (size_t)len); *at != '\0'; at++) {
        bool lower = *at >= 'a' && *at <= 'z';
        *at = lower ? (char)(*at - 0x20) : *at == '-' || *at == '.' ? '_' : *at;
    }
    return true;
}

static enum status get_env(const struct secret_source *source, const char *name,
                           struct secret **ret, struct error *err)
{
    char variable[512];
    if (!location_of(source, name, variable, sizeof(variable))) {
        FAIL(err, STATUS_INVALID, "the name of the environment variable is too long");
    }
    /* Nothing sets variables once the process has started. */
    const char *value = getenv(variable); /* NOLINT(concurrency-mt-unsafe) */
    if (value == NULL || value[0] == '\0') {
        FAIL(err, STATUS_NOT_FOUND, "environment variable %s: is not set", variable);
    }
    *ret = secret_new(slice_from(value));
    return STATUS_OK;
}

static struct slice without_newline(struct slice value)
{
    if (value.len > 0 && value.ptr[value.len - 1] == '\n') {
        value.len--;
        if (value.len > 0 && value.ptr[value.len - 1] == '\r') {
            value.len--;
        }
    }
    return value;
}

static enum status get_file(const struct secret_source *source, const char *name,
                            struct secret **ret, struct error *err)
{
    char path[PATH_MAX];
    struct stat info;
    if (folder_of(source) == NULL) {
        FAIL(err, STATUS_NOT_FOUND,
             "$CREDENTIALS_DIRECTORY is not set; systemd sets it where a unit has LoadCredential=");
    }
    if (!location_of(source, name, path, sizeof(path))) {
        FAIL(err, STATUS_INVALID, "the path of the secret's file is too long");
    }
    struct secret *contents CLEANUP(secret_free_at) = NULL;
    TRY(small_file_read(path, VALUE_MAX, &contents, &info, err));
    if ((info.st_mode & S_IWOTH) != 0) {
        FAIL(err, STATUS_DENIED, "%s: may be written by everybody (mode %04o); chmod o-w %s", path,
             (unsigned)(info.st_mode & 07777), path);
    }
    struct slice value = without_newline(secret_reveal(contents));
    if (value.len == 0) {
        FAIL(err, STATUS_INVALID, "%s: is empty; write the secret into it", path);
    }
    *ret = secret_new(value);
    return STATUS_OK;
}

static enum status open_sealed(const struct secret_source *source,
                               struct secret_source_cache *cache, struct error *err)
{
    uint64_t stamp = secret_source_stamp(source, "");
    if (cache->opened != NULL && cache->stamp == stamp) {
        return STATUS_OK;
    }
    secret_source_cache_fini(cache);
    TRY(sealed_file_open(source->path, source->key_file, SEALED_ABSENT_IS_ERROR, &cache->opened,
                         err));
    cache->stamp = stamp;
    return STATUS_OK;
}

static enum status get_sealed(const struct secret_source *source, struct secret_source_cache *cache,
                              const char *name, struct secret **ret, struct error *err)
{
    TRY(open_sealed(source, cache, err));
    const struct secret *found = sealed_file_get(cache->opened, name);
    if (found == NULL) {
        FAIL(err, STATUS_NOT_FOUND, "%s: has no secret %s", source->path, name);
    }
    *ret = secret_new(secret_reveal(found));
    return STATUS_OK;
}

enum status secret_source_read(const struct secret_source *source,
                               struct secret_source_cache *cache, const char *name,
                               struct secret **ret, struct error *err)
{
    if (!secret_name_valid(slice_from(name))) {
        FAIL(err, STATUS_INVALID,
             "the name of a secret is 1 to 64 letters, digits, '-', '_' and '.', no '.' in front");
    }
    switch (source->kind) {
    case SECRET_SOURCE_SEALED:
        return get_sealed(source, cache, name, ret, err);
    case SECRET_SOURCE_ENV:
        return get_env(source, name, ret, err);
    case SECRET_SOURCE_DIRECTORY:
    case SECRET_SOURCE_SYSTEMD:
        return get_file(source, name, ret, err);
    case SECRET_SOURCE_VAULT:
    case SECRET_SOURCE_AWS_SECRETS_MANAGER:
    case SECRET_SOURCE_AWS_SSM:
    case SECRET_SOURCE_GCP_SECRET_MANAGER:
    case SECRET_SOURCE_AZURE_KEY_VAULT:
    case SECRET_SOURCE_KINDS:
        break;
    }
    abort(); /* not reached: remote ones are asked elsewhere */
}

void secret_source_cache_fini(struct secret_source_cache *cache)
{
    sealed_file_free(cache->opened);
    *cache = (struct secret_source_cache){0};
}

void secret_source_describe(const struct secret_source *source, const char *name, char *out,
                            size_t size)
{
    char location[PATH_MAX] = "";
    switch (source->kind) {
    case SECRET_SOURCE_SEALED:
        (void)snprintf(out, size, "sealed file %s", source->path);
        return;
    case SECRET_SOURCE_ENV:
        (void)location_of(source, name, location, sizeof(location));
        (void)snprintf(out, size, "variable %s", location);
        return;
    case SECRET_SOURCE_DIRECTORY:
    case SECRET_SOURCE_SYSTEMD:
        (void)location_of(source, name, location, sizeof(location));
        (void)snprintf(out, size, "file %s", location);
        return;
    case SECRET_SOURCE_VAULT:
    case SECRET_SOURCE_AWS_SECRETS_MANAGER:
    case SECRET_SOURCE_AWS_SSM:
    case SECRET_SOURCE_GCP_SECRET_MANAGER:
    case SECRET_SOURCE_AZURE_KEY_VAULT:
    case SECRET_SOURCE_KINDS:
        (void)snprintf(out, size, "%s", source->where);
        return;
    }
}

uint64_t secret_source_stamp(const struct secret_source *source, const char *name)
{
    char path[PATH_MAX];
    switch (source->kind) {
    case SECRET_SOURCE_SEALED:
        return small_file_stamp(source->path) * 31 + small_file_stamp(source->key_file);
    case SECRET_SOURCE_ENV:
        return 0;
    case SECRET_SOURCE_DIRECTORY:
    case SECRET_SOURCE_SYSTEMD:
        return folder_of(source) != NULL && location_of(source, name, path, sizeof(path))
                   ? small_file_stamp(path)
                   : 1;
    case SECRET_SOURCE_VAULT:
    case SECRET_SOURCE_AWS_SECRETS_MANAGER:
    case SECRET_SOURCE_AWS_SSM:
    case SECRET_SOURCE_GCP_SECRET_MANAGER:
    case SECRET_SOURCE_AZURE_KEY_VAULT:
    case SECRET_SOURCE_KINDS:
        return 0;
    }
    abort(); /* not reached */
}
