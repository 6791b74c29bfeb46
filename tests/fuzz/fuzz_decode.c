/*
 * Fuzzes the decoders of encoded answers. The first byte says the coding, the second how long the
 * pieces are, the third how much room a step has.
 *
 * Checked is that pieces and room do not matter; that a step takes and gives no more than it may;
 * that what is pending was taken; that memory is given back, and none is taken beyond a cap; and
 * that no more comes out than the ratio allows.
 */
#include "base/buffer.h"
#include "gateway/meter/decode.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MEMORY_MAX = 20 * 1024 * 1024, TEXT_MAX = 64 * 1024 * 1024, ROOM_MAX = 16 * 1024 };

static void check(bool claim)
{
    if (!claim) {
        abort();
    }
}

static bool take(void *ctx, size_t bytes)
{
    size_t *used = ctx;
    if (bytes > MEMORY_MAX - *used) {
        return false;
    }
    *used += bytes;
    return true;
}

static void give(void *ctx, size_t bytes)
{
    size_t *used = ctx;
    check(bytes <= *used);
    *used -= bytes;
}

struct run {
    enum decode_result result;
    bool whole;
    struct buffer text;
};

static bool one_step(struct decoder *decoder, struct run *run, struct slice *input, size_t room,
                     size_t *taken)
{
    char out[ROOM_MAX];
    size_t len = 0;
    size_t before = input->len;
    run->result = decoder_next(decoder, input, out, room, &len);
    check(len <= room && before - input->len <= DECODE_INPUT_BYTES);
    *taken += before - input->len;
    check(buffer_append(&run->text, slice_make(out, len)) == STATUS_OK);
    check(buffer_len(&run->text) <= DECODE_FREE_BYTES + DECODE_RATIO_MAX * (*taken + 1) + ROOM_MAX);
    return run->result == DECODE_MORE || run->result == DECODE_FULL;
}

static void decode(enum coding coding, struct slice bytes, size_t piece, size_t room,
                   struct run *run)
{
    size_t used = 0;
    size_t taken = 0;
    const struct decode_memory memory = {.take = take, .give = give, .ctx = &used};
    struct decoder *decoder = decoder_new(coding, &memory);
    bool going = true;
    *run = (struct run){.result = DECODE_MORE};
    buffer_init(&run->text, TEXT_MAX);
    while (going && bytes.len > 0) {
        struct slice part = slice_make(bytes.ptr, bytes.len < piece ? bytes.len : piece);
        size_t len = part.len;
        do {
            going = one_step(decoder, run, &part, room, &taken);
        } while (going && (run->result == DECODE_FULL || part.len > 0));
        bytes = slice_skip(bytes, len);
    }
    if (run->result == DECODE_MORE) {
        run->whole = decoder_whole(decoder);
        check(decoder_pending(decoder) <= taken);
        check(!run->whole || decoder_pending(decoder) == 0);
    }
    decoder_free(decoder);
    check(used == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum coding codings[] = {CODING_GZIP, CODING_BROTLI, CODING_ZSTD};
    struct run at_once;
    struct run in_pieces;
    if (size < 3) {
        return 0;
    }
    enum coding coding = codings[data[0] % 3];
    struct slice bytes = slice_make((const char *)data + 3, size - 3);
    decode(coding, bytes, SIZE_MAX, ROOM_MAX, &at_once);
    decode(coding, bytes, (size_t)data[1] + 1, (size_t)data[2] * 16 + 1, &in_pieces);
    /* A bomb may be noticed earlier or later. */
    size_t least = buffer_len(&at_once.text) < buffer_len(&in_pieces.text)
                       ? buffer_len(&at_once.text)
                       : buffer_len(&in_pieces.text);
    check(memcmp(buffer_bytes(&at_once.text).ptr, buffer_bytes(&in_pieces.text).ptr, least) == 0);
    if (at_once.result == DECODE_MORE && in_pieces.result == DECODE_MORE) {
        check(at_once.whole == in_pieces.whole);
        check(buffer_len(&at_once.text) == buffer_len(&in_pieces.text));
    }
    buffer_fini(&at_once.text);
    buffer_fini(&in_pieces.text);
    return 0;
}
