#include "auth/secrets/sealed_file.h"
#include "auth/secrets/sealed_format.h"
#include "base/encode.h"
#include "base/memory.h"
#include "tests/support/scratch_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <criterion/criterion.h>

static struct scratch_folder folder;

static const char *sealed_path(void)
{
    return scratch_path(&folder, "secrets.sealed");
}

static const char *key_path(void)
{
    return scratch_path(&folder, "master.key");
}

static void set_up(void)
{
    struct error err;
    scratch_make(&folder);
    cr_assert_eq(sealed_key_ensure(key_path(), &err), STATUS_OK, "%s", err.message);
}

static void tear_down(void)
{
    scratch_remove(&folder);
}

TestSuite(sealed_file, .init = set_up, .fini = tear_down);

static struct sealed_file *open_file(enum sealed_absent absent)
{
    struct sealed_file *file = NULL;
    struct error err = {0};
    cr_assert_eq(sealed_file_open(sealed_path(), key_path(), absent, &file, &err), STATUS_OK, "%s",
                 err.message);
    return file;
}

static void save(const struct sealed_file *file)
{
    struct error err = {0};
    cr_assert_eq(sealed_file_save(file, &err), STATUS_OK, "%s", err.message);
}

static void save_some(void)
{
    struct sealed_file *file = open_file(SEALED_ABSENT_IS_EMPTY);
    sealed_file_set(file, "stripe", SLICE("sk_live_0123456789"));
    sealed_file_set(file, "openai-key", SLICE("sk-proj-abcdef"));
    sealed_file_set(file, "empty", SLICE(""));
    save(file);
    sealed_file_free(file);
}

static void expect_refused(enum status code, const char *words)
{
    struct sealed_file *file = NULL;
    struct error err = {0};
    enum status status =
        sealed_file_open(sealed_path(), key_path(), SEALED_ABSENT_IS_ERROR, &file, &err);
    cr_assert_eq(status, code, "%s: %s", status_name(status), err.message);
    cr_assert_null(file);
    cr_assert_not_null(strstr(err.message, words), "\"%s\" is not in: %s", words, err.message);
    cr_assert_null(strstr(err.message, "sk_live"));
}

Test(sealed_file, gives_back_what_was_saved)
{
    save_some();
    struct sealed_file *file = open_file(SEALED_ABSENT_IS_ERROR);
    cr_expect(
        slice_equal(secret_reveal(sealed_file_get(file, "stripe")), SLICE("sk_live_0123456789")));
    cr_expect(
        slice_equal(secret_reveal(sealed_file_get(file, "openai-key")), SLICE("sk-proj-abcdef")));
    cr_expect_eq(secret_reveal(sealed_file_get(file, "empty")).len, 0U);
    cr_expect_null(sealed_file_get(file, "strip"));
    cr_expect_null(sealed_file_get(file, "stripe2"));
    sealed_file_free(file);
}

Test(sealed_file, names_come_in_order)
{
    save_some();
    struct sealed_file *file = open_file(SEALED_ABSENT_IS_ERROR);
    cr_expect_str_eq(sealed_file_name(file, 0), "empty");
    cr_expect_str_eq(sealed_file_name(file, 1), "openai-key");
    cr_expect_str_eq(sealed_file_name(file, 2), "stripe");
    cr_expect_null(sealed_file_name(file, 3));
    sealed_file_free(file);
}

Test(sealed_file, set_replaces_and_remove_removes)
{
    save_some();
    struct sealed_file *file = open_file(SEALED_ABSENT_IS_ERROR);
    sealed_file_set(file, "stripe", SLICE("new"));
    cr_expect(sealed_file_remove(file, "openai-key"));
    cr_expect_not(sealed_file_remove(file, "openai-key"));
    save(file);
    sealed_file_free(file);

    file = open_file(SEALED_ABSENT_IS_ERROR);
    cr_expect(slice_equal(secret_reveal(sealed_file_get(file, "stripe")), SLICE("new")));
    cr_expect_null(sealed_file_get(file, "openai-key"));
    cr_expect_null(sealed_file_name(file, 2));
    sealed_file_free(file);
}

