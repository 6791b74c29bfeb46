#include "auth/secrets/sealed_file.h"
#include "auth/secrets/secret_source.h"
#include "tests/support/scratch_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

static struct scratch_folder folder;

static void set_up(void)
{
    scratch_make(&folder);
}

static void tear_down(void)
{
    scratch_remove(&folder);
}

TestSuite(secret_source, .init = set_up, .fini = tear_down);

static struct secret_source env_source(void)
{
    return (struct secret_source){.kind = SECRET_SOURCE_ENV, .prefix = "SALLYPORT_TEST_"};
}

static struct secret_source directory_source(void)
{
    return (struct secret_source){.kind = SECRET_SOURCE_DIRECTORY, .path = folder.path};
}

static enum status read_once(const struct secret_source *source, const char *name,
                             struct secret **ret, struct error *err)
{
    struct secret_source_cache cache = {0};
    enum status status = secret_source_read(source, &cache, name, ret, err);
    secret_source_cache_fini(&cache);
    return status;
}

static void expect_value(const struct secret_source *source, const char *name, struct slice value)
{
    struct secret *secret = NULL;
    struct error err = {0};
    enum status status = read_once(source, name, &secret, &err);
    cr_assert_eq(status, STATUS_OK, "%s: %s", name, err.message);
    cr_expect(slice_equal(secret_reveal(secret), value), "%s", name);
    secret_free(secret);
}

static void expect_failure(const struct secret_source *source, const char *name, enum status code,
                           const char *words)
{
    struct secret *secret = NULL;
    struct error err = {0};
    enum status status = read_once(source, name, &secret, &err);
    cr_expect_eq(status, code, "%s: %s: %s", name, status_name(status), err.message);
    cr_expect_null(secret);
    cr_expect_not_null(strstr(err.message, words), "\"%s\" is not in: %s", words, err.message);
}

Test(secret_source, env_maps_names_to_variables)
{
    struct secret_source source = env_source();
    cr_assert_eq(setenv("SALLYPORT_TEST_OPENAI_KEY", "sk-1", 1), 0);
    cr_assert_eq(setenv("SALLYPORT_TEST_A_B_C9", " as it is \n", 1), 0);
    expect_value(&source, "openai-key", SLICE("sk-1"));
    expect_value(&source, "OpenAI.Key", SLICE("sk-1"));
    expect_value(&source, "a.b_c9", SLICE(" as it is \n"));
}

Test(secret_source, env_that_is_unset_or_empty_is_not_found)
{
    struct secret_source source = env_source();
    cr_assert_eq(setenv("SALLYPORT_TEST_EMPTY", "", 1), 0);
    expect_failure(&source, "absent", STATUS_NOT_FOUND, "SALLYPORT_TEST_ABSENT");
    expect_failure(&source, "empty", STATUS_NOT_FOUND, "SALLYPORT_TEST_EMPTY");
    cr_expect_eq(secret_source_stamp(&source, "empty"), 0U);
}

Test(secret_source, directory_drops_one_newline_at_the_end)
{
    static const struct {
        const char *contents;
        struct slice value;
    } cases[] = {
        {"value", SLICE_INIT("value")},
        {"value\n", SLICE_INIT("value")},
        {"value\r\n", SLICE_INIT("value")},
        {"value\n\n", SLICE_INIT("value\n")},
        {"two\nlines\n", SLICE_INIT("two\nlines")},
        {" value ", SLICE_INIT(" value ")},
        {"\nvalue", SLICE_INIT("\nvalue")},
    };
    struct secret_source source = directory_source();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        scratch_write_text(&folder, "key", cases[i].contents);
        expect_value(&source, "key", cases[i].value);
    }
}

Test(secret_source, directory_follows_links_as_kubernetes_makes_them)
{
    struct secret_source source = directory_source();
    scratch_write_text(&folder, "data-1", "value");
    cr_assert_eq(symlink("data-1", scratch_path(&folder, "key")), 0);
    expect_value(&source, "key", SLICE("value"));
}

Test(secret_source, directory_without_the_file_or_the_folder_is_not_found)
{
    struct secret_source source = directory_source();
    expect_failure(&source, "absent", STATUS_NOT_FOUND, "absent");
    source.path = scratch_path(&folder, "no-folder");
    expect_failure(&source, "absent", STATUS_NOT_FOUND, "no-folder");
}

