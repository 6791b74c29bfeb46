#include "auth/outbound/scrub.h"
#include "auth/secrets/sealed_file.h"
#include "auth/secrets/secret_store.h"
#include "base/memory.h"
#include "tests/support/scratch_folder.h"

#include <pthread.h>

#include <criterion/criterion.h>

#define MINUTE (60 * SEC)

/* A store over one folder, a clock that is a variable, and the news since the last look. */
static struct {
    struct scratch_folder folder;
    struct secret_store *store;
    struct secret_slot *slot; /* of "key" */
    usec_t now;
    unsigned news_count;
    struct secret_news news; /* the last one */
} t;

static void use_folder_source(void)
{
    struct secret_source source = {.kind = SECRET_SOURCE_DIRECTORY, .path = t.folder.path};
    secret_store_set_sources(t.store, &source, 1);
}

static void set_up(void)
{
    scratch_make(&t.folder);
    t.store = secret_store_new();
    t.slot = secret_slot_ref(t.store, "key");
    t.now = 1000 * SEC;
    use_folder_source();
}

static void tear_down(void)
{
    secret_slot_unref(t.slot);
    secret_store_free(t.store);
    scratch_remove(&t.folder);
}

TestSuite(secret_store, .init = set_up, .fini = tear_down);

static void note(void *ctx, const struct secret_news *news)
{
    cr_assert_eq(ctx, &t);
    t.news_count++;
    t.news = *news;
}

/* Returns how many news there were. */
static unsigned refresh(void)
{
    t.news_count = 0;
    t.news = (struct secret_news){0};
    secret_store_refresh(t.store, t.now, note, &t);
    return t.news_count;
}

static void expect_value(const char *value)
{
    struct credential *credential = credential_acquire(t.slot);
    if (value == NULL) {
        cr_expect_null(credential);
    } else {
        cr_assert_not_null(credential);
        cr_expect(slice_equal(secret_reveal(credential->secret), slice_from(value)), "not %s",
                  value);
        cr_expect_str_eq(credential->name, "key");
    }
    credential_unref(credential);
}

static uint64_t version(void)
{
    struct credential *credential = credential_acquire(t.slot);
    cr_assert_not_null(credential);
    uint64_t number = credential->version;
    credential_unref(credential);
    return number;
}

/* Makes the source fail, for root, too: a folder is no file. */
static void break_source(void)
{
    (void)unlink(scratch_path(&t.folder, "key"));
    cr_assert_eq(mkdir(scratch_path(&t.folder, "key"), 0700), 0);
}

static void mend_source(const char *value)
{
    cr_assert_eq(rmdir(scratch_path(&t.folder, "key")), 0);
    scratch_write_text(&t.folder, "key", value);
}

Test(secret_store, nothing_is_in_force_before_the_first_refresh)
{
    scratch_write_text(&t.folder, "key", "value-1");
    expect_value(NULL);
    cr_expect_eq(refresh(), 1U);
    cr_expect(t.news.changed && !t.news.failed && !t.news.missing);
    cr_expect_str_eq(t.news.name, "key");
    expect_value("value-1");
}

Test(secret_store, change_on_disk_is_seen_at_the_next_look)
{
    scratch_write_text(&t.folder, "key", "value-1");
    cr_expect_eq(refresh(), 1U);
    uint64_t first = version();
    t.now += SEC;
    cr_expect_eq(refresh(), 0U);
    scratch_write_text(&t.folder, "key", "value-2");
    t.now += SEC;
    cr_expect_eq(refresh(), 1U);
    cr_expect(t.news.changed);
    expect_value("value-2");
    cr_expect_gt(version(), first);
}

Test(secret_store, unchanged_value_keeps_its_version_and_scrubber)
{
    scratch_write_text(&t.folder, "key", "a value that is long enough");
    (void)refresh();
    struct credential *before = credential_acquire(t.slot);
    cr_assert_not_null(before->scrubber);
    for (int i = 0; i < 5; i++) {
        scratch_write_text(&t.folder, "key", "a value that is long enough");
        t.now += 2 * MINUTE;
        cr_expect_eq(refresh(), 0U);
    }
    struct credential *after = credential_acquire(t.slot);
    cr_expect_eq(after, before);
    credential_unref(before);
    credential_unref(after);
}

