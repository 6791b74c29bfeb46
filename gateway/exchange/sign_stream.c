/* sign_stream: bodies that stream on a route that signs: hashes are compared as the bytes pass,
 * chunks signed anew. */
#include "auth/outbound/sigv4_chunks.h"
#include "base/encode.h"
#include "gateway/exchange/sign.h"
#include "gateway/exchange/sign_state.h"
#include "gateway/exchange/steps.h"

static const struct http1_fault lied = {400, "x-amz-content-sha256 is not the SHA-256 of the body"};
static const struct http1_fault broken = {
    400, "the body is not in signed chunks as x-amz-content-sha256 says: SIZE;chunk-signature="
         "SIGNATURE, 1 MiB at most"};
static const struct http1_fault cut_off = {400, "the body ends within a signed chunk"};

/* The digest so far is the caller's hash. */
static bool hash_is_true(struct sign_state *state)
{
    unsigned char hash[SHA256_BYTES];
    char text[2 * SHA256_BYTES];
    struct sha256 digest = state->digest;
    sha256_end(&digest, hash);
    encode_hex(slice_make((const char *)hash, sizeof(hash)), text);
    return slice_equal_nocase(slice_make(text, sizeof(text)), state->said);
}

/* The last bytes of a body go out only if all of it is what its hash says. */
static bool compare(struct exchange *exchange, struct sign_state *state, struct slice bytes,
                    struct http1_fault *fault)
{
    const struct http1_request *request = exchange->request;
    sha256_add(&state->digest, bytes);
    bool last = request->framing == HTTP1_LENGTH &&
                exchange->facts.request_bytes == request->content_length;
    if (last && !hash_is_true(state)) {
        *fault = lied;
        return false;
    }
    return true;
}

/* As much as the attempt has room for. Asked until it has none, it sends, and tells when there is
 * some again. */
static void drain(struct exchange *exchange, struct sigv4_chunks *chunks)
{
    struct slice ready = sigv4_chunks_ready(chunks);
    while (ready.len > 0) {
        size_t room = attempt_room(exchange->attempt);
        size_t count = ready.len < room ? ready.len : room;
        if (count == 0) {
            return;
        }
        attempt_write(exchange->attempt, slice_make(ready.ptr, count));
        sigv4_chunks_consume(chunks, count);
        ready = sigv4_chunks_ready(chunks);
    }
}

/* What a chunk needs counts against gateway.limits.buffered_bytes, while the body streams. */
static bool hold(struct exchange *exchange, struct sign_state *state)
{
    size_t needed = sigv4_chunks_held(state->chunks);
    if (needed <= state->held) {
        return true;
    }
    if (!exchange_side_hold(exchange->side, needed - state->held)) {
        return false;
    }
    exchange->held_bytes += needed - state->held;
    state->held = needed;
    return true;
}

static bool renew(struct exchange *exchange, struct sign_state *state, struct slice bytes,
                  size_t *ret_taken, struct http1_fault *fault)
{
    static const struct http1_fault full = {
        503, "gateway.limits.buffered_bytes is used up: try again later"};
    struct error err;
    while (*ret_taken < bytes.len) {
        size_t taken = 0;
        drain(exchange, state->chunks);
        if (sigv4_chunks_ready(state->chunks).len > 0) {
            return true; /* the rest when there is room */
        }
        if (sigv4_chunks_take(state->chunks, slice_skip(bytes, *ret_taken), &taken, &err) !=
            STATUS_OK) {
            *fault = broken;
            return false;
        }
        *ret_taken += taken;
        if (!hold(exchange, state)) {
            *fault = full;
            return false;
        }
    }
    drain(exchange, state->chunks);
    return true;
}

bool sign_pass(struct exchange *exchange, struct slice bytes, size_t *ret_taken,
               struct http1_fault *fault)
{
    struct sign_state *state = exchange->signing;
    *ret_taken = 0;
    if (state != NULL && state->chunks != NULL) {
        return renew(exchange, state, bytes, ret_taken, fault);
    }
    if (state != NULL && state->compares && !compare(exchange, state, bytes, fault)) {
        return false;
    }
    attempt_write(exchange->attempt, bytes);
    *ret_taken = bytes.len;
    return true;
}

bool sign_flush(struct exchange *exchange)
{
    struct sign_state *state = exchange->signing;
    if (state == NULL || state->chunks == NULL) {
        return true;
    }
    drain(exchange, state->chunks);
    return sigv4_chunks_ready(state->chunks).len == 0;
}

bool sign_pass_end(struct exchange *exchange, struct http1_fault *fault)
{
    struct sign_state *state = exchange->signing;
    if (state != NULL && state->chunks != NULL && !sigv4_chunks_ended(state->chunks)) {
        *fault = cut_off;
        return false;
    }
    if (state != NULL && state->compares && !hash_is_true(state)) {
        *fault = lied;
        return false;
    }
    return true;
}
