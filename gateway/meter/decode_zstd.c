/*
 * decode_zstd: zstd (RFC 8878), one frame or several, by libzstd, behind a walk of our own that
 * sees first what it is to be given. RFC 9659 limits its window to 8 MiB.
 */
#include "gateway/meter/decode_state.h"
#include "gateway/meter/zstd_frames.h"

#include <zstd.h>

enum {
    WINDOW_LOG_MAX = 23,
    /* The library's own memory beside the window: its tables, an input and two output blocks. It
     * cannot be asked, and counts by itself. */
    TABLES_BYTES = 160 * 1024,
    BLOCKS_BYTES = 3 * 128 * 1024,
};
_Static_assert(1 << WINDOW_LOG_MAX == DECODE_WINDOW_BYTES, "the same cap twice");

struct zstd {
    ZSTD_DCtx *library;
    struct zstd_walk walk;
    size_t counted; /* bytes of its memory */
    size_t ahead;   /* bytes of the input that were walked over, but are not taken yet */
};

static bool count(struct decoder *decoder, size_t bytes)
{
    struct zstd *zstd = decoder->state;
    if (bytes <= zstd->counted) {
        return true;
    }
    if (!decoder->memory.take(decoder->memory.ctx, bytes - zstd->counted)) {
        decoder->no_memory = true;
        return false;
    }
    zstd->counted = bytes;
    return true;
}

static enum decode_result zstd_open(struct decoder *decoder)
{
    struct zstd *zstd = decode_alloc(decoder, sizeof(*zstd));
    if (zstd == NULL) {
        return DECODE_NO_MEMORY;
    }
    *zstd = (struct zstd){0};
    decoder->state = zstd;
    if (!count(decoder, TABLES_BYTES)) {
        return DECODE_NO_MEMORY;
    }
    zstd->library = ZSTD_createDCtx();
    if (zstd->library == NULL ||
        ZSTD_isError(ZSTD_DCtx_setParameter(zstd->library, ZSTD_d_windowLogMax, WINDOW_LOG_MAX))) {
        return DECODE_NO_MEMORY;
    }
    return DECODE_MORE;
}

static void zstd_close(struct decoder *decoder)
{
    struct zstd *zstd = decoder->state;
    if (zstd != NULL) {
        ZSTD_freeDCtx(zstd->library);
        decoder->memory.give(decoder->memory.ctx, zstd->counted);
        decode_release(decoder, zstd);
    }
}

/* Looks at what is new of the input, before the library does. */
static enum decode_result look_ahead(struct decoder *decoder, struct slice input)
{
    struct zstd *zstd = decoder->state;
    while (zstd->ahead < input.len && zstd->walk.fault == NULL) {
        zstd->ahead += zstd_walk(&zstd->walk, slice_skip(input, zstd->ahead));
        if (zstd->walk.window > DECODE_WINDOW_BYTES) {
            return decode_break(decoder, "its window is larger than 8 MiB");
        }
        if (zstd->walk.window > 0 &&
            !count(decoder, TABLES_BYTES + BLOCKS_BYTES + (size_t)zstd->walk.window)) {
            return DECODE_NO_MEMORY;
        }
    }
    return zstd->walk.fault == NULL ? DECODE_MORE : decode_break(decoder, zstd->walk.fault);
}

static enum decode_result zstd_step(struct decoder *decoder, struct slice *input, char *out,
                                    size_t size, size_t *ret_len)
{
    struct zstd *zstd = decoder->state;
    enum decode_result result = look_ahead(decoder, *input);
    if (result != DECODE_MORE) {
        return result;
    }
    ZSTD_inBuffer in = {.src = input->ptr, .size = input->len};
    ZSTD_outBuffer to = {.size = size};
    to.dst = out;
    size_t wants = 1;
    do {
        wants = ZSTD_decompressStream(zstd->library, &to, &in);
    } while (!ZSTD_isError(wants) && in.pos < in.size && to.pos < to.size);
    *input = slice_skip(*input, in.pos);
    *ret_len = to.pos;
    zstd->ahead -= in.pos;
    if (ZSTD_isError(wants)) {
        return decode_break(decoder, "it is broken");
    }
    bool full = to.pos == to.size && !(zstd->walk.whole && wants == 0);
    if (full || in.pos < in.size) {
        return DECODE_FULL;
    }
    decoder->pending = zstd->walk.since;
    decoder->whole = zstd->walk.whole;
    return DECODE_MORE;
}

const struct decoder_ops decode_zstd_ops = {
    .open = zstd_open, .step = zstd_step, .close = zstd_close};
