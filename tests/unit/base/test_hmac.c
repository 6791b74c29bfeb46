#include "base/encode.h"
#include "base/hmac.h"

#include <criterion/criterion.h>

static void expect_mac(struct slice bytes, struct slice message, const char *hex)
{
    struct hmac_key key;
    unsigned char mac[SHA256_BYTES];
    char out[2 * SHA256_BYTES];
    hmac_key_init(&key, bytes);
    for (unsigned i = 0; i < 2; i++) { /* a key is used again */
        hmac_sha256(&key, message, mac);
        encode_hex(slice_make((const char *)mac, sizeof(mac)), out);
        cr_expect(slice_equal(slice_make(out, sizeof(out)), slice_from(hex)), "%.*s",
                  SLICE_ARG(message));
    }
}

/* RFC 4231, test cases 1, 2, 6 (a key longer than a block) and an empty key and message. */
Test(hmac, agrees_with_published_vectors)
{
    char filled[131];
    memset(filled, 0x0b, 20);
    expect_mac(slice_make(filled, 20), SLICE("Hi There"),
               "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    expect_mac(SLICE("Jefe"), SLICE("what do ya want for nothing?"),
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(filled, 0xaa, sizeof(filled));
    expect_mac(slice_make(filled, sizeof(filled)),
               SLICE("Test Using Larger Than Block-Size Key - Hash Key First"),
               "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    expect_mac(SLICE(""), SLICE(""),
               "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

Test(hmac, a_digest_in_pieces_is_that_of_the_whole)
{
    struct sha256 digest;
    unsigned char pieces[SHA256_BYTES];
    unsigned char whole[SHA256_BYTES];
    struct slice text = SLICE("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq");
    sha256_begin(&digest);
    for (size_t i = 0; i < text.len; i += 5) {
        struct slice rest = slice_skip(text, i);
        sha256_add(&digest, slice_make(rest.ptr, rest.len < 5 ? rest.len : 5));
    }
    sha256_add(&digest, slice_make(NULL, 0));
    sha256_end(&digest, pieces);
    digest_sha256(text, whole);
    cr_expect(memcmp(pieces, whole, sizeof(whole)) == 0);
}
