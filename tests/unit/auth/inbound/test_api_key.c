#include "auth/inbound/api_key.h"
#include "base/encode.h"

#include <stdio.h>

#include <criterion/criterion.h>

/* Made outside, with Python's zlib and hashlib: a secret scanner sees the same key. */
static const struct slice known_key =
    SLICE_INIT("sp_Checkout0123456789abcdefghijKLMNOPQRSTUV4YHkFq");
static const struct slice known_hash =
    SLICE_INIT("sha256:46131c27f48b3b3166b34199f4ad731d4b02551a663fbfb6079aa318604a1c25");

Test(api_key, known_one_is_valid_and_has_the_known_hash)
{
    struct api_key_hash hash;
    char text[API_KEY_HASH_TEXT + 1];
    cr_assert(api_key_valid(known_key));
    api_key_hash(known_key, &hash);
    api_key_hash_print(&hash, text);
    cr_expect_str_eq(text, known_hash.ptr);
}

Test(api_key, new_ones_are_valid_and_differ)
{
    char first[API_KEY_LEN + 1];
    api_key_new(first);
    for (int i = 0; i < 1000; i++) {
        char key[API_KEY_LEN + 1];
        api_key_new(key);
        cr_assert_eq(strlen(key), (size_t)API_KEY_LEN);
        cr_assert(api_key_valid(slice_from(key)), "%s", key);
        cr_assert_neq(strcmp(key, first), 0);
        cr_assert_neq(memcmp(key + 11, first + 11, 32), 0, "same secret");
    }
}

Test(api_key, digits_are_spread_evenly)
{
    unsigned seen[128] = {0};
    for (int i = 0; i < 2000; i++) { /* 80,000 digits: 1290 of each, +-36 */
        char key[API_KEY_LEN + 1];
        api_key_new(key);
        for (int at = 3; at < 43; at++) {
            seen[(unsigned char)key[at]]++;
        }
    }
    for (int byte = 0; byte < 128; byte++) {
        bool digit = is_base62((char)byte);
        cr_expect(digit ? seen[byte] > 1000 && seen[byte] < 1600 : seen[byte] == 0, "'%c': %u",
                  byte, seen[byte]);
    }
}

Test(api_key, one_wrong_character_anywhere_is_seen)
{
    for (size_t at = 0; at < API_KEY_LEN; at++) {
        char key[API_KEY_LEN + 1];
        memcpy(key, known_key.ptr, API_KEY_LEN + 1);
        for (int byte = 0; byte < 256; byte++) {
            key[at] = (char)byte;
            bool same = (char)byte == known_key.ptr[at];
            cr_expect_eq(api_key_valid(slice_make(key, API_KEY_LEN)), same, "at %zu: %d", at, byte);
        }
    }
}

Test(api_key, other_lengths_are_refused)
{
    char longer[API_KEY_LEN + 1];
    memcpy(longer, known_key.ptr, API_KEY_LEN);
    longer[API_KEY_LEN] = '0';
    cr_expect_not(api_key_valid(slice_make(longer, API_KEY_LEN + 1)));
    for (size_t len = 0; len < API_KEY_LEN; len++) {
        cr_expect_not(api_key_valid(slice_make(known_key.ptr, len)), "length %zu", len);
    }
    cr_expect_not(api_key_valid(slice_make(NULL, 0)));
}

Test(api_key, hash_text_goes_there_and_back)
{
    struct api_key_hash hash;
    char text[API_KEY_HASH_TEXT + 1];
    cr_assert(api_key_hash_parse(known_hash, &hash));
    api_key_hash_print(&hash, text);
    cr_expect_str_eq(text, known_hash.ptr);
}

Test(api_key, hash_text_of_another_form_is_refused)
{
    struct api_key_hash hash;
    char text[API_KEY_HASH_TEXT + 1];
    cr_expect_not(api_key_hash_parse(SLICE(""), &hash));
    cr_expect_not(api_key_hash_parse(slice_make(known_hash.ptr, API_KEY_HASH_TEXT - 1), &hash));
    cr_expect_not(api_key_hash_parse(slice_skip(known_hash, 7), &hash));
    memcpy(text, known_hash.ptr, sizeof(text));
    text[API_KEY_HASH_TEXT - 1] = 'g';
    cr_expect_not(api_key_hash_parse(slice_make(text, API_KEY_HASH_TEXT), &hash));
    memcpy(text, known_hash.ptr, sizeof(text));
    text[2] = 'b';
    cr_expect_not(api_key_hash_parse(slice_make(text, API_KEY_HASH_TEXT), &hash));
}