Test(secret_store, what_has_no_stamp_is_read_after_sixty_seconds)
{
    struct secret_source source = {.kind = SECRET_SOURCE_ENV, .prefix = "SALLYPORT_TEST_"};
    cr_assert_eq(setenv("SALLYPORT_TEST_KEY", "value-1", 1), 0);
    secret_store_set_sources(t.store, &source, 1);
    (void)refresh();
    expect_value("value-1");
    cr_assert_eq(setenv("SALLYPORT_TEST_KEY", "value-2", 1), 0);
    t.now += MINUTE - 1;
    cr_expect_eq(refresh(), 0U);
    expect_value("value-1");
    t.now += 1;
    cr_expect_eq(refresh(), 1U);
    expect_value("value-2");
}

Test(secret_store, suspect_is_read_again_but_once_a_minute_at_most)
{
    struct secret_source source = {.kind = SECRET_SOURCE_ENV, .prefix = "SALLYPORT_TEST_"};
    cr_assert_eq(setenv("SALLYPORT_TEST_KEY", "value-1", 1), 0);
    secret_store_set_sources(t.store, &source, 1);
    (void)refresh();

    cr_assert_eq(setenv("SALLYPORT_TEST_KEY", "value-2", 1), 0);
    t.now += SEC;
    secret_slot_suspect(t.slot);
    cr_expect_eq(refresh(), 1U);
    expect_value("value-2");

    cr_assert_eq(setenv("SALLYPORT_TEST_KEY", "value-3", 1), 0);
    for (int i = 0; i < 59; i++) {
        t.now += SEC;
        secret_slot_suspect(t.slot);
        cr_expect_eq(refresh(), 0U, "second %d", i);
    }
    t.now += SEC;
    cr_expect_eq(refresh(), 1U, "the suspicion was forgotten");
    expect_value("value-3");
}

Test(secret_store, source_that_fails_keeps_the_old_value_for_an_hour)
{
    scratch_write_text(&t.folder, "key", "value-1");
    (void)refresh();
    usec_t confirmed = t.now;
    break_source();
    t.now += SEC;
    cr_expect_eq(refresh(), 1U);
    cr_expect(t.news.failed && !t.news.missing && !t.news.changed);
    cr_expect_not_null(strstr(t.news.err.message, "not a regular file"), "%s", t.news.err.message);
    cr_expect_null(strstr(t.news.err.message, "value-1"));

    while (t.now + MINUTE < confirmed + SECRET_MAX_STALE) {
        t.now += MINUTE;
        cr_expect_eq(refresh(), 0U, "said more than once");
        expect_value("value-1");
    }
    t.now = confirmed + SECRET_MAX_STALE;
    cr_expect_eq(refresh(), 1U);
    cr_expect(t.news.failed && t.news.missing);
    cr_expect_gt(strlen(t.news.err.message), 0U);
    expect_value(NULL);
    t.now += MINUTE;
    cr_expect_eq(refresh(), 0U);
}

Test(secret_store, value_gets_stale_between_two_reads_too)
{
    scratch_write_text(&t.folder, "key", "value-1");
    (void)refresh();
    usec_t confirmed = t.now;
    break_source();
    t.now = confirmed + SECRET_MAX_STALE - SEC; /* read then, and not due for a minute */
    cr_expect_eq(refresh(), 1U);
    expect_value("value-1");
    t.now = confirmed + SECRET_MAX_STALE;
    cr_expect_eq(refresh(), 1U);
    cr_expect(t.news.failed && t.news.missing);
    expect_value(NULL);
}

Test(secret_store, recovery_is_told_and_starts_the_hour_anew)
{
    scratch_write_text(&t.folder, "key", "value-1");
    (void)refresh();
    uint64_t first = version();
    break_source();
    t.now += 30 * MINUTE;
    cr_expect_eq(refresh(), 1U);
    mend_source("value-1");
    t.now += SEC;
    cr_expect_eq(refresh(), 1U);
    cr_expect(!t.news.failed && !t.news.missing && !t.news.changed);
    cr_expect_eq(version(), first);
    break_source();
    t.now += 40 * MINUTE;
    (void)refresh();
    expect_value("value-1");
}

