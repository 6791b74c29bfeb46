#include "auth/outbound/signer_internal.h"
#include "auth/outbound/sigv4_chunks.h"

#include <stdio.h>

#include <criterion/criterion.h>

/* The examples of the S3 API reference: 64 KiB and 1 KiB of "a", of 2013-05-24. */
static void make_seed(const char *signature, struct sigv4_seed *seed)
{
    const struct signing_rule rule = {.scheme = SIGNER_AWS_SIGV4,
                                      .region = SLICE("us-east-1"),
                                      .service = SLICE("s3"),
                                      .as_s3 = true};
    const struct slice secret =
        SLICE("AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    const struct signing_request request = {.method = SLICE("PUT"),
                                            .target = SLICE("/x"),
                                            .payload = SLICE("x"),
                                            .now = 1369353600 * SEC};
    struct signing_keys *keys = signing_keys_new();
    struct buffer out;
    buffer_init(&out, 4096);
    cr_assert(signer_sign(&rule, secret, keys, &request, &out, seed) == STATUS_OK);
    memcpy(seed->signature, signature, sizeof(seed->signature));
    buffer_fini(&out);
    signing_keys_free(keys);
}

static const char plain_seed[] = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
static const char trailer_seed[] =
    "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";

static const char *const plain_signatures[] = {
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"};
static const char *const trailer_signatures[] = {
    "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"};

static const char no_signature[] =
    "0000000000000000000000000000000000000000000000000000000000000000";

static void put_chunk(struct buffer *out, size_t len, const char *signature)
{
    cr_assert(buffer_print(out, "%zx;chunk-signature=%s\r\n", len, signature) == STATUS_OK);
    for (size_t i = 0; i < len; i++) {
        cr_assert(buffer_append(out, SLICE("a")) == STATUS_OK);
    }
    if (len > 0) {
        cr_assert(buffer_append(out, SLICE("\r\n")) == STATUS_OK);
    }
}

static void put_body(struct buffer *out, enum sigv4_trailers trailers,
                     const char *const *signatures)
{
    buffer_init(out, (size_t)128 * 1024);
    put_chunk(out, 65536, signatures == NULL ? no_signature : signatures[0]);
    put_chunk(out, 1024, signatures == NULL ? no_signature : signatures[1]);
    put_chunk(out, 0, signatures == NULL ? no_signature : signatures[2]);
    if (trailers == SIGV4_TRAILERS) {
        cr_assert(buffer_print(out,
                               "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:%s\r\n",
                               signatures == NULL ? no_signature : signatures[3]) == STATUS_OK);
    }
    cr_assert(buffer_append(out, SLICE("\r\n")) == STATUS_OK);
}

/* Gives it in pieces of `step`; what is not taken is given again. */
static enum status pass(struct sigv4_chunks *chunks, struct slice body, size_t step,
                        struct buffer *out, struct error *err)
{
    size_t at = 0;
    while (at < body.len) {
        struct slice rest = slice_skip(body, at);
        size_t taken = 0;
        TRY(sigv4_chunks_take(chunks, slice_make(rest.ptr, rest.len < step ? rest.len : step),
                              &taken, err));
        at += taken;
        struct slice ready = sigv4_chunks_ready(chunks);
        TRY(buffer_append(out, ready));
        sigv4_chunks_consume(chunks, ready.len);
    }
    return STATUS_OK;
}

static void expect_signed(enum sigv4_trailers trailers, const char *first,
                          const char *const *signatures)
{
    static const size_t steps[] = {1, 7, 4096, 65536, 1000000};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct sigv4_seed seed;
        struct error err;
        struct buffer body;
        struct buffer expected;
        struct buffer out;
        make_seed(first, &seed);
        put_body(&body, trailers, NULL);
        put_body(&expected, trailers, signatures);
        buffer_init(&out, (size_t)256 * 1024);
        struct sigv4_chunks *chunks = sigv4_chunks_new(&seed, trailers);
        cr_assert(pass(chunks, buffer_bytes(&body), steps[i], &out, &err) == STATUS_OK, "%s",
                  err.message);
        cr_expect(sigv4_chunks_ended(chunks));
        cr_expect(slice_equal(buffer_bytes(&out), buffer_bytes(&expected)), "in steps of %zu",
                  steps[i]);
        sigv4_chunks_free(chunks);
        buffer_fini(&body);
        buffer_fini(&expected);
        buffer_fini(&out);
    }
}

Test(sigv4_chunks, agree_with_the_published_example_in_any_pieces)
{
    expect_signed(SIGV4_NO_TRAILERS, plain_seed, plain_signatures);
}

Test(sigv4_chunks, with_trailers_they_agree_with_the_published_example_too)
{
    expect_signed(SIGV4_TRAILERS, trailer_seed, trailer_signatures);
}

#define SIGNATURE                                                                                  \
    ";chunk-signature=0000000000000000000000000000000000000000000000000000000000000000"

Test(sigv4_chunks, what_is_no_such_body_is_refused)
{
    static const struct {
        enum sigv4_trailers trailers;
        struct slice body;
    } cases[] = {
        {SIGV4_NO_TRAILERS, SLICE_INIT("5\r\nhello\r\n0\r\n\r\n")},
        {SIGV4_NO_TRAILERS, SLICE_INIT("5;chunk-signature=00\r\nhello\r\n")},
        {SIGV4_NO_TRAILERS, SLICE_INIT("g" SIGNATURE "\r\nhello\r\n")},
        {SIGV4_NO_TRAILERS, SLICE_INIT(SIGNATURE "\r\n")},
        {SIGV4_NO_TRAILERS, SLICE_INIT("5" SIGNATURE "0\r\nhello\r\n")},
        {SIGV4_NO_TRAILERS, SLICE_INIT("4" SIGNATURE "\r\nhello\r\n")},
        {SIGV4_NO_TRAILERS, SLICE_INIT("0" SIGNATURE "\r\nx\r\n")},
        {SIGV4_NO_TRAILERS, SLICE_INIT("0" SIGNATURE "\r\n\r\nmore")},
        {SIGV4_NO_TRAILERS, SLICE_INIT("100001" SIGNATURE "\r\n")},
        {SIGV4_NO_TRAILERS, SLICE_INIT("fffffffff" SIGNATURE "\r\n")},
        {SIGV4_NO_TRAILERS, SLICE_INIT("0000000000000000000000000000000000000000000000000000000000"
                                       "0000000000000000000000000000000000000000000000000000000000"
                                       "00000000000000000000000")},
        {SIGV4_TRAILERS, SLICE_INIT("0" SIGNATURE "\r\nx-amz-checksum-crc32:AA==\r\n\r\n")},
        {SIGV4_TRAILERS, SLICE_INIT("0" SIGNATURE "\r\nx-amz-trailer-signature:00\r\n\r\n")},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sigv4_seed seed;
        struct error err = {.message = ""};
        struct buffer out;
        make_seed(plain_seed, &seed);
        buffer_init(&out, 65536);
        struct sigv4_chunks *chunks = sigv4_chunks_new(&seed, cases[i].trailers);
        cr_expect(pass(chunks, cases[i].body, 5, &out, &err) == STATUS_INVALID, "case %zu", i);
        cr_expect(err.message[0] != '\0');
        sigv4_chunks_free(chunks);
        buffer_fini(&out);
    }
}
