/* What all codings have in common. */
#include "coded.h"

#include <criterion/criterion.h>

enum { TEXT_BYTES = 300 * 1000, STEPS_EACH = 40 };

static const struct slice events[] = {
    SLICE_INIT("data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n"),
    SLICE_INIT("data: {\"choices\":[{\"delta\":{\"content\":\" world, \\u00e4 long one: "
               "abcdefghijklmnopqrstuvwxyz0123456789\"}}]}\n\n"),
    SLICE_INIT("data: {\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":34}}\n\n"),
    SLICE_INIT("data: [DONE]\n\n"),
};
enum { EVENTS = 4 };

static void put(struct buffer *out, struct slice bytes)
{
    cr_assert_eq(buffer_append(out, bytes), STATUS_OK);
}

static void put_events(struct buffer *out)
{
    for (unsigned i = 0; i < EVENTS; i++) {
        put(out, events[i]);
    }
}

static bool same(const struct buffer *a, const struct buffer *b)
{
    return slice_equal(buffer_bytes(a), buffer_bytes(b));
}

Test(decode, split_at_any_byte_the_text_is_the_same)
{
    for (unsigned k = 0; k < CODED_KINDS; k++) {
        struct buffer coded CLEANUP(buffer_fini);
        struct buffer text CLEANUP(buffer_fini);
        buffer_init(&coded, CODED_MAX);
        buffer_init(&text, CODED_MAX);
        put_events(&text);
        coded_kinds[k].encode(&coded, events, EVENTS);
        struct slice bytes = buffer_bytes(&coded);
        for (size_t at = 0; at <= bytes.len; at++) {
            struct coded_run run;
            coded_begin(&run, coded_kinds[k].coding);
            cr_assert_eq(coded_feed(&run, slice_make(bytes.ptr, at)), DECODE_MORE);
            cr_assert_eq(decoder_whole(run.decoder), at == bytes.len, "%s at %zu of %zu",
                         coded_kinds[k].name, at, bytes.len);
            cr_assert_eq(coded_feed(&run, slice_skip(bytes, at)), DECODE_MORE);
            cr_assert(decoder_whole(run.decoder));
            cr_assert_eq(decoder_pending(run.decoder), 0);
            cr_assert(same(&run.text, &text), "%s at %zu", coded_kinds[k].name, at);
            coded_end(&run);
        }
    }
}

Test(decode, byte_by_byte_and_with_little_room_the_text_is_the_same)
{
    for (unsigned k = 0; k < CODED_KINDS; k++) {
        for (size_t room = 1; room < 40; room += 19) {
            struct coded_run run;
            struct buffer coded CLEANUP(buffer_fini);
            struct buffer text CLEANUP(buffer_fini);
            buffer_init(&coded, CODED_MAX);
            buffer_init(&text, CODED_MAX);
            put_events(&text);
            coded_kinds[k].encode(&coded, events, EVENTS);
            coded_begin(&run, coded_kinds[k].coding);
            run.room = room;
            for (struct slice rest = buffer_bytes(&coded); rest.len > 0;
                 rest = slice_skip(rest, 1)) {
                cr_assert_eq(coded_feed(&run, slice_make(rest.ptr, 1)), DECODE_MORE);
            }
            cr_expect(decoder_whole(run.decoder) && same(&run.text, &text), "%s, %zu",
                      coded_kinds[k].name, room);
            coded_end(&run);
        }
    }
}