Test(sealed_file, many_secrets_of_many_sizes)
{
    enum { COUNT = 300 };
    static char value[COUNT * 40];
    char name[32];
    memset(value, 'v', sizeof(value));
    struct sealed_file *file = open_file(SEALED_ABSENT_IS_EMPTY);
    for (unsigned i = 0; i < COUNT; i++) {
        (void)snprintf(name, sizeof(name), "name-%u", i * 7919 % COUNT);
        sealed_file_set(file, name, slice_make(value, i * 7919 % COUNT * 40));
    }
    save(file);
    sealed_file_free(file);
    file = open_file(SEALED_ABSENT_IS_ERROR);
    for (unsigned i = 0; i < COUNT; i++) {
        (void)snprintf(name, sizeof(name), "name-%u", i);
        const struct secret *secret = sealed_file_get(file, name);
        cr_assert_not_null(secret, "%s", name);
        cr_expect_eq(secret_reveal(secret).len, i * 40);
    }
    sealed_file_free(file);
}

static bool contains(const char *bytes, size_t len, struct slice word)
{
    for (size_t at = 0; at + word.len <= len; at++) {
        if (memcmp(bytes + at, word.ptr, word.len) == 0) {
            return true;
        }
    }
    return false;
}

Test(sealed_file, nothing_of_a_secret_or_a_name_is_readable_in_it)
{
    char bytes[1024];
    save_some();
    size_t len = scratch_read(&folder, "secrets.sealed", bytes, sizeof(bytes));
    cr_expect_not(contains(bytes, len, SLICE("sk_live")));
    cr_expect_not(contains(bytes, len, SLICE("stripe")));
    cr_expect(contains(bytes, len, SLICE("SLYSEAL")));
}

Test(sealed_file, two_saves_of_the_same_differ)
{
    char first[1024];
    char second[1024];
    save_some();
    size_t len = scratch_read(&folder, "secrets.sealed", first, sizeof(first));
    save_some();
    cr_assert_eq(scratch_read(&folder, "secrets.sealed", second, sizeof(second)), len);
    cr_expect_neq(memcmp(first + 8, second + 8, 12), 0, "the nonce was used again");
    cr_expect_neq(memcmp(first + 20, second + 20, len - 20), 0);
}

Test(sealed_file, is_written_for_its_owner_alone)
{
    struct stat info;
    save_some();
    cr_assert_eq(stat(sealed_path(), &info), 0);
    cr_expect_eq(info.st_mode & 07777U, 0600U);
    cr_assert_eq(stat(key_path(), &info), 0);
    cr_expect_eq(info.st_mode & 07777U, 0600U);
}

Test(sealed_file, change_of_any_byte_is_refused)
{
    char bytes[1024];
    save_some();
    size_t len = scratch_read(&folder, "secrets.sealed", bytes, sizeof(bytes));
    for (size_t at = 0; at < len; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes[at] = (char)(bytes[at] ^ (1 << bit));
            scratch_write(&folder, "secrets.sealed", bytes, len, 0600);
            expect_refused(STATUS_INVALID, "secrets.sealed");
            bytes[at] = (char)(bytes[at] ^ (1 << bit));
        }
    }
}

Test(sealed_file, cut_or_longer_is_refused)
{
    char bytes[1024] = {0};
    save_some();
    size_t len = scratch_read(&folder, "secrets.sealed", bytes, sizeof(bytes));
    for (size_t cut = 0; cut < len; cut++) {
        scratch_write(&folder, "secrets.sealed", bytes, cut, 0600);
        expect_refused(STATUS_INVALID, "secrets.sealed");
    }
    scratch_write(&folder, "secrets.sealed", bytes, len + 1, 0600);
    expect_refused(STATUS_INVALID, "secrets.sealed");
}

Test(sealed_file, does_not_open_with_another_key)
{
    save_some();
    scratch_write_text(&folder, "master.key",
                       "0000000000000000000000000000000000000000000000000000000000000000\n");
    expect_refused(STATUS_INVALID, "was sealed with another one; name that one");
}

