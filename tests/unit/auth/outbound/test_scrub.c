#include "auth/outbound/scrub.h"
#include "auth/outbound/secret_parts.h"
#include "base/buffer.h"
#include "base/encode.h"
#include "base/memory.h"
#include "tests/support/naive_scrub.h"

#include <criterion/criterion.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { ROOM = 1 << 16 };

/* With all that some encoder escapes. */
static const struct slice hard_secret = SLICE_INIT("Kq7\"/a+b\\c&<d>e='f ~Z*(\303\251\342\202\254");

/* Written by other programs: Python's json and urllib, and by hand. */
static const struct {
    const char *name;
    struct slice text;
} forms[] = {
    {"raw", SLICE_INIT("Kq7\"/a+b\\c&<d>e='f ~Z*(\303\251\342\202\254")},
    {"hex", SLICE_INIT("4b7137222f612b625c63263c643e653d2766207e5a2a28c3a9e282ac")},
    {"hex, upper case", SLICE_INIT("4B7137222F612B625C63263C643E653D2766207E5A2A28C3A9E282AC")},
    {"percent", SLICE_INIT("Kq7%22%2Fa%2Bb%5Cc%26%3Cd%3Ee%3D%27f%20~Z%2A%28%C3%A9%E2%82%AC")},
    {"percent, lower case",
     SLICE_INIT("Kq7%22%2fa%2bb%5cc%26%3cd%3ee%3d%27f%20~Z%2a%28%c3%a9%e2%82%ac")},
    {"percent over a path",
     SLICE_INIT("Kq7%22/a%2Bb%5Cc%26%3Cd%3Ee%3D%27f%20~Z%2A%28%C3%A9%E2%82%AC")},
    {"encodeURIComponent", SLICE_INIT("Kq7%22%2Fa%2Bb%5Cc%26%3Cd%3Ee%3D'f%20~Z*(%C3%A9%E2%82%AC")},
    {"form", SLICE_INIT("Kq7%22%2Fa%2Bb%5Cc%26%3Cd%3Ee%3D%27f+%7EZ*%28%C3%A9%E2%82%AC")},
    {"path segment", SLICE_INIT("Kq7%22%2Fa+b%5Cc&%3Cd%3Ee='f%20~Z*(%C3%A9%E2%82%AC")},
    {"query", SLICE_INIT("Kq7%22/a+b%5Cc&%3Cd%3Ee='f%20~Z*(%C3%A9%E2%82%AC")},
    {"JSON", SLICE_INIT("Kq7\\\"/a+b\\\\c&<d>e='f ~Z*(\303\251\342\202\254")},
    {"JSON in ASCII", SLICE_INIT("Kq7\\\"/a+b\\\\c&<d>e='f ~Z*(\\u00e9\\u20ac")},
    {"JSON in ASCII, upper case", SLICE_INIT("Kq7\\\"/a+b\\\\c&<d>e='f ~Z*(\\u00E9\\u20AC")},
    {"JSON with slashes escaped",
     SLICE_INIT("Kq7\\\"\\/a+b\\\\c&<d>e='f ~Z*(\303\251\342\202\254")},
    {"JSON in ASCII with slashes escaped",
     SLICE_INIT("Kq7\\\"\\/a+b\\\\c&<d>e='f ~Z*(\\u00e9\\u20ac")},
    {"JSON with numbers only",
     SLICE_INIT("Kq7\\u0022/a+b\\u005cc&<d>e='f ~Z*(\303\251\342\202\254")},
    {"JSON with numbers only, in ASCII",
     SLICE_INIT("Kq7\\u0022/a+b\\u005cc&<d>e='f ~Z*(\\u00e9\\u20ac")},
    {"JSON with numbers only, upper case",
     SLICE_INIT("Kq7\\u0022/a+b\\u005Cc&<d>e='f ~Z*(\\u00E9\\u20AC")},
    {"JSON of Go",
     SLICE_INIT("Kq7\\\"/a+b\\\\c\\u0026\\u003cd\\u003ee='f ~Z*(\303\251\342\202\254")},
    {"JSON of Gson",
     SLICE_INIT("Kq7\\\"/a+b\\\\c\\u0026\\u003cd\\u003ee\\u003d\\u0027f ~Z*(\303\251\342\202\254")},
    {"JSON of .NET",
     SLICE_INIT("Kq7\\u0022/a\\u002Bb\\\\c\\u0026\\u003Cd\\u003Ee=\\u0027f ~Z*(\\u00E9\\u20AC")},
};