Test(secret_store, recovery_after_the_hour_is_a_new_value)
{
    scratch_write_text(&t.folder, "key", "value-1");
    (void)refresh();
    uint64_t first = version();
    break_source();
    t.now += 2 * SECRET_MAX_STALE;
    (void)refresh();
    expect_value(NULL);
    mend_source("value-1");
    t.now += SEC;
    cr_expect_eq(refresh(), 1U);
    cr_expect(t.news.changed);
    cr_expect_gt(version(), first);
}

Test(secret_store, deleted_secret_is_out_of_force_at_once)
{
    scratch_write_text(&t.folder, "key", "value-1");
    (void)refresh();
    cr_assert_eq(unlink(scratch_path(&t.folder, "key")), 0);
    t.now += SEC;
    cr_expect_eq(refresh(), 1U);
    cr_expect(t.news.missing && !t.news.failed);
    cr_expect_not_null(strstr(t.news.err.message, "/key"), "%s", t.news.err.message);
    expect_value(NULL);
    t.now += 2 * MINUTE;
    cr_expect_eq(refresh(), 0U, "said more than once");
}

Test(secret_store, one_in_use_outlives_its_successor)
{
    scratch_write_text(&t.folder, "key", "value-1");
    (void)refresh();
    struct credential *in_use = credential_acquire(t.slot);
    scratch_write_text(&t.folder, "key", "value-2");
    t.now += SEC;
    (void)refresh();
    expect_value("value-2");
    cr_expect(slice_equal(secret_reveal(in_use->secret), SLICE("value-1")));
    credential_unref(in_use);
    credential_unref(NULL);
}

Test(secret_store, only_not_found_goes_on_to_the_next_source)
{
    struct secret_source sources[] = {
        {.kind = SECRET_SOURCE_DIRECTORY, .path = t.folder.path},
        {.kind = SECRET_SOURCE_ENV, .prefix = "SALLYPORT_TEST_"},
    };
    cr_assert_eq(setenv("SALLYPORT_TEST_KEY", "from-env", 1), 0);
    secret_store_set_sources(t.store, sources, 2);
    (void)refresh();
    expect_value("from-env");
    scratch_write_text(&t.folder, "key", "from-file");
    t.now += SEC;
    (void)refresh();
    expect_value("from-file");
    break_source();
    t.now += SEC;
    cr_expect_eq(refresh(), 1U);
    cr_expect(t.news.failed);
    expect_value("from-file");
}

Test(secret_store, other_sources_are_searched_at_the_next_look_and_the_same_are_no_change)
{
    scratch_write_text(&t.folder, "key", "from-file");
    (void)refresh();
    cr_assert_eq(setenv("SALLYPORT_TEST_KEY", "from-env", 1), 0);
    struct secret_source source = {.kind = SECRET_SOURCE_ENV, .prefix = "SALLYPORT_TEST_"};
    secret_store_set_sources(t.store, &source, 1);
    cr_expect_eq(refresh(), 1U);
    expect_value("from-env");
    cr_assert_eq(setenv("SALLYPORT_TEST_KEY", "later", 1), 0);
    secret_store_set_sources(t.store, &source, 1);
    cr_expect_eq(refresh(), 0U, "read again without a reason");
}

Test(secret_store, without_sources_the_secret_is_missing)
{
    secret_store_set_sources(t.store, NULL, 0);
    cr_expect_eq(refresh(), 1U);
    cr_expect(t.news.missing);
    cr_expect_not_null(strstr(t.news.err.message, "none is configured"), "%s", t.news.err.message);
}

Test(secret_store, changed_source_needs_no_reporter)
{
    scratch_write_text(&t.folder, "key", "value-1");
    secret_store_refresh(t.store, t.now, NULL, NULL);
    expect_value("value-1");
}

