#include "base/slice.h"

#include <criterion/criterion.h>

Test(slice, compares_bytes_and_lengths)
{
    cr_expect(slice_equal(SLICE("a\0b"), SLICE("a\0b")));
    cr_expect_not(slice_equal(SLICE("a\0b"), SLICE("a\0c")));
    cr_expect_not(slice_equal(SLICE("ab"), SLICE("a")));
    cr_expect(slice_equal((struct slice){0}, SLICE("")));
    cr_expect(slice_equal(slice_from(NULL), SLICE("")));
    cr_expect(slice_starts_with(SLICE("abc"), SLICE("ab")));
    cr_expect(slice_starts_with(SLICE("abc"), SLICE("")));
    cr_expect_not(slice_starts_with(SLICE("ab"), SLICE("abc")));
    cr_expect_not(slice_starts_with(SLICE("Abc"), SLICE("ab")));
}

Test(slice, ignores_the_case_of_ascii_letters_alone)
{
    cr_expect(slice_equal_nocase(SLICE("Content-TYPE"), SLICE("content-type")));
    cr_expect_not(slice_equal_nocase(SLICE("a"), SLICE("ab")));
    cr_expect_not(slice_equal_nocase(SLICE("["), SLICE("{")));
    cr_expect_not(slice_equal_nocase(SLICE("@"), SLICE("`")));
    cr_expect_not(slice_equal_nocase(SLICE("\xc4"), SLICE("\xe4")));
    cr_expect(slice_starts_with_nocase(SLICE("HTTP://a"), SLICE("http://")));
    cr_expect_not(slice_starts_with_nocase(SLICE("HTTP"), SLICE("http://")));
}

Test(slice, skips_no_further_than_its_end)
{
    struct slice text = SLICE("abc");
    cr_expect(slice_equal(slice_skip(text, 0), SLICE("abc")));
    cr_expect(slice_equal(slice_skip(text, 2), SLICE("c")));
    cr_expect_eq(slice_skip(text, 3).len, 0);
    cr_expect_eq(slice_skip(text, 100).len, 0);
    cr_expect_eq(slice_skip(text, 100).ptr, text.ptr + 3);
}

Test(slice, trims_blanks_and_tabs_alone)
{
    cr_expect(slice_equal(slice_trim(SLICE(" \t a b\t ")), SLICE("a b")));
    cr_expect(slice_equal(slice_trim(SLICE("\r\na\n")), SLICE("\r\na\n")));
    cr_expect_eq(slice_trim(SLICE(" \t ")).len, 0);
    cr_expect_eq(slice_trim((struct slice){0}).len, 0);
}

Test(slice, finds_the_first_or_its_length)
{
    cr_expect_eq(slice_find(SLICE("a,b,c"), ','), 1);
    cr_expect_eq(slice_find(SLICE("abc"), ','), 3);
    cr_expect_eq(slice_find((struct slice){0}, ','), 0);
    cr_expect_eq(slice_find(SLICE("a\0b"), '\0'), 1);
}

Test(slice, reads_numbers_of_digits_alone)
{
    static const struct {
        struct slice text;
        uint64_t max, number;
    } good[] = {
        {SLICE_INIT("0"), 0, 0},
        {SLICE_INIT("65535"), 65535, 65535},
        {SLICE_INIT("007"), 7, 7},
        {SLICE_INIT("18446744073709551615"), UINT64_MAX, UINT64_MAX},
    };
    static const struct {
        struct slice text;
        uint64_t max;
    } bad[] = {
        {SLICE_INIT(""), 9},      {SLICE_INIT("65536"), 65535},
        {SLICE_INIT("-1"), 9},    {SLICE_INIT("+1"), 9},
        {SLICE_INIT(" 1"), 9},    {SLICE_INIT("1 "), 9},
        {SLICE_INIT("0x1"), 9},   {SLICE_INIT("1\0"), 9},
        {SLICE_INIT("\xb1"), 99}, {SLICE_INIT("18446744073709551616"), UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        uint64_t number = 99;
        cr_expect(slice_number(good[i].text, good[i].max, &number), "%s", good[i].text.ptr);
        cr_expect_eq(number, good[i].number, "%s", good[i].text.ptr);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t number = 99;
        cr_expect_not(slice_number(bad[i].text, bad[i].max, &number), "%s", bad[i].text.ptr);
        cr_expect_eq(number, 99, "%s", bad[i].text.ptr);
    }
}
