/* coded: what the tests of decoders share: bytes that are encoded, and decoded in pieces. */
#pragma once

#include "base/buffer.h"
#include "base/memory.h"
#include "gateway/meter/decode.h"

#include <assert.h>
#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

enum { CODED_MAX = 128 * 1024 * 1024 };

/* ---- encoders; each part is flushed, so that it can be decoded before the next ---- */

static inline void coded_gzip(struct buffer *out, const struct slice *parts, unsigned count)
{
    z_stream stream = {0};
    int done = deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    for (unsigned i = 0; i < count; i++) {
        stream.next_in = (Bytef *)parts[i].ptr;
        stream.avail_in = (uInt)parts[i].len;
        size_t most = deflateBound(&stream, parts[i].len) + 64;
        done |= (int)buffer_reserve(out, most);
        stream.next_out = (Bytef *)buffer_tail(out);
        stream.avail_out = (uInt)most;
        int ended = deflate(&stream, i + 1 == count ? Z_FINISH : Z_SYNC_FLUSH);
        done |= ended == Z_STREAM_END ? Z_OK : ended;
        buffer_commit(out, most - stream.avail_out);
    }
    done |= deflateEnd(&stream);
    assert(done == Z_OK);
}

static inline void coded_brotli_window(struct buffer *out, const struct slice *parts,
                                       unsigned count, unsigned window_bits)
{
    BrotliEncoderState *state = BrotliEncoderCreateInstance(NULL, NULL, NULL);
    BROTLI_BOOL done = BrotliEncoderSetParameter(state, BROTLI_PARAM_QUALITY, 5);
    if (window_bits > BROTLI_MAX_WINDOW_BITS) {
        done &= BrotliEncoderSetParameter(state, BROTLI_PARAM_LARGE_WINDOW, 1);
    }
    done &= BrotliEncoderSetParameter(state, BROTLI_PARAM_LGWIN, window_bits);
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *next_in = (const uint8_t *)parts[i].ptr;
        size_t left = parts[i].len;
        size_t most = left + left / 2 + 1024;
        done &= buffer_reserve(out, most) == STATUS_OK;
        uint8_t *next_out = (uint8_t *)buffer_tail(out);
        size_t room = most;
        done &= BrotliEncoderCompressStream(
            state, i + 1 == count ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_FLUSH, &left,
            &next_in, &room, &next_out, NULL);
        buffer_commit(out, most - room);
    }
    assert(done && BrotliEncoderIsFinished(state));
    BrotliEncoderDestroyInstance(state);
}

static inline void coded_brotli(struct buffer *out, const struct slice *parts, unsigned count)
{
    coded_brotli_window(out, parts, count, 18);
}

/* window_bits 0: the library's own choice. */
static inline void coded_zstd_window(struct buffer *out, const struct slice *parts, unsigned count,
                                     int window_bits)
{
    ZSTD_CCtx *library = ZSTD_createCCtx();
    bool failed = ZSTD_isError(ZSTD_CCtx_setParameter(library, ZSTD_c_checksumFlag, 1)) ||
                  ZSTD_isError(ZSTD_CCtx_setParameter(library, ZSTD_c_windowLog, window_bits));
    for (unsigned i = 0; i < count; i++) {
        ZSTD_inBuffer in = {.src = parts[i].ptr, .size = parts[i].len};
        size_t most = ZSTD_compressBound(parts[i].len) + 64;
        failed |= buffer_reserve(out, most) != STATUS_OK;
        ZSTD_outBuffer to = {.dst = buffer_tail(out), .size = most};
        failed |= ZSTD_compressStream2(library, &to, &in,
                                       i + 1 == count ? ZSTD_e_end : ZSTD_e_flush) != 0;
        buffer_commit(out, to.pos);
    }
    ZSTD_freeCCtx(library);
    assert(!failed);
}

static inline void coded_zstd(struct buffer *out, const struct slice *parts, unsigned count)
{
    coded_zstd_window(out, parts, count, 0);
}

/* Text that can be shortened to about a half, in lines. */
static inline void coded_text(struct buffer *out, size_t len)
{
    enum { LINE_BYTES = 32 };
    uint32_t state = 7;
    char line[LINE_BYTES];
    while (buffer_len(out) < len) {
        for (size_t i = 0; i < LINE_BYTES - 1; i++) {
            state = state * 1664525 + 1013904223;
            line[i] = (char)('a' + (state >> 24) % 16);
        }
        line[LINE_BYTES - 1] = '\n';
        enum status status = buffer_append(out, slice_make(line, LINE_BYTES));
        assert(status == STATUS_OK);
    }
}

struct coded_kind {
    const char *name;
    enum coding coding;
    void (*encode)(struct buffer *out, const struct slice *parts, unsigned count);
};

static const struct coded_kind coded_kinds[] = {
    {"gzip", CODING_GZIP, coded_gzip},
    {"br", CODING_BROTLI, coded_brotli},
    {"zstd", CODING_ZSTD, coded_zstd},
};
enum { CODED_KINDS = 3 };

/* ---- memory ---- */

struct coded_memory {
    size_t used, most, max;
};

static inline bool coded_take(void *ctx, size_t bytes)
{
    struct coded_memory *memory = ctx;
    if (bytes > memory->max - memory->used) {
        return false;
    }
    memory->used += bytes;
    memory->most = memory->most < memory->used ? memory->used : memory->most;
    return true;
}

static inline void coded_give(void *ctx, size_t bytes)
{
    struct coded_memory *memory = ctx;
    assert(bytes <= memory->used);
    memory->used -= bytes;
}

/* ---- decoding ---- */

struct coded_run {
    struct coded_memory memory;
    struct decoder *decoder;
    struct buffer text;
    size_t room; /* of a step */
    enum decode_result result;
    unsigned steps;
};

static inline void coded_begin(struct coded_run *run, enum coding coding)
{
    *run = (struct coded_run){.memory = {.max = CODED_MAX}, .room = 1000};
    const struct decode_memory memory = {
        .take = coded_take, .give = coded_give, .ctx = &run->memory};
    run->decoder = decoder_new(coding, &memory);
    buffer_init(&run->text, CODED_MAX);
}

static inline void coded_end(struct coded_run *run)
{
    decoder_free(TAKE(run->decoder));
    buffer_fini(&run->text);
    assert(run->memory.used == 0);
}

/* All steps that `input` is good for. */
static inline enum decode_result coded_feed(struct coded_run *run, struct slice input)
{
    do {
        size_t len = 0;
        enum status status = buffer_reserve(&run->text, run->room);
        assert(status == STATUS_OK);
        run->result = decoder_next(run->decoder, &input, buffer_tail(&run->text), run->room, &len);
        buffer_commit(&run->text, len);
        run->steps++;
    } while (run->result == DECODE_FULL || (run->result == DECODE_MORE && input.len > 0));
    return run->result;
}

/* What it is, as a whole and alone: the text lies in *run. */
static inline enum decode_result coded_decode(struct coded_run *run, enum coding coding,
                                              struct slice input)
{
    coded_begin(run, coding);
    return coded_feed(run, input);
}
