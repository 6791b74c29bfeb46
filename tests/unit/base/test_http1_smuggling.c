#include "tests/unit/base/http1_feed.h"

/* Requests that some reader, somewhere, takes for something else than another one does. */

struct refusal {
    unsigned status;
    struct slice bytes;
};

#define GET     "GET / HTTP/1.1\r\n"
#define POST    "POST / HTTP/1.1\r\nHost: a\r\n"
#define HOST    "Host: a\r\n"
#define END     "\r\n\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"
#define INNER   "0\r\n\r\nGET /inner HTTP/1.1\r\nHost: a\r\n\r\n"

static void expect_refusals(const struct refusal *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        feed_expect_refusal(feed_request, cases[i].bytes, cases[i].status);
    }
}

#define EXPECT_REFUSALS(cases) expect_refusals((cases), sizeof(cases) / sizeof((cases)[0]))

Test(http1_smuggling, two_framings_are_refused)
{
    static const struct refusal cases[] = {
        {400, SLICE_INIT(POST "Content-Length: 5\r\n" CHUNKED "\r\n" INNER)},
        {400, SLICE_INIT(POST CHUNKED "Content-Length: 5" END INNER)},
        {400, SLICE_INIT(POST CHUNKED "Content-Length: 0" END INNER)},
        {400, SLICE_INIT(POST CHUNKED "X: y\r\nContent-Length: 5" END INNER)},
        {400, SLICE_INIT(POST "Content-Length: 5\r\nTransfer-Encoding: xchunked" END INNER)},
        {400, SLICE_INIT(POST "Content-Length: 5\r\nTransfer-Encoding: identity" END INNER)},
        {400, SLICE_INIT(POST "Content-Length: 5\r\nTransfer-Encoding:" END INNER)},
        {400, SLICE_INIT(POST "Content-Length: 5\r\nTransfer-Encoding: ,chunked" END INNER)},
        {400, SLICE_INIT(POST CHUNKED "Content-Length: nonsense" END INNER)},
        {400, SLICE_INIT(POST "Content-Length: 5\r\nContent-Length: 6" END)},
        {400, SLICE_INIT(POST "Content-Length: 5\r\nContent-Length: 5" END)},
        {400, SLICE_INIT(POST "Content-Length: 0\r\nContent-Length: 31" END)},
        {400, SLICE_INIT(POST "Content-Length:\r\nContent-Length: 59" END)},
        {400, SLICE_INIT(POST "Content-Length: 5\r\ncontent-length: 5" END)},
    };
    EXPECT_REFUSALS(cases);
}

Test(http1_smuggling, lengths_are_plain_numbers)
{
    static const char *const values[] = {
        "",
        "+5",
        "-5",
        "-0",
        "0x5",
        "5x",
        "5 5",
        "5,5",
        "5, 5",
        ",5",
        "5,",
        "5;a",
        "5.0",
        "1e1",
        "0o5",
        "1_0",
        "' 5",
        "\"5\"",
        "5\x80",
        "\xd9\xa5",
        "five",
        "١",
        "0x",
        "9223372036854775808",
        "18446744073709551616",
        "18446744073709551621",
        "+1_0",
        "99999999999999999999999999999999999999",
    };
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char bytes[256];
        int len = snprintf(bytes, sizeof(bytes), POST "Content-Length: %s" END, values[i]);
        feed_expect_refusal(feed_request, slice_make(bytes, (size_t)len), 400);
    }
}

