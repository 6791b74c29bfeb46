#include "auth/inbound/webhook_jwt.h"

#include "auth/inbound/jwt.h"
#include "auth/inbound/webhook_crypto.h"
#include "auth/inbound/webhook_timestamp.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/memory.h"
#include "base/secret.h"

bool webhook_body_hash_is(const struct webhook_request *request, struct slice text)
{
    unsigned char hash[SHA256_BYTES];
    char hex[2 * SHA256_BYTES];
    digest_sha256(request->body, hash);
    encode_hex(slice_make((const char *)hash, sizeof(hash)), hex);
    return secret_equal(slice_make(hex, sizeof(hex)), text);
}

static const char *claim_name(const struct webhook_message *message, struct slice name)
{
    return arena_copy(message->arena, name).ptr;
}

/* By when it expires, if the scheme goes by that, else by when it was issued. */
static enum webhook_reason check_time(const struct webhook_message *message, const struct jwt *jwt,
                                      struct webhook_result *ret)
{
    const struct webhook_scheme *scheme = message->scheme;
    int64_t now = message->request->now;
    int64_t issued = 0;
    int64_t expires = 0;
    if (!jwt_number(jwt, "iat", &issued)) {
        return WEBHOOK_TIMESTAMP_MALFORMED;
    }
    ret->timestamp = issued;
    if (!slice_equal(scheme->timestamp.name, SLICE("exp"))) {
        return webhook_timestamp_check(issued * 1000, now, scheme->tolerance);
    }
    if (!jwt_number(jwt, "exp", &expires)) {
        return WEBHOOK_TIMESTAMP_MALFORMED;
    }
    if (expires <= now) {
        return WEBHOOK_TIMESTAMP_EXPIRED;
    }
    return issued > now + WEBHOOK_LEEWAY_SECONDS ? WEBHOOK_TIMESTAMP_FUTURE : WEBHOOK_OK;
}

static bool claim_is(const struct jwt *jwt, const char *claim, struct slice text)
{
    struct slice value;
    return jwt_text(jwt, claim, &value) && slice_equal(value, text);
}

static enum webhook_reason check_claims(const struct webhook_message *message,
                                        const struct jwt *jwt)
{
    const struct webhook_scheme *scheme = message->scheme;
    const struct webhook_request *request = message->request;
    struct slice value;
    bool issuer = scheme->issuers.count == 0;
    for (unsigned i = 0; i < scheme->issuers.count; i++) {
        issuer = issuer || claim_is(jwt, "iss", scheme->issuers.text[i]);
    }
    bool pinned = scheme->pin != WEBHOOK_PIN_AUDIENCE ||
                  (claim_is(jwt, "aud", request->audience) &&
                   claim_is(jwt, "email", request->email) && jwt_true(jwt, "email_verified"));
    if (!issuer || !pinned) {
        return WEBHOOK_CLAIM_MISMATCH;
    }
    if (scheme->body_hash.kind == WEBHOOK_IN_CLAIM &&
        !(jwt_text(jwt, claim_name(message, scheme->body_hash.name), &value) &&
          webhook_body_hash_is(request, value))) {
        return WEBHOOK_BODY_HASH_MISMATCH;
    }
    return WEBHOOK_OK;
}

static enum webhook_reason check_token(const struct webhook_message *message, struct slice text,
                                       struct jwt *jwt, struct webhook_result *ret)
{
    const struct webhook_request *request = message->request;
    enum key_kind kind = message->scheme->algorithm == WEBHOOK_JWT_ES256 ? KEY_ES256 : KEY_RS256;
    EVP_PKEY *key CLEANUP(webhook_key_free_at) = NULL;
    enum jwt_fault fault = jwt_read(text, kind, jwt);
    if (fault != JWT_OK) {
        return fault == JWT_ALGORITHM ? WEBHOOK_ALGORITHM_REFUSED : WEBHOOK_HEADER_MALFORMED;
    }
    if (jwt->kid.len == 0) { /* it says which key is asked for */
        return WEBHOOK_HEADER_MALFORMED;
    }
    if (request->fetched_state == WEBHOOK_NOT_ASKED) {
        ret->outcome = WEBHOOK_NEEDS;
        ret->need = WEBHOOK_NEEDS_KEY;
        ret->need_name = arena_copy(message->arena, jwt->kid);
        return WEBHOOK_OK;
    }
    key = request->fetched_state == WEBHOOK_FETCHED ? key_set_find(request->fetched, jwt->kid, kind)
                                                    : NULL;
    if (key == NULL) {
        return WEBHOOK_KEY_UNKNOWN;
    }
    if (!jwt_valid(jwt, kind, key)) {
        return WEBHOOK_SIGNATURE_MISMATCH;
    }
    enum webhook_reason reason = check_time(message, jwt, ret);
    return reason == WEBHOOK_OK ? check_claims(message, jwt) : reason;
}

enum webhook_reason webhook_jwt_verify(struct webhook_message *message, struct webhook_result *ret)
{
    const struct webhook_scheme *scheme = message->scheme;
    const struct webhook_request *request = message->request;
    struct jwt jwt = {0};
    struct slice text = SLICE("");
    if (scheme->pin == WEBHOOK_PIN_AUDIENCE &&
        (request->audience.len == 0 || request->email.len == 0)) {
        return WEBHOOK_CLAIM_MISMATCH;
    }
    enum webhook_found found = webhook_header(message, scheme->signature.name, &text);
    if (found == WEBHOOK_ABSENT) {
        return WEBHOOK_HEADER_MISSING;
    }
    if (found == WEBHOOK_TWICE || !slice_starts_with_nocase(text, scheme->prefix)) {
        return WEBHOOK_HEADER_MALFORMED;
    }
    enum webhook_reason reason =
        check_token(message, slice_skip(text, scheme->prefix.len), &jwt, ret);
    jwt_fini(&jwt);
    return reason;
}
