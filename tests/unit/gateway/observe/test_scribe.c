#include "base/memory.h"
#include "gateway/observe/scribe.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

enum { CONTENT_MAX_BYTES = 64 * 1024 * 1024 };

struct folder {
    char path[64];
};

static struct folder make_folder(void)
{
    struct folder folder;
    const char *base = getenv("TMPDIR");
    (void)snprintf(folder.path, sizeof(folder.path), "%s/scribe.XXXXXX",
                   base == NULL ? "/tmp" : base);
    cr_assert_not_null(mkdtemp(folder.path));
    return folder;
}

static const char *in_folder(const struct folder *folder, const char *name, char out[96])
{
    (void)snprintf(out, 96, "%s/%s", folder->path, name);
    return out;
}

static void remove_folder(const struct folder *folder)
{
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -r '%s'", folder->path);
    cr_assert_eq(system(command), 0);
}

/* The file's contents, NUL-terminated; to be freed. */
static char *read_all(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    cr_assert_geq(fd, 0, "%s", path);
    char *text = memory_alloc(CONTENT_MAX_BYTES);
    size_t len = 0;
    ssize_t count;
    while ((count = read(fd, text + len, CONTENT_MAX_BYTES - 1 - len)) > 0) {
        len += (size_t)count;
    }
    (void)close(fd);
    return text;
}

static void expect_content(const char *path, const char *expected)
{
    char *text CLEANUP(memory_free_at) = read_all(path);
    cr_expect_str_eq(text, expected);
}

Test(scribe, what_was_handed_over_is_in_the_file_when_it_stops)
{
    struct folder folder = make_folder();
    char path[96];
    struct scribe *scribe;
    cr_assert_eq(scribe_start(in_folder(&folder, "log", path), &scribe, NULL), STATUS_OK);
    cr_expect(scribe_write(scribe, SLICE("one\n")));
    cr_expect(scribe_write(scribe, SLICE("two\nthree\n")));
    scribe_stop(scribe);
    expect_content(path, "one\ntwo\nthree\n");
    remove_folder(&folder);
}

Test(scribe, lines_are_appended_to_what_is_there_and_the_file_is_not_for_others)
{
    struct folder folder = make_folder();
    char path[96];
    (void)in_folder(&folder, "log", path);
    for (unsigned i = 0; i < 2; i++) {
        struct scribe *scribe;
        cr_assert_eq(scribe_start(path, &scribe, NULL), STATUS_OK);
        cr_expect(scribe_write(scribe, SLICE("line\n")));
        scribe_stop(scribe);
    }
    expect_content(path, "line\nline\n");
    struct stat stat_of;
    cr_assert_eq(stat(path, &stat_of), 0);
    cr_expect_eq(stat_of.st_mode & 07, 0);
    remove_folder(&folder);
}

Test(scribe, after_a_reopen_lines_go_to_the_new_file)
{
    struct folder folder = make_folder();
    char first[96];
    char second[96];
    struct scribe *scribe;
    cr_assert_eq(scribe_start(in_folder(&folder, "a", first), &scribe, NULL), STATUS_OK);
    cr_expect(scribe_write(scribe, SLICE("old\n")));
    cr_assert_eq(scribe_reopen(scribe, in_folder(&folder, "b", second), NULL), STATUS_OK);
    usleep(200 * 1000); /* the thread takes the file over when it has written what was there */
    cr_expect(scribe_write(scribe, SLICE("new\n")));
    scribe_stop(scribe);
    expect_content(first, "old\n");
    expect_content(second, "new\n");
    remove_folder(&folder);
}

Test(scribe, two_reopens_at_once_leave_no_descriptor_behind)
{
    struct folder folder = make_folder();
    char path[96];
    struct scribe *scribe;
    cr_assert_eq(scribe_start(in_folder(&folder, "a", path), &scribe, NULL), STATUS_OK);
    int before = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (unsigned i = 0; i < 100; i++) {
        cr_assert_eq(scribe_reopen(scribe, path, NULL), STATUS_OK);
    }
    scribe_stop(scribe);
    int after = open("/dev/null", O_RDONLY | O_CLOEXEC);
    cr_expect_leq(after, before + 1);
    (void)close(before);
    (void)close(after);
    remove_folder(&folder);
}

