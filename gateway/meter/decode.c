#include "gateway/meter/decode.h"

#include "base/memory.h"
#include "gateway/meter/decode_state.h"

#include <assert.h>

/* In front of what a library was given; as large as any type's alignment. */
union block {
    size_t size;
    max_align_t align;
};

void *decode_alloc(struct decoder *decoder, size_t size)
{
    if (size > SIZE_MAX / 2 ||
        !decoder->memory.take(decoder->memory.ctx, sizeof(union block) + size)) {
        decoder->no_memory = true;
        return NULL;
    }
    union block *block = memory_resize(NULL, sizeof(*block) + size);
    block->size = sizeof(*block) + size;
    return block + 1;
}

void decode_release(struct decoder *decoder, void *ptr)
{
    if (ptr == NULL) {
        return;
    }
    union block *block = (union block *)ptr - 1;
    size_t size = block->size;
    memory_free(block);
    decoder->memory.give(decoder->memory.ctx, size);
}

static const struct decoder_ops *ops_of(enum coding coding)
{
    switch (coding) {
    case CODING_GZIP:
        return &decode_gzip_ops;
    case CODING_BROTLI:
        return &decode_brotli_ops;
    case CODING_ZSTD:
        return &decode_zstd_ops;
    case CODING_IDENTITY:
    case CODING_OTHER:
        break;
    }
    return NULL;
}

struct decoder *decoder_new(enum coding coding, const struct decode_memory *memory)
{
    struct decoder *decoder = MEMORY_NEW(struct decoder);
    decoder->ops = ops_of(coding);
    decoder->memory = *memory;
    assert(decoder->ops != NULL);
    return decoder;
}

void decoder_free(struct decoder *decoder)
{
    if (decoder != NULL) {
        decoder->ops->close(decoder);
        memory_free(decoder);
    }
}

/* Nothing that people send comes near: of gzip 1032 bytes for one is the most there can be. */
static bool is_bomb(const struct decoder *decoder)
{
    return decoder->given > DECODE_FREE_BYTES &&
           (decoder->given - DECODE_FREE_BYTES) / DECODE_RATIO_MAX >= decoder->taken;
}

static enum decode_result step(struct decoder *decoder, struct slice *input, char *out, size_t size,
                               size_t *ret_len)
{
    struct slice part = *input;
    if (decoder->state == NULL) {
        enum decode_result result = decoder->ops->open(decoder);
        if (result != DECODE_MORE) {
            return result;
        }
    }
    part.len = part.len < DECODE_INPUT_BYTES ? part.len : DECODE_INPUT_BYTES;
    size_t before = part.len;
    enum decode_result result = decoder->ops->step(decoder, &part, out, size, ret_len);
    decoder->taken += before - part.len;
    decoder->given += *ret_len;
    *input = slice_skip(*input, before - part.len);
    if (is_bomb(decoder)) {
        return decode_break(decoder, "it decodes to far more than there is of it");
    }
    return result;
}

enum decode_result decoder_next(struct decoder *decoder, struct slice *input, char *out,
                                size_t size, size_t *ret_len)
{
    assert(!decoder->failed && size > 0);
    *ret_len = 0;
    enum decode_result result = step(decoder, input, out, size, ret_len);
    if (decoder->no_memory) {
        result = DECODE_NO_MEMORY;
    }
    decoder->failed = result == DECODE_BROKEN || result == DECODE_NO_MEMORY;
    return result;
}

size_t decoder_pending(const struct decoder *decoder)
{
    return decoder->pending;
}

bool decoder_whole(const struct decoder *decoder)
{
    return decoder->whole;
}

const char *decoder_fault(const struct decoder *decoder)
{
    return decoder->fault == NULL ? "it is broken" : decoder->fault;
}
