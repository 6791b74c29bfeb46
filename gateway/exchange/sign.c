#include "gateway/exchange/sign.h"

#include "auth/inbound/aws_authorization.h"
#include "auth/outbound/hmac_recipe.h"
#include "auth/outbound/signer.h"
#include "auth/outbound/sigv4_chunks.h"
#include "auth/secrets/secret_store.h"
#include "base/encode.h"
#include "base/memory.h"
#include "base/secret.h"
#include "gateway/exchange/sign_state.h"
#include "gateway/exchange/steps.h"
#include "gateway/upstream/standing.h"
#include "routes/profile.h"

#include <assert.h>

enum { HEX_BYTES = 2 * SHA256_BYTES };

static const struct slice hash_field = SLICE_INIT("x-amz-content-sha256");
static const struct slice unsigned_payload = SLICE_INIT("UNSIGNED-PAYLOAD");

/* ---- what the caller says of its body ---- */

static const struct {
    struct slice text;
    enum sign_payload payload;
} payload_names[] = {
    {SLICE_INIT("UNSIGNED-PAYLOAD"), PAYLOAD_UNSIGNED},
    {SLICE_INIT("STREAMING-UNSIGNED-PAYLOAD-TRAILER"), PAYLOAD_CHUNKS},
    {SLICE_INIT("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), PAYLOAD_SIGNED_CHUNKS},
    {SLICE_INIT("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"), PAYLOAD_SIGNED_CHUNKS_TRAILER},
};

static enum sign_payload read_payload(struct slice text)
{
    for (size_t i = 0; i < sizeof(payload_names) / sizeof(payload_names[0]); i++) {
        if (slice_equal(text, payload_names[i].text)) {
            return payload_names[i].payload;
        }
    }
    unsigned char hash[SHA256_BYTES];
    return text.len == HEX_BYTES && decode_hex(text, hash) == STATUS_OK ? PAYLOAD_HASH
                                                                        : PAYLOAD_UNKNOWN;
}

/* The first one counts; two that differ are refused. */
static enum sign_payload payload_of(const struct exchange *exchange, struct slice *ret_text)
{
    const struct http1_request *request = exchange->request;
    enum sign_payload payload = PAYLOAD_NOT_SAID;
    *ret_text = slice_make("", 0);
    for (unsigned i = 0; i < request->field_count; i++) {
        const struct http1_field *field = &request->fields[i];
        if (!slice_equal_nocase(field->name, hash_field)) {
            continue;
        }
        if (payload != PAYLOAD_NOT_SAID && !slice_equal(field->value, *ret_text)) {
            return PAYLOAD_UNKNOWN;
        }
        payload = read_payload(field->value);
        *ret_text = field->value;
    }
    return payload;
}

static bool signs_aws(const struct route *route)
{
    return route->sign != NULL && route->sign->scheme == SIGNER_AWS_SIGV4;
}

/* S3 takes a body that is not signed, over TLS, and chunks. */
static bool takes_unsigned(const struct route *route)
{
    return route->sign->as_s3 && route->origin.tls;
}

static bool is_chunked(enum sign_payload payload)
{
    return payload == PAYLOAD_CHUNKS || payload == PAYLOAD_SIGNED_CHUNKS ||
           payload == PAYLOAD_SIGNED_CHUNKS_TRAILER;
}

static bool is_signed_chunks(enum sign_payload payload)
{
    return payload == PAYLOAD_SIGNED_CHUNKS || payload == PAYLOAD_SIGNED_CHUNKS_TRAILER;
}

/* ---- what is refused ---- */

static bool speaks_aws(const struct route *route)
{
    bool slot = false;
    for (unsigned i = 0; i < route->profile->slot_count && !slot; i++) {
        slot = route->profile->slots[i].kind == SLOT_AWS;
    }
    return slot || signs_aws(route);
}

static bool is_sigv4a(const struct exchange *exchange)
{
    const struct http1_request *request = exchange->request;
    for (unsigned i = 0; i < request->field_count; i++) {
        const struct http1_field *field = &request->fields[i];
        struct slice id;
        if (slice_equal_nocase(field->name, SLICE("authorization")) &&
            aws_authorization_read(field->value, &id) == AWS_SIGV4A) {
            return true;
        }
    }
    return false;
}

struct sign_refusal sign_refuses(const struct exchange *exchange)
{
    struct slice text;
    if (!speaks_aws(exchange->route)) {
        return (struct sign_refusal){.why = NULL};
    }
    if (aws_query_is_signed(exchange->query)) {
        return (struct sign_refusal){
            PROBLEM_TENANT_KEY_MISSING,
            "a presigned URL is not taken: send the tenant key as the access key id of a "
            "signature in the Authorization header, or in X-Sallyport-Key"};
    }
    if (is_sigv4a(exchange)) {
        return (struct sign_refusal){PROBLEM_NOT_IMPLEMENTED,
                                     "AWS4-ECDSA-P256-SHA256 (SigV4a) is not taken: sign with "
                                     "AWS4-HMAC-SHA256"};
    }
    if (!signs_aws(exchange->route) || payload_of(exchange, &text) != PAYLOAD_UNKNOWN) {
        return (struct sign_refusal){.why = NULL};
    }
    if (slice_starts_with(text, SLICE("STREAMING-AWS4-ECDSA-"))) {
        return (struct sign_refusal){PROBLEM_NOT_IMPLEMENTED,
                                     "chunks that are signed with SigV4a are not taken"};
    }
    return (struct sign_refusal){PROBLEM_BAD_REQUEST,
                                 "x-amz-content-sha256 is neither a SHA-256 in hex nor one of "
                                 "UNSIGNED-PAYLOAD and STREAMING-..."};
}

/* ---- which bodies are held ---- */

static bool needs_body(const struct exchange *exchange, const struct route *route)
{
    struct slice text;
    if (route->sign == NULL) {
        return false;
    }
    switch (route->sign->scheme) {
    case SIGNER_AWS_SIGV4: {
        enum sign_payload payload = payload_of(exchange, &text);
        return payload != PAYLOAD_HASH && !takes_unsigned(route) &&
               !(route->sign->as_s3 && is_chunked(payload));
    }
    case SIGNER_HMAC:
        return route->sign->recipe->reads_body;
    case SIGNER_AZURE_SHARED_KEY:
    case SIGNER_SCHEMES:
        break;
    }
    return false;
}

bool sign_needs_body(const struct exchange *exchange)
{
    const struct route *route = exchange->route;
    bool needs = needs_body(exchange, route);
    for (unsigned i = 0; i < route->fallback_count && !needs; i++) {
        needs = needs_body(exchange, route->fallback[i]);
    }
    return needs;
}

bool sign_renews_chunks(const struct exchange *exchange)
{
    struct slice text;
    return signs_aws(exchange->route) && exchange->route->sign->as_s3 &&
           is_signed_chunks(payload_of(exchange, &text));
}

/* ---- before the head ---- */

static void hash_hex(struct slice bytes, char out[HEX_BYTES])
{
    unsigned char hash[SHA256_BYTES];
    digest_sha256(bytes, hash);
    encode_hex(slice_make((const char *)hash, sizeof(hash)), out);
}

/* Afresh for each attempt: another route may sign otherwise, or not at all. */
static struct sign_state *begin_state(struct exchange *exchange)
{
    if (exchange->signing == NULL && exchange->route->sign != NULL) {
        exchange->signing = MEMORY_NEW(struct sign_state);
    }
    struct sign_state *state = exchange->signing;
    if (state == NULL) {
        return NULL;
    }
    sigv4_chunks_free(TAKE(state->chunks));
    state->bound = false;
    state->compares = false;
    state->payload =
        signs_aws(exchange->route) ? payload_of(exchange, &state->said) : PAYLOAD_NOT_SAID;
    return state;
}

/* What the caller says of a body that is held must be so: it may have been changed on its way. */
static bool hash_is_true(const struct exchange *exchange, struct sign_state *state)
{
    if (state->payload != PAYLOAD_HASH || exchange->body_mode == BODY_STREAMED) {
        return true;
    }
    struct slice body =
        exchange->body_mode == BODY_WHOLE ? exchange->body_slice : slice_make("", 0);
    hash_hex(body, state->hash);
    state->hashed = body;
    return slice_equal_nocase(slice_make(state->hash, HEX_BYTES), state->said);
}

bool sign_check(struct exchange *exchange, enum step_result *ret)
{
    struct error err;
    const struct route *route = exchange->route;
    struct sign_state *state = begin_state(exchange);
    if (route->sign == NULL) {
        return true;
    }
    assert(exchange->credential != NULL); /* config/link sees to it */
    if (signer_check_secret(route->sign, secret_reveal(exchange->credential->secret), &err) !=
        STATUS_OK) {
        *ret = exchange_fail(exchange, ENDED_BY_GATEWAY, PROBLEM_CREDENTIAL_UNAVAILABLE,
                             "the secret \"%s\" of route \"%s\" cannot sign: %s",
                             exchange->credential->name, route->name, err.message);
        return false;
    }
    if (exchange->body_mode == BODY_STREAMED && needs_body(exchange, route)) {
        *ret = exchange_fail(exchange, ENDED_BY_GATEWAY, PROBLEM_OVERLOADED,
                             "the body is signed for route \"%s\" and is not held: try again",
                             route->name);
        return false;
    }
    if (!hash_is_true(exchange, state)) {
        *ret = exchange_fail(exchange, ENDED_BY_CLIENT, PROBLEM_BAD_REQUEST,
                             "x-amz-content-sha256 is not the SHA-256 of the body");
        return false;
    }
    return true;
}

/* ---- the head ---- */

/* What stands for the body in the signature. */
static struct slice payload_text(const struct exchange *exchange, struct sign_state *state)
{
    const struct route *route = exchange->route;
    if (route->sign->as_s3 && is_chunked(state->payload) && exchange->body_mode != BODY_NONE) {
        return state->said;
    }
    if (exchange->body_mode == BODY_STREAMED) {
        return state->payload == PAYLOAD_HASH ? state->said : unsigned_payload;
    }
    struct slice body = exchange->body_mode == BODY_WHOLE ? exchange->outgoing : slice_make("", 0);
    bool known = state->hashed.ptr == body.ptr && state->hashed.len == body.len &&
                 body.ptr == exchange->body_slice.ptr; /* what is the caller's does not change */
    if (!known) {
        hash_hex(body, state->hash);
        state->hashed = body;
    }
    return slice_make(state->hash, HEX_BYTES);
}

enum status sign_head(const struct exchange *exchange, struct buffer *head)
{
    struct signing_field fields[SIGNING_FIELDS_MAX];
    const struct route *route = exchange->route;
    struct exchange_side *side = exchange->side;
    struct sign_state *state = exchange->signing;
    if (route->sign == NULL) {
        return STATUS_OK;
    }
    if (side->signing_keys == NULL) {
        side->signing_keys = signing_keys_new();
    }
    usec_t now = clock_wall() + route_standing_clock(route->standing);
    struct slice secret = secret_reveal(exchange->credential->secret);
    /* The head must not move while it is read: its memory was taken at once. */
    struct slice text = buffer_bytes(head);
    struct signing_request request = {.now = now};
    TRY(signer_read_head(text, fields, &request));
    request.body = exchange->body_mode == BODY_WHOLE ? exchange->outgoing : slice_make("", 0);
    if (signs_aws(route)) {
        request.payload = payload_text(exchange, state);
    }
    return signer_sign(route->sign, secret, side->signing_keys, &request, head, &state->seed);
}

/* ---- bodies in signed chunks ---- */

static enum sigv4_trailers trailers_of(const struct sign_state *state)
{
    return state->payload == PAYLOAD_SIGNED_CHUNKS_TRAILER ? SIGV4_TRAILERS : SIGV4_NO_TRAILERS;
}

/* All of a body that is held, into a copy. */
static enum status renew_whole(struct exchange *exchange, struct sign_state *state,
                               struct error *err)
{
    struct slice rest = exchange->outgoing;
    buffer_consume(&state->body, buffer_len(&state->body));
    while (rest.len > 0) {
        size_t taken = 0;
        TRY(sigv4_chunks_take(state->chunks, rest, &taken, err));
        rest = slice_skip(rest, taken);
        struct slice ready = sigv4_chunks_ready(state->chunks);
        TRY(buffer_append(&state->body, ready));
        sigv4_chunks_consume(state->chunks, ready.len);
    }
    if (!sigv4_chunks_ended(state->chunks)) {
        FAIL(err, STATUS_INVALID, "the body ends within a signed chunk");
    }
    exchange->outgoing = buffer_bytes(&state->body);
    state->bound = true;
    sigv4_chunks_free(TAKE(state->chunks)); /* with a chunk's memory */
    return STATUS_OK;
}

static bool hold_copy(struct exchange *exchange, struct sign_state *state)
{
    if (state->body.max == 0) {
        size_t bytes = exchange->outgoing.len;
        if (!exchange_side_hold(exchange->side, bytes)) {
            return false;
        }
        exchange->held_bytes += bytes;
        buffer_init(&state->body, bytes + 1);
    }
    return true;
}

bool sign_body(struct exchange *exchange, enum step_result *ret)
{
    struct sign_state *state = exchange->signing;
    struct error err = {.message = ""};
    if (exchange->route->sign == NULL || !signs_aws(exchange->route)) {
        return true;
    }
    if (exchange->body_mode == BODY_STREAMED && state->payload == PAYLOAD_HASH) {
        sha256_begin(&state->digest);
        sha256_add(&state->digest, exchange->outgoing);
        state->compares = true;
    }
    if (!exchange->route->sign->as_s3 || !is_signed_chunks(state->payload) ||
        exchange->body_mode == BODY_NONE) {
        secret_wipe(&state->seed, sizeof(state->seed));
        return true;
    }
    state->chunks = sigv4_chunks_new(&state->seed, trailers_of(state));
    secret_wipe(&state->seed, sizeof(state->seed));
    if (exchange->body_mode == BODY_STREAMED) {
        return true;
    }
    if (!hold_copy(exchange, state)) {
        *ret = exchange_fail(exchange, ENDED_BY_GATEWAY, PROBLEM_OVERLOADED,
                             "gateway.limits.buffered_bytes is used up: try again later");
        return false;
    }
    if (renew_whole(exchange, state, &err) != STATUS_OK) {
        *ret = exchange_fail(exchange, ENDED_BY_CLIENT, PROBLEM_BAD_REQUEST, "%s", err.message);
        return false;
    }
    return true;
}

bool sign_is_bound(const struct exchange *exchange)
{
    return exchange->signing != NULL && exchange->signing->bound;
}

void sign_fini(struct exchange *exchange)
{
    struct sign_state *state = TAKE(exchange->signing);
    if (state != NULL) {
        sigv4_chunks_free(state->chunks);
        buffer_fini(&state->body);
        secret_wipe(state, sizeof(*state));
        memory_free(state);
    }
}
