/*
 * sign: a request's signature, where its route wants one: over the head as it is sent, last of all,
 * anew for each attempt. Only for gateway/exchange.
 *
 * What stands for the body in it: its hash where it is held; where it streams, the hash that the
 * caller said, which is compared as the bytes pass, or that it is unsigned, where the service takes
 * that (S3 over TLS). A body in chunks that the caller signed is signed anew, chunk by chunk.
 */
#pragma once

#include "base/http1.h"
#include "base/status.h"
#include "gateway/client/problem.h"
#include "gateway/exchange/exchange.h"

#include <stdbool.h>

/* Why a request cannot be signed here whatever its key is; `why` NULL: it can. */
struct sign_refusal {
    enum problem_code code;
    const char *why;
};
struct sign_refusal sign_refuses(const struct exchange *exchange);

/* Must the whole body be there before it is sent, because its hash is signed? */
bool sign_needs_body(const struct exchange *exchange);
/* Is it a body whose chunks are signed anew? Such a one streams from its first byte on, if its
 * length is not known. */
bool sign_renews_chunks(const struct exchange *exchange);

/* Before the head is written: is the secret of the right form, and the caller's hash that of the
 * body? False: *ret is what that leads to. */
bool sign_check(struct exchange *exchange, enum step_result *ret);
/* Appends the signature's lines to the head that is written so far. */
MUST_USE enum status sign_head(const struct exchange *exchange, struct buffer *head);
/* After the head was written: signs the chunks of a body that is held, makes ready for one that
 * streams. False: *ret is what that leads to. */
bool sign_body(struct exchange *exchange, enum step_result *ret);

/* Is what goes upstream made for one head alone, so that it cannot be sent with another? */
bool sign_is_bound(const struct exchange *exchange);

/* ---- of a body that streams: sign_stream.c ---- */

/* Hands on what was signed and waits. True: nothing waits any more. */
bool sign_flush(struct exchange *exchange);
/* Hands on some of `bytes`, which are counted in facts.request_bytes already. False: they are not
 * what was signed; *fault says it. */
bool sign_pass(struct exchange *exchange, struct slice bytes, size_t *ret_taken,
               struct http1_fault *fault);
/* Its end, after a flush. False: likewise. */
bool sign_pass_end(struct exchange *exchange, struct http1_fault *fault);

/* ---- the upstream's clock: sign_time.c ---- */

/* The answer tells that the upstream's clock is another than was thought: from now on that one
 * counts. True: this request may be tried once more for that. */
bool sign_learns_time(struct exchange *exchange, const struct http1_response *response);

/* Frees what is kept for it; at the end. */
void sign_fini(struct exchange *exchange);