static const struct slice plain_secret = SLICE_INIT("sk-live-0123456789abcdefABCDEF");

static struct slice starred(struct slice text, size_t start, size_t len)
{
    static char out[ROOM];
    memcpy(out, text.ptr, text.len);
    memset(out + start, '*', len);
    return slice_make(out, text.len);
}

static struct slice joined(struct slice a, struct slice b, struct slice c)
{
    static char out[ROOM];
    size_t len = 0;
    const struct slice parts[] = {a, b, c};
    for (size_t i = 0; i < COUNT(parts); i++) {
        if (parts[i].len > 0) {
            memcpy(out + len, parts[i].ptr, parts[i].len);
        }
        len += parts[i].len;
    }
    return slice_make(out, len);
}

/* Through one stream in pieces: [0, cut), then pieces of `step` bytes. */
static void run_stream(const struct scrubber *scrubber, struct slice text, size_t cut, size_t step,
                       struct buffer *out)
{
    struct scrub_state state = {0};
    buffer_init(out, text.len);
    cr_assert_eq(scrub(scrubber, &state, slice_make(text.ptr, cut), out), STATUS_OK);
    for (size_t at = cut; at < text.len; at += step) {
        size_t len = text.len - at < step ? text.len - at : step;
        cr_assert_eq(scrub(scrubber, &state, slice_make(text.ptr + at, len), out), STATUS_OK);
    }
    cr_assert_eq(scrub_end(&state, out), STATUS_OK);
    scrub_state_fini(&state);
}

/* In two pieces, at every split, and byte by byte. */
static void expect_stream(const struct scrubber *scrubber, struct slice text, struct slice expected,
                          const char *what)
{
    for (size_t cut = 0; cut <= text.len + 1; cut++) {
        bool bytewise = cut > text.len;
        struct buffer out;
        run_stream(scrubber, text, bytewise ? 0 : cut, bytewise ? 1 : text.len, &out);
        cr_assert(slice_equal(buffer_bytes(&out), expected), "%s, cut at %zu: %.*s", what, cut,
                  SLICE_ARG(buffer_bytes(&out)));
        buffer_fini(&out);
    }
}

/* In one piece, in place. */
static void expect_whole(const struct scrubber *scrubber, struct slice text, struct slice expected,
                         const char *what)
{
    static char copy[ROOM];
    memcpy(copy, text.ptr, text.len);
    unsigned hits = scrub_in_place(scrubber, copy, text.len);
    cr_assert(slice_equal(slice_make(copy, text.len), expected), "%s: %.*s", what, (int)text.len,
              copy);
    bool same = slice_equal(text, expected);
    cr_assert_eq(hits == 0, same, "%s: %u hits", what, hits);
}

Test(scrub, every_form_is_found_at_every_split_in_all_surroundings)
{
    static const struct slice around[][2] = {
        {SLICE_INIT(""), SLICE_INIT("")},
        {SLICE_INIT("x"), SLICE_INIT("y")},
        {SLICE_INIT("data: {\"key\": \""), SLICE_INIT("\"}\n\n")},
        {SLICE_INIT("Kq"), SLICE_INIT("Kq7")}, /* what looks like a beginning */
        {SLICE_INIT("a text that is longer than the window of the search, in front of it "),
         SLICE_INIT(" and one that is longer than the window of the search, too, behind it")},
    };
    struct scrubber *scrubber = scrubber_for_secret(hard_secret);
    for (size_t i = 0; i < COUNT(forms); i++) {
        for (size_t j = 0; j < COUNT(around); j++) {
            struct slice text = joined(around[j][0], forms[i].text, around[j][1]);
            struct slice expected = starred(text, around[j][0].len, forms[i].text.len);
            expect_whole(scrubber, text, expected, forms[i].name);
            expect_stream(scrubber, text, expected, forms[i].name);
        }
    }
    scrubber_free(scrubber);
}