Test(secret_store, slot_is_shared_by_name_and_lives_while_referenced)
{
    scratch_write_text(&t.folder, "key", "value-1");
    (void)refresh();
    struct secret_slot *again = secret_slot_ref(t.store, "key");
    struct secret_slot *other = secret_slot_ref(t.store, "other");
    cr_expect_eq(again, t.slot);
    cr_expect_neq(other, t.slot);
    secret_slot_unref(t.slot);
    expect_value("value-1");
    secret_slot_unref(again);
    secret_slot_unref(other);
    /* Gone with its last reference: a new one has to be read first. */
    t.slot = secret_slot_ref(t.store, "key");
    expect_value(NULL);
}

Test(secret_store, slot_may_outlive_its_store)
{
    scratch_write_text(&t.folder, "key", "value-1");
    (void)refresh();
    secret_store_free(t.store);
    t.store = NULL;
    expect_value("value-1");
}

Test(secret_store, scrubber_comes_with_values_that_are_long_enough)
{
    scratch_write_text(&t.folder, "key", "elevenbytes");
    (void)refresh();
    struct credential *credential = credential_acquire(t.slot);
    cr_expect_null(credential->scrubber);
    credential_unref(credential);

    char text[] = "an answer with twelve-bytes in it";
    scratch_write_text(&t.folder, "key", "twelve-bytes");
    t.now += SEC;
    (void)refresh();
    credential = credential_acquire(t.slot);
    cr_assert_not_null(credential->scrubber);
    cr_expect_eq(scrub_in_place(credential->scrubber, text, strlen(text)), 1U);
    cr_expect_str_eq(text, "an answer with ************ in it");
    credential_unref(credential);
}

Test(secret_store, sealed_file_that_changes_is_taken_up)
{
    struct secret_source source = {.kind = SECRET_SOURCE_SEALED,
                                   .path = scratch_path(&t.folder, "secrets.sealed"),
                                   .key_file = scratch_path(&t.folder, "master.key")};
    secret_store_set_sources(t.store, &source, 1);
    cr_expect_eq(refresh(), 1U);
    cr_expect(t.news.missing);
    struct error err;
    cr_assert_eq(sealed_key_ensure(source.key_file, &err), STATUS_OK);
    for (unsigned i = 1; i <= 2; i++) {
        struct sealed_file *file = NULL;
        cr_assert_eq(
            sealed_file_open(source.path, source.key_file, SEALED_ABSENT_IS_EMPTY, &file, &err),
            STATUS_OK);
        sealed_file_set(file, "key", i == 1 ? SLICE("value-1") : SLICE("value-2"));
        cr_assert_eq(sealed_file_save(file, &err), STATUS_OK);
        sealed_file_free(file);
        t.now += SEC;
        cr_expect_eq(refresh(), 1U);
        expect_value(i == 1 ? "value-1" : "value-2");
    }
}

/* Workers take and drop versions and slots while the main thread replaces them. */
static void *work(void *ctx)
{
    for (int i = 0; i < 20000; i++) {
        struct secret_slot *slot = secret_slot_ref(t.store, "key");
        struct credential *credential = credential_acquire(slot);
        if (credential != NULL) {
            struct slice value = secret_reveal(credential->secret);
            if (value.len != 7 || memcmp(value.ptr, "value-", 6) != 0) {
                *(bool *)ctx = false;
            }
        }
        credential_unref(credential);
        secret_slot_suspect(slot);
        secret_slot_unref(slot);
    }
    return NULL;
}

Test(secret_store, workers_take_values_while_they_change)
{
    pthread_t threads[3];
    bool intact[3] = {true, true, true};
    scratch_write_text(&t.folder, "key", "value-0");
    (void)refresh();
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(pthread_create(&threads[i], NULL, work, &intact[i]), 0);
    }
    for (unsigned i = 0; i < 200; i++) {
        scratch_write_text(&t.folder, "key", i % 2 == 0 ? "value-1" : "value-2");
        t.now += SEC;
        (void)refresh();
    }
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
        cr_expect(intact[i]);
    }
}
