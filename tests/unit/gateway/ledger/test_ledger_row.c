#include "gateway/ledger/ledger_columns.h"
#include "gateway/ledger/ledger_row.h"

#include <criterion/criterion.h>

#define EXPECT(size_, text, expected)                                                              \
    do {                                                                                           \
        char out[size_];                                                                           \
        memset(out, 'x', sizeof(out));                                                             \
        LEDGER_TEXT(out, SLICE(text));                                                             \
        cr_expect_str_eq(out, (expected), "%s", out);                                              \
    } while (0)

Test(ledger_row, a_text_that_fits_is_kept)
{
    EXPECT(8, "", "");
    EXPECT(8, "openai", "openai");
    EXPECT(7, "openai", "openai");
    EXPECT(4, "\xe2\x82\xac", "\xe2\x82\xac");
}

Test(ledger_row, a_long_text_is_cut_at_a_whole_character)
{
    EXPECT(6, "openai", "opena");
    EXPECT(1, "openai", "");
    EXPECT(3, "a\xe2\x82\xac", "a");
    EXPECT(4, "a\xe2\x82\xac", "a");
    EXPECT(5, "a\xe2\x82\xac", "a\xe2\x82\xac");
    EXPECT(4, "\xf0\x9f\x98\x80", "");
    EXPECT(4, "\xf0\x9f\x98\x80z", ""); /* nothing behind what did not fit */
}

Test(ledger_row, what_is_no_text_becomes_a_question_mark)
{
    EXPECT(8, "a\0b", "a?b");
    EXPECT(8, "a\nb\x7f", "a?b?");
    EXPECT(8, "\xff\xfe", "??");
    EXPECT(8, "\xe2\x82", "??");         /* cut */
    EXPECT(8, "\xed\xa0\x80", "???");    /* a surrogate */
    EXPECT(8, "\xc2\x85z", "?z");        /* a control character of two bytes */
    EXPECT(8, "\xc2\xa0z", "\xc2\xa0z"); /* the first that is none */
}

/* Texts are looked at eight bytes at a time. */
Test(ledger_row, each_byte_is_told_from_the_others_wherever_it_stands)
{
    for (unsigned byte = 0; byte < 0x100; byte++) {
        for (size_t at = 0; at < 17; at++) {
            char text[] = "abcdefghijklmnopq";
            char out[32];
            bool plain = byte >= 0x20 && byte < 0x7f;
            text[at] = (char)byte;
            LEDGER_TEXT(out, slice_make(text, 17));
            cr_assert_eq(strlen(out), 17);
            cr_assert_eq((unsigned char)out[at], plain ? byte : (unsigned)'?', "0x%02x at %zu",
                         byte, at);
            out[at] = text[at];
            cr_assert_eq(memcmp(out, text, 17), 0, "0x%02x at %zu", byte, at);
        }
    }
}

/* What an earlier request left in the place is in no column of the next one. */
Test(ledger_row, a_cleared_one_is_empty_in_each_column)
{
    static const struct ledger_row none;
    struct ledger_row row;
    memset(&row, 'x', sizeof(row));
    ledger_row_clear(&row);
    for (unsigned i = 0; i < ledger_column_count; i++) {
        const struct ledger_column *column = &ledger_columns[i];
        size_t size = column->kind == LEDGER_COLUMN_TEXT ? 1 : column->size;
        cr_expect_eq(
            memcmp((const char *)&row + column->offset, (const char *)&none + column->offset, size),
            0, "%s", column->name);
    }
    cr_expect(!row.object.has_amount);
    cr_expect_eq(row.object_cost, 0U);
    cr_expect_eq(row.object_charges, 0U);
    cr_expect_eq(row.settle_count, 0U);
    cr_expect_eq(row.charge_count, 0U);
}