/* Stars for the digits all of whose bits come from `len` bytes behind `before` others. */
static struct slice base64_starred(struct slice text, size_t before, size_t len)
{
    static char out[ROOM];
    memcpy(out, text.ptr, text.len);
    for (size_t digit = 0; digit < text.len; digit++) {
        if (6 * digit >= 8 * before && 6 * (digit + 1) <= 8 * (before + len)) {
            out[digit] = '*';
        }
    }
    return slice_make(out, text.len);
}

Test(scrub, base64_is_found_at_every_alignment_in_both_alphabets)
{
    /* With digits that differ between the alphabets at every alignment. */
    static const struct slice secrets[] = {
        SLICE_INIT("sk-live-0123456789abcdefABCDEF"),
        SLICE_INIT("?>?>~~~>>>???\377\373\357\276"),
        SLICE_INIT("exactly12byt"),
    };
    for (size_t i = 0; i < COUNT(secrets); i++) {
        struct scrubber *scrubber = scrubber_for_secret(secrets[i]);
        for (size_t before = 0; before < 7; before++) {
            for (size_t after = 0; after < 4; after++) {
                char encoded[256];
                struct slice plain =
                    joined(slice_make("user-1:", before), secrets[i], slice_make(":end", after));
                struct slice text = slice_make(encoded, encode_base64(plain, encoded));
                struct slice expected = base64_starred(text, before, secrets[i].len);
                expect_stream(scrubber, text, expected, "standard");
                for (size_t at = 0; at < text.len; at++) {
                    encoded[at] = encoded[at] == '+' ? '-' : encoded[at] == '/' ? '_' : encoded[at];
                }
                expect_stream(scrubber, text, base64_starred(text, before, secrets[i].len), "URL");
            }
        }
        scrubber_free(scrubber);
    }
}

Test(scrub, clean_text_goes_through_as_it_is)
{
    static const struct slice texts[] = {
        SLICE_INIT(""),
        SLICE_INIT("s"),
        SLICE_INIT("data: {\"choices\": [{\"delta\": {\"content\": \"sk-\"}}]}\n\n"),
        SLICE_INIT("sk-live-0123456789abcdefABCDE and sk-live-0123456789abcdefABCDEG"),
        SLICE_INIT("SK-LIVE-0123456789ABCDEFABCDEF"),
    };
    struct scrubber *scrubber = scrubber_for_secret(plain_secret);
    for (size_t i = 0; i < COUNT(texts); i++) {
        expect_stream(scrubber, texts[i], texts[i], "clean");
    }
    scrubber_free(scrubber);
}

Test(scrub, is_clean_says_no_to_a_match_and_to_a_beginning_at_the_end)
{
    struct scrubber *scrubber = scrubber_for_secret(plain_secret);
    cr_expect(scrub_is_clean(scrubber, SLICE("")));
    cr_expect(scrub_is_clean(scrubber, SLICE("a stream event ends here: sk-live-0123\n\n")));
    cr_expect_not(scrub_is_clean(scrubber, SLICE("a beginning ends here: sk-live-0123")));
    cr_expect_not(scrub_is_clean(scrubber, SLICE("only a first byte: s")));
    cr_expect_not(scrub_is_clean(scrubber, SLICE("x sk-live-0123456789abcdefABCDEF x\n")));
    scrubber_free(scrubber);
}

