#include "auth/inbound/webhook_challenge.h"

#include "auth/inbound/webhook_cert_url.h"
#include "auth/inbound/webhook_crypto.h"
#include "auth/inbound/webhook_message.h"
#include "base/buffer.h"
#include "base/encode.h"
#include "base/memory.h"
#include "base/secret.h"

enum { MAC_INPUT_BYTES = 256 };

static struct slice text_at(struct webhook_message *message, const struct webhook_place *place)
{
    struct slice text = SLICE("");
    return webhook_text_at(message, place, &text) == WEBHOOK_FOUND ? text : SLICE("");
}

/* All of them: "PLACE=VALUE", or "PLACE": something is there. */
static bool conditions_hold(struct webhook_message *message)
{
    const struct webhook_scheme *scheme = message->scheme;
    for (unsigned i = 0; i < scheme->challenge_if.count; i++) {
        struct slice condition = scheme->challenge_if.text[i];
        struct slice name = slice_make(condition.ptr, slice_find(condition, '='));
        struct webhook_place place = {0};
        if (webhook_place_read(name, &place, NULL) != STATUS_OK) {
            return false;
        }
        struct slice text = text_at(message, &place);
        bool any = name.len == condition.len;
        if (text.len == 0 || (!any && !slice_equal(text, slice_skip(condition, name.len + 1)))) {
            return false;
        }
    }
    return true;
}

/* Whoever asks gets a mac made with the secret that signs events: only of what cannot be the body
 * of one. */
static bool may_be_signed(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!ascii_is_unreserved(text.ptr[i]) && strchr("+/=", text.ptr[i]) == NULL) {
            return false;
        }
    }
    return text.len > 0 && text.len <= MAC_INPUT_BYTES;
}

static bool write_mac(const struct webhook_message *message, enum webhook_encoding encoding,
                      struct slice text, struct buffer *out)
{
    const struct webhook_request *request = message->request;
    unsigned char mac[WEBHOOK_MAC_BYTES];
    char encoded[2 * WEBHOOK_MAC_BYTES];
    if (request->secret_count == 0 || request->secrets[0].len == 0 || !may_be_signed(text)) {
        return false;
    }
    size_t len = webhook_mac(message->scheme->algorithm, request->secrets[0], text, mac);
    struct slice bytes = slice_make((const char *)mac, len);
    size_t encoded_len = 2 * len;
    if (encoding == WEBHOOK_HEX) {
        encode_hex(bytes, encoded);
    } else {
        encoded_len = encode_base64(bytes, encoded);
    }
    return len > 0 && buffer_append(out, slice_make(encoded, encoded_len)) == STATUS_OK;
}

/* "json /challenge", "mac-hex json /token", "mac-base64 query token". */
static bool write_part(struct webhook_message *message, struct slice part, struct buffer *out)
{
    static const struct slice hex = SLICE_INIT("mac-hex ");
    static const struct slice base64 = SLICE_INIT("mac-base64 ");
    struct webhook_place place = {0};
    bool in_hex = slice_starts_with(part, hex);
    bool in_base64 = slice_starts_with(part, base64);
    struct slice name = slice_skip(part, in_hex ? hex.len : in_base64 ? base64.len : 0);
    if (webhook_place_read(name, &place, NULL) != STATUS_OK) {
        return false;
    }
    struct slice text = text_at(message, &place);
    if (in_hex || in_base64) {
        return write_mac(message, in_hex ? WEBHOOK_HEX : WEBHOOK_BASE64, text, out);
    }
    if (text.len == 0 || text.len > WEBHOOK_ECHO_BYTES) {
        return false;
    }
    bool json = slice_equal(message->scheme->challenge_type, SLICE("application/json"));
    return (json ? encode_json(text, out) : buffer_append(out, text)) == STATUS_OK;
}

/* The template's text, with what stands between '<' and '>' put in. */
static bool write_body(struct webhook_message *message, struct buffer *out)
{
    struct slice rest = message->scheme->challenge_body;
    bool done = true;
    while (done && rest.len > 0) {
        struct slice plain = slice_make(rest.ptr, slice_find(rest, '<'));
        rest = slice_skip(rest, plain.len + 1);
        done = buffer_append(out, plain) == STATUS_OK;
        if (done && rest.len > 0) {
            struct slice part = slice_make(rest.ptr, slice_find(rest, '>'));
            rest = slice_skip(rest, part.len + 1);
            done = write_part(message, part, out);
        }
    }
    return done;
}

static unsigned answer(struct webhook_message *message, struct slice verify_token,
                       struct webhook_challenge_answer *ret)
{
    const struct webhook_scheme *scheme = message->scheme;
    struct buffer body;
    if (scheme->challenge_token.kind != WEBHOOK_NOWHERE &&
        (verify_token.len == 0 ||
         !secret_equal(text_at(message, &scheme->challenge_token), verify_token))) {
        return 403;
    }
    if (scheme->challenge_fetch.kind != WEBHOOK_NOWHERE) {
        struct slice url = text_at(message, &scheme->challenge_fetch);
        if (!webhook_confirm_url_allowed(scheme, url)) {
            return 400;
        }
        ret->confirm_url = arena_copy(message->arena, url);
    }
    buffer_init(&body, (size_t)16 * WEBHOOK_ECHO_BYTES);
    bool done = write_body(message, &body);
    if (done && scheme->challenge_type.len > 0) {
        ret->media_type = scheme->challenge_type;
        ret->body = arena_copy(message->arena, buffer_bytes(&body));
    }
    buffer_fini(&body);
    return done ? 200 : 400;
}

void webhook_challenge(const struct webhook_scheme *scheme, const struct webhook_request *request,
                       enum webhook_stage stage, struct slice verify_token, struct arena *arena,
                       struct webhook_challenge_answer *ret)
{
    struct webhook_message message = {.scheme = scheme, .request = request, .arena = arena};
    bool now = scheme->challenge_signed == (stage == WEBHOOK_VERIFIED);
    *ret = (struct webhook_challenge_answer){0};
    if (now && scheme->challenge_method.len > 0 &&
        slice_equal(scheme->challenge_method, request->method) && conditions_hold(&message)) {
        ret->is_challenge = true;
        ret->status = answer(&message, verify_token, ret);
    }
    webhook_message_fini(&message);
}
