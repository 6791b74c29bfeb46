#include "base/buffer.h"
#include "routes/codings.h"

#include <stdio.h>

#include <criterion/criterion.h>

static struct http1_field field(enum http1_name id, const char *value)
{
    return (struct http1_field){.name = SLICE("any"), .value = slice_from(value), .id = id};
}

static enum coding coding(const char *value)
{
    const struct http1_field fields[] = {field(HTTP1_DATE, "gzip"),
                                         field(HTTP1_CONTENT_ENCODING, value)};
    return coding_of(fields, 2);
}

Test(codings, an_answer_has_one_coding_that_is_known_or_another)
{
    cr_expect_eq(coding_of(NULL, 0), CODING_IDENTITY);
    cr_expect_eq(coding(""), CODING_IDENTITY);
    cr_expect_eq(coding("Identity"), CODING_IDENTITY);
    cr_expect_eq(coding("gzip"), CODING_GZIP);
    cr_expect_eq(coding("GZip"), CODING_GZIP);
    cr_expect_eq(coding("x-gzip"), CODING_GZIP);
    cr_expect_eq(coding("br"), CODING_BROTLI);
    cr_expect_eq(coding("zstd"), CODING_ZSTD);
    cr_expect_eq(coding("deflate"), CODING_OTHER);
    cr_expect_eq(coding("gzip, br"), CODING_OTHER);
    cr_expect_eq(coding("identity, gzip"), CODING_OTHER);
    cr_expect_eq(coding("gzip;x=1"), CODING_OTHER);
    cr_expect_eq(coding("*"), CODING_OTHER);
}

Test(codings, several_fields_are_one_coding_upon_the_other)
{
    const struct http1_field twice[] = {field(HTTP1_CONTENT_ENCODING, "gzip"),
                                        field(HTTP1_CONTENT_ENCODING, "gzip")};
    const struct http1_field once[] = {field(HTTP1_CONTENT_ENCODING, "identity"),
                                       field(HTTP1_CONTENT_ENCODING, "gzip")};
    cr_expect_eq(coding_of(twice, 2), CODING_OTHER);
    cr_expect_eq(coding_of(once, 2), CODING_GZIP);
}

static void expect_accept(const char *sent, enum coding_choice choice, const char *wanted)
{
    const struct http1_field fields[] = {field(HTTP1_CONTENT_TYPE, "br"),
                                         field(HTTP1_ACCEPT_ENCODING, sent)};
    struct buffer out CLEANUP(buffer_fini);
    buffer_init(&out, 512);
    cr_assert_eq(codings_write_accept(fields, 2, choice, &out), STATUS_OK);
    cr_expect(slice_equal(buffer_bytes(&out), slice_from(wanted)), "%s became %.*s", sent,
              SLICE_ARG(buffer_bytes(&out)));
}

Test(codings, what_a_caller_accepts_is_cut_down_to_what_can_be_read)
{
    static const struct {
        const char *sent, *left;
    } cases[] = {
        {"gzip, deflate, br, zstd", "gzip, br, zstd"},
        {"gzip;q=0.5 , deflate;q=1.0, BR ; q=0.125", "gzip;q=0.5, BR;q=0.125"},
        {"br;q=0, x-gzip, identity;q=0.5", "br;q=0, x-gzip, identity;q=0.5"},
        {"deflate", "identity"},
        {"", "identity"},
        {"deflate, identity;q=0", "identity;q=0"},
        {"*", "gzip, br, zstd, identity"},
        {"br, *;q=0.5", "br, gzip;q=0.5, zstd;q=0.5, identity;q=0.5"},
        {"gzip, *;q=0", "gzip, *;q=0"},
        {"gzip, *;q=0.00", "gzip, *;q=0.00"},
        {"deflate, *;q=0", "*;q=0"},
        {"gzip;q=2, br;q=0.1234, zstd;x=1, compress", "identity"},
        {"gzip;q=1.5, br;q=, zstd;q=0.5;x", "identity"},
        {",, gzip ,gzip;q=0,", "gzip"},
        {"gzipped, xgzip, br2", "identity"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char wanted[256];
        (void)snprintf(wanted, sizeof(wanted), "Accept-Encoding: %s\r\n", cases[i].left);
        expect_accept(cases[i].sent, CODINGS_KNOWN, wanted);
    }
}

Test(codings, where_nothing_is_to_be_read_it_goes_on_as_it_is)
{
    expect_accept("deflate;q=2, anything", CODINGS_ALL,
                  "Accept-Encoding: deflate;q=2, anything\r\n");
}

Test(codings, where_nothing_may_be_encoded_identity_is_said)
{
    expect_accept("gzip, br", CODINGS_NONE, "Accept-Encoding: identity\r\n");
}

Test(codings, a_caller_that_says_nothing_has_nothing_said)
{
    struct buffer out CLEANUP(buffer_fini);
    const struct http1_field fields[] = {field(HTTP1_CONTENT_TYPE, "br")};
    buffer_init(&out, 512);
    cr_expect_eq(codings_write_accept(fields, 1, CODINGS_KNOWN, &out), STATUS_OK);
    cr_expect_eq(codings_write_accept(fields, 1, CODINGS_NONE, &out), STATUS_OK);
    cr_expect_eq(codings_write_accept(fields, 1, CODINGS_ALL, &out), STATUS_OK);
    cr_expect_eq(buffer_len(&out), 0);
}

Test(codings, fields_of_that_name_are_one_list)
{
    struct buffer out CLEANUP(buffer_fini);
    const struct http1_field fields[] = {field(HTTP1_ACCEPT_ENCODING, "gzip"),
                                         field(HTTP1_ACCEPT_ENCODING, "deflate, br")};
    buffer_init(&out, 512);
    cr_expect_eq(codings_write_accept(fields, 2, CODINGS_KNOWN, &out), STATUS_OK);
    cr_expect(slice_equal(buffer_bytes(&out), SLICE("Accept-Encoding: gzip, br\r\n")));
}

Test(codings, a_full_buffer_is_said)
{
    struct buffer out CLEANUP(buffer_fini);
    const struct http1_field fields[] = {field(HTTP1_ACCEPT_ENCODING, "gzip, br")};
    for (size_t max = 0; max < SLICE("Accept-Encoding: gzip, br\r\n").len; max++) {
        buffer_init(&out, max);
        cr_expect_eq(codings_write_accept(fields, 1, CODINGS_KNOWN, &out), STATUS_TOO_LARGE);
        buffer_fini(&out);
    }
}