Test(scribe, a_file_that_cannot_be_opened_is_named)
{
    struct scribe *scribe;
    struct error err;
    cr_expect_eq(scribe_start("/nonexistent/access.log", &scribe, &err), STATUS_UNAVAILABLE);
    cr_expect_not_null(strstr(err.message, "\"/nonexistent/access.log\""), "%s", err.message);
}

Test(scribe, off_takes_lines_and_writes_none)
{
    struct scribe *scribe;
    cr_assert_eq(scribe_start("off", &scribe, NULL), STATUS_OK);
    cr_expect(scribe_write(scribe, SLICE("line\n")));
    scribe_stop(scribe);
}

Test(scribe, a_full_disk_loses_lines_counts_them_and_goes_on)
{
    if (access("/dev/full", W_OK) != 0) {
        cr_skip_test("there is no /dev/full");
    }
    struct scribe *scribe;
    cr_assert_eq(scribe_start("/dev/full", &scribe, NULL), STATUS_OK);
    cr_expect(scribe_write(scribe, SLICE("one\ntwo\n")));
    for (unsigned i = 0; i < 500 && scribe_dropped(scribe) < 2; i++) {
        usleep(10 * 1000);
    }
    cr_expect_eq(scribe_dropped(scribe), 2);
    scribe_stop(scribe);
}

/* A reader that never reads: the backlog fills, lines are dropped, nobody waits, stop ends. */
Test(scribe, a_reader_that_never_reads_holds_up_nobody, .timeout = 30)
{
    struct folder folder = make_folder();
    char path[96];
    cr_assert_eq(mkfifo(in_folder(&folder, "pipe", path), 0600), 0);
    int reader = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    cr_assert_geq(reader, 0);
    struct scribe *scribe;
    cr_assert_eq(scribe_start(path, &scribe, NULL), STATUS_OK);

    static char lines[64 * 1024];
    memset(lines, 'x', sizeof(lines));
    for (size_t i = 1023; i < sizeof(lines); i += 1024) {
        lines[i] = '\n';
    }
    unsigned refused = 0;
    for (unsigned i = 0; i < 512; i++) { /* 32 MiB into two backlogs of 8 */
        refused += !scribe_write(scribe, slice_make(lines, sizeof(lines)));
    }
    cr_expect_gt(refused, 0);
    cr_expect_eq(scribe_dropped(scribe), 64 * (uint64_t)refused);
    scribe_stop(scribe);
    (void)close(reader);
    remove_folder(&folder);
}

enum { WRITERS = 4, LINES = 5000 };

static void *write_lines(void *ctx)
{
    struct scribe *scribe = ctx;
    for (unsigned i = 0; i < LINES; i++) {
        if (!scribe_write(scribe, SLICE("0123456789\n"))) {
            return ctx;
        }
    }
    return NULL;
}

Test(scribe, lines_of_many_threads_stay_whole)
{
    struct folder folder = make_folder();
    char path[96];
    struct scribe *scribe;
    cr_assert_eq(scribe_start(in_folder(&folder, "log", path), &scribe, NULL), STATUS_OK);
    pthread_t threads[WRITERS];
    for (unsigned i = 0; i < WRITERS; i++) {
        cr_assert_eq(pthread_create(&threads[i], NULL, write_lines, scribe), 0);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        void *failed;
        cr_assert_eq(pthread_join(threads[i], &failed), 0);
        cr_expect_null(failed);
    }
    scribe_stop(scribe);
    char *text CLEANUP(memory_free_at) = read_all(path);
    cr_assert_eq(strlen(text), (size_t)WRITERS * LINES * 11);
    for (size_t i = 0; i < (size_t)WRITERS * LINES; i++) {
        cr_assert_eq(memcmp(text + i * 11, "0123456789\n", 11), 0);
    }
    remove_folder(&folder);
}