Test(scrub, has_match_asks_for_whole_ones_alone)
{
    struct scrubber *scrubber = scrubber_for_secret(plain_secret);
    char text[3 * SCRUB_HELD_MAX];
    cr_expect_not(scrub_has_match(scrubber, SLICE("")));
    cr_expect_not(scrub_has_match(scrubber, SLICE("gpt-4o-mini")));
    for (size_t at = 0; at < 100; at++) {
        memset(text, plain_secret.ptr[0], sizeof(text)); /* each may begin one */
        memcpy(text + at, plain_secret.ptr, plain_secret.len);
        size_t end = at + plain_secret.len;
        cr_assert(scrub_has_match(scrubber, slice_make(text, end)), "at %zu", at);
        cr_assert(scrub_has_match(scrubber, slice_make(text, end + 70)), "at %zu", at);
        cr_assert_not(scrub_has_match(scrubber, slice_make(text, end - 1)), "at %zu", at);
        text[end - 1] ^= 1;
        cr_assert_not(scrub_has_match(scrubber, slice_make(text, end + 70)), "at %zu", at);
    }
    scrubber_free(scrubber);
}

Test(scrub, only_what_may_begin_a_match_is_held)
{
    struct scrubber *scrubber = scrubber_for_secret(plain_secret);
    for (size_t len = 0; len < plain_secret.len; len++) {
        struct scrub_state state = {0};
        struct buffer out;
        buffer_init(&out, 1024);
        cr_assert_eq(scrub(scrubber, &state, SLICE("data: "), &out), STATUS_OK);
        cr_assert_eq(scrub(scrubber, &state, slice_make(plain_secret.ptr, len), &out), STATUS_OK);
        cr_expect_eq(state.held_len, len, "a beginning of %zu", len);
        cr_expect(slice_equal(buffer_bytes(&out), SLICE("data: ")));
        cr_assert_eq(scrub(scrubber, &state, SLICE("\n"), &out), STATUS_OK);
        cr_expect_eq(state.held_len, 0U, "a newline is held behind %zu", len);
        cr_expect_eq(buffer_len(&out), 6 + len + 1);
        scrub_state_fini(&state);
        buffer_fini(&out);
    }
    scrubber_free(scrubber);
}

Test(scrub, secret_of_several_lines_never_holds_a_newline)
{
    static const struct slice pem = SLICE_INIT(
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\r\n"
        "BKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\nMzEfYyjiWA4R4/M2\nshort\n-----END PRIVATE KEY-----\n");
    struct needles needles = {0};
    needles_add(&needles, pem);
    cr_assert_gt(needles.count, 0U);
    for (size_t i = 0; i < needles.count; i++) {
        struct slice needle = secret_reveal(needles.all[i]);
        cr_expect_eq(slice_find(needle, '\n'), needle.len);
        cr_expect_eq(slice_find(needle, '\r'), needle.len);
    }
    needles_fini(&needles);

    struct scrubber *scrubber = scrubber_for_secret(pem);
    struct slice echoed =
        SLICE("key: MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj");
    struct slice expected =
        SLICE("key: ********************************\n********************************");
    expect_stream(scrubber, echoed, expected, "lines");
    /* Other certificates and keys stay readable. */
    struct slice other = SLICE("-----BEGIN PRIVATE KEY-----\n");
    expect_stream(scrubber, other, other, "a public line");
    scrubber_free(scrubber);
}

Test(scrub, parts_between_colons_are_found_alone)
{
    static const struct {
        struct slice text;
        size_t start, len; /* of the stars */
    } cases[] = {
        {SLICE_INIT("<wJalrXUtnFEMI/K7MDENG>"), 1, 21},
        {SLICE_INIT("AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7M, the whole was begun"), 0, 20},
        {SLICE_INIT("AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG:short:FQoGZXIvYXdz."), 0, 61},
        {SLICE_INIT("FQoGZXIvYXdz AKIA short"), 0, 12},
    };
    struct scrubber *scrubber =
        scrubber_for_secret(SLICE("AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG:short:FQoGZXIvYXdz"));
    for (size_t i = 0; i < COUNT(cases); i++) {
        expect_stream(scrubber, cases[i].text, starred(cases[i].text, cases[i].start, cases[i].len),
                      cases[i].text.ptr);
    }
    scrubber_free(scrubber);
}

