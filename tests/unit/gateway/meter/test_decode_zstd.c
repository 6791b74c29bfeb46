#include "coded.h"

#include <criterion/criterion.h>

enum { LONG_BYTES = 300 * 1000 };

static const struct slice part = SLICE_INIT("one frame, ");
static const struct slice more = SLICE_INIT("and another");

static const char magic[] = "\x28\xb5\x2f\xfd";

static void put(struct buffer *out, const char *bytes, size_t len)
{
    cr_assert_eq(buffer_append(out, slice_make(bytes, len)), STATUS_OK);
}

static enum decode_result decode(struct coded_run *run, const char *behind_magic, size_t len)
{
    struct buffer coded CLEANUP(buffer_fini);
    buffer_init(&coded, CODED_MAX);
    put(&coded, magic, 4);
    put(&coded, behind_magic, len);
    return coded_decode(run, CODING_ZSTD, buffer_bytes(&coded));
}

Test(decode_zstd, a_frame_by_hand_is_read)
{
    struct coded_run run; /* a single segment of 5 bytes; the last block, raw */
    cr_expect_eq(decode(&run, "\x20\x05\x29\x00\x00hello", 10), DECODE_MORE);
    cr_expect(decoder_whole(run.decoder));
    cr_expect(slice_equal(buffer_bytes(&run.text), SLICE("hello")));
    coded_end(&run);
}

Test(decode_zstd, several_frames_are_one_text)
{
    struct buffer coded CLEANUP(buffer_fini);
    buffer_init(&coded, CODED_MAX);
    coded_zstd(&coded, &part, 1);
    size_t border = buffer_len(&coded);
    coded_zstd(&coded, &more, 1);
    struct slice bytes = buffer_bytes(&coded);
    for (size_t at = 0; at <= bytes.len; at++) {
        struct coded_run run;
        coded_begin(&run, CODING_ZSTD);
        cr_expect_eq(coded_feed(&run, slice_make(bytes.ptr, at)), DECODE_MORE);
        cr_expect_eq(decoder_whole(run.decoder), at == border || at == bytes.len);
        cr_expect_eq(coded_feed(&run, slice_skip(bytes, at)), DECODE_MORE);
        cr_expect(slice_equal(buffer_bytes(&run.text), SLICE("one frame, and another")));
        coded_end(&run);
    }
}

/* Window_Descriptor 0x68 is 8 MiB; 0x69 is an eighth more. Behind it an empty last block. */
Test(decode_zstd, a_window_above_8_mib_is_broken)
{
    struct coded_run run;
    cr_expect_eq(decode(&run, "\x00\x68\x01\x00\x00", 5), DECODE_MORE);
    cr_expect(decoder_whole(run.decoder));
    cr_expect_geq(run.memory.most, (size_t)DECODE_WINDOW_BYTES);
    coded_end(&run);
    cr_expect_eq(decode(&run, "\x00\x69\x01\x00\x00", 5), DECODE_BROKEN);
    cr_expect_lt(run.memory.most, (size_t)DECODE_WINDOW_BYTES);
    cr_expect_str_eq(decoder_fault(run.decoder), "its window is larger than 8 MiB");
    coded_end(&run);
    cr_expect_eq(decode(&run, "\x00\xff\x01\x00\x00", 5), DECODE_BROKEN);
    coded_end(&run);
}

/* Of a single segment the content's size is the window. */
Test(decode_zstd, a_single_segment_above_8_mib_is_broken)
{
    struct coded_run run;
    cr_expect_eq(decode(&run, "\xa0\x01\x00\x80\x00", 5), DECODE_BROKEN); /* 8 MiB and a byte */
    coded_end(&run);
    cr_expect_eq(decode(&run, "\xe0\x00\x00\x00\x00\x00\x00\x00\x80", 9), DECODE_BROKEN);
    coded_end(&run);
}

Test(decode_zstd, what_is_not_decoded_is_broken)
{
    struct coded_run run;
    struct buffer coded CLEANUP(buffer_fini);
    buffer_init(&coded, CODED_MAX);
    put(&coded, "\x50\x2a\x4d\x18\x04\x00\x00\x00skip", 12); /* a skippable frame */
    coded_zstd(&coded, &part, 1);
    cr_expect_eq(coded_decode(&run, CODING_ZSTD, buffer_bytes(&coded)), DECODE_BROKEN);
    coded_end(&run);
    cr_expect_eq(decode(&run, "\x01\x00\x07\x01\x00\x00", 6), DECODE_BROKEN); /* a dictionary */
    cr_expect_str_eq(decoder_fault(run.decoder), "it wants a dictionary");
    coded_end(&run);
    cr_expect_eq(decode(&run, "\x00\x00\x07\x00\x00", 5), DECODE_BROKEN); /* a reserved block */
    coded_end(&run);
    cr_expect_eq(decode(&run, "\x00\x68\x04\x00\x20", 5), DECODE_BROKEN); /* one of 512 KiB */
    coded_end(&run);
    cr_expect_eq(decode(&run, "\x08\x68\x01\x00\x00", 5), DECODE_BROKEN); /* a reserved bit */
    coded_end(&run);
}

/* A block is decoded when it is complete: until then all of it is pending. */
Test(decode_zstd, a_block_that_is_not_complete_is_pending)
{
    const struct slice parts[] = {part, more};
    struct coded_run run;
    struct buffer coded CLEANUP(buffer_fini);
    buffer_init(&coded, CODED_MAX);
    coded_zstd(&coded, parts, 2);
    struct slice bytes = buffer_bytes(&coded);
    size_t header = 6;
    size_t block = 3 + part.len; /* too short to be compressed */
    coded_begin(&run, CODING_ZSTD);
    for (size_t at = 1; at <= header + block; at++) {
        cr_expect_eq(coded_feed(&run, slice_make(bytes.ptr + at - 1, 1)), DECODE_MORE);
        cr_expect_eq(decoder_pending(run.decoder), at == header + block ? 0 : at);
    }
    cr_expect(slice_equal(buffer_bytes(&run.text), part));
    coded_end(&run);
}

Test(decode_zstd, what_is_flushed_with_no_room_to_spare_is_complete)
{
    struct coded_run run;
    struct buffer coded CLEANUP(buffer_fini);
    buffer_init(&coded, CODED_MAX);
    coded_zstd(&coded, &part, 1);
    coded_begin(&run, CODING_ZSTD);
    run.room = part.len;
    cr_expect_eq(coded_feed(&run, buffer_bytes(&coded)), DECODE_MORE);
    cr_expect(decoder_whole(run.decoder));
    cr_expect(slice_equal(buffer_bytes(&run.text), part));
    coded_end(&run);
}

Test(decode_zstd, long_frames_are_read_in_small_steps)
{
    struct coded_run run;
    struct buffer coded CLEANUP(buffer_fini);
    struct buffer text CLEANUP(buffer_fini);
    buffer_init(&text, CODED_MAX);
    coded_text(&text, LONG_BYTES);
    struct slice all = buffer_bytes(&text);
    buffer_init(&coded, CODED_MAX);
    coded_zstd_window(&coded, &all, 1, 17);
    coded_begin(&run, CODING_ZSTD);
    run.room = 777;
    cr_expect_eq(coded_feed(&run, buffer_bytes(&coded)), DECODE_MORE);
    cr_expect(decoder_whole(run.decoder));
    cr_expect(slice_equal(buffer_bytes(&run.text), all));
    coded_end(&run);
}
