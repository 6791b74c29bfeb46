/* decode_gzip: gzip (RFC 1952), one member or several, by zlib. */
#include "gateway/meter/decode_state.h"

#include <zlib.h>

enum {
    GZIP_ALONE = 15 + 16, /* the largest window; neither zlib's own format nor a bare stream */
    /* Of a symbol that is not complete: less than 15 + 5 + 15 + 13 bits, in at most so many bytes.
     */
    SYMBOL_BYTES = 8,
    AT_BLOCK = 128, /* in data_type: between two blocks; see inflate() in zlib.h */
};

static voidpf take(voidpf ctx, uInt items, uInt size)
{
    return decode_alloc(ctx, (size_t)items * size);
}

static void give(voidpf ctx, voidpf ptr)
{
    decode_release(ctx, ptr);
}

static enum decode_result gzip_open(struct decoder *decoder)
{
    z_stream *stream = decode_alloc(decoder, sizeof(*stream));
    if (stream == NULL) {
        return DECODE_NO_MEMORY;
    }
    *stream = (z_stream){.zalloc = take, .zfree = give, .opaque = decoder};
    if (inflateInit2(stream, GZIP_ALONE) != Z_OK) {
        decode_release(decoder, stream);
        return DECODE_NO_MEMORY;
    }
    decoder->state = stream;
    return DECODE_MORE;
}

static void gzip_close(struct decoder *decoder)
{
    if (decoder->state != NULL) {
        (void)inflateEnd(decoder->state);
        decode_release(decoder, decoder->state);
    }
}

/* All input is taken and what there is of output is written. */
static enum decode_result starved(struct decoder *decoder, const z_stream *stream, size_t taken)
{
    uint64_t all = decoder->taken + taken;
    size_t symbol = all < SYMBOL_BYTES ? (size_t)all : SYMBOL_BYTES;
    bool between = decoder->whole || (stream->data_type & AT_BLOCK) != 0;
    decoder->pending = between ? 0 : symbol;
    return DECODE_MORE;
}

static enum decode_result gzip_step(struct decoder *decoder, struct slice *input, char *out,
                                    size_t size, size_t *ret_len)
{
    z_stream *stream = decoder->state;
    size_t len = input->len;
    enum decode_result result = DECODE_MORE;
    stream->next_in = (Bytef *)input->ptr; /* zlib's own wish; it does not write there */
    stream->avail_in = (uInt)len;
    stream->next_out = (Bytef *)out;
    stream->avail_out = (uInt)size;
    while (result == DECODE_MORE && (stream->avail_in > 0 || !decoder->whole)) {
        if (decoder->whole) { /* what follows is another member */
            (void)inflateReset(stream);
            decoder->whole = false;
        }
        int done = inflate(stream, Z_SYNC_FLUSH);
        if (done == Z_STREAM_END) {
            decoder->whole = true;
        } else if (done != Z_OK && done != Z_BUF_ERROR) {
            result = decode_break(decoder, "it is no gzip, or has bytes behind its end");
        } else if (stream->avail_in == 0 &&
                   (stream->avail_out > 0 || (stream->data_type & AT_BLOCK) != 0)) {
            break;
        } else if (stream->avail_out == 0) {
            result = DECODE_FULL;
        }
    }
    size_t taken = len - stream->avail_in;
    *input = slice_skip(*input, taken);
    *ret_len = size - stream->avail_out;
    return result == DECODE_MORE ? starved(decoder, stream, taken) : result;
}

const struct decoder_ops decode_gzip_ops = {
    .open = gzip_open, .step = gzip_step, .close = gzip_close};