/* An event that was flushed is there as a whole, and nothing of it waits for the next one. */
Test(decode, what_is_flushed_is_decoded_and_nothing_is_pending)
{
    for (unsigned k = 0; k < CODED_KINDS; k++) {
        struct coded_run run;
        struct buffer all CLEANUP(buffer_fini);
        buffer_init(&all, CODED_MAX);
        coded_kinds[k].encode(&all, events, EVENTS);
        coded_begin(&run, coded_kinds[k].coding);
        size_t fed = 0;
        size_t wanted = 0;
        for (unsigned i = 0; i + 1 < EVENTS; i++) {
            struct buffer part CLEANUP(buffer_fini);
            buffer_init(&part, CODED_MAX);
            struct slice parts[EVENTS + 1];
            memcpy(parts, events, sizeof(events));
            parts[i + 1] = slice_make("", 0); /* the end, to be left off */
            coded_kinds[k].encode(&part, parts, i + 2);
            size_t flushed = 0; /* what both have in common holds the events up to here */
            struct slice a = buffer_bytes(&part);
            struct slice b = buffer_bytes(&all);
            while (flushed < a.len && a.ptr[flushed] == b.ptr[flushed]) {
                flushed++;
            }
            wanted += events[i].len;
            (void)coded_feed(&run, slice_make(b.ptr + fed, flushed - fed));
            fed = flushed;
            cr_expect_geq(buffer_len(&run.text), wanted, "%s, event %u", coded_kinds[k].name, i);
        }
        coded_end(&run);
    }
}

Test(decode, nothing_at_all_is_not_whole)
{
    for (unsigned k = 0; k < CODED_KINDS; k++) {
        struct coded_run run;
        cr_expect_eq(coded_decode(&run, coded_kinds[k].coding, slice_make("", 0)), DECODE_MORE);
        cr_expect(!decoder_whole(run.decoder));
        coded_end(&run);
    }
}

Test(decode, bytes_behind_the_end_are_broken)
{
    for (unsigned k = 0; k < CODED_KINDS; k++) {
        for (unsigned together = 0; together < 2; together++) {
            struct coded_run run;
            struct buffer coded CLEANUP(buffer_fini);
            buffer_init(&coded, CODED_MAX);
            coded_kinds[k].encode(&coded, events, EVENTS);
            size_t len = buffer_len(&coded);
            put(&coded, SLICE("garbage, and more of it"));
            struct slice bytes = buffer_bytes(&coded);
            coded_begin(&run, coded_kinds[k].coding);
            if (together == 0) {
                cr_expect_eq(coded_feed(&run, slice_make(bytes.ptr, len)), DECODE_MORE);
                bytes = slice_skip(bytes, len);
            }
            cr_expect_eq(coded_feed(&run, bytes), DECODE_BROKEN, "%s", coded_kinds[k].name);
            cr_expect_neq(decoder_fault(run.decoder), NULL);
            coded_end(&run);
        }
    }
}

Test(decode, something_else_is_broken)
{
    for (unsigned k = 0; k < CODED_KINDS; k++) {
        struct coded_run run;
        cr_expect_eq(coded_decode(&run, coded_kinds[k].coding,
                                  SLICE("{\"error\":{\"message\":\"this is no coding at all\"}}")),
                     DECODE_BROKEN, "%s", coded_kinds[k].name);
        coded_end(&run);
    }
}

/* gzip and zstd have a checksum; br has not. */
Test(decode, a_changed_byte_is_never_taken_for_the_text)
{
    struct buffer text CLEANUP(buffer_fini);
    buffer_init(&text, CODED_MAX);
    put_events(&text);
    for (unsigned k = 0; k < CODED_KINDS; k++) {
        struct buffer coded CLEANUP(buffer_fini);
        buffer_init(&coded, CODED_MAX);
        coded_kinds[k].encode(&coded, events, EVENTS);
        for (size_t at = 0; at < buffer_len(&coded); at++) {
            struct coded_run run;
            coded.ptr[coded.start + at] ^= 0x10;
            enum decode_result result =
                coded_decode(&run, coded_kinds[k].coding, buffer_bytes(&coded));
            bool taken = result == DECODE_MORE && decoder_whole(run.decoder);
            bool header = coded_kinds[k].coding == CODING_GZIP && at >= 4 && at < 10;
            cr_expect(!taken || header || coded_kinds[k].coding == CODING_BROTLI ||
                          same(&run.text, &text),
                      "%s, byte %zu", coded_kinds[k].name, at);
            coded.ptr[coded.start + at] ^= 0x10;
            coded_end(&run);
        }
    }
}

