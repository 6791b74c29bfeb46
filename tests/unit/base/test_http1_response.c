#include "tests/unit/base/http1_feed.h"

#define OK  "HTTP/1.1 200 OK\r\n"
#define END "\r\n\r\n"

/* "STATUS 'REASON' 1.MINOR FRAMING [length=LENGTH] keep|close fields=COUNT [-NAME...]". */
static void read_answer(struct slice bytes, enum http1_method asked, struct feed *ret_feed)
{
    struct http1_field fields[FEED_FIELDS];
    struct http1_response response = {.fields = fields};
    ret_feed->result = http1_read_response(bytes, &feed_limits, asked, &response, &ret_feed->fault);
    if (ret_feed->result != HTTP1_DONE) {
        return;
    }
    ret_feed->head_len = response.head_len;
    char length[32] = "";
    if (response.has_content_length) {
        (void)snprintf(length, sizeof(length), " length=%llu",
                       (unsigned long long)response.content_length);
    }
    int len = snprintf(ret_feed->meaning, sizeof(ret_feed->meaning),
                       "%u '%.*s' 1.%u %s%s %s fields=%u", response.status,
                       SLICE_ARG(response.reason), response.minor, feed_framing(response.framing),
                       length, response.keep_alive ? "keep" : "close", response.field_count);
    for (unsigned i = 0; i < response.field_count; i++) {
        if (fields[i].connection_option) {
            len += snprintf(ret_feed->meaning + len, sizeof(ret_feed->meaning) - (size_t)len,
                            " -%.*s", SLICE_ARG(fields[i].name));
        }
    }
}

static void answer_to_get(struct slice bytes, struct feed *ret_feed)
{
    read_answer(bytes, HTTP1_GET, ret_feed);
}

static void answer_to_head(struct slice bytes, struct feed *ret_feed)
{
    read_answer(bytes, HTTP1_HEAD, ret_feed);
}

struct meaning {
    struct slice bytes;
    const char *meaning;
};

static void expect_meanings(feed_reader *reader, const struct meaning *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        feed_expect_meaning(reader, cases[i].bytes, cases[i].meaning);
    }
}

#define EXPECT_MEANINGS(reader, cases)                                                             \
    expect_meanings((reader), (cases), sizeof(cases) / sizeof((cases)[0]))

Test(http1_response, status_lines_have_one_meaning)
{
    static const struct meaning cases[] = {
        {SLICE_INIT("HTTP/1.1 200 OK" END), "200 'OK' 1.1 until-close close fields=0"},
        {SLICE_INIT("HTTP/1.1 404 Not Found" END),
         "404 'Not Found' 1.1 until-close close fields=0"},
        {SLICE_INIT("HTTP/1.1 200 " END), "200 '' 1.1 until-close close fields=0"},
        {SLICE_INIT("HTTP/1.1 200" END), "200 '' 1.1 until-close close fields=0"},
        {SLICE_INIT("HTTP/1.0 599 x" END), "599 'x' 1.0 until-close close fields=0"},
        {SLICE_INIT("HTTP/1.1 500 \x80\xff\tz" END),
         "500 '\x80\xff\tz' 1.1 until-close close fields=0"},
    };
    EXPECT_MEANINGS(answer_to_get, cases);
}

