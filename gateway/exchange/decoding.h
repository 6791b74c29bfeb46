/*
 * decoding: an encoded answer (gzip, br, zstd) is read beside its stream where a credential could
 * hide in it, or its usage is looked for. What leaves stays encoded, and leaves only once all that
 * it decodes to was looked at: a byte that may belong to a credential holds back what it came in.
 *
 * It stands between deliver and the attempt: deliver reads here what may leave. What is held counts
 * against gateway.limits.buffered_bytes, as does the decoder's memory. Only for gateway/exchange.
 */
#pragma once

#include "base/slice.h"
#include "gateway/exchange/exchange.h"
#include "routes/codings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the provider may be asked for: nothing encoded where a part of an answer is asked for, or
 * the stream may have to be changed. */
enum coding_choice decoding_choice(const struct exchange *exchange);

/* The answer's head is here, and metering_head() was called. Makes exchange->decoding, if the
 * answer is encoded and has to be read. False: it cannot be, *ret is what the step comes to. */
bool decoding_begin(struct exchange *exchange, enum step_result *ret);
void decoding_free(struct exchange *exchange); /* also if there is none */

/* Does the head wait for the first bytes of the body? So an answer that is refused for what it
 * decodes to is an error, not a part. Not of event streams, that may say nothing for long. */
bool decoding_keeps_head(const struct exchange *exchange);

enum decoding_result {
    DECODING_READY,   /* *ret_data may leave */
    DECODING_BUSY,    /* some work was done: call again, if there is time */
    DECODING_EXTEND,  /* metering_extend(), then call again */
    DECODING_PENDING, /* as of attempt_read() */
    DECODING_END,
    DECODING_FAILED,
    DECODING_REFUSED, /* for decoding_refuse() */
};

enum decoding_result decoding_read(struct exchange *exchange, struct slice *ret_data);
void decoding_consume(struct exchange *exchange, size_t count);

/* Ends the exchange: the credential lies in it, it is broken, or there is no room to read it. */
enum step_result decoding_refuse(struct exchange *exchange);

/* Bytes that were decoded so far; 0 if there is nothing to decode. */
uint64_t decoding_work(const struct exchange *exchange);
