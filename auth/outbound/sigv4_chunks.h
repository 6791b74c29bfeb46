/*
 * sigv4_chunks: a body in signed chunks (STREAMING-AWS4-HMAC-SHA256-PAYLOAD), signed anew as it
 * passes: each chunk's signature covers the one before, the first that of the head. Nothing changes
 * but the signatures, so its length stays. Pure.
 *
 * A chunk is held until it is whole, for its signature stands before it.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
 */
#pragma once

#include "auth/outbound/signer.h"

enum {
    SIGV4_CHUNK_MAX = 1024 * 1024, /* of one chunk's data; SDKs send 64 or 128 KiB */
    SIGV4_TRAILERS_MAX = 4096,
};

enum sigv4_trailers { SIGV4_NO_TRAILERS, SIGV4_TRAILERS };

struct sigv4_chunks;

struct sigv4_chunks *sigv4_chunks_new(const struct sigv4_seed *seed, enum sigv4_trailers trailers);
void sigv4_chunks_free(struct sigv4_chunks *chunks); /* takes NULL; wipes */

/* Takes some of `bytes`: none while signed ones wait. STATUS_INVALID: they are no such body. */
MUST_USE enum status sigv4_chunks_take(struct sigv4_chunks *chunks, struct slice bytes,
                                       size_t *ret_taken, struct error *err);
/* Signed bytes, to be sent; valid until the next call. */
struct slice sigv4_chunks_ready(const struct sigv4_chunks *chunks);
void sigv4_chunks_consume(struct sigv4_chunks *chunks, size_t count);
/* Was the last chunk taken? */
bool sigv4_chunks_ended(const struct sigv4_chunks *chunks);
/* Most bytes that the chunk which is being taken needs. */
size_t sigv4_chunks_held(const struct sigv4_chunks *chunks);
