#include "base/buffer.h"
#include "base/encode.h"

#include <criterion/criterion.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct pair {
    struct slice plain;
    struct slice encoded;
};

/* RFC 4648, section 10. */
static const struct pair base64_vectors[] = {
    {SLICE_INIT(""), SLICE_INIT("")},
    {SLICE_INIT("f"), SLICE_INIT("Zg==")},
    {SLICE_INIT("fo"), SLICE_INIT("Zm8=")},
    {SLICE_INIT("foo"), SLICE_INIT("Zm9v")},
    {SLICE_INIT("foob"), SLICE_INIT("Zm9vYg==")},
    {SLICE_INIT("fooba"), SLICE_INIT("Zm9vYmE=")},
    {SLICE_INIT("foobar"), SLICE_INIT("Zm9vYmFy")},
    {SLICE_INIT("\xfb\xff\xbf"), SLICE_INIT("+/+/")},
};

Test(encode, base64_agrees_with_rfc_4648)
{
    for (size_t i = 0; i < COUNT(base64_vectors); i++) {
        char out[16];
        size_t len = encode_base64(base64_vectors[i].plain, out);
        cr_expect(slice_equal(slice_make(out, len), base64_vectors[i].encoded), "vector %zu", i);
    }
}

Test(encode, base64_reads_what_it_writes)
{
    for (size_t i = 0; i < COUNT(base64_vectors); i++) {
        unsigned char out[16];
        size_t len = 99;
        cr_assert_eq(decode_base64(base64_vectors[i].encoded, out, &len), STATUS_OK);
        cr_expect(slice_equal(slice_make((char *)out, len), base64_vectors[i].plain), "vector %zu",
                  i);
    }
}

Test(encode, base64_that_is_not_canonical_is_refused)
{
    static const struct slice broken[] = {
        SLICE_INIT("Z"),        SLICE_INIT("Zg"),        SLICE_INIT("Zg="),  SLICE_INIT("Zh=="),
        SLICE_INIT("Zm9="),     SLICE_INIT("===="),      SLICE_INIT("Z==="), SLICE_INIT("Zm9v\n"),
        SLICE_INIT("Zg==Zm9v"), SLICE_INIT("Zm-_"),      SLICE_INIT("Zm 9"), SLICE_INIT("=Zm9"),
        SLICE_INIT("Zm9v===="), SLICE_INIT("Zm9v Zm9v"), SLICE_INIT("Z=g="),
    };
    for (size_t i = 0; i < COUNT(broken); i++) {
        unsigned char out[16];
        size_t len = 0;
        cr_expect_eq(decode_base64(broken[i], out, &len), STATUS_INVALID, "\"%.*s\" was taken",
                     SLICE_ARG(broken[i]));
    }
}

Test(encode, hex_goes_there_and_back)
{
    char text[8];
    unsigned char bytes[4];
    encode_hex(slice_make("\x00\x7f\xab\xff", 4), text);
    cr_expect(slice_equal(slice_make(text, 8), SLICE("007fabff")));
    cr_assert_eq(decode_hex(SLICE("007FabFF"), bytes), STATUS_OK);
    cr_expect_eq(memcmp(bytes, "\x00\x7f\xab\xff", 4), 0);
}

Test(encode, hex_with_other_characters_or_half_a_byte_is_refused)
{
    unsigned char bytes[4];
    cr_expect_eq(decode_hex(SLICE("abc"), bytes), STATUS_INVALID);
    cr_expect_eq(decode_hex(SLICE("0g"), bytes), STATUS_INVALID);
    cr_expect_eq(decode_hex(SLICE("0x"), bytes), STATUS_INVALID);
    cr_expect_eq(decode_hex(SLICE(" 0"), bytes), STATUS_INVALID);
}

Test(encode, crc32_agrees_with_published_values)
{
    cr_expect_eq(crc32_of(SLICE("")), 0U);
    cr_expect_eq(crc32_of(SLICE("123456789")), 0xcbf43926U);
    cr_expect_eq(crc32_of(SLICE("The quick brown fox jumps over the lazy dog")), 0x414fa339U);
}

