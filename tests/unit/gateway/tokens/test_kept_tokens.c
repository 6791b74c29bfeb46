#include "auth/secrets/sealed_file.h"
#include "auth/secrets/secret_store.h"
#include "config/snapshot.h"
#include "gateway/tokens/kept_tokens.h"
#include "tests/support/scratch_folder.h"

#include <criterion/criterion.h>

static struct scratch_folder folder;
static struct secret_source source;
static struct snapshot *snapshot;
static struct credential *secret;

static void set_up(void)
{
    struct error err;
    scratch_make(&folder);
    source = (struct secret_source){
        .kind = SECRET_SOURCE_SEALED,
        .path = scratch_path(&folder, "disk/secrets.sealed"),
        .key_file = scratch_path(&folder, "master.key"),
    };
    snapshot = MEMORY_NEW(struct snapshot);
    snapshot->secret_sources = &source;
    snapshot->secret_source_count = 1;
    secret = credential_new("k", secret_new(SLICE("id:secret:refresh-0")), NULL, 1);
    cr_assert_eq(sealed_key_ensure(source.key_file, &err), STATUS_OK, "%s", err.message);
}

static void tear_down(void)
{
    credential_unref(secret);
    memory_free(snapshot);
    (void)remove(scratch_path(&folder, "disk/secrets.sealed"));
    (void)remove(scratch_path(&folder, "disk/secrets.sealed.lock"));
    scratch_remove(&folder);
}

TestSuite(kept_tokens, .init = set_up, .fini = tear_down);

/* Until then nothing can be written into it. */
static void disk_is_there(void)
{
    cr_assert_eq(mkdir(scratch_path(&folder, "disk"), 0700), 0);
}

static void expect_token(struct kept_tokens *kept, const char *text)
{
    const struct secret *token = kept_tokens_get(kept, snapshot, secret);
    cr_assert_not_null(token);
    cr_expect(secret_equal(secret_reveal(token), slice_from(text)));
}

/* What one that starts anew knows. */
static void expect_on_disk(const char *text)
{
    struct kept_tokens *after = kept_tokens_new();
    expect_token(after, text);
    kept_tokens_free(after);
}

Test(kept_tokens, last_one_is_known_after_a_restart)
{
    struct kept_tokens *kept = kept_tokens_new();
    disk_is_there();
    cr_expect_null(kept_tokens_get(kept, snapshot, secret));
    kept_tokens_put(kept, snapshot, secret, SLICE("refresh-1"));
    cr_expect_eq(kept_tokens_unwritten(kept), 0U);
    kept_tokens_free(kept);
    expect_on_disk("refresh-1");
}

Test(kept_tokens, one_that_could_not_be_written_is_written_when_it_is_asked_for)
{
    struct kept_tokens *kept = kept_tokens_new();
    kept_tokens_put(kept, snapshot, secret, SLICE("refresh-1"));
    cr_expect_eq(kept_tokens_unwritten(kept), 1U);
    expect_token(kept, "refresh-1");
    cr_expect_eq(kept_tokens_unwritten(kept), 1U);
    disk_is_there();
    expect_token(kept, "refresh-1");
    cr_expect_eq(kept_tokens_unwritten(kept), 0U);
    expect_on_disk("refresh-1");
    kept_tokens_free(kept);
}

Test(kept_tokens, one_that_could_not_be_written_is_written_when_it_comes_again)
{
    struct kept_tokens *kept = kept_tokens_new();
    kept_tokens_put(kept, snapshot, secret, SLICE("refresh-1"));
    disk_is_there();
    kept_tokens_put(kept, snapshot, secret, SLICE("refresh-1"));
    cr_expect_eq(kept_tokens_unwritten(kept), 0U);
    expect_on_disk("refresh-1");
    kept_tokens_free(kept);
}

Test(kept_tokens, one_that_could_not_be_written_is_written_at_the_end)
{
    struct kept_tokens *kept = kept_tokens_new();
    kept_tokens_put(kept, snapshot, secret, SLICE("refresh-1"));
    disk_is_there();
    kept_tokens_free(kept);
    expect_on_disk("refresh-1");
}

/* Else the one before it, which is spent, would be sent for as long as the process lives. */
Test(kept_tokens, file_that_could_not_be_read_is_read_again)
{
    struct kept_tokens *kept = kept_tokens_new();
    const char *key = source.key_file;
    disk_is_there();
    kept_tokens_put(kept, snapshot, secret, SLICE("refresh-1"));
    kept_tokens_free(kept);
    kept = kept_tokens_new();
    source.key_file = scratch_path(&folder, "no-such.key");
    cr_expect_null(kept_tokens_get(kept, snapshot, secret));
    source.key_file = key;
    expect_token(kept, "refresh-1");
    kept_tokens_free(kept);
}

Test(kept_tokens, another_value_of_the_secret_begins_anew)
{
    struct kept_tokens *kept = kept_tokens_new();
    disk_is_there();
    kept_tokens_put(kept, snapshot, secret, SLICE("refresh-1"));
    credential_unref(secret);
    secret = credential_new("k", secret_new(SLICE("id:secret:refresh-9")), NULL, 2);
    cr_expect_null(kept_tokens_get(kept, snapshot, secret));
    cr_expect_eq(kept_tokens_unwritten(kept), 0U);
    kept_tokens_free(kept);
}