Test(secret_source, directory_refuses_what_is_no_secret)
{
    static char large[(64 << 10) + 1];
    struct secret_source source = directory_source();
    memset(large, 'x', sizeof(large));
    scratch_write(&folder, "limit", large, sizeof(large) - 1, 0600);
    expect_value(&source, "limit", slice_make(large, sizeof(large) - 1));
    scratch_write(&folder, "large", large, sizeof(large), 0600);
    expect_failure(&source, "large", STATUS_TOO_LARGE, "large");
    scratch_write_text(&folder, "empty", "\n");
    expect_failure(&source, "empty", STATUS_INVALID, "is empty");
    cr_assert_eq(mkdir(scratch_path(&folder, "folder"), 0700), 0);
    expect_failure(&source, "folder", STATUS_UNAVAILABLE, "not a regular file");
    cr_assert_eq(mkfifo(scratch_path(&folder, "pipe"), 0600), 0);
    expect_failure(&source, "pipe", STATUS_UNAVAILABLE, "not a regular file");
}

Test(secret_source, names_never_leave_the_directory)
{
    struct secret_source source = directory_source();
    expect_failure(&source, "../passwd", STATUS_INVALID, "name of a secret");
    expect_failure(&source, "..", STATUS_INVALID, "name of a secret");
    expect_failure(&source, "", STATUS_INVALID, "name of a secret");
}

static struct secret_source sealed_source(const char *name, const char *value)
{
    struct secret_source source = {.kind = SECRET_SOURCE_SEALED,
                                   .path = scratch_path(&folder, "secrets.sealed"),
                                   .key_file = scratch_path(&folder, "master.key")};
    struct sealed_file *file = NULL;
    struct error err;
    cr_assert_eq(sealed_key_ensure(source.key_file, &err), STATUS_OK);
    cr_assert_eq(
        sealed_file_open(source.path, source.key_file, SEALED_ABSENT_IS_EMPTY, &file, &err),
        STATUS_OK);
    sealed_file_set(file, name, slice_from(value));
    cr_assert_eq(sealed_file_save(file, &err), STATUS_OK);
    sealed_file_free(file);
    return source;
}

Test(secret_source, sealed_gives_what_is_in_the_file)
{
    struct secret_source source = sealed_source("openai-key", "sk-1");
    expect_value(&source, "openai-key", SLICE("sk-1"));
    expect_failure(&source, "other", STATUS_NOT_FOUND, "has no secret other");
}

Test(secret_source, sealed_that_is_absent_has_no_secret_but_a_broken_one_fails)
{
    struct secret_source source = sealed_source("openai-key", "sk-1");
    scratch_write_text(&folder, "secrets.sealed", "broken");
    expect_failure(&source, "openai-key", STATUS_INVALID, "secrets.sealed");
    cr_assert_eq(unlink(source.path), 0);
    expect_failure(&source, "openai-key", STATUS_NOT_FOUND, "secrets.sealed");
}

Test(secret_source, cache_opens_a_sealed_file_once_until_it_changes)
{
    struct secret_source source = sealed_source("openai-key", "sk-1");
    struct secret_source_cache cache = {0};
    struct secret *secret = NULL;
    struct error err;
    cr_assert_eq(secret_source_read(&source, &cache, "openai-key", &secret, &err), STATUS_OK);
    secret_free(secret);
    const struct sealed_file *opened = cache.opened;
    cr_assert_eq(secret_source_read(&source, &cache, "openai-key", &secret, &err), STATUS_OK);
    secret_free(secret);
    cr_expect_eq(cache.opened, opened);

    source = sealed_source("openai-key", "sk-2");
    cr_assert_eq(secret_source_read(&source, &cache, "openai-key", &secret, &err), STATUS_OK);
    cr_expect(slice_equal(secret_reveal(secret), SLICE("sk-2")));
    secret_free(secret);
    secret_source_cache_fini(&cache);
}

Test(secret_source, stamp_changes_with_the_file)
{
    struct secret_source source = directory_source();
    uint64_t absent = secret_source_stamp(&source, "key");
    scratch_write_text(&folder, "key", "one");
    uint64_t first = secret_source_stamp(&source, "key");
    cr_expect_eq(secret_source_stamp(&source, "key"), first);
    scratch_write_text(&folder, "key", "two");
    uint64_t second = secret_source_stamp(&source, "key");
    scratch_write_text(&folder, "other", "x");
    cr_expect_eq(secret_source_stamp(&source, "key"), second);
    cr_assert_eq(unlink(scratch_path(&folder, "key")), 0);
    cr_expect_neq(absent, first);
    cr_expect_neq(first, second);
    cr_expect_eq(secret_source_stamp(&source, "key"), absent);
}

