#include "base/memory.h"
#include "config/document.h"
#include "config/shown.h"

#include <stdlib.h>

#include <criterion/criterion.h>

static void expect_shown(const char *text, const char *shown)
{
    CLEANUP(arena_fini) struct arena arena = {0};
    struct problems problems = {0};
    const struct tree *root = document_parse(&arena, "a.yaml", slice_from(text), &problems);
    cr_assert_not_null(root, "%s", text);
    struct slice got = config_shown(&arena, root);
    cr_expect(slice_equal(got, slice_from(shown)), "got: %.*s", SLICE_ARG(got));
    problems_fini(&problems);
}

Test(shown, values_are_as_they_were_written)
{
    expect_shown("a: 1\nb: true\nc: ~\nd: 10s\ne: \"1\"\nf: [x, 2k, 007]\ng: {h: -1}\n",
                 "{\"a\":1,\"b\":true,\"c\":null,\"d\":\"10s\",\"e\":\"1\",\"f\":[\"x\",\"2k\","
                 "\"007\"],\"g\":{\"h\":\"-1\"}}");
    expect_shown("a: \"<b>\\n\\\"\"\n", "{\"a\":\"<b>\\n\\\"\"}");
}

Test(shown, what_was_put_in_is_not_shown)
{
    cr_assert_eq(setenv("SHOWN_TEST", "hunter2-of-the-environment", 1), 0);
    expect_shown("a: \"${env:SHOWN_TEST}\"\nb: x${env:SHOWN_TEST}y\n",
                 "{\"a\":\"${env:SHOWN_TEST}\",\"b\":\"x${env:SHOWN_TEST}y\"}");
}

Test(shown, passwords_of_urls_are_masked)
{
    expect_shown("a: redis://user:pa:ss@host/0\nb: \"https://token@host/x\"\nc: http://host:80/\n",
                 "{\"a\":\"redis://***@host/0\",\"b\":\"https://***@host/x\","
                 "\"c\":\"http://host:80/\"}");
}

Test(shown, hashes_of_keys_are_cut_short)
{
    expect_shown("keys: [\"sha256:"
                 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"]\n",
                 "{\"keys\":[\"sha256:01234567...\"]}");
}