Test(decode, a_step_is_bounded_by_room_and_by_input)
{
    for (unsigned k = 0; k < CODED_KINDS; k++) {
        struct coded_run run;
        struct buffer text CLEANUP(buffer_fini);
        struct buffer coded CLEANUP(buffer_fini);
        buffer_init(&text, CODED_MAX);
        buffer_init(&coded, CODED_MAX);
        coded_text(&text, TEXT_BYTES);
        struct slice part = buffer_bytes(&text);
        coded_kinds[k].encode(&coded, &part, 1);
        coded_begin(&run, coded_kinds[k].coding);
        struct slice rest = buffer_bytes(&coded);
        while (rest.len > 0) {
            char out[8192];
            size_t len = 0;
            size_t before = rest.len;
            enum decode_result result = decoder_next(run.decoder, &rest, out, sizeof(out), &len);
            cr_assert(result == DECODE_MORE || result == DECODE_FULL);
            cr_assert_leq(before - rest.len, (size_t)DECODE_INPUT_BYTES);
            cr_assert_leq(len, sizeof(out));
            put(&run.text, slice_make(out, len));
        }
        cr_expect_eq(coded_feed(&run, rest), DECODE_MORE);
        cr_expect(same(&run.text, &text), "%s", coded_kinds[k].name);
        coded_end(&run);
    }
}

Test(decode, a_bomb_is_broken_before_much_of_it_was_decoded)
{
    enum { BOMB_BYTES = 48 * 1024 * 1024 };
    char *zeros CLEANUP(memory_free_at) = memory_alloc(BOMB_BYTES);
    for (unsigned k = 0; k < CODED_KINDS; k++) {
        struct coded_run run;
        struct buffer coded CLEANUP(buffer_fini);
        buffer_init(&coded, CODED_MAX);
        struct slice part = slice_make(zeros, BOMB_BYTES);
        coded_kinds[k].encode(&coded, &part, 1);
        coded_begin(&run, coded_kinds[k].coding);
        run.room = 64 * 1024;
        cr_expect_eq(coded_feed(&run, buffer_bytes(&coded)), DECODE_BROKEN, "%s",
                     coded_kinds[k].name);
        cr_expect_leq(buffer_len(&run.text), (size_t)DECODE_FREE_BYTES +
                                                 (size_t)DECODE_RATIO_MAX * buffer_len(&coded) +
                                                 run.room);
        cr_expect_lt(buffer_len(&run.text), (size_t)BOMB_BYTES, "%s", coded_kinds[k].name);
        coded_end(&run);
    }
}

Test(decode, what_repeats_itself_a_lot_but_is_short_is_no_bomb)
{
    enum { SHORT_BYTES = 900 * 1024 };
    char *zeros CLEANUP(memory_free_at) = memory_alloc(SHORT_BYTES);
    for (unsigned k = 0; k < CODED_KINDS; k++) {
        struct coded_run run;
        struct buffer coded CLEANUP(buffer_fini);
        buffer_init(&coded, CODED_MAX);
        struct slice part = slice_make(zeros, SHORT_BYTES);
        coded_kinds[k].encode(&coded, &part, 1);
        cr_expect_eq(coded_decode(&run, coded_kinds[k].coding, buffer_bytes(&coded)), DECODE_MORE);
        cr_expect_eq(buffer_len(&run.text), (size_t)SHORT_BYTES);
        coded_end(&run);
    }
}

Test(decode, memory_is_counted_and_where_there_is_none_it_says_so)
{
    for (unsigned k = 0; k < CODED_KINDS; k++) {
        struct coded_run run;
        struct buffer coded CLEANUP(buffer_fini);
        buffer_init(&coded, CODED_MAX);
        coded_kinds[k].encode(&coded, events, EVENTS);
        cr_expect_eq(coded_decode(&run, coded_kinds[k].coding, buffer_bytes(&coded)), DECODE_MORE);
        size_t most = run.memory.most;
        cr_expect_gt(most, (size_t)1000);
        coded_end(&run);
        for (unsigned step = 0; step < STEPS_EACH; step++) {
            coded_begin(&run, coded_kinds[k].coding);
            run.memory.max = (most - 1) / STEPS_EACH * step;
            cr_expect_eq(coded_feed(&run, buffer_bytes(&coded)), DECODE_NO_MEMORY, "%s, %zu",
                         coded_kinds[k].name, run.memory.max);
            coded_end(&run);
        }
    }
}
