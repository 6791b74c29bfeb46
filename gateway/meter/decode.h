/*
 * decode: reads what a content coding (gzip, br, zstd) hides, in bounded steps, while the encoded
 * bytes go their own way. It changes nothing and knows no HTTP.
 *
 * Each step takes at most DECODE_INPUT_BYTES and gives at most what the caller has room for. What a
 * peer can make large is capped: the window (memory, which the caller is asked for), and how much
 * comes out of how little. Whatever is not the coding and nothing else is DECODE_BROKEN: bytes
 * behind the end, a dictionary, a window above DECODE_WINDOW_BYTES (zstd) or br's large ones,
 * frames that are to be skipped.
 */
#pragma once

#include "base/slice.h"
#include "routes/codings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DECODE_INPUT_BYTES = 4096, /* taken in a step, at most */
    DECODE_WINDOW_BYTES = 8 * 1024 * 1024,
    DECODE_FREE_BYTES = 1024 * 1024, /* so much may come out of however little; */
    DECODE_RATIO_MAX = 1000,         /* beyond, so many bytes for each that was taken */
};

enum decode_result {
    DECODE_MORE, /* all that was taken is decoded, as far as it can be without what follows */
    DECODE_FULL, /* there is no room for the rest of what was taken: call again */
    DECODE_BROKEN,
    DECODE_NO_MEMORY, /* the caller's memory has no room */
};

/* Who counts the memory. */
struct decode_memory {
    bool (*take)(void *ctx, size_t bytes); /* false: there is no room; nothing was counted */
    void (*give)(void *ctx, size_t bytes);
    void *ctx;
};

struct decoder;

/* Not for CODING_IDENTITY or CODING_OTHER. `memory` is copied. */
struct decoder *decoder_new(enum coding coding, const struct decode_memory *memory);
void decoder_free(struct decoder *decoder); /* takes NULL */

/* One step: takes bytes from the front of *input and writes *ret_len decoded ones. `size` is not 0.
 * There may be input left after DECODE_MORE as well; without input it is DECODE_MORE once nothing
 * is left to be written. After a failure it is not to be called again. */
enum decode_result decoder_next(struct decoder *decoder, struct slice *input, char *out,
                                size_t size, size_t *ret_len);

/* After DECODE_MORE: of the bytes taken so far, so many at the end belong to something that is not
 * decoded yet, and may tell of it. All before them decode to bytes that were written. */
size_t decoder_pending(const struct decoder *decoder);

/* After DECODE_MORE: what was taken is complete, and could end here. Nothing at all is not. */
bool decoder_whole(const struct decoder *decoder);

/* After DECODE_BROKEN: why. Static. */
const char *decoder_fault(const struct decoder *decoder);