Test(http1_response, framing_has_one_meaning)
{
    static const struct meaning cases[] = {
        {SLICE_INIT(OK "Content-Length: 5" END "hello"),
         "200 'OK' 1.1 length length=5 keep fields=1"},
        {SLICE_INIT(OK "Content-Length: 0" END), "200 'OK' 1.1 none length=0 keep fields=1"},
        {SLICE_INIT(OK "Content-Length: 00012" END), "200 'OK' 1.1 length length=12 keep fields=1"},
        {SLICE_INIT(OK "Transfer-Encoding: Chunked" END), "200 'OK' 1.1 chunked keep fields=1"},
        {SLICE_INIT(OK
                    "Transfer-Encoding: chunked\r\nConnection: Transfer-Encoding, keep-alive" END),
         "200 'OK' 1.1 chunked keep fields=2 -Transfer-Encoding"},
        {SLICE_INIT(OK "Connection: keep-alive" END), "200 'OK' 1.1 until-close close fields=1"},
        {SLICE_INIT(OK "Content-Length: 5\r\nConnection: close" END),
         "200 'OK' 1.1 length length=5 close fields=2"},
        {SLICE_INIT(OK "Content-Length: 5\r\nConnection: keep-alive, x\r\nX: y" END),
         "200 'OK' 1.1 length length=5 keep fields=3 -X"},
        {SLICE_INIT("HTTP/1.0 200 OK\r\nContent-Length: 5" END),
         "200 'OK' 1.0 length length=5 close fields=1"},
        {SLICE_INIT("HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: Keep-Alive" END),
         "200 'OK' 1.0 length length=5 keep fields=2"},
        {SLICE_INIT("HTTP/1.1 204 No Content" END), "204 'No Content' 1.1 none keep fields=0"},
        {SLICE_INIT("HTTP/1.1 204 No Content\r\nContent-Length: 0" END),
         "204 'No Content' 1.1 none length=0 keep fields=1"},
        /* What may follow is unknown: the connection is not kept. */
        {SLICE_INIT("HTTP/1.1 204 No Content\r\nContent-Length: 5" END),
         "204 'No Content' 1.1 none length=5 close fields=1"},
        {SLICE_INIT("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked" END),
         "204 'No Content' 1.1 none close fields=1"},
        {SLICE_INIT("HTTP/1.1 304 Not Modified\r\nContent-Length: 5" END),
         "304 'Not Modified' 1.1 none length=5 keep fields=1"},
        {SLICE_INIT("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked" END),
         "304 'Not Modified' 1.1 none keep fields=1"},
        {SLICE_INIT("HTTP/1.1 205 Reset Content\r\nContent-Length: 0" END),
         "205 'Reset Content' 1.1 none length=0 keep fields=1"},
    };
    EXPECT_MEANINGS(answer_to_get, cases);
}

Test(http1_response, interim_answers_are_heads_of_their_own)
{
    static const struct meaning cases[] = {
        {SLICE_INIT("HTTP/1.1 100 Continue" END OK "Content-Length: 5" END),
         "100 'Continue' 1.1 none keep fields=0"},
        {SLICE_INIT("HTTP/1.1 103 Early Hints\r\nLink: </a>" END),
         "103 'Early Hints' 1.1 none keep fields=1"},
        {SLICE_INIT("HTTP/1.1 100 Continue\r\nContent-Length: 0" END),
         "100 'Continue' 1.1 none length=0 keep fields=1"},
        {SLICE_INIT("HTTP/1.1 199" END), "199 '' 1.1 none keep fields=0"},
    };
    EXPECT_MEANINGS(answer_to_get, cases);
}

Test(http1_response, answers_to_head_have_no_body)
{
    static const struct meaning cases[] = {
        {SLICE_INIT(OK "Content-Length: 5" END), "200 'OK' 1.1 none length=5 keep fields=1"},
        {SLICE_INIT(OK "Transfer-Encoding: chunked" END), "200 'OK' 1.1 none keep fields=1"},
        {SLICE_INIT(OK "\r\n"), "200 'OK' 1.1 none keep fields=0"},
        {SLICE_INIT("HTTP/1.0 200 OK" END), "200 'OK' 1.0 none close fields=0"},
    };
    EXPECT_MEANINGS(answer_to_head, cases);
}

