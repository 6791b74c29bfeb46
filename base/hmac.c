#include "base/hmac.h"

#include "base/secret.h"

enum { BLOCK_BYTES = 64, INNER_PAD = 0x36, OUTER_PAD = 0x5c };

static void begin(struct sha256 *digest, const unsigned char block[BLOCK_BYTES], unsigned char pad)
{
    unsigned char padded[BLOCK_BYTES];
    for (size_t i = 0; i < BLOCK_BYTES; i++) {
        padded[i] = block[i] ^ pad;
    }
    sha256_begin(digest);
    sha256_add(digest, slice_make((const char *)padded, sizeof(padded)));
    secret_wipe(padded, sizeof(padded));
}

void hmac_key_init(struct hmac_key *key, struct slice bytes)
{
    unsigned char block[BLOCK_BYTES] = {0};
    if (bytes.len > BLOCK_BYTES) {
        digest_sha256(bytes, block);
    } else if (bytes.len > 0) {
        memcpy(block, bytes.ptr, bytes.len);
    }
    begin(&key->inner, block, INNER_PAD);
    begin(&key->outer, block, OUTER_PAD);
    secret_wipe(block, sizeof(block));
}

void hmac_sha256(const struct hmac_key *key, struct slice message, unsigned char out[SHA256_BYTES])
{
    struct sha256 digest = key->inner;
    sha256_add(&digest, message);
    sha256_end(&digest, out);
    digest = key->outer;
    sha256_add(&digest, slice_make((const char *)out, SHA256_BYTES));
    sha256_end(&digest, out);
    secret_wipe(&digest, sizeof(digest));
}
