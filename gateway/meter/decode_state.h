/* decode_state: what the decoders of the codings share. Only for decode*.c. */
#pragma once

#include "gateway/meter/decode.h"

/* One coding. `state` is the coding's own. */
struct decoder_ops {
    enum decode_result (*open)(struct decoder *decoder);
    /* As decoder_next(): `input` is a step's at most. Sets pending and whole on DECODE_MORE. */
    enum decode_result (*step)(struct decoder *decoder, struct slice *input, char *out, size_t size,
                               size_t *ret_len);
    void (*close)(struct decoder *decoder); /* also if `open` failed half-way */
};

struct decoder {
    const struct decoder_ops *ops;
    struct decode_memory memory;
    void *state; /* owned; NULL: not open */
    bool no_memory;
    bool failed;
    uint64_t taken; /* bytes, so far */
    uint64_t given;
    size_t pending;
    bool whole;
    const char *fault; /* static */
};

extern const struct decoder_ops decode_gzip_ops, decode_brotli_ops, decode_zstd_ops;

/* Memory for a library, counted. NULL, and no_memory is set: there is no room. */
void *decode_alloc(struct decoder *decoder, size_t size);
void decode_release(struct decoder *decoder, void *ptr); /* takes NULL */

static inline enum decode_result decode_break(struct decoder *decoder, const char *fault)
{
    decoder->fault = fault;
    return DECODE_BROKEN;
}