Test(scrub, long_strings_of_a_json_file_are_found_alone)
{
    struct scrubber *scrubber = scrubber_for_secret(
        SLICE("{\"type\": \"service_account\",\n \"private_key\": \"-----BEGIN PRIVATE KEY-----\\n"
              "MIIEvQIBADANBgkqhkiG9w0B\\/QEFAASC\\n-----END PRIVATE KEY-----\\n\",\n"
              " \"private_key_id\" : \"0123456789abcdef01234567\", \"n\": [1, \"region-of-12\"]}"));
    expect_stream(scrubber, SLICE("id 0123456789abcdef01234567"),
                  SLICE("id ************************"), "the id");
    expect_stream(scrubber, SLICE("MIIEvQIBADANBgkqhkiG9w0B/QEFAASC\n"),
                  SLICE("********************************\n"), "a line of the key, decoded");
    expect_stream(scrubber, SLICE("service_account private_key_id region-of-12"),
                  SLICE("service_account private_key_id region-of-12"), "short ones and names");
    scrubber_free(scrubber);
}

Test(scrub, broken_json_is_scrubbed_as_far_as_it_goes)
{
    static const struct slice broken[] = {
        SLICE_INIT("{\"key\": \"0123456789abcdef01234567"),
        SLICE_INIT("{\"key\": \"0123456789abcdef01234567\\"),
        SLICE_INIT("{\"key\": \"0123456789abcdef01234567\\u"),
        SLICE_INIT("{\"key\": \"0123456789abcdef01234567\\u00"),
        SLICE_INIT("{\"key\": \"0123456789abcdef01234567\\uzzzz"),
    };
    for (size_t i = 0; i < COUNT(broken); i++) {
        struct scrubber *scrubber = scrubber_for_secret(broken[i]);
        expect_stream(scrubber, broken[i], starred(broken[i], 0, broken[i].len), "the whole");
        scrubber_free(scrubber);
    }
}

Test(scrub, short_parts_are_not_scrubbed)
{
    cr_expect_null(scrubber_for_secret(SLICE("elevenbytes")));
    cr_expect_null(scrubber_for_secret(SLICE("")));
    cr_expect_null(scrubber_new(NULL, 0));
    scrubber_free(NULL);
}

Test(scrub, secret_longer_than_a_piece_is_covered_wholly)
{
    enum { LEN = 10000 };
    static char secret[LEN];
    static char text[LEN + 20];
    static char expected[LEN + 20];
    unsigned seed = 7;
    for (size_t i = 0; i < LEN; i++) {
        seed = seed * 1103515245 + 12345;
        secret[i] = (char)('!' + (seed >> 16) % 90);
    }
    memset(text, '.', sizeof(text));
    memset(expected, '.', sizeof(expected));
    memcpy(text + 10, secret, LEN);
    memset(expected + 10, '*', LEN);
    struct slice part = slice_make(secret, LEN);
    struct scrubber *scrubber = scrubber_new(&part, 1);
    for (size_t step = 1; step < 5000; step = step * 3 + 1) {
        struct buffer out;
        run_stream(scrubber, slice_make(text, sizeof(text)), 0, step, &out);
        cr_expect(slice_equal(buffer_bytes(&out), slice_make(expected, sizeof(expected))), "by %zu",
                  step);
        buffer_fini(&out);
    }
    scrubber_free(scrubber);
}