Test(secret_source, stamp_of_a_sealed_one_changes_with_file_and_key)
{
    struct secret_source source = sealed_source("a", "1");
    uint64_t first = secret_source_stamp(&source, "a");
    source = sealed_source("a", "2");
    uint64_t second = secret_source_stamp(&source, "a");
    cr_expect_neq(first, second);
    cr_assert_eq(chmod(source.key_file, 0400), 0);
    cr_expect_neq(secret_source_stamp(&source, "a"), second);
}

Test(secret_source, describes_where_it_looks)
{
    char text[128];
    struct secret_source source = env_source();
    secret_source_describe(&source, "openai-key", text, sizeof(text));
    cr_expect_str_eq(text, "variable SALLYPORT_TEST_OPENAI_KEY");
    source = (struct secret_source){.kind = SECRET_SOURCE_DIRECTORY, .path = "/run/secrets"};
    secret_source_describe(&source, "openai-key", text, sizeof(text));
    cr_expect_str_eq(text, "file /run/secrets/openai-key");
    source = (struct secret_source){.kind = SECRET_SOURCE_SEALED, .path = "secrets.sealed"};
    secret_source_describe(&source, "openai-key", text, sizeof(text));
    cr_expect_str_eq(text, "sealed file secrets.sealed");
}

/* ---- folders that are swapped, as Kubernetes and Docker do it ---- */

static void path_in_folder(const char *name, char *out, size_t size)
{
    (void)snprintf(out, size, "%s/%s", folder.path, name);
}

/* As of one version of a mounted volume: "..NAME/key", with one link to it and one to that. */
static void write_volume(const char *version, const char *value)
{
    char place[300];
    char file[320];
    path_in_folder(version, place, sizeof(place));
    cr_assert_eq(mkdir(place, 0755), 0);
    (void)snprintf(file, sizeof(file), "%s/key", version);
    scratch_write_text(&folder, file, value);
}

static void swap_volume(const char *version)
{
    char data[300];
    char beside[300];
    path_in_folder("..data", data, sizeof(data));
    path_in_folder("..data_tmp", beside, sizeof(beside));
    cr_assert_eq(symlink(version, beside), 0);
    cr_assert_eq(rename(beside, data), 0);
}

Test(secret_source, directory_whose_data_link_is_swapped_has_the_new_value_and_another_stamp)
{
    char key[300];
    struct secret_source source = directory_source();
    write_volume("..2026_1", "the-first-value");
    swap_volume("..2026_1");
    path_in_folder("key", key, sizeof(key));
    cr_assert_eq(symlink("..data/key", key), 0);
    expect_value(&source, "key", SLICE("the-first-value"));
    uint64_t stamp = secret_source_stamp(&source, "key");
    cr_expect_eq(secret_source_stamp(&source, "key"), stamp);
    write_volume("..2026_2", "the-other-value"); /* of the same length */
    cr_expect_eq(secret_source_stamp(&source, "key"), stamp);
    swap_volume("..2026_2");
    cr_expect_neq(secret_source_stamp(&source, "key"), stamp);
    expect_value(&source, "key", SLICE("the-other-value"));
}

Test(secret_source, file_that_everybody_may_write_to_is_refused)
{
    char key[300];
    struct secret_source source = directory_source();
    scratch_write_text(&folder, "key", "value");
    path_in_folder("key", key, sizeof(key));
    cr_assert_eq(chmod(key, 0444), 0);
    expect_value(&source, "key", SLICE("value"));
    cr_assert_eq(chmod(key, 0666), 0);
    expect_failure(&source, "key", STATUS_DENIED, "may be written by everybody (mode 0666)");
}

Test(secret_source, systemd_is_the_folder_that_its_variable_names)
{
    struct secret_source source = {.kind = SECRET_SOURCE_SYSTEMD};
    cr_assert_eq(unsetenv("CREDENTIALS_DIRECTORY"), 0);
    expect_failure(&source, "key", STATUS_NOT_FOUND, "LoadCredential=");
    cr_expect_eq(secret_source_stamp(&source, "key"), 1U);
    cr_assert_eq(setenv("CREDENTIALS_DIRECTORY", folder.path, 1), 0);
    expect_failure(&source, "key", STATUS_NOT_FOUND, "no such file");
    scratch_write_text(&folder, "key", "value\n");
    expect_value(&source, "key", SLICE("value"));
}
