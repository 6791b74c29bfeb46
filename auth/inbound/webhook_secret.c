#include "auth/inbound/webhook_secret.h"

#include "base/encode.h"
#include "base/secret.h"

bool webhook_secret_next(const struct webhook_message *message, struct webhook_secret_walk *walk,
                         struct slice *ret)
{
    const struct webhook_request *request = message->request;
    struct slice separator = message->scheme->key_separator;
    while (walk->rest.len == 0) {
        if (walk->next == request->secret_count) {
            return false;
        }
        walk->rest = request->secrets[walk->next++];
    }
    size_t len = separator.len == 0 ? walk->rest.len : slice_find(walk->rest, separator.ptr[0]);
    *ret = slice_make(walk->rest.ptr, len);
    walk->rest = slice_skip(walk->rest, len + 1);
    return true;
}

bool webhook_secret_decode(const struct webhook_scheme *scheme, struct slice secret,
                           unsigned char room[WEBHOOK_KEY_BYTES], struct slice *ret)
{
    size_t len = secret.len / 2;
    for (unsigned i = 0; i < scheme->key_prefixes.count; i++) {
        if (slice_starts_with(secret, scheme->key_prefixes.text[i])) {
            secret = slice_skip(secret, scheme->key_prefixes.text[i].len);
            break;
        }
    }
    if (secret.len == 0) {
        return false;
    }
    if (scheme->key == WEBHOOK_KEY_HEX) {
        len = secret.len / 2;
        *ret = slice_make((const char *)room, len);
        return secret.len <= WEBHOOK_KEY_BYTES && decode_hex(secret, room) == STATUS_OK;
    }
    if (scheme->key == WEBHOOK_KEY_BASE64) {
        bool done =
            secret.len <= WEBHOOK_KEY_BYTES && decode_base64(secret, room, &len) == STATUS_OK;
        *ret = slice_make((const char *)room, len);
        return done && len > 0;
    }
    *ret = secret;
    return true;
}

bool webhook_secret_usable(const struct webhook_scheme *scheme, struct slice secret)
{
    const struct webhook_request request = {.secrets = &secret, .secret_count = 1};
    const struct webhook_message message = {.scheme = scheme, .request = &request};
    struct webhook_secret_walk walk = {0};
    unsigned char room[WEBHOOK_KEY_BYTES];
    bool usable = secret.len > 0;
    for (struct slice part; usable && webhook_secret_next(&message, &walk, &part);) {
        struct slice key;
        usable = webhook_secret_decode(scheme, part, room, &key);
    }
    secret_wipe(room, sizeof(room));
    return usable;
}
