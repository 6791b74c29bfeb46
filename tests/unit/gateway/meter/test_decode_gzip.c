#include "coded.h"

#include <criterion/criterion.h>

static const struct slice first = SLICE_INIT("the first member, ");
static const struct slice second = SLICE_INIT("and the second");

static void expect_text(const struct coded_run *run, const char *wanted)
{
    cr_expect(slice_equal(buffer_bytes(&run->text), slice_from(wanted)), "%.*s",
              SLICE_ARG(buffer_bytes(&run->text)));
}

Test(decode_gzip, several_members_are_one_text)
{
    struct buffer coded CLEANUP(buffer_fini);
    buffer_init(&coded, CODED_MAX);
    coded_gzip(&coded, &first, 1);
    size_t border = buffer_len(&coded);
    coded_gzip(&coded, &second, 1);
    struct slice bytes = buffer_bytes(&coded);
    for (size_t at = 0; at <= bytes.len; at++) {
        struct coded_run run;
        coded_begin(&run, CODING_GZIP);
        cr_expect_eq(coded_feed(&run, slice_make(bytes.ptr, at)), DECODE_MORE);
        cr_expect_eq(decoder_whole(run.decoder), at == border || at == bytes.len);
        cr_expect_eq(coded_feed(&run, slice_skip(bytes, at)), DECODE_MORE);
        cr_expect(decoder_whole(run.decoder));
        expect_text(&run, "the first member, and the second");
        coded_end(&run);
    }
}

Test(decode_gzip, zeros_behind_the_end_are_broken)
{
    struct coded_run run;
    struct buffer coded CLEANUP(buffer_fini);
    buffer_init(&coded, CODED_MAX);
    coded_gzip(&coded, &first, 1);
    cr_assert_eq(buffer_append(&coded, slice_make("\0\0\0\0", 4)), STATUS_OK);
    cr_expect_eq(coded_decode(&run, CODING_GZIP, buffer_bytes(&coded)), DECODE_BROKEN);
    coded_end(&run);
}

/* "hello" as zlib's own format and as a bare stream, which deflate may mean. */
Test(decode_gzip, what_deflate_may_mean_is_no_gzip)
{
    struct coded_run run;
    cr_expect_eq(
        coded_decode(&run, CODING_GZIP,
                     slice_make("\x78\x9c\xcb\x48\xcd\xc9\xc9\x07\x00\x06\x2c\x02\x15", 13)),
        DECODE_BROKEN);
    coded_end(&run);
    cr_expect_eq(coded_decode(&run, CODING_GZIP, slice_make("\xcb\x48\xcd\xc9\xc9\x07\x00", 7)),
                 DECODE_BROKEN);
    coded_end(&run);
}

/* A published vector: `printf hello | gzip -n`. */
Test(decode_gzip, the_command_writes_what_is_read)
{
    struct coded_run run;
    cr_expect_eq(coded_decode(&run, CODING_GZIP,
                              slice_make("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9"
                                         "\xc9\x07\x00\x86\xa6\x10\x36\x05\x00\x00\x00",
                                         25)),
                 DECODE_MORE);
    expect_text(&run, "hello");
    cr_expect(decoder_whole(run.decoder));
    coded_end(&run);
}

/* Between two blocks nothing is pending; within one the bytes of a symbol may be. */
Test(decode_gzip, a_symbol_that_is_not_complete_is_pending)
{
    struct coded_run run;
    struct buffer coded CLEANUP(buffer_fini);
    const struct slice parts[] = {first, second};
    buffer_init(&coded, CODED_MAX);
    coded_gzip(&coded, parts, 2);
    struct slice bytes = buffer_bytes(&coded);
    size_t flushed = 0;
    while (memcmp(bytes.ptr + flushed, "\x00\x00\xff\xff", 4) != 0) {
        flushed++;
    }
    flushed += 4;
    coded_begin(&run, CODING_GZIP);
    cr_expect_eq(coded_feed(&run, slice_make(bytes.ptr, 20)), DECODE_MORE);
    cr_expect_eq(decoder_pending(run.decoder), 8);
    cr_expect_eq(coded_feed(&run, slice_make(bytes.ptr + 20, flushed - 20)), DECODE_MORE);
    cr_expect_eq(decoder_pending(run.decoder), 0);
    expect_text(&run, "the first member, ");
    coded_end(&run);
}

/* Exactly as much room as there is text: nothing is left over, and it is known at once. */
Test(decode_gzip, a_flush_with_no_room_to_spare_is_complete)
{
    struct coded_run run;
    struct buffer coded CLEANUP(buffer_fini);
    const struct slice parts[] = {first, second};
    buffer_init(&coded, CODED_MAX);
    coded_gzip(&coded, parts, 2);
    struct slice bytes = buffer_bytes(&coded);
    size_t flushed = 0;
    while (memcmp(bytes.ptr + flushed, "\x00\x00\xff\xff", 4) != 0) {
        flushed++;
    }
    coded_begin(&run, CODING_GZIP);
    run.room = first.len;
    cr_expect_eq(coded_feed(&run, slice_make(bytes.ptr, flushed + 4)), DECODE_MORE);
    cr_expect_eq(decoder_pending(run.decoder), 0);
    coded_end(&run);
}

Test(decode_gzip, its_memory_is_its_window_and_little_more)
{
    struct coded_run run;
    struct buffer coded CLEANUP(buffer_fini);
    buffer_init(&coded, CODED_MAX);
    coded_gzip(&coded, &first, 1);
    cr_expect_eq(coded_decode(&run, CODING_GZIP, buffer_bytes(&coded)), DECODE_MORE);
    cr_expect_lt(run.memory.most, (size_t)48 * 1024);
    coded_end(&run);
}
