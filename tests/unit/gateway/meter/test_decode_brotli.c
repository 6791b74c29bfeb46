#include "coded.h"

#include <criterion/criterion.h>

enum { LONG_BYTES = 3 * 1024 * 1024 };

static const struct slice line = SLICE_INIT("data: a line of a stream that is flushed\n");
static const struct slice half = SLICE_INIT("a text that ends within a line");

/* Published vectors (RFC 7932, appendix of the reference decoder): nothing, and "X" as it is. */
Test(decode_brotli, published_streams_are_read)
{
    static const struct {
        struct slice coded, text;
    } cases[] = {
        {SLICE_INIT("\x06"), SLICE_INIT("")},
        {SLICE_INIT("\x0b\x00\x80X\x03"), SLICE_INIT("X")},
        {SLICE_INIT("\x0b\x02\x80hello\x03"), SLICE_INIT("hello")},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct coded_run run;
        cr_expect_eq(coded_decode(&run, CODING_BROTLI, cases[i].coded), DECODE_MORE);
        cr_expect(decoder_whole(run.decoder));
        cr_expect(slice_equal(buffer_bytes(&run.text), cases[i].text), "%zu", i);
        coded_end(&run);
    }
}

Test(decode_brotli, a_large_window_is_broken)
{
    for (unsigned bits = 24; bits <= 25; bits++) {
        struct coded_run run;
        struct buffer coded CLEANUP(buffer_fini);
        struct buffer text CLEANUP(buffer_fini);
        buffer_init(&text, CODED_MAX);
        coded_text(&text, LONG_BYTES);
        struct slice part = buffer_bytes(&text);
        buffer_init(&coded, CODED_MAX);
        coded_brotli_window(&coded, &part, 1, bits);
        cr_expect_eq(coded_decode(&run, CODING_BROTLI, buffer_bytes(&coded)),
                     bits == 24 ? DECODE_MORE : DECODE_BROKEN, "%u", bits);
        coded_end(&run);
    }
}

Test(decode_brotli, behind_a_newline_nothing_is_pending_and_within_a_line_a_command_is)
{
    const struct slice parts[] = {line, half, line};
    for (unsigned count = 1; count <= 2; count++) {
        struct coded_run run;
        struct buffer flushed CLEANUP(buffer_fini);
        struct slice all[3] = {parts[0], parts[1], slice_make("", 0)};
        all[count] = slice_make("", 0);
        buffer_init(&flushed, CODED_MAX);
        coded_brotli(&flushed, all, count + 1);
        struct slice bytes = buffer_bytes(&flushed);
        coded_begin(&run, CODING_BROTLI);
        bytes.len -= 1; /* the end, which is a byte of its own behind a flush */
        cr_expect_eq(coded_feed(&run, bytes), DECODE_MORE);
        cr_expect(!decoder_whole(run.decoder));
        cr_expect_eq(buffer_len(&run.text), line.len + (count == 2 ? half.len : 0));
        cr_expect_eq(decoder_pending(run.decoder), count == 1 ? (size_t)0 : (size_t)24);
        coded_end(&run);
    }
}

Test(decode_brotli, its_window_is_counted)
{
    struct coded_run run;
    struct buffer coded CLEANUP(buffer_fini);
    struct buffer text CLEANUP(buffer_fini);
    buffer_init(&text, CODED_MAX);
    coded_text(&text, LONG_BYTES);
    struct slice part = buffer_bytes(&text);
    buffer_init(&coded, CODED_MAX);
    coded_brotli_window(&coded, &part, 1, 22);
    cr_expect_eq(coded_decode(&run, CODING_BROTLI, buffer_bytes(&coded)), DECODE_MORE);
    cr_expect_geq(run.memory.most, (size_t)LONG_BYTES);
    coded_end(&run);
}
