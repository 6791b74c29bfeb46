#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/problems.h"
#include "config/manual.h"
#include "config/sections.h"

#include <stdio.h>

#include <criterion/criterion.h>

static struct buffer manual;

static void setup(void)
{
    buffer_init(&manual, 1024 * 1024);
    cr_assert_eq(manual_write(&manual), STATUS_OK);
    cr_assert_eq(buffer_append(&manual, slice_make("", 1)), STATUS_OK); /* a NUL behind it */
}

static void teardown(void)
{
    buffer_fini(&manual);
}

TestSuite(manual, .init = setup, .fini = teardown);

static unsigned expect_keys(const struct field *fields)
{
    unsigned count = 0;
    for (; fields->name != NULL; fields++, count++) {
        char row[100];
        (void)snprintf(row, sizeof(row), "| `%s` | ", fields->name);
        cr_expect_not_null(strstr(buffer_bytes(&manual).ptr, row), "%s", row);
        cr_expect_not_null(fields->help, "%s", fields->name);
        if (fields->section != NULL && fields->see == NULL) {
            count += expect_keys(fields->section);
        }
    }
    return count;
}

Test(manual, has_a_row_for_every_key)
{
    unsigned rows = 0;
    unsigned keys = expect_keys(config_fields);
    for (const char *at = buffer_bytes(&manual).ptr; (at = strstr(at, "\n| `")) != NULL; at++) {
        rows++;
    }
    cr_expect_gt(keys, 50U);
    cr_expect_eq(rows, keys);
}

static struct slice example(void)
{
    const char *begin = strstr(buffer_bytes(&manual).ptr, "```yaml\n") + strlen("```yaml\n");
    return slice_make(begin, (size_t)(strstr(begin, "```") - begin));
}

Test(manual, has_an_example_that_is_valid)
{
    CLEANUP(problems_fini) struct problems problems = {0};
    struct snapshot *snapshot = NULL;
    cr_expect_eq(snapshot_parse("example", example(), NULL, &problems, &snapshot), STATUS_OK);
    cr_expect_eq(problems.count, 0U, "%s", problems.count > 0 ? problems.list[0].message : "");
    snapshot_unref(snapshot);
}

/* Where this fails: sallyport check --manual > docs/CONFIG.md */
Test(manual, is_what_the_docs_have)
{
    static const char own[] = "tests/unit/config/test_manual.c";
    size_t root_len = sizeof(__FILE__) - sizeof(own);
    char path[1000];
    CLEANUP(buffer_fini) struct buffer docs;
    struct error err;
    buffer_init(&docs, 1024 * 1024);
    (void)snprintf(path, sizeof(path), "%.*sdocs/CONFIG.md", (int)root_len, __FILE__);
    cr_assert_eq(file_read(path, FILE_REGULAR, &docs, &err), STATUS_OK, "%s: %s", path,
                 err.message);
    struct slice fresh = buffer_bytes(&manual);
    fresh.len--;
    cr_expect(slice_equal(buffer_bytes(&docs), fresh), "run: sallyport check --manual > %s", path);
}
