/*
 * fuzz_sigv4_chunks: a body in signed chunks is the same signed anew in any pieces, and nothing of
 * it changes but signatures: as long as it was, its data where it was.
 *
 * The first byte says whether there are trailers, the second how long a piece is.
 */
#include "auth/outbound/sigv4_chunks.h"
#include "base/buffer.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY_MAX = 64 * 1024 };

/* Returns how many bytes were taken before the first fault. */
static size_t pass(struct slice body, size_t step, enum sigv4_trailers trailers, struct buffer *out)
{
    static const struct sigv4_seed seed = {.scope = "20130524/us-east-1/s3/aws4_request",
                                           .scope_len = 34};
    struct sigv4_chunks *chunks = sigv4_chunks_new(&seed, trailers);
    struct error err;
    size_t at = 0;
    while (at < body.len) {
        struct slice rest = slice_skip(body, at);
        size_t taken = 0;
        if (sigv4_chunks_take(chunks, slice_make(rest.ptr, rest.len < step ? rest.len : step),
                              &taken, &err) != STATUS_OK) {
            break;
        }
        at += taken;
        struct slice ready = sigv4_chunks_ready(chunks);
        assert(taken > 0 || ready.len > 0); /* it gets on */
        assert(sigv4_chunks_held(chunks) <= SIGV4_CHUNK_MAX + SIGV4_TRAILERS_MAX + 256);
        assert(buffer_append(out, ready) == STATUS_OK);
        sigv4_chunks_consume(chunks, ready.len);
    }
    assert(buffer_len(out) <= at);
    assert(!sigv4_chunks_ended(chunks) || buffer_len(out) == at);
    sigv4_chunks_free(chunks);
    return at;
}

/* Where they differ there was a hex digit, and is one. */
static void expect_only_signatures(struct slice body, struct slice out)
{
    for (size_t i = 0; i < out.len; i++) {
        assert(out.ptr[i] == body.ptr[i] || ascii_hex_value(out.ptr[i]) != ASCII_NOT_HEX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer once;
    struct buffer pieces;
    if (size < 2 || size > BODY_MAX) {
        return 0;
    }
    enum sigv4_trailers trailers = data[0] % 2 == 0 ? SIGV4_NO_TRAILERS : SIGV4_TRAILERS;
    struct slice body = slice_make((const char *)data + 2, size - 2);
    buffer_init(&once, BODY_MAX);
    buffer_init(&pieces, BODY_MAX);
    (void)pass(body, BODY_MAX, trailers, &once);
    (void)pass(body, 1U + data[1], trailers, &pieces);
    assert(slice_equal(buffer_bytes(&once), buffer_bytes(&pieces)));
    expect_only_signatures(body, buffer_bytes(&once));
    buffer_fini(&once);
    buffer_fini(&pieces);
    return 0;
}
