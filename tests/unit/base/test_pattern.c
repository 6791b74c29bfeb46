#include "base/pattern.h"

#include <criterion/criterion.h>

Test(pattern, a_star_is_any_run_of_bytes)
{
    static const struct {
        const char *pattern, *text;
        bool matches;
    } rows[] = {
        {"gpt-4o", "gpt-4o", true},
        {"gpt-4o", "gpt-4o-mini", false},
        {"gpt-4o", "GPT-4o", false},
        {"gpt-4o", "", false},
        {"gpt-4o*", "gpt-4o", true},
        {"gpt-4o*", "gpt-4o-mini", true},
        {"gpt-4o*", "gpt-4", false},
        {"*", "", true},
        {"*", "anything/at:all", true},
        {"**", "", true},
        {"*-mini", "gpt-4o-mini", true},
        {"*-mini", "-mini-mini", true},
        {"*-mini", "gpt-4o-mini-2", false},
        {"a*b*c", "abc", true},
        {"a*b*c", "a-b-b-c", true},
        {"a*b*c", "a-c-b", false},
        {"a*bc*d", "abbcbd", true},
        {"*a*", "bbb", false},
        {"*ab", "aab", true},
        {"*aab", "aaab", true},
        {"?", "a", false},
        {"", "", true},
        {"", "a", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect_eq(pattern_matches(slice_from(rows[i].pattern), slice_from(rows[i].text)),
                     rows[i].matches, "%s %s", rows[i].pattern, rows[i].text);
    }
}

/* Every pattern and text of up to five bytes of three: compared with the plainest matcher. */
static bool plainly(struct slice pattern, struct slice text)
{
    if (pattern.len == 0) {
        return text.len == 0;
    }
    if (pattern.ptr[0] == '*') {
        return plainly(slice_skip(pattern, 1), text) ||
               (text.len > 0 && plainly(pattern, slice_skip(text, 1)));
    }
    return text.len > 0 && text.ptr[0] == pattern.ptr[0] &&
           plainly(slice_skip(pattern, 1), slice_skip(text, 1));
}

static struct slice numbered_text(unsigned number, const char *letters, char out[8])
{
    size_t len = 0;
    for (; number > 0; number /= 4) {
        out[len++] = letters[number % 4];
    }
    return slice_make(out, len);
}

Test(pattern, all_short_patterns_match_as_the_plainest_matcher_says)
{
    for (unsigned i = 0; i < 1024; i++) {
        for (unsigned j = 0; j < 1024; j++) {
            char pattern_room[8];
            char text_room[8];
            struct slice pattern = numbered_text(i, "a*b*", pattern_room);
            struct slice text = numbered_text(j, "abab", text_room);
            if (pattern_matches(pattern, text) != plainly(pattern, text)) {
                cr_assert_fail("%.*s %.*s", SLICE_ARG(pattern), SLICE_ARG(text));
            }
        }
    }
}

Test(pattern, of_many_stars_takes_no_time_to_tell)
{
    char pattern[129];
    char many[4096];
    for (size_t i = 0; i < sizeof(pattern); i++) {
        pattern[i] = i % 2 == 0 ? '*' : 'a';
    }
    memset(many, 'a', sizeof(many));
    struct slice text = slice_make(many, sizeof(many));
    pattern[sizeof(pattern) - 1] = 'b';
    cr_expect_not(pattern_matches(slice_make(pattern, sizeof(pattern)), text));
}