Test(scrub, without_room_nothing_is_lost)
{
    struct scrubber *scrubber = scrubber_for_secret(plain_secret);
    struct scrub_state state = {0};
    struct buffer out;
    buffer_init(&out, 40);
    cr_assert_eq(scrub(scrubber, &state, SLICE("sk-live-0123"), &out), STATUS_OK);
    cr_assert_eq(scrub(scrubber, &state, SLICE("456789 that is too much for it"), &out),
                 STATUS_TOO_LARGE);
    cr_expect_eq(buffer_len(&out), 0U);
    cr_expect_eq(state.held_len, 12U);
    cr_assert_eq(scrub(scrubber, &state, SLICE("456789abcdefABCDEF!"), &out), STATUS_OK);
    cr_expect(slice_equal(buffer_bytes(&out), SLICE("******************************!")));
    cr_expect_eq(state.hits, 1U);
    scrub_state_fini(&state);
    buffer_fini(&out);
    scrubber_free(scrubber);
}

/* Deterministic, so that a failure can be run again. */
struct dice {
    unsigned seed;
};

static unsigned roll(struct dice *dice, unsigned sides)
{
    dice->seed = dice->seed * 1664525 + 1013904223;
    return (dice->seed >> 8) % sides;
}

/* Of few letters, so that needles overlap each other and themselves. */
static size_t random_text(struct dice *dice, char *out, size_t min, size_t max)
{
    size_t len = min + roll(dice, (unsigned)(max - min + 1));
    for (size_t i = 0; i < len; i++) {
        out[i] = (char)('a' + roll(dice, 2));
    }
    return len;
}

struct random_case {
    char parts[3][40];
    struct slice slices[3];
    unsigned count;
    char text[600];
    size_t len;
};

/* A text of needles, beginnings of needles and noise. */
static void make_case(struct dice *dice, struct random_case *ret)
{
    ret->count = 1 + roll(dice, 3);
    ret->len = 0;
    for (unsigned i = 0; i < ret->count; i++) {
        size_t len = random_text(dice, ret->parts[i], SCRUB_SECRET_MIN, sizeof(ret->parts[i]));
        ret->slices[i] = slice_make(ret->parts[i], len);
    }
    while (ret->len < 500) {
        struct slice part = ret->slices[roll(dice, ret->count)];
        size_t len = roll(dice, 2) == 0 ? part.len : roll(dice, (unsigned)part.len);
        if (roll(dice, 3) == 0) {
            ret->len += random_text(dice, ret->text + ret->len, 0, 40);
        } else {
            memcpy(ret->text + ret->len, part.ptr, len);
            ret->len += len;
        }
    }
}

static void check_case(const struct random_case *random, struct dice *dice, int number)
{
    static char expected[600];
    struct needles needles = {0};
    for (unsigned i = 0; i < random->count; i++) {
        needles_add(&needles, random->slices[i]);
    }
    needles_sort(&needles);
    struct slice text = slice_make(random->text, random->len);
    naive_scrub(&needles, text, expected);

    struct scrubber *scrubber = scrubber_new(random->slices, random->count);
    struct scrub_state state = {0};
    struct buffer out;
    buffer_init(&out, sizeof(expected));
    for (size_t at = 0; at < text.len;) {
        size_t step = 1 + roll(dice, roll(dice, 2) == 0 ? 3 : 90);
        step = text.len - at < step ? text.len - at : step;
        cr_assert_eq(scrub(scrubber, &state, slice_make(text.ptr + at, step), &out), STATUS_OK);
        at += step;
        size_t held = naive_held(&needles, slice_make(text.ptr, at));
        cr_assert_eq(state.held_len, held, "case %d: %zu held at %zu, not %zu", number,
                     state.held_len, at, held);
        cr_assert_eq(buffer_len(&out) + held, at);
    }
    cr_assert_eq(scrub_end(&state, &out), STATUS_OK);
    cr_assert(slice_equal(buffer_bytes(&out), slice_make(expected, text.len)), "case %d", number);
    scrub_state_fini(&state);
    buffer_fini(&out);
    scrubber_free(scrubber);
    needles_fini(&needles);
}

Test(scrub, agrees_with_the_obvious_way_on_random_texts, .timeout = 60)
{
    static struct random_case random;
    struct dice dice = {42};
    for (int number = 0; number < 400; number++) {
        make_case(&dice, &random);
        check_case(&random, &dice, number);
    }
}