Test(encode, base62_writes_digits_then_capitals_then_small_letters)
{
    static const struct {
        uint64_t value;
        struct slice text;
    } cases[] = {
        {0, SLICE_INIT("000000")},  {61, SLICE_INIT("00000z")},          {62, SLICE_INIT("000010")},
        {10, SLICE_INIT("00000A")}, {0xffffffffU, SLICE_INIT("4gfFC3")}, {36, SLICE_INIT("00000a")},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char out[6];
        encode_base62(cases[i].value, out, 6);
        cr_expect(slice_equal(slice_make(out, 6), cases[i].text), "case %zu: %.6s", i, out);
    }
}

Test(encode, base62_alphabet_is_letters_and_digits)
{
    unsigned count = 0;
    for (int byte = -128; byte < 128; byte++) {
        count += is_base62((char)byte);
    }
    cr_expect_eq(count, 62U);
    cr_expect_not(is_base62('/') || is_base62(':') || is_base62('@') || is_base62('['));
    cr_expect_not(is_base62('`') || is_base62('{'));
}

Test(encode, percent_leaves_the_unreserved)
{
    struct buffer out;
    buffer_init(&out, 256);
    cr_assert_eq(encode_percent(SLICE("Az09-._~ /?:+%\xc3\xa9"), &out), STATUS_OK);
    cr_expect(slice_equal(buffer_bytes(&out), SLICE("Az09-._~%20%2F%3F%3A%2B%25%C3%A9")));
    buffer_fini(&out);
}

Test(encode, percent_writes_all_or_nothing)
{
    struct buffer out;
    buffer_init(&out, 5);
    cr_expect_eq(encode_percent(SLICE("ab//"), &out), STATUS_TOO_LARGE);
    cr_expect_eq(buffer_len(&out), 0U);
    buffer_fini(&out);
}

Test(encode, percent_is_decoded_and_plus_stays)
{
    char out[32];
    size_t len = 0;
    cr_assert_eq(decode_percent(SLICE("a%2Fb%2f+%00%25"), out, &len), STATUS_OK);
    cr_expect(slice_equal(slice_make(out, len), slice_make("a/b/+\0%", 7)));
}

Test(encode, broken_percent_encoding_is_refused)
{
    static const struct slice broken[] = {SLICE_INIT("%"), SLICE_INIT("a%2"), SLICE_INIT("%zz"),
                                          SLICE_INIT("%2g"), SLICE_INIT("%%2F")};
    for (size_t i = 0; i < COUNT(broken); i++) {
        char out[8];
        size_t len = 0;
        cr_expect_eq(decode_percent(broken[i], out, &len), STATUS_INVALID, "case %zu", i);
    }
}

Test(encode, json_escapes_what_it_must)
{
    static const struct pair cases[] = {
        {SLICE_INIT("plain / text"), SLICE_INIT("plain / text")},
        {SLICE_INIT("\"\\\b\f\n\r\t"), SLICE_INIT("\\\"\\\\\\b\\f\\n\\r\\t")},
        {SLICE_INIT("\x01\x1f\x7f"), SLICE_INIT("\\u0001\\u001f\x7f")},
        {SLICE_INIT("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
         SLICE_INIT("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")},
        {SLICE_INIT("a\xff"
                    "b"),
         SLICE_INIT("a\xef\xbf\xbd"
                    "b")},
        {SLICE_INIT("\xc3"), SLICE_INIT("\xef\xbf\xbd")},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buffer out;
        buffer_init(&out, 256);
        cr_assert_eq(encode_json(cases[i].plain, &out), STATUS_OK);
        cr_expect(slice_equal(buffer_bytes(&out), cases[i].encoded), "case %zu", i);
        buffer_fini(&out);
    }
}

Test(encode, json_strings_have_their_quotes)
{
    struct buffer out;
    buffer_init(&out, 8);
    cr_assert_eq(encode_json_string(SLICE("a\"b"), &out), STATUS_OK);
    cr_expect(slice_equal(buffer_bytes(&out), SLICE("\"a\\\"b\"")));
    buffer_reset(&out);
    cr_expect_eq(encode_json_string(SLICE("1234567"), &out), STATUS_TOO_LARGE);
    buffer_fini(&out);
}
