#include "base/http1.h"
#include "base/memory.h"

#include <stdio.h>

#include <criterion/criterion.h>

/* What a body came to. */
struct outcome {
    enum http1_piece last;
    char data[16384];
    size_t data_len;
    char trailers[16384];
    size_t trailers_len;
    size_t used; /* bytes of the input */
    const char *reason;
};

/* Reads `bytes`, which come in pieces that end at the places `cuts`, and then to their end; what
 * was not consumed comes again with the next piece. Each call sees memory of its own size. */
static void read_pieces(enum http1_framing framing, uint64_t length, struct slice bytes,
                        const size_t *cuts, size_t cut_count, struct outcome *ret)
{
    struct http1_body body;
    struct http1_fault fault = {0};
    http1_body_init(&body, framing, length);
    *ret = (struct outcome){.last = HTTP1_PIECE_MORE};
    for (size_t cut = 0; cut <= cut_count; cut++) {
        size_t end = cut < cut_count ? cuts[cut] : bytes.len;
        do {
            size_t len = end - ret->used;
            char *copy = memory_copy(slice_make(bytes.ptr + ret->used, len));
            char *exact = memory_resize(copy, len == 0 ? 1 : len);
            size_t used;
            struct slice data;
            ret->last = http1_body_next(&body, slice_make(exact, len), &used, &data, &fault);
            cr_assert_leq(used, len);
            if (data.len > 0) {
                cr_assert(data.ptr >= exact && data.ptr + data.len <= exact + used);
            }
            if (ret->last == HTTP1_PIECE_DATA) {
                cr_assert_gt(data.len, 0);
                memcpy(ret->data + ret->data_len, data.ptr, data.len);
                ret->data_len += data.len;
            } else if (ret->last == HTTP1_PIECE_END && data.len > 0) {
                memcpy(ret->trailers, data.ptr, data.len);
                ret->trailers_len = data.len;
            }
            ret->used += used;
            memory_free(exact);
        } while (ret->last == HTTP1_PIECE_DATA);
        if (ret->last != HTTP1_PIECE_MORE) {
            break;
        }
        cr_assert_not(http1_body_ended(&body));
    }
    cr_assert_eq(body.total, ret->data_len);
    cr_assert(ret->last != HTTP1_PIECE_END || http1_body_ended(&body));
    ret->reason = fault.reason;
}

static struct outcome expected;
static struct outcome outcome;

static void expect_same(struct slice bytes, const char *how, size_t at)
{
    cr_assert_eq(outcome.last, expected.last, "%.*s %s %zu: ends with %d", SLICE_ARG(bytes), how,
                 at, outcome.last);
    cr_assert(slice_equal(slice_make(outcome.data, outcome.data_len),
                          slice_make(expected.data, expected.data_len)),
              "%.*s %s %zu: other data", SLICE_ARG(bytes), how, at);
    if (expected.last == HTTP1_PIECE_END) {
        cr_assert_eq(outcome.used, expected.used, "%.*s %s %zu", SLICE_ARG(bytes), how, at);
        cr_assert(slice_equal(slice_make(outcome.trailers, outcome.trailers_len),
                              slice_make(expected.trailers, expected.trailers_len)),
                  "%.*s %s %zu: other trailers", SLICE_ARG(bytes), how, at);
    }
}

/* Whole, in two pieces cut at every place, and byte by byte: always the same, kept in `expected`.
 */
static void read_in_every_way(enum http1_framing framing, uint64_t length, struct slice bytes)
{
    static size_t all[1024];
    cr_assert_lt(bytes.len, sizeof(all) / sizeof(all[0]));
    read_pieces(framing, length, bytes, NULL, 0, &expected);
    for (size_t cut = 0; cut <= bytes.len; cut++) {
        read_pieces(framing, length, bytes, &cut, 1, &outcome);
        expect_same(bytes, "cut at", cut);
        all[cut] = cut;
    }
    read_pieces(framing, length, bytes, all, bytes.len, &outcome);
    expect_same(bytes, "in bytes", 1);
}

struct sound {
    struct slice bytes;
    const char *data;
    const char *trailers;
    size_t rest; /* bytes behind the body */
};

