#include "base/digest.h"
#include "base/encode.h"

#include <criterion/criterion.h>

static void expect_sha256(struct slice text, const char *hex)
{
    unsigned char hash[SHA256_BYTES];
    char out[2 * SHA256_BYTES];
    digest_sha256(text, hash);
    encode_hex(slice_make((const char *)hash, sizeof(hash)), out);
    cr_expect(slice_equal(slice_make(out, sizeof(out)), slice_from(hex)), "of \"%.*s\"",
              SLICE_ARG(text));
}

/* FIPS 180-4 examples. */
Test(digest, sha256_agrees_with_published_vectors)
{
    expect_sha256(SLICE(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect_sha256(SLICE("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect_sha256(SLICE("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

Test(digest, random_bytes_fills_all_of_it_and_differs_each_time)
{
    enum { LEN = 10000 };
    static unsigned char a[LEN];
    static unsigned char b[LEN];
    unsigned seen[256] = {0};
    random_bytes(a, LEN);
    random_bytes(b, LEN);
    cr_expect_neq(memcmp(a, b, LEN), 0);
    cr_expect_neq(memcmp(a + LEN - 32, b + LEN - 32, 32), 0);
    for (size_t i = 0; i < LEN; i++) {
        seen[a[i]]++;
    }
    for (unsigned i = 0; i < 256; i++) { /* 39 each on average; 0 has a chance of 1e-17 */
        cr_expect_gt(seen[i], 0U, "never %u", i);
    }
}

/* FIPS 180-4 examples, and a length over a block's border. */
Test(digest, sha1_agrees_with_published_vectors)
{
    static const struct {
        const char *text, *hex;
    } rows[] = {
        {"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
        {"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned char hash[SHA1_BYTES];
        char out[2 * SHA1_BYTES + 1] = {0};
        digest_sha1(slice_from(rows[i].text), hash);
        encode_hex(slice_make((const char *)hash, sizeof(hash)), out);
        cr_expect_str_eq(out, rows[i].hex);
    }
}
