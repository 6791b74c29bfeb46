#include "auth/inbound/api_key.h"

#include "base/encode.h"
#include "base/secret.h"

static const struct slice prefix = SLICE_INIT("sp_");
static const struct slice hash_prefix = SLICE_INIT("sha256:");

enum { CRC_LEN = 6, BODY_LEN = API_KEY_LEN - CRC_LEN };

/* Digits of equal probability: 248 is the largest multiple of 62 in a byte; the rest is thrown
 * away. */
static void random_base62(char *out, size_t count)
{
    size_t done = 0;
    unsigned char bytes[64];
    while (done < count) {
        random_bytes(bytes, sizeof(bytes));
        for (size_t i = 0; i < sizeof(bytes) && done < count; i++) {
            if (bytes[i] < 248) {
                encode_base62(bytes[i] % 62, out + done, 1);
                done++;
            }
        }
    }
    secret_wipe(bytes, sizeof(bytes));
}

void api_key_new(char out[API_KEY_LEN + 1])
{
    memcpy(out, prefix.ptr, prefix.len);
    random_base62(out + prefix.len, BODY_LEN - prefix.len);
    encode_base62(crc32_of(slice_make(out, BODY_LEN)), out + BODY_LEN, CRC_LEN);
    out[API_KEY_LEN] = '\0';
}

bool api_key_valid(struct slice text)
{
    if (text.len != API_KEY_LEN || !slice_starts_with(text, prefix)) {
        return false;
    }
    for (size_t i = prefix.len; i < BODY_LEN; i++) {
        if (!is_base62(text.ptr[i])) {
            return false;
        }
    }
    char crc[CRC_LEN];
    encode_base62(crc32_of(slice_make(text.ptr, BODY_LEN)), crc, CRC_LEN);
    return slice_equal(slice_make(crc, CRC_LEN), slice_skip(text, BODY_LEN));
}

void api_key_hash(struct slice text, struct api_key_hash *ret)
{
    digest_sha256(text, ret->bytes);
}

void api_key_hash_print(const struct api_key_hash *hash, char out[API_KEY_HASH_TEXT + 1])
{
    memcpy(out, hash_prefix.ptr, hash_prefix.len);
    encode_hex(slice_make((const char *)hash->bytes, SHA256_BYTES), out + hash_prefix.len);
    out[API_KEY_HASH_TEXT] = '\0';
}

bool api_key_hash_parse(struct slice text, struct api_key_hash *ret)
{
    return text.len == API_KEY_HASH_TEXT && slice_starts_with(text, hash_prefix) &&
           decode_hex(slice_skip(text, hash_prefix.len), ret->bytes) == STATUS_OK;
}
