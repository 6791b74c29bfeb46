/*
 * decode_brotli: br (RFC 7932), by libbrotlidec. Its window is at most 16 MiB; the large ones are
 * no part of the coding and are refused by the library.
 */
#include "gateway/meter/decode_state.h"

#include <brotli/decode.h>

enum {
    /* Of a command that is not complete: its code and its extra bits, a switch of the block type, a
     * distance: about 130 bits. */
    COMMAND_BYTES = 24,
};

struct brotli {
    BrotliDecoderState *state;
    bool line_ended; /* the last byte written was a newline */
};

static void *take(void *ctx, size_t size)
{
    return decode_alloc(ctx, size);
}

static void give(void *ctx, void *ptr)
{
    decode_release(ctx, ptr);
}

static enum decode_result brotli_open(struct decoder *decoder)
{
    struct brotli *brotli = decode_alloc(decoder, sizeof(*brotli));
    if (brotli == NULL) {
        return DECODE_NO_MEMORY;
    }
    *brotli = (struct brotli){.state = BrotliDecoderCreateInstance(take, give, decoder)};
    decoder->state = brotli;
    return brotli->state == NULL ? DECODE_NO_MEMORY : DECODE_MORE;
}

static void brotli_close(struct decoder *decoder)
{
    struct brotli *brotli = decoder->state;
    if (brotli != NULL) {
        if (brotli->state != NULL) {
            BrotliDecoderDestroyInstance(brotli->state);
        }
        decode_release(decoder, brotli);
    }
}

/* All input is taken and what there is of output is written: there is at most a part of a command,
 * that is of what stands behind the last byte. Behind a newline it need not be waited for: no
 * match goes over one, and a stream's event must not be. */
static void starved(struct decoder *decoder, size_t taken)
{
    const struct brotli *brotli = decoder->state;
    uint64_t all = decoder->taken + taken;
    size_t command = all < COMMAND_BYTES ? (size_t)all : COMMAND_BYTES;
    decoder->pending = decoder->whole || brotli->line_ended ? 0 : command;
}

static enum decode_result brotli_step(struct decoder *decoder, struct slice *input, char *out,
                                      size_t size, size_t *ret_len)
{
    struct brotli *brotli = decoder->state;
    const uint8_t *next_in = (const uint8_t *)input->ptr;
    uint8_t *next_out = (uint8_t *)out;
    size_t left = input->len;
    size_t room = size;
    if (decoder->whole && left > 0) {
        return decode_break(decoder, "it has bytes behind its end");
    }
    BrotliDecoderResult done =
        BrotliDecoderDecompressStream(brotli->state, &left, &next_in, &room, &next_out, NULL);
    size_t taken = input->len - left;
    *input = slice_skip(*input, taken);
    *ret_len = size - room;
    if (*ret_len > 0) {
        brotli->line_ended = out[*ret_len - 1] == '\n';
    }
    if (done == BROTLI_DECODER_RESULT_ERROR) {
        return decode_break(decoder, "it is no br, or has a large window");
    }
    decoder->whole = done == BROTLI_DECODER_RESULT_SUCCESS;
    if (decoder->whole && left > 0) {
        return decode_break(decoder, "it has bytes behind its end");
    }
    if (!decoder->whole && BrotliDecoderHasMoreOutput(brotli->state)) {
        return DECODE_FULL;
    }
    starved(decoder, taken);
    return DECODE_MORE;
}

const struct decoder_ops decode_brotli_ops = {
    .open = brotli_open, .step = brotli_step, .close = brotli_close};