Test(http1_body, chunks_become_data_and_trailers)
{
    static const struct sound cases[] = {
        {SLICE_INIT("0\r\n\r\n"), "", "", 0},
        {SLICE_INIT("000\r\n\r\n"), "", "", 0},
        {SLICE_INIT("0000000000000000\r\n\r\n"), "", "", 0},
        {SLICE_INIT("0000000000000005\r\nhello\r\n0\r\n\r\n"), "hello", "", 0},
        {SLICE_INIT("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET / HTTP/1.1\r\n"), "hello world", "",
         sizeof("GET / HTTP/1.1\r\n") - 1},
        {SLICE_INIT("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n"), "01234567890123456789", "",
         0},
        {SLICE_INIT("1e\r\nall your base are belong to us\r\n0\r\n\r\n"),
         "all your base are belong to us", "", 0},
        {SLICE_INIT("6\r\n\r\n0\r\n\r\r\n0\r\n\r\n"), "\r\n0\r\n\r", "", 0},
        {SLICE_INIT("5;a\r\nhello\r\n0\r\n\r\n"), "hello", "", 0},
        {SLICE_INIT("5;a=b;c=\"d\";e\r\nhello\r\n0;last\r\n\r\n"), "hello", "", 0},
        {SLICE_INIT("5 ;a\r\nhello\r\n0\t ; b\t= c ;d\r\n\r\n"), "hello", "", 0},
        {SLICE_INIT("5;a=\"x;y=z, \\\"q\\\" \\\\ \t\x80\"\r\nhello\r\n0\r\n\r\n"), "hello", "", 0},
        {SLICE_INIT("5;a=\"\" ;b\r\nhello\r\n0\r\n\r\n"), "hello", "", 0},
        {SLICE_INIT("5;a1f=0\r\nhello\r\n0\r\n\r\n"), "hello", "", 0},
        {SLICE_INIT("0\r\nX-Sum: 1\r\nVary: *\r\n\r\n"), "", "X-Sum: 1\r\nVary: *\r\n", 0},
        {SLICE_INIT("1\r\nz\r\n0\r\nX:\r\n\r\nrest"), "z", "X:\r\n", 4},
        {SLICE_INIT("0\r\nDate: x\r\nLink: y\r\n\r\n"), "", "Date: x\r\nLink: y\r\n", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct sound *sound = &cases[i];
        read_in_every_way(HTTP1_CHUNKED, 0, sound->bytes);
        cr_assert_eq(expected.last, HTTP1_PIECE_END, "case %zu: %s", i, expected.reason);
        cr_expect(
            slice_equal(slice_make(expected.data, expected.data_len), slice_from(sound->data)),
            "case %zu", i);
        cr_expect(slice_equal(slice_make(expected.trailers, expected.trailers_len),
                              slice_from(sound->trailers)),
                  "case %zu", i);
        cr_expect_eq(expected.used, sound->bytes.len - sound->rest, "case %zu", i);
    }
}

Test(http1_body, what_can_be_read_in_two_ways_is_refused)
{
    static const struct slice cases[] = {
        /* sizes */
        SLICE_INIT("\r\n\r\n"),
        SLICE_INIT(" 5\r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("\t0\r\n\r\n"),
        SLICE_INIT("5 \r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("5\t\r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("+5\r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("-5\r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("-0x0\r\n\r\n"),
        SLICE_INIT("0x5\r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("0X5\r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("0_5\r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("0_2e\r\n\r\nGET / HTTP/1.1\r\n"),
        SLICE_INIT("5h\r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("g\r\n"),
        SLICE_INIT("Z\r\nZZ\r\nZZZ\r\n\r\n"),
        SLICE_INIT("5 hello\r\n"),
        SLICE_INIT("5,5\r\nhello\r\n"),
        SLICE_INIT("5.0\r\nhello\r\n"),
        SLICE_INIT("5\0\r\nhello\r\n"),
        SLICE_INIT("5\x0b\r\nhello\r\n"),
        SLICE_INIT("5\xa0\r\nhello\r\n"),
        SLICE_INIT("00000000000000005\r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("8000000000000000\r\n"),
        SLICE_INIT("ffffffffffffffff\r\n"),
        SLICE_INIT("fffffffffffffffff\r\n"),
        SLICE_INIT("10000000000000005\r\nhello\r\n0\r\n\r\n"),
        /* line ends */
        SLICE_INIT("5\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("5\rhello\r\n0\r\n\r\n"),
        SLICE_INIT("5\r\rhello\r\n0\r\n\r\n"),
        SLICE_INIT("\r5\r\nhello\r\n"),
        SLICE_INIT("5\r\nhello\n0\r\n\r\n"),
        SLICE_INIT("5\r\nhello\r0\r\n\r\n"),
        SLICE_INIT("5\r\nhello0\r\n\r\n"),
        SLICE_INIT("5\r\nhello \r\n0\r\n\r\n"),
        SLICE_INIT("5\r\nhelloX\r\n0\r\n\r\n"),
        SLICE_INIT("5\r\nhelloXX0\r\n\r\n"),
        SLICE_INIT("5\r\nhello\rX0\r\n\r\n"),
        SLICE_INIT("5\r\nhelloX\n0\r\n\r\n"),
        SLICE_INIT("5\r\nhello\n\n0\r\n\r\n"),
        SLICE_INIT("5\r\nhello\r\n\r\n0\r\n\r\n"),
        SLICE_INIT("5\r\nhell\r\n0\r\n\r\n"),
        SLICE_INIT("0\n\r\n"),
        SLICE_INIT("0\r\n\n"),
        SLICE_INIT("0\r\n\rX"),
        SLICE_INIT("0\r\r\n"),
        SLICE_INIT("0\n\n"),
        /* extensions */
        SLICE_INIT("5;\r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("5; \r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("5;;a\r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("5;=a\r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("5;a=\r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("5;a==b\r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("5;a=b c\r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("5;a b\r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("5;a \r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("5;a=b \r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("5;a,b\r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("5;a=\"b\r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("5;a=\"b\"c\r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("5;a=\"b\nc\"\r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("5;a=\"b\rc\"\r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("5;a=\"b\\\r\n\"\r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("5;a=\"b\0\"\r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("5;a=\"b\x7f\"\r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("5;a=\"\\\x01\"\r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("5;a\x80\r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("5;a\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("5;\nxx\r\n4c\r\n0\r\n\r\n"),
        SLICE_INIT("5;a\rX\r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("5\r;a\r\nhello\r\n0\r\n\r\n"),
        SLICE_INIT("2\r\r;a\r\n02\r\n41\r\n0\r\n\r\n"),
        /* trailers */
        SLICE_INIT("0\r\nX\r\n\r\n"),
        SLICE_INIT("0\r\nX : y\r\n\r\n"),
        SLICE_INIT("0\r\n X: y\r\n\r\n"),
        SLICE_INIT("0\r\nX: y\r\n z\r\n\r\n"),
        SLICE_INIT("0\r\n: y\r\n\r\n"),
        SLICE_INIT("0\r\nX: y\nZ: z\r\n\r\n"),
        SLICE_INIT("0\r\nX: y\rZ: z\r\n\r\n"),
        SLICE_INIT("0\r\nX: y\0\r\n\r\n"),
        SLICE_INIT("0\r\nX: y\r\n\n"),
        SLICE_INIT("0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        read_in_every_way(HTTP1_CHUNKED, 0, cases[i]);
        cr_assert_eq(expected.last, HTTP1_PIECE_BAD, "case %zu is not refused", i);
        cr_expect_not_null(expected.reason);
    }
}

Test(http1_body, trailers_change_nothing_that_is_decided)
{
    static const char *const names[] = {
        "Content-Length",
        "transfer-encoding",
        "Host",
        "Authorization",
        "Connection",
        "TE",
        "Trailer",
        "Upgrade",
        "Expect",
        "Keep-Alive",
        "Cookie",
        "Set-Cookie",
        "Location",
        "Proxy-Authorization",
        "Content-Type",
        "Content-Encoding",
        "Content-Range",
        "Proxy-Connection",
        "Proxy-Authenticate",
        "Accept-Encoding",
        "Max-Forwards",
        "Range",
        "CACHE-CONTROL",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char bytes[128];
        int len = snprintf(bytes, sizeof(bytes), "0\r\nX: y\r\n%s: 1\r\n\r\n", names[i]);
        read_in_every_way(HTTP1_CHUNKED, 0, slice_make(bytes, (size_t)len));
        cr_expect_eq(expected.last, HTTP1_PIECE_BAD, "%s", names[i]);
    }
}

/* "0\r\n", then one trailer field so that the trailer section has `len` bytes. */
static struct slice make_trailers(char *out, size_t len)
{
    memset(out, 'x', len + 3);
    memcpy(out, "0\r\nX: ", 6);
    memcpy(out + 3 + len - 4, "\r\n\r\n", 4);
    return slice_make(out, len + 3);
}

Test(http1_body, lines_and_trailers_have_limits)
{
    static char bytes[16384];
    read_pieces(HTTP1_CHUNKED, 0, make_trailers(bytes, 8192), NULL, 0, &outcome);
    cr_expect_eq(outcome.last, HTTP1_PIECE_END);
    cr_expect_eq(outcome.trailers_len, 8190);
    read_pieces(HTTP1_CHUNKED, 0, make_trailers(bytes, 8193), NULL, 0, &outcome);
    cr_expect_eq(outcome.last, HTTP1_PIECE_BAD);
    read_pieces(HTTP1_CHUNKED, 0, slice_make(bytes, 3 + 8191), NULL, 0, &outcome);
    cr_expect_eq(outcome.last, HTTP1_PIECE_MORE);
    read_pieces(HTTP1_CHUNKED, 0, slice_make(bytes, 3 + 8192), NULL, 0, &outcome);
    cr_expect_eq(outcome.last, HTTP1_PIECE_BAD, "an endless trailer is cut at the limit");

    memset(bytes, 'x', sizeof(bytes));
    memcpy(bytes, "0;", 2);
    read_pieces(HTTP1_CHUNKED, 0, slice_make(bytes, 4096), NULL, 0, &outcome);
    cr_expect_eq(outcome.last, HTTP1_PIECE_MORE);
    read_pieces(HTTP1_CHUNKED, 0, slice_make(bytes, 4097), NULL, 0, &outcome);
    cr_expect_eq(outcome.last, HTTP1_PIECE_BAD);
    memcpy(bytes + 4094, "\r\n\r\n", 4);
    read_pieces(HTTP1_CHUNKED, 0, slice_make(bytes, 4098), NULL, 0, &outcome);
    cr_expect_eq(outcome.last, HTTP1_PIECE_END);
}

Test(http1_body, largest_chunk_is_accepted_and_counted)
{
    struct http1_body body;
    struct http1_fault fault;
    size_t used;
    struct slice data;
    http1_body_init(&body, HTTP1_CHUNKED, 0);
    cr_assert_eq(http1_body_next(&body, SLICE("7fffffffffffffff\r\nabc"), &used, &data, &fault),
                 HTTP1_PIECE_DATA);
    cr_expect(slice_equal(data, SLICE("abc")));
    cr_expect_eq(body.left, (uint64_t)INT64_MAX - 3);
    cr_expect_eq(used, 21);
}

Test(http1_body, length_ends_at_its_byte)
{
    read_in_every_way(HTTP1_LENGTH, 5, SLICE("helloGET /"));
    cr_expect_eq(expected.last, HTTP1_PIECE_END);
    cr_expect(slice_equal(slice_make(expected.data, expected.data_len), SLICE("hello")));
    cr_expect_eq(expected.used, 5);
    read_in_every_way(HTTP1_LENGTH, 6, SLICE("hello"));
    cr_expect_eq(expected.last, HTTP1_PIECE_MORE);

    struct http1_body body;
    http1_body_init(&body, HTTP1_LENGTH, 1);
    cr_expect_not(http1_body_ended(&body));
    http1_body_init(&body, HTTP1_LENGTH, 0);
    cr_expect(http1_body_ended(&body));
}

Test(http1_body, no_body_takes_nothing)
{
    read_in_every_way(HTTP1_NO_BODY, 0, SLICE("GET / HTTP/1.1\r\n"));
    cr_expect_eq(expected.last, HTTP1_PIECE_END);
    cr_expect_eq(expected.used, 0);
}

Test(http1_body, until_close_never_ends_by_itself)
{
    read_in_every_way(HTTP1_UNTIL_CLOSE, 0, SLICE("0\r\n\r\nHTTP/1.1 200 OK\r\n"));
    cr_expect_eq(expected.last, HTTP1_PIECE_MORE);
    cr_expect_eq(expected.data_len, 22);
}

Test(http1_body, written_chunk_heads_are_read_back)
{
    static const struct {
        size_t len;
        const char *text;
    } cases[] = {
        {1, "1\r\n"},
        {15, "f\r\n"},
        {16, "10\r\n"},
        {4096, "1000\r\n"},
        {65535, "ffff\r\n"},
        {0x123456789abcdef, "123456789abcdef\r\n"},
        {SIZE_MAX, "ffffffffffffffff\r\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[HTTP1_CHUNK_HEAD_BYTES];
        size_t len = http1_write_chunk_head(out, cases[i].len);
        cr_expect(slice_equal(slice_make(out, len), slice_from(cases[i].text)), "%.*s", (int)len,
                  out);
        struct http1_body body;
        struct http1_fault fault;
        size_t used;
        struct slice data;
        http1_body_init(&body, HTTP1_CHUNKED, 0);
        enum http1_piece piece = http1_body_next(&body, slice_make(out, len), &used, &data, &fault);
        cr_expect_eq(piece, cases[i].len > INT64_MAX ? HTTP1_PIECE_BAD : HTTP1_PIECE_MORE);
        cr_expect(piece == HTTP1_PIECE_BAD || body.left == cases[i].len);
    }
}