Test(sealed_file, newer_version_is_named_as_such)
{
    char bytes[1024];
    save_some();
    size_t len = scratch_read(&folder, "secrets.sealed", bytes, sizeof(bytes));
    bytes[7] = 3;
    scratch_write(&folder, "secrets.sealed", bytes, len, 0600);
    expect_refused(STATUS_INVALID, "format version 3");
}

Test(sealed_file, key_may_be_hex_or_raw_bytes)
{
    char text[65];
    unsigned char raw[32];
    save_some();
    cr_assert_eq(scratch_read(&folder, "master.key", text, sizeof(text)), 65U);
    cr_assert_eq(decode_hex(slice_make(text, 64), raw), STATUS_OK);
    scratch_write(&folder, "master.key", raw, sizeof(raw), 0400);
    sealed_file_free(open_file(SEALED_ABSENT_IS_ERROR));
    scratch_write(&folder, "master.key", text, 64, 0600);
    sealed_file_free(open_file(SEALED_ABSENT_IS_ERROR));
}

Test(sealed_file, key_of_another_form_is_refused)
{
    static const char *const broken[] = {
        "", "short", "0000000000000000000000000000000000000000000000000000000000000000\n\n",
        "g000000000000000000000000000000000000000000000000000000000000000",
        "00000000000000000000000000000000000000000000000000000000000000"};
    save_some();
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        scratch_write_text(&folder, "master.key", broken[i]);
        expect_refused(STATUS_INVALID, "64 hex digits");
    }
}

Test(sealed_file, key_file_that_others_can_read_is_refused)
{
    static const unsigned modes[] = {0640, 0604, 0644, 0660, 0601, 0777};
    save_some();
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        cr_assert_eq(chmod(key_path(), modes[i]), 0);
        expect_refused(STATUS_DENIED, "chmod 600");
    }
}

Test(sealed_file, missing_key_file_is_not_a_missing_secret)
{
    save_some();
    cr_assert_eq(unlink(key_path()), 0);
    expect_refused(STATUS_UNAVAILABLE, "master.key");
}

Test(sealed_file, absent_is_empty_only_if_asked_for)
{
    expect_refused(STATUS_NOT_FOUND, "secrets.sealed");
    struct sealed_file *file = open_file(SEALED_ABSENT_IS_EMPTY);
    cr_expect_null(sealed_file_name(file, 0));
    sealed_file_free(file);
}

Test(sealed_file, folder_in_its_place_is_refused)
{
    cr_assert_eq(mkdir(sealed_path(), 0700), 0);
    expect_refused(STATUS_UNAVAILABLE, "not a regular file");
}

Test(sealed_file, key_ensure_keeps_a_key_that_is_there)
{
    char before[65];
    char after[65];
    struct error err;
    cr_assert_eq(scratch_read(&folder, "master.key", before, sizeof(before)), 65U);
    cr_assert_eq(sealed_key_ensure(key_path(), &err), STATUS_OK);
    cr_assert_eq(scratch_read(&folder, "master.key", after, sizeof(after)), 65U);
    cr_expect_eq(memcmp(before, after, 65), 0);
}

/* The disk is full at any point of the write: the old file stays, and is whole. */
Test(sealed_file, save_that_fails_leaves_the_old_one)
{
    save_some();
    struct sealed_file *file = open_file(SEALED_ABSENT_IS_ERROR);
    sealed_file_set(file, "stripe", SLICE("a new value that is never seen"));
    (void)signal(SIGXFSZ, SIG_IGN);
    for (rlim_t room = 0; room < 115; room += 6) {
        struct error err = {0};
        struct rlimit before;
        cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){room, before.rlim_max}), 0);
        enum status status = sealed_file_save(file, &err);
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
        cr_assert_eq(status, STATUS_UNAVAILABLE);
        cr_assert_neq(access(scratch_path(&folder, "secrets.sealed.new"), F_OK), 0);
        struct sealed_file *old = open_file(SEALED_ABSENT_IS_ERROR);
        cr_expect(slice_equal(secret_reveal(sealed_file_get(old, "stripe")),
                              SLICE("sk_live_0123456789")));
        sealed_file_free(old);
    }
    sealed_file_free(file);
}