Test(http1_smuggling, only_chunked_is_a_transfer_coding)
{
    static const struct {
        unsigned status;
        const char *value;
    } cases[] = {
        {400, ""},
        {400, ","},
        {400, ",chunked"},
        {400, "chunked,"},
        {400, ", chunked"},
        {400, "chunked, chunked"},
        {400, "chunked,chunked"},
        {400, "chunked, gzip"},
        {400, "chunked, cow"},
        {400, "chunked, identity"},
        {400, "chunked, gzip, chunked"},
        {400, "chunked;q=1"},
        {400, "chunked ;a=b"},
        {400, "gzip, chunked;x"},
        {400, "chunked chunked"},
        {400, "chu nked"},
        {400, "cow chunked bar"},
        {400, "\"chunked\""},
        {400, "[chunked]"},
        {400, "chunked\x80"},
        {400, "\xff"
              "chunked"},
        {400, "ch\x96nked"},
        {400, "chunked\\"},
        {400, "chunked:"},
        {400, "/chunked"},
        {501, "'chunked'"},
        {501, "gzip"},
        {501, "gzip, chunked"},
        {501, "cow, chunked"},
        {501, "identity"},
        {501, "identity, chunked"},
        {501, "xchunked"},
        {501, "chunkedx"},
        {501, "chunk"},
        {501, "x"},
        {501, "deflate;level=9"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char bytes[256];
        int len = snprintf(bytes, sizeof(bytes), POST "Transfer-Encoding: %s" END, cases[i].value);
        feed_expect_refusal(feed_request, slice_make(bytes, (size_t)len), cases[i].status);
    }
    static const struct refusal others[] = {
        {400, SLICE_INIT(POST CHUNKED CHUNKED "\r\n")},
        {400, SLICE_INIT(POST CHUNKED "Transfer-Encoding: identity" END)},
        {400, SLICE_INIT(POST CHUNKED "Transfer-Encoding:" END)},
        {400, SLICE_INIT(POST CHUNKED "transfer-encoding: cow" END)},
        {501, SLICE_INIT(POST "Transfer-Encoding: cow\r\n" CHUNKED "\r\n")},
        {400, SLICE_INIT("POST / HTTP/1.0\r\n" CHUNKED "\r\n")},
        {400, SLICE_INIT("POST / HTTP/1.0\r\nTransfer-Encoding: gzip" END)},
        {400, SLICE_INIT("POST / HTTP/1.0\r\n" CHUNKED "Content-Length: 5" END)},
    };
    EXPECT_REFUSALS(others);
}

/* The mutations that scanners try: every byte before, behind and within a framing field. */
Test(http1_smuggling, no_byte_hides_a_framing_field)
{
    static const struct {
        const char *before;
        const char *behind;
        bool blanks_allowed;
    } forms[] = {
        {POST "Transfer-Encoding:", "chunked" END, true},
        {POST "Transfer-Encoding: chunked", END, true},
        {POST "Transfer-Encoding", ": chunked" END, false},
        {POST, "Transfer-Encoding: chunked" END, false},
        {POST "Transfer", "Encoding: chunked" END, false},
        {POST "Content-Length", ": 5" END, false},
        {POST "Content-Length:", "5" END, true},
        {POST "Content-Length: 5", END, true},
        {POST, "Content-Length: 5" END, false},
        {GET, HOST "\r\n", false},
        {GET "Host: a", "Transfer-Encoding: chunked" END, false},
        {GET HOST "X: y\r\n", "\r\nContent-Length: 5" END, false},
    };
    for (size_t form = 0; form < sizeof(forms) / sizeof(forms[0]); form++) {
        for (unsigned byte = 1; byte < 256; byte++) {
            bool blank = byte == ' ' || byte == '\t';
            if ((byte > 0x20 && byte < 0x7f) || (forms[form].blanks_allowed && blank)) {
                continue; /* a different name or value, which is another matter */
            }
            char bytes[256];
            int len = snprintf(bytes, sizeof(bytes), "%s%c%s", forms[form].before, (int)byte,
                               forms[form].behind);
            feed_expect_refusal(feed_request, slice_make(bytes, (size_t)len), 400);
        }
    }
}

Test(http1_smuggling, lines_end_with_cr_lf_alone)
{
    static const struct refusal cases[] = {
        {400, SLICE_INIT("GET / HTTP/1.1\nHost: a\n\n")},
        {400, SLICE_INIT("GET / HTTP/1.1\nHost: a" END)},
        {400, SLICE_INIT(GET "Host: a\n\r\n")},
        {400, SLICE_INIT(GET "Host: a\r\n\n")},
        {400, SLICE_INIT(GET "Host: a\r\r\n\r\n")},
        {400, SLICE_INIT(GET "Host: a\r\n\r\r\n")},
        {400, SLICE_INIT(GET "Host: a\r\n\rXGET /inner: HTTP/1.1\r\nHost: a" END)},
        {400, SLICE_INIT(GET "Host: a\rX: y" END)},
        {400, SLICE_INIT(GET "Host: a\r\nX: y\rContent-Length: 5" END)},
        {400, SLICE_INIT(GET "Host: a\r\nX: y\nContent-Length: 5" END)},
        {400, SLICE_INIT(GET "Host: a\r\nX:\nContent-Length: 5" END)},
        {400, SLICE_INIT(GET "Host: a\r\nX:\r\n\nGET / HTTP/1.1" END)},
        {400, SLICE_INIT(GET "Host: a\r\nX:\n\nGET / HTTP/1.1" END)},
        {400, SLICE_INIT(GET "Host: a\r\nX:\rContent-Length: 5" END)},
        {400, SLICE_INIT("GET / HTTP/1.1\rHost: a" END)},
        {400, SLICE_INIT("GET / HTTP/1.1\r\r\nHost: a" END)},
        {400, SLICE_INIT("GET /\nHTTP/1.1\r\nHost: a" END)},
        {400, SLICE_INIT("GET /\r\n")},
        {400, SLICE_INIT("GET /x\nHost: a\r\nContent-Length: 5\r\n\r\nhello")},
        {400, SLICE_INIT("\n" GET HOST "\r\n")},
        {400, SLICE_INIT("\r" GET HOST "\r\n")},
        {400, SLICE_INIT("\r\n\r\n" GET HOST "\r\n")},
        {400, SLICE_INIT(" " GET HOST "\r\n")},
    };
    EXPECT_REFUSALS(cases);
}

Test(http1_smuggling, fields_have_a_name_a_colon_and_one_line)
{
    static const struct refusal cases[] = {
        {400, SLICE_INIT(GET HOST "X: y\r\n z" END)},
        {400, SLICE_INIT(GET HOST "X: y\r\n\tz" END)},
        {400, SLICE_INIT(GET HOST "X:\r\n y" END)},
        {400, SLICE_INIT(GET HOST "X: y\r\n \r\nZ: z" END)},
        {400, SLICE_INIT(GET HOST "X: y\r\n Content-Length: 38" END)},
        {400, SLICE_INIT(POST "Transfer-Encoding:\r\n chunked" END)},
        {400, SLICE_INIT(POST "Transfer-Encoding\r\n : chunked" END)},
        {400, SLICE_INIT(POST "Transfer-\r\nEncoding: chunked" END)},
        {400, SLICE_INIT(GET " Host: a" END)},
        {400, SLICE_INIT(GET "\tHost: a" END)},
        {400, SLICE_INIT(GET " \r\nHost: a" END)},
        {400, SLICE_INIT(GET HOST ": y" END)},
        {400, SLICE_INIT(GET HOST ":" END)},
        {400, SLICE_INIT(GET HOST ":\r\nX: y" END)},
        {400, SLICE_INIT(GET HOST "X" END)},
        {400, SLICE_INIT(GET HOST "X y" END)},
        {400, SLICE_INIT(GET HOST "Content-Length 10" END)},
        {400, SLICE_INIT(GET HOST "X : y" END)},
        {400, SLICE_INIT(GET HOST "X\t: y" END)},
        {400, SLICE_INIT(GET HOST "X Y: z" END)},
        {400, SLICE_INIT(GET HOST "Transfer Encoding:chunked" END)},
        {400, SLICE_INIT(GET HOST "Fo@: y" END)},
        {400, SLICE_INIT(GET HOST "F\x82o: y" END)},
        {400, SLICE_INIT(GET HOST "X\0: y" END)},
        {400, SLICE_INIT(GET HOST "X: y\0z" END)},
        {400, SLICE_INIT(GET HOST "X: \0" END)},
        {400, SLICE_INIT(GET "Host: a\0.b" END)},
        {400, SLICE_INIT(GET HOST "X: y\x7f" END)},
        {400, SLICE_INIT(GET HOST "X: \x0b" END)},
        {400, SLICE_INIT(GET HOST "X: \x1b[31m" END)},
        {400, SLICE_INIT(GET HOST "c\0\r\n\r\n")},
    };
    EXPECT_REFUSALS(cases);
}

Test(http1_smuggling, every_byte_is_judged_wherever_it_stands)
{
    static const char token_marks[] = "!#$%&'*+-.^_`|~";
    for (unsigned byte = 0; byte < 256; byte++) {
        bool alphanumeric = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                            (byte >= 'a' && byte <= 'z');
        bool token = alphanumeric || (byte != 0 && strchr(token_marks, (int)byte) != NULL);
        bool value = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
        for (unsigned place = 0; place < 20; place++) {
            char text[40];
            memset(text, 'n', sizeof(text));
            text[place] = (char)byte;
            cr_expect_eq(http1_valid_token(slice_make(text, 20)), token, "%02x at %u", byte, place);
            cr_expect_eq(http1_valid_field_value(slice_make(text, 20)), value, "%02x at %u", byte,
                         place);
            struct feed feed;
            char bytes[128];
            int len = snprintf(bytes, sizeof(bytes), GET HOST);
            memcpy(bytes + len, text, 20);
            memcpy(bytes + len + 20, ":y\r\n\r\n", 6);
            feed_request(slice_make(bytes, (size_t)len + 26), &feed);
            cr_expect_eq(feed.result == HTTP1_DONE, token || (byte == ':' && place > 0),
                         "%02x in a name at %u", byte, place);
            memcpy(bytes + len, "x:", 2);
            memcpy(bytes + len + 2, text, 20);
            memcpy(bytes + len + 22, "\r\n\r\n", 4);
            feed_request(slice_make(bytes, (size_t)len + 26), &feed);
            cr_expect_eq(feed.result == HTTP1_DONE, value, "%02x in a value at %u", byte, place);
        }
        char bytes[64];
        int len =
            snprintf(bytes, sizeof(bytes), "GET /x%cy HTTP/1.1\r\nHost: a\r\n\r\n", (int)byte);
        struct feed feed;
        feed_request(slice_make(bytes, (size_t)len), &feed);
        cr_expect_eq(feed.result == HTTP1_DONE, byte > 0x20 && byte < 0x7f && byte != '#',
                     "%02x in a target", byte);
    }
}

Test(http1_smuggling, request_lines_have_three_words)
{
    static const struct refusal cases[] = {
        {400, SLICE_INIT("GET  / HTTP/1.1\r\n" HOST "\r\n")},
        {400, SLICE_INIT("GET /  HTTP/1.1\r\n" HOST "\r\n")},
        {400, SLICE_INIT("GET / HTTP/1.1 \r\n" HOST "\r\n")},
        {400, SLICE_INIT("GET\t/ HTTP/1.1\r\n" HOST "\r\n")},
        {400, SLICE_INIT("GET /\tHTTP/1.1\r\n" HOST "\r\n")},
        {400, SLICE_INIT("GET / x HTTP/1.1\r\n" HOST "\r\n")},
        {400, SLICE_INIT("GET / HTTP/1.1 HTTP/1.1\r\n" HOST "\r\n")},
        {400, SLICE_INIT("GET HTTP/1.1\r\n" HOST "\r\n")},
        {400, SLICE_INIT("/ HTTP/1.1\r\n" HOST "\r\n")},
        {400, SLICE_INIT("G(T / HTTP/1.1\r\n" HOST "\r\n")},
        {400, SLICE_INIT("G=\":<>(e),[T];?\" / HTTP/1.1\r\n" HOST "\r\n")},
        {400, SLICE_INIT("\x16\x03\x01\x02\x00\x01")},
        {400, SLICE_INIT("SSH-2.0-OpenSSH\r\n")},
        {400, SLICE_INIT("GET /\x00 HTTP/1.1\r\n" HOST "\r\n")},
        {400, SLICE_INIT("GET /\x80 HTTP/1.1\r\n" HOST "\r\n")},
        {400, SLICE_INIT("GET /a#b HTTP/1.1\r\n" HOST "\r\n")},
    };
    EXPECT_REFUSALS(cases);
}

Test(http1_smuggling, versions_are_1_0_and_1_1)
{
    static const struct {
        unsigned status;
        const char *version;
    } cases[] = {
        {505, "HTTP/1.2"},
        {505, "HTTP/1.9"},
        {505, "HTTP/2.0"},
        {505, "HTTP/0.9"},
        {505, "HTTP/3.0"},
        {505, "HTTP/9.9"},
        {400, "http/1.1"},
        {400, "Http/1.1"},
        {400, "HTTP/1.10"},
        {400, "HTTP/1.32"},
        {400, "HTTP/01.1"},
        {400, "HTTP/1.01"},
        {400, "HTTP/11"},
        {400, "HTTP/1,1"},
        {400, "HTTP/1."},
        {400, "HTTP/.1"},
        {400, "HTTP/1"},
        {400, "HTTP/2"},
        {400, "HTTP 1.1"},
        {400, "HTTP/ 1.1"},
        {400, "HTTP/+1.1"},
        {400, "HTTP/-1.1"},
        {400, "HTTP/1.x"},
        {400, "HTTP\\1.1"},
        {400, "HTTPS/1.1"},
        {400, "ICE/1.0"},
        {400, "RTSP/1.0"},
        {400, "IHTTP/1.1"},
        {400, "HTTP/4294967295.255"},
        {400, ""},
        {400, "HTTP/1.1\t"},
        {400, "HTTP/1.1x"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char bytes[128];
        int len = snprintf(bytes, sizeof(bytes), "GET / %s\r\n" HOST "\r\n", cases[i].version);
        feed_expect_refusal(feed_request, slice_make(bytes, (size_t)len), cases[i].status);
    }
    feed_expect_refusal(feed_request, SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
}

Test(http1_smuggling, targets_are_of_a_known_form)
{
    static const struct {
        unsigned status;
        const char *start;
    } cases[] = {
        {400, "GET *"},
        {400, "OPTIONS */x"},
        {400, "OPTIONS **"},
        {400, "GET a"},
        {400, "GET a/b"},
        {400, "GET a:80"},
        {400, "GET ?x"},
        {400, "GET !"},
        {400, "GET ftp://a/"},
        {400, "GET http:/a"},
        {400, "GET http:a/"},
        {400, "GET http://"},
        {400, "GET http:///x"},
        {400, "GET http://:80/"},
        {400, "GET http://u@a/"},
        {400, "GET http://u:p@a/"},
        {400, "GET http://a?x"},
        {400, "GET http://a:/"},
        {400, "GET http://a:x/"},
        {400, "GET http://[a]/"},
        {400, "GET http://a\\b/"},
        {400, "GET https//a/"},
        {400, "GET httpx://a/"},
        {400, "GET ws://a/"},
        {400, "GET http://a|b/"},
        {400, "GET \\/x"},
        {400, "GET .//x"},
        {501, "CONNECT a:443"},
        {501, "CONNECT a"},
        {501, "CONNECT /"},
        {501, "CONNECT http://a/"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char bytes[128];
        int len = snprintf(bytes, sizeof(bytes), "%s HTTP/1.1\r\n" HOST "\r\n", cases[i].start);
        feed_expect_refusal(feed_request, slice_make(bytes, (size_t)len), cases[i].status);
    }
}

Test(http1_smuggling, hosts_are_one_and_well_formed)
{
    static const char *const values[] = {
        "",
        ":",
        ":80",
        "a:",
        "a:0",
        "a:65536",
        "a:999999",
        "a:8 0",
        "a:+80",
        "a:-1",
        "a:80a",
        "a:80:80",
        "a:0x50",
        "u@a",
        "u:p@a",
        "a/b",
        "a/",
        "/a",
        "http://a",
        "a b",
        "a, b",
        "a?b",
        "a#b",
        "a\\b",
        "a\"b",
        "<a>",
        "a%",
        "a%2",
        "a%2g",
        "a%2:80",
        "[::1",
        "::1",
        "[]",
        "[::1]a",
        "[::1]:",
        "[::1]:x",
        "[::1]80",
        "[:::1]",
        "[1.2.3.4]",
        "[v1.a]",
        "[fe80::1%25eth0]",
        "[::1]]",
        "[fe80::1%eth0]",
        "[12345::]",
        "[[::1]]",
        "a[::1]",
        "a\x80",
        "\xc3\xa4",
        "a^b",
        "a`b",
        "a{b}",
        "a|b",
        "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]",
    };
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char bytes[256];
        int len = snprintf(bytes, sizeof(bytes), GET "Host: %s" END, values[i]);
        feed_expect_refusal(feed_request, slice_make(bytes, (size_t)len), 400);
        len = snprintf(bytes, sizeof(bytes), "GET http://b/ HTTP/1.0\r\nHost: %s" END, values[i]);
        feed_expect_refusal(feed_request, slice_make(bytes, (size_t)len), 400);
    }
    static const struct refusal others[] = {
        {400, SLICE_INIT(GET "\r\n")},
        {400, SLICE_INIT("GET http://a/ HTTP/1.1\r\n\r\n")},
        {400, SLICE_INIT(GET HOST HOST "\r\n")},
        {400, SLICE_INIT(GET HOST "host: b" END)},
        {400, SLICE_INIT("GET / HTTP/1.0\r\n" HOST HOST "\r\n")},
        {400, SLICE_INIT("GET http://a/ HTTP/1.1\r\n" HOST "Host: b" END)},
    };
    EXPECT_REFUSALS(others);
}

Test(http1_smuggling, connection_may_not_remove_what_frames)
{
    static const struct refusal cases[] = {
        {400, SLICE_INIT(POST "Connection: content-length\r\nContent-Length: 5" END)},
        {400, SLICE_INIT(POST "Content-Length: 5\r\nConnection: close, Content-Length" END)},
        {400, SLICE_INIT(POST "Connection: TRANSFER-ENCODING\r\n" CHUNKED "\r\n")},
        {400, SLICE_INIT(POST "Connection: close\r\nConnection: host" END)},
        {400, SLICE_INIT(POST "Connection: close keep-alive" END)},
        {400, SLICE_INIT(POST "Connection: a;b" END)},
        {400, SLICE_INIT(POST "Connection: \"close\"" END)},
        {400, SLICE_INIT(POST "Connection: cl\xf6se" END)},
        {400,
         SLICE_INIT(POST "Connection: a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,"
                         "a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,"
                         "a" END)},
    };
    EXPECT_REFUSALS(cases);
}

Test(http1_smuggling, expectations_other_than_100_continue_fail)
{
    static const struct refusal cases[] = {
        {417, SLICE_INIT(POST "Expect: 200-ok" END)},
        {417, SLICE_INIT(POST "Expect:" END)},
        {417, SLICE_INIT(POST "Expect: 100-continue, 100-continue" END)},
        {417, SLICE_INIT(POST "Expect: 100-continue;x=y" END)},
        {417, SLICE_INIT(POST "Expect: 100-continued" END)},
        {417, SLICE_INIT(POST "Expect: y 100-continue" END)},
        {417, SLICE_INIT(POST "Expect: 100-continue\r\nExpect: x" END)},
    };
    EXPECT_REFUSALS(cases);
}