Test(http1_response, what_can_be_read_in_two_ways_is_refused)
{
    static const struct slice cases[] = {
        /* status lines */
        SLICE_INIT("\r\nHTTP/1.1 200 OK" END),
        SLICE_INIT(" HTTP/1.1 200 OK" END),
        SLICE_INIT("http/1.1 200 OK" END),
        SLICE_INIT("HTTP/1.2 200 OK" END),
        SLICE_INIT("HTTP/2.0 200 OK" END),
        SLICE_INIT("HTTP/0.9 200 OK" END),
        SLICE_INIT("HTTP/1.10 200 OK" END),
        SLICE_INIT("HTTP/1.1  200 OK" END),
        SLICE_INIT("HTTP/1.1\t200 OK" END),
        SLICE_INIT("HTTP/1.1" END),
        SLICE_INIT("HTTP/1.1 " END),
        SLICE_INIT("HTTP/1.1 OK" END),
        SLICE_INIT("HTTP/1.1 20 OK" END),
        SLICE_INIT("HTTP/1.1 2000 OK" END),
        SLICE_INIT("HTTP/1.1 2x0 OK" END),
        SLICE_INIT("HTTP/1.1 +20 OK" END),
        SLICE_INIT("HTTP/1.1 099 OK" END),
        SLICE_INIT("HTTP/1.1 600 OK" END),
        SLICE_INIT("HTTP/1.1 200OK" END),
        SLICE_INIT("HTTP/1.1 200\tOK" END),
        SLICE_INIT("HTTP/1.1 200 O\0K" END),
        SLICE_INIT("HTTP/1.1 200 O\x7fK" END),
        SLICE_INIT("HTTP/1.1 200 OK\n\n"),
        SLICE_INIT("HTTP/1.1 200 OK\r\r\n\r\n"),
        SLICE_INIT("HTTP/1.1 200 OK\rX: y" END),
        SLICE_INIT("ICY 200 OK" END),
        SLICE_INIT("<html>"),
        SLICE_INIT("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade" END),
        SLICE_INIT("HTTP/1.0 100 Continue" END),
        /* framing */
        SLICE_INIT(OK "Content-Length: 5\r\nTransfer-Encoding: chunked" END),
        SLICE_INIT(OK "Transfer-Encoding: chunked\r\nContent-Length: 5" END),
        SLICE_INIT(OK "Content-Length: 5\r\nContent-Length: 6" END),
        SLICE_INIT(OK "Content-Length: 5\r\nContent-Length: 5" END),
        SLICE_INIT(OK "Content-Length: 5, 5" END),
        SLICE_INIT(OK "Content-Length: -1" END),
        SLICE_INIT(OK "Content-Length: +5" END),
        SLICE_INIT(OK "Content-Length: 0x5" END),
        SLICE_INIT(OK "Content-Length: 5 bytes" END),
        SLICE_INIT(OK "Content-Length:" END),
        SLICE_INIT(OK "Content-Length: 9223372036854775808" END),
        SLICE_INIT(OK "Transfer-Encoding: gzip" END),
        SLICE_INIT(OK "Transfer-Encoding: gzip, chunked" END),
        SLICE_INIT(OK "Transfer-Encoding: chunked, gzip" END),
        SLICE_INIT(OK "Transfer-Encoding: chunked, chunked" END),
        SLICE_INIT(OK "Transfer-Encoding: chunked, gzip, chunked" END),
        SLICE_INIT(OK "Transfer-Encoding: identity" END),
        SLICE_INIT(OK "Transfer-Encoding: ,chunked" END),
        SLICE_INIT(OK "Transfer-Encoding:" END),
        SLICE_INIT(OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked" END),
        SLICE_INIT(OK "Transfer-Encoding: chunked\x0b" END),
        SLICE_INIT("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked" END),
        SLICE_INIT("HTTP/1.1 100 Continue\r\nContent-Length: 5" END),
        SLICE_INIT("HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked" END),
        SLICE_INIT(OK "Connection: content-length\r\nContent-Length: 5" END),
        SLICE_INIT(OK "Connection: close please" END),
        /* fields */
        SLICE_INIT(OK "X: y\n\r\n"),
        SLICE_INIT(OK "X: y\r\n\n"),
        SLICE_INIT(OK "X: y\r\n z" END),
        SLICE_INIT(OK " X: y" END),
        SLICE_INIT(OK "X : y" END),
        SLICE_INIT(OK "X" END),
        SLICE_INIT(OK ": y" END),
        SLICE_INIT(OK "X: y\0z" END),
        SLICE_INIT(OK "X: y\rZ: z" END),
        SLICE_INIT(OK "X Y: z" END),
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        feed_expect_refusal(answer_to_get, cases[i], 502);
        feed_expect_refusal(answer_to_head, cases[i], 502);
    }
}

Test(http1_response, limits_hold_before_the_head_has_an_end)
{
    static char bytes[4096];
    struct feed feed;
    memset(bytes, 'x', sizeof(bytes));
    memcpy(bytes, OK "X: ", sizeof(OK "X: ") - 1);
    answer_to_get(slice_make(bytes, 2047), &feed);
    cr_expect_eq(feed.result, HTTP1_PARTIAL);
    answer_to_get(slice_make(bytes, 2048), &feed);
    cr_expect_eq(feed.result, HTTP1_BAD);
    cr_expect_eq(feed.fault.status, 502);
    memcpy(bytes + 2044, END, 4);
    answer_to_get(slice_make(bytes, 2048), &feed);
    cr_expect_eq(feed.result, HTTP1_DONE);

    int len = snprintf(bytes, sizeof(bytes), OK);
    for (unsigned i = 0; i < FEED_FIELDS; i++) {
        len += snprintf(bytes + len, sizeof(bytes) - (size_t)len, "X-%u: y\r\n", i);
    }
    answer_to_get(slice_make(bytes, (size_t)len), &feed);
    cr_expect_eq(feed.result, HTTP1_PARTIAL);
    (void)snprintf(bytes + len, sizeof(bytes) - (size_t)len, "X:");
    feed_expect_refusal(answer_to_get, slice_from(bytes), 502);
}