/* What a crash between write and rename leaves behind. */
Test(sealed_file, crash_before_the_rename_leaves_the_old_one_and_hinders_nobody)
{
    save_some();
    scratch_write_text(&folder, "secrets.sealed.new", "half of a fi");
    struct sealed_file *file = open_file(SEALED_ABSENT_IS_ERROR);
    cr_expect_not_null(sealed_file_get(file, "stripe"));
    sealed_file_set(file, "later", SLICE("value"));
    save(file);
    sealed_file_free(file);
    file = open_file(SEALED_ABSENT_IS_ERROR);
    cr_expect_not_null(sealed_file_get(file, "later"));
    sealed_file_free(file);
    cr_expect_neq(access(scratch_path(&folder, "secrets.sealed.new"), F_OK), 0);
}

/* A link that somebody else has put where the new file goes is not written through. */
Test(sealed_file, planted_link_is_not_followed)
{
    char text[16];
    scratch_write_text(&folder, "victim", "untouched");
    cr_assert_eq(
        symlink(scratch_path(&folder, "victim"), scratch_path(&folder, "secrets.sealed.new")), 0);
    save_some();
    cr_assert_eq(scratch_read(&folder, "victim", text, sizeof(text)), 9U);
    cr_expect_eq(memcmp(text, "untouched", 9), 0);
}

Test(sealed_file, lock_keeps_a_second_writer_out_until_it_is_closed)
{
    struct error err;
    int lock = -1;
    cr_assert_eq(sealed_file_lock(sealed_path(), &lock, &err), STATUS_OK);
    int other = open(scratch_path(&folder, "secrets.sealed.lock"), O_RDWR | O_CLOEXEC);
    cr_assert_geq(other, 0);
    cr_expect_neq(flock(other, LOCK_EX | LOCK_NB), 0);
    (void)close(lock);
    cr_expect_eq(flock(other, LOCK_EX | LOCK_NB), 0);
    (void)close(other);
}

Test(sealed_file, lock_that_another_keeps_is_not_waited_for_without_end, .timeout = 30)
{
    struct error err = {0};
    int lock = -1;
    int other =
        open(scratch_path(&folder, "secrets.sealed.lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    cr_assert_geq(other, 0);
    cr_assert_eq(flock(other, LOCK_EX), 0);
    cr_expect_eq(sealed_file_lock(sealed_path(), &lock, &err), STATUS_UNAVAILABLE);
    cr_expect_not_null(strstr(err.message, "another process has held the lock"), "%s", err.message);
    cr_expect_eq(lock, -1);
    (void)close(other);
    cr_assert_eq(sealed_file_lock(sealed_path(), &lock, &err), STATUS_OK);
    (void)close(lock);
}

Test(sealed_file, path_that_cannot_be_written_says_so)
{
    struct error err = {0};
    struct sealed_file *file = NULL;
    const char *path = scratch_path(&folder, "no-such-folder/secrets.sealed");
    cr_assert_eq(sealed_file_open(path, key_path(), SEALED_ABSENT_IS_EMPTY, &file, &err),
                 STATUS_OK);
    cr_expect_eq(sealed_file_save(file, &err), STATUS_UNAVAILABLE);
    cr_expect_not_null(strstr(err.message, "no-such-folder"));
    sealed_file_free(file);
}

Test(sealed_file, authentic_file_with_a_broken_list_is_refused)
{
    static const struct slice names[] = {SLICE_INIT("../etc"), SLICE_INIT(".hidden")};
    struct secret *key = secret_new(SLICE("01234567890123456789012345678901"));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct sealed_entries entries = {0};
        struct sealed_entries read = {0};
        struct error err = {0};
        char *bytes CLEANUP(memory_free_at) = NULL;
        size_t len = 0;
        sealed_entries_set(&entries, names[i].ptr, SLICE("value"));
        sealed_format_write(&entries, key, &bytes, &len);
        cr_expect_eq(sealed_format_read(slice_make(bytes, len), key, &read, &err), STATUS_INVALID);
        cr_expect_eq(read.count, 0U);
        sealed_entries_fini(&entries);
    }
    secret_free(key);
}
