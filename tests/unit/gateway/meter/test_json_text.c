#include "gateway/meter/json_text.h"

#include <criterion/criterion.h>

Test(json_text, escapes_what_must_be_and_nothing_else)
{
    static const struct {
        struct slice text;
        const char *json;
    } cases[] = {
        {SLICE_INIT(""), "\"\""},
        {SLICE_INIT("gpt-4o/mini"), "\"gpt-4o/mini\""},
        {SLICE_INIT("a\"b\\c"), "\"a\\\"b\\\\c\""},
        {SLICE_INIT("\n\x1f\x7f"), "\"\\u000a\\u001f\x7f\""},
        {SLICE_INIT("a\0b"), "\"a\\u0000b\""},
        {SLICE_INIT("\xc3\xa9\xf0\x9f\x98\x80"), "\"\xc3\xa9\xf0\x9f\x98\x80\""},
        {SLICE_INIT("a\xc3"), "\"a\xef\xbf\xbd\""},
        {SLICE_INIT("\xff\"},{\""), "\"\xef\xbf\xbd\\\"},{\\\"\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer out CLEANUP(buffer_fini);
        buffer_init(&out, 256);
        cr_assert_eq(json_text_write(cases[i].text, &out), STATUS_OK);
        cr_expect(slice_equal(buffer_bytes(&out), slice_from(cases[i].json)), "%s: %.*s",
                  cases[i].json, SLICE_ARG(buffer_bytes(&out)));
    }
}

Test(json_text, says_when_the_buffer_is_full)
{
    struct buffer out CLEANUP(buffer_fini);
    buffer_init(&out, 4);
    cr_expect_eq(json_text_write(SLICE("abcd"), &out), STATUS_TOO_LARGE);
}
