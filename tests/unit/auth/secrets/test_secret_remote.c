#include "auth/secrets/secret_remote.h"
#include "auth/secrets/secret_store.h"

#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

/* Variables, then a remote source that says what the test has it say. */
static struct {
    struct secret_store *store;
    struct secret_slot *slot; /* of "key" */
    usec_t now;
    struct secret_news news;
    unsigned news_count;
    /* what it says, and what it was asked */
    enum secret_known known;
    const char *value, *version;
    usec_t at;
    uint64_t stamp;
    unsigned asked, asked_anew;
} t;

static enum secret_known ask(void *ctx, const char *id, const char *name, bool anew,
                             struct secret_known_value *ret, struct error *err)
{
    cr_assert_eq(ctx, &t);
    cr_expect_str_eq(id, "the-id");
    cr_expect_str_eq(name, "key");
    t.asked++;
    t.asked_anew += anew ? 1 : 0;
    if (t.known == SECRET_KNOWN) {
        ret->secret = secret_new(slice_from(t.value));
        ret->at = t.at;
        ret->max_stale = 100 * SEC;
        (void)snprintf(ret->version, sizeof(ret->version), "%s", t.version);
    } else if (t.known == SECRET_FAILS) {
        (void)error_set(err, STATUS_UNAVAILABLE, __FILE__, __LINE__, "is away");
    }
    return t.known;
}

static uint64_t stamp(void *ctx, const char *id, const char *name)
{
    (void)ctx;
    (void)id;
    (void)name;
    return t.stamp;
}

static const struct secret_remote_ops ops = {ask, stamp};

static void set_up(void)
{
    static const struct secret_source sources[] = {
        {.kind = SECRET_SOURCE_ENV, .prefix = "SALLYPORT_TEST_"},
        {.kind = SECRET_SOURCE_VAULT, .id = "the-id", .where = "vault https://v/secret"},
    };
    t.store = secret_store_new();
    t.slot = secret_slot_ref(t.store, "key");
    t.now = 1000 * SEC;
    t.known = SECRET_NOT_KNOWN;
    t.version = "";
    secret_store_set_remote(t.store, &ops, &t);
    secret_store_set_sources(t.store, sources, 2);
}

static void tear_down(void)
{
    secret_slot_unref(t.slot);
    secret_store_free(t.store);
}

TestSuite(secret_remote, .init = set_up, .fini = tear_down);

static void note(void *ctx, const struct secret_news *news)
{
    (void)ctx;
    t.news_count++;
    t.news = *news;
}

static unsigned refresh(void)
{
    t.news_count = 0;
    t.news = (struct secret_news){0};
    secret_store_refresh(t.store, t.now, note, &t);
    return t.news_count;
}

/* It says something else from now on. */
static void say(enum secret_known known, const char *value, const char *version)
{
    t.known = known;
    t.value = value;
    t.version = version;
    t.at = t.now;
    t.stamp++;
}

static void expect_value(const char *wanted)
{
    struct credential *credential = credential_acquire(t.slot);
    if (wanted == NULL) {
        cr_expect_null(credential);
    } else {
        cr_assert_not_null(credential);
        cr_expect(slice_equal(secret_reveal(credential->secret), slice_from(wanted)));
    }
    credential_unref(credential);
}

Test(secret_remote, what_is_not_known_yet_is_no_news_and_is_waited_for)
{
    cr_expect_eq(refresh(), 0U);
    expect_value(NULL);
    cr_expect_str_eq(secret_store_pending(t.store), "key");
    say(SECRET_KNOWN, "value-1", "7");
    cr_expect_eq(refresh(), 1U);
    cr_expect(t.news.changed);
    cr_expect_str_eq(t.news.source, "vault");
    cr_expect_str_eq(t.news.where, "vault https://v/secret");
    cr_expect_str_eq(t.news.source_version, "7");
    expect_value("value-1");
    cr_expect_null(secret_store_pending(t.store));
}

