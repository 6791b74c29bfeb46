#include "auth/inbound/webhook_sign.h"

#include "auth/inbound/webhook_canonical.h"
#include "auth/inbound/webhook_crypto.h"
#include "auth/inbound/webhook_secret.h"
#include "base/buffer.h"
#include "base/digits.h"
#include "base/encode.h"
#include "base/memory.h"
#include "base/secret.h"

enum { VALUE_BYTES_MAX = 4096 };

static bool shares_secret(const struct webhook_scheme *scheme)
{
    switch (scheme->algorithm) {
    case WEBHOOK_HMAC_SHA1:
    case WEBHOOK_HMAC_SHA256:
    case WEBHOOK_HMAC_SHA512:
    case WEBHOOK_SHA256:
    case WEBHOOK_TOKEN:
        return scheme->signature.kind == WEBHOOK_IN_HEADER;
    case WEBHOOK_ECDSA_P256:
    case WEBHOOK_ED25519:
    case WEBHOOK_RSA_SHA256:
    case WEBHOOK_RSA_SNS:
    case WEBHOOK_JWT_ES256:
    case WEBHOOK_JWT_RS256:
        break;
    }
    return false;
}

static bool is_visible(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~') {
            return false;
        }
    }
    return text.len > 0;
}

/* Prefix and signature of the message with one secret. */
static enum status append_signature(struct webhook_message *message, struct slice secret,
                                    struct buffer *out)
{
    const struct webhook_scheme *scheme = message->scheme;
    unsigned char room[WEBHOOK_KEY_BYTES];
    unsigned char mac[WEBHOOK_MAC_BYTES];
    char encoded[2 * WEBHOOK_MAC_BYTES];
    struct slice key = SLICE("");
    struct buffer bytes;
    if (!webhook_secret_decode(scheme, secret, room, &key)) {
        return STATUS_INVALID;
    }
    if (scheme->algorithm == WEBHOOK_TOKEN) {
        return buffer_append(out, key);
    }
    buffer_init(&bytes, message->request->body.len + WEBHOOK_BESIDE_BODY_BYTES);
    struct webhook_signed from = {.url = message->request->url, .secret = key};
    enum status status = webhook_write_signed(message, &from, &bytes) == WEBHOOK_OK
                             ? buffer_append(out, scheme->prefix)
                             : STATUS_INVALID;
    size_t len = webhook_mac(scheme->algorithm, key, buffer_bytes(&bytes), mac);
    size_t encoded_len = 2 * len;
    if (scheme->encoding == WEBHOOK_BASE64) {
        encoded_len = encode_base64(slice_make((const char *)mac, len), encoded);
    } else {
        encode_hex(slice_make((const char *)mac, len), encoded);
    }
    if (status == STATUS_OK) {
        status = buffer_append(out, slice_make(encoded, encoded_len));
    }
    buffer_wipe(&bytes);
    secret_wipe(room, sizeof(room));
    return status;
}

/* "t=...," of pairs. */
static enum status append_timestamp(const struct webhook_message *message, struct buffer *out)
{
    const struct webhook_scheme *scheme = message->scheme;
    if (scheme->timestamp.kind != WEBHOOK_IN_PAIRS) {
        return STATUS_OK;
    }
    TRY(buffer_append(out, scheme->timestamp.name));
    TRY(buffer_append(out, SLICE("=")));
    TRY(buffer_append(out, message->timestamp));
    return buffer_append(out, scheme->separator);
}

static enum status write_value(struct webhook_message *message, struct buffer *out)
{
    const struct webhook_scheme *scheme = message->scheme;
    struct webhook_secret_walk walk = {0};
    struct slice secret;
    unsigned count = 0;
    bool several = scheme->grammar == WEBHOOK_PAIRS || scheme->grammar == WEBHOOK_LIST;
    TRY(append_timestamp(message, out));
    while ((several || count == 0) && webhook_secret_next(message, &walk, &secret)) {
        if (count++ > 0) {
            TRY(buffer_append(out, scheme->separator));
        }
        if (scheme->grammar == WEBHOOK_PAIRS) {
            TRY(buffer_append(out, scheme->signature_key));
            TRY(buffer_append(out, SLICE("=")));
        }
        TRY(append_signature(message, secret, out));
    }
    return count == 0 ? STATUS_INVALID : STATUS_OK;
}

static void add_field(struct webhook_sign_result *to, const struct webhook_place *place,
                      struct slice value)
{
    if (place->kind == WEBHOOK_IN_HEADER) {
        to->field[to->count++] = (struct webhook_sign_field){place->name, value};
    }
}

/* "X-Signature-{n}" is the first. */
static struct slice field_name(const struct webhook_scheme *scheme, struct arena *arena)
{
    struct slice name = scheme->signature.name;
    size_t front = slice_find(name, '{');
    if (scheme->grammar != WEBHOOK_INDEXED || front == name.len) {
        return name;
    }
    return slice_from(arena_print(arena, "%.*s1", (int)front, name.ptr));
}

enum status webhook_sign(const struct webhook_scheme *scheme, const struct webhook_request *request,
                         struct slice id, struct arena *arena, struct webhook_sign_result *ret,
                         struct error *err)
{
    struct webhook_message message = {.scheme = scheme, .request = request, .arena = arena};
    char digits[DIGITS_MAX];
    struct buffer value;
    *ret = (struct webhook_sign_result){0};
    if (!shares_secret(scheme)) {
        FAIL(err, STATUS_INVALID, "%.*s: only the provider can sign these",
             SLICE_ARG(scheme->name));
    }
    if (scheme->id.kind != WEBHOOK_NOWHERE && !is_visible(id)) {
        FAIL(err, STATUS_INVALID, "the id must be of visible characters");
    }
    uint64_t now = (uint64_t)request->now * (scheme->timestamp_unit == WEBHOOK_SECONDS ? 1 : 1000);
    message.timestamp = arena_copy(arena, slice_make(digits, digits_write(now, digits)));
    message.id = id;
    buffer_init(&value, VALUE_BYTES_MAX);
    enum status status = write_value(&message, &value);
    if (status == STATUS_OK) {
        add_field(ret, &(struct webhook_place){WEBHOOK_IN_HEADER, true, field_name(scheme, arena)},
                  arena_copy(arena, buffer_bytes(&value)));
        add_field(ret, &scheme->timestamp, message.timestamp);
        add_field(ret, &scheme->id, id);
    }
    buffer_wipe(&value);
    webhook_message_fini(&message);
    if (status != STATUS_OK) {
        FAIL(err, status, "%.*s: a secret is missing, or not of the form that the scheme wants",
             SLICE_ARG(scheme->name));
    }
    return STATUS_OK;
}
