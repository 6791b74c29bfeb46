#include "base/tree.h"

#include <string.h>

#include <criterion/criterion.h>

Test(tree, a_quoted_text_has_no_control_characters_and_is_cut_between_characters)
{
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"a\nb\x7f", "a?b?"},
        {"012345678901234567890123456789012345678901234567890123456789",
         "012345678901234567890123456789012345678901234567890123456789"},
        {"0123456789012345678901234567890123456789012345678901234567890",
         "012345678901234567890123456789012345678901234567890123456789..."},
        {"01234567890123456789012345678901234567890123456789012345678\u20ac",
         "01234567890123456789012345678901234567890123456789012345678..."},
        {"012345678901234567890123456789012345678901234567890123456\u20ac",
         "012345678901234567890123456789012345678901234567890123456\u20ac"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_str_eq(QUOTE(slice_from(cases[i].text)), cases[i].shown);
    }
    cr_expect_str_eq(QUOTE(slice_make(NULL, 0)), "");
}

Test(tree, a_quoted_text_has_no_password_of_a_url)
{
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"redis://u:pw@h/0", "redis://***@h/0"},
        {"redis://:p@w@h", "redis://***@h"},
        {"redis:u:pw@h", "redis:***@h"},
        {"u:pw@h", "u:***@h"},
        {"redis://h:6379", "redis://h:6379"},
        {"name@host", "name@host"},
        {"GET /v1/*", "GET /v1/*"},
        {"x://0123456789012345678901234567890123456789012345678901234567890123456789@h",
         "x://***@h"},
        {"x://p@012345678901234567890123456789012345678901234567890123456789",
         "x://***@0123456789012345678901234567890123456789012345678901..."},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_str_eq(QUOTE(slice_from(cases[i].text)), cases[i].shown);
    }
}