Test(secret_remote, answer_is_looked_at_when_it_changes_and_each_minute)
{
    say(SECRET_KNOWN, "value-1", "");
    (void)refresh();
    unsigned asked = t.asked;
    t.now += SEC;
    (void)refresh();
    cr_expect_eq(t.asked, asked);
    say(SECRET_KNOWN, "value-2", "");
    cr_expect_eq(refresh(), 1U);
    expect_value("value-2");
    t.now += 60 * SEC;
    (void)refresh();
    cr_expect_eq(t.asked, asked + 2);
    cr_expect_eq(t.asked_anew, 0U);
}

Test(secret_remote, source_above_it_goes_first)
{
    say(SECRET_KNOWN, "value-1", "");
    cr_assert_eq(setenv("SALLYPORT_TEST_KEY", "from-env", 1), 0);
    (void)refresh();
    expect_value("from-env");
    cr_expect_eq(t.asked, 0U);
}

Test(secret_remote, absent_takes_it_out_of_force_and_failing_does_not)
{
    say(SECRET_KNOWN, "value-1", "");
    (void)refresh();
    say(SECRET_FAILS, NULL, "");
    cr_expect_eq(refresh(), 1U);
    cr_expect(t.news.failed);
    cr_expect_not(t.news.missing);
    cr_expect_str_eq(t.news.err.message, "is away");
    expect_value("value-1");
    say(SECRET_ABSENT, NULL, "");
    cr_expect_eq(refresh(), 1U);
    cr_expect(t.news.missing);
    expect_value(NULL);
}

Test(secret_remote, value_goes_when_the_source_said_it_too_long_ago)
{
    say(SECRET_KNOWN, "value-1", "");
    (void)refresh();
    t.now += 60 * SEC;
    say(SECRET_KNOWN, "value-1", "");
    (void)refresh();
    t.now += 90 * SEC;
    say(SECRET_FAILS, NULL, "");
    (void)refresh();
    expect_value("value-1"); /* 90 s after it was said last */
    t.now += 10 * SEC;
    cr_expect_eq(refresh(), 1U);
    cr_expect(t.news.missing);
    expect_value(NULL);
}

Test(secret_remote, refused_value_has_it_asked_anew_once_a_minute_at_most)
{
    say(SECRET_KNOWN, "value-1", "");
    (void)refresh();
    for (unsigned i = 0; i < 59; i++) {
        secret_slot_suspect(t.slot);
        t.now += SEC;
        (void)refresh();
    }
    cr_expect_eq(t.asked_anew, 1U);
    say(SECRET_KNOWN, "value-2", ""); /* looked at for another reason */
    (void)refresh();
    cr_expect_eq(t.asked_anew, 1U);
    t.now += 60 * SEC;
    (void)refresh();
    cr_expect_eq(t.asked_anew, 2U, "the refusal was not forgotten");
}

Test(secret_remote, slot_above_a_source_is_another_one_and_does_not_ask_it)
{
    struct secret_slot *above = secret_slot_ref_above(t.store, "key", 1);
    say(SECRET_KNOWN, "value-1", "");
    cr_expect_neq(above, t.slot);
    cr_expect(secret_slot_pending(above));
    (void)refresh();
    cr_expect_eq(t.asked, 1U);
    cr_expect_not(secret_slot_pending(above));
    cr_expect_null(credential_acquire(above));
    expect_value("value-1");
    secret_slot_unref(above);
}

Test(secret_remote, where_nobody_asks_remote_sources_they_fail)
{
    secret_store_set_remote(t.store, NULL, NULL);
    cr_expect_eq(refresh(), 1U);
    cr_expect(t.news.failed);
    cr_expect_str_eq(t.news.err.message, "vault https://v/secret is not asked here");
}

static void see(void *ctx, const struct secret_standing *standing)
{
    *(struct secret_standing *)ctx = *standing;
}

Test(secret_remote, standing_tells_source_and_version_but_no_value)
{
    struct secret_standing standing = {0};
    say(SECRET_KNOWN, "value-1", "7");
    (void)refresh();
    secret_store_each(t.store, see, &standing);
    cr_expect_str_eq(standing.name, "key");
    cr_expect(standing.in_force);
    cr_expect_str_eq(standing.source, "vault");
    cr_expect_str_eq(standing.source_version, "7");
    cr_expect_eq(standing.version, 1U);
    cr_expect_eq(standing.confirmed_at, t.now);
}
