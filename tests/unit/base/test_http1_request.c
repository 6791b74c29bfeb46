#include "tests/unit/base/http1_feed.h"

struct meaning {
    struct slice bytes;
    const char *meaning;
};

#define GET  "GET / HTTP/1.1\r\n"
#define HOST "Host: a\r\n"

static void expect_meanings(const struct meaning *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        feed_expect_meaning(feed_request, cases[i].bytes, cases[i].meaning);
    }
}

#define EXPECT_MEANINGS(cases) expect_meanings((cases), sizeof(cases) / sizeof((cases)[0]))

Test(http1_request, targets_have_one_meaning)
{
    static const struct meaning cases[] = {
        {SLICE_INIT(GET HOST "\r\n"), "GET / host=a 1.1 none keep fields=1"},
        {SLICE_INIT("\r\n" GET HOST "\r\n"), "GET / host=a 1.1 none keep fields=1"},
        {SLICE_INIT("GET /a/../b//c?d=e&f=%2F HTTP/1.1\r\n" HOST "\r\n"),
         "GET /a/../b//c?d=e&f=%2F host=a 1.1 none keep fields=1"},
        {SLICE_INIT("GET //a HTTP/1.1\r\n" HOST "\r\n"), "GET //a host=a 1.1 none keep fields=1"},
        {SLICE_INIT("GET /\"<>[\\]^`{|}~ HTTP/1.1\r\n" HOST "\r\n"),
         "GET /\"<>[\\]^`{|}~ host=a 1.1 none keep fields=1"},
        {SLICE_INIT("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"),
         "OPTIONS * host=a 1.1 none keep fields=1"},
        {SLICE_INIT("OPTIONS /x HTTP/1.1\r\n" HOST "\r\n"),
         "OPTIONS /x host=a 1.1 none keep fields=1"},
        {SLICE_INIT("GET http://b/x?y HTTP/1.1\r\nHost: b\r\n\r\n"),
         "GET /x?y host=b 1.1 none keep fields=1"},
        {SLICE_INIT("GET HTTPS://b:8443/x HTTP/1.1\r\nHost: b:8443\r\n\r\n"),
         "GET /x host=b:8443 1.1 none keep fields=1"},
        {SLICE_INIT("GET http://b/ HTTP/1.1\r\nHost: other\r\n\r\n"),
         "GET / host=b 1.1 none keep fields=1"},
        {SLICE_INIT("GET http://b HTTP/1.1\r\nHost: b\r\n\r\n"),
         "GET / host=b 1.1 none keep fields=1"},
        {SLICE_INIT("OPTIONS http://b HTTP/1.1\r\nHost: b\r\n\r\n"),
         "OPTIONS * host=b 1.1 none keep fields=1"},
        {SLICE_INIT("GET http://b/http://c HTTP/1.0\r\n\r\n"),
         "GET /http://c host=b 1.0 none close fields=0"},
    };
    EXPECT_MEANINGS(cases);
}

Test(http1_request, methods_are_any_token)
{
    static const struct {
        const char *text;
        enum http1_method method;
    } cases[] = {
        {"GET", HTTP1_GET},
        {"HEAD", HTTP1_HEAD},
        {"POST", HTTP1_POST},
        {"PUT", HTTP1_PUT},
        {"DELETE", HTTP1_DELETE},
        {"PATCH", HTTP1_PATCH},
        {"OPTIONS", HTTP1_OPTIONS},
        {"TRACE", HTTP1_TRACE},
        {"get", HTTP1_METHOD_OTHER},
        {"GETX", HTTP1_METHOD_OTHER},
        {"PROPFIND", HTTP1_METHOD_OTHER},
        {"!#$%&'*+-.^_`|~0", HTTP1_METHOD_OTHER},
        {"PRI", HTTP1_METHOD_OTHER},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char bytes[128];
        int len = snprintf(bytes, sizeof(bytes), "%s / HTTP/1.1\r\n" HOST "\r\n", cases[i].text);
        struct http1_field fields[FEED_FIELDS];
        struct http1_request request = {.fields = fields};
        struct http1_fault fault;
        cr_assert_eq(
            http1_read_request(slice_make(bytes, (size_t)len), &feed_limits, &request, &fault),
            HTTP1_DONE);
        cr_expect_eq(request.method, cases[i].method, "%s", cases[i].text);
        cr_expect(slice_equal(request.method_text, slice_from(cases[i].text)));
    }
}

Test(http1_request, framing_has_one_meaning)
{
    static const struct meaning cases[] = {
        {SLICE_INIT("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello"),
         "POST / host=a 1.1 length 5 keep fields=2"},
        {SLICE_INIT("GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello"),
         "GET / host=a 1.1 length 5 keep fields=2"},
        {SLICE_INIT("POST / HTTP/1.1\r\n" HOST "content-LENGTH:\t 010 \t\r\n\r\n"),
         "POST / host=a 1.1 length 10 keep fields=2"},
        {SLICE_INIT("POST / HTTP/1.1\r\n" HOST "Content-Length:0\r\n\r\n"),
         "POST / host=a 1.1 none keep fields=2"},
        {SLICE_INIT("POST / HTTP/1.1\r\n" HOST "\r\n"), "POST / host=a 1.1 none keep fields=1"},
        {SLICE_INIT("POST / HTTP/1.1\r\n" HOST "Content-Length: 9223372036854775807\r\n\r\n"),
         "POST / host=a 1.1 length 9223372036854775807 keep fields=2"},
        {SLICE_INIT("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"),
         "POST / host=a 1.1 chunked keep fields=2"},
        {SLICE_INIT("POST / HTTP/1.1\r\n" HOST "TRANSFER-ENCODING:\tcHuNkeD\t\r\n\r\n"),
         "POST / host=a 1.1 chunked keep fields=2"},
        {SLICE_INIT("POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\n"),
         "POST / host= 1.0 length 5 close fields=1"},
        /* Names that only look alike mean nothing. */
        {SLICE_INIT("POST / HTTP/1.1\r\n" HOST "Transfer_Encoding: chunked\r\n\r\n"),
         "POST / host=a 1.1 none keep fields=2"},
        {SLICE_INIT("POST / HTTP/1.1\r\n" HOST "Content_Length: 7\r\nContent-Lengt: 7\r\n"
                    "Content-Lengths: 7\r\nxContent-Length: 7\r\n\r\n"),
         "POST / host=a 1.1 none keep fields=5"},
        {SLICE_INIT("POST / HTTP/1.1\r\n" HOST "Content-Encoding: chunked\r\n\r\n"),
         "POST / host=a 1.1 none keep fields=2"},
    };
    EXPECT_MEANINGS(cases);
}

Test(http1_request, connection_says_how_to_go_on)
{
    static const struct meaning cases[] = {
        {SLICE_INIT(GET HOST "Connection: close\r\n\r\n"), "GET / host=a 1.1 none close fields=2"},
        {SLICE_INIT(GET HOST "Connection: ClOsE\r\n\r\n"), "GET / host=a 1.1 none close fields=2"},
        {SLICE_INIT(GET HOST "Connection: closed\r\n\r\n"), "GET / host=a 1.1 none keep fields=2"},
        {SLICE_INIT(GET HOST "Connection:\r\n\r\n"), "GET / host=a 1.1 none keep fields=2"},
        {SLICE_INIT(GET HOST "Connection: , ,\r\n\r\n"), "GET / host=a 1.1 none keep fields=2"},
        {SLICE_INIT(GET HOST "Connection: keep-alive, close\r\n\r\n"),
         "GET / host=a 1.1 none close fields=2"},
        {SLICE_INIT(GET HOST "Connection: close\r\nConnection: keep-alive\r\n\r\n"),
         "GET / host=a 1.1 none close fields=3"},
        {SLICE_INIT("GET / HTTP/1.0\r\n\r\n"), "GET / host= 1.0 none close fields=0"},
        {SLICE_INIT("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"),
         "GET / host= 1.0 none keep fields=1"},
        {SLICE_INIT("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n"),
         "GET / host= 1.0 none close fields=1"},
        {SLICE_INIT("GET / HTTP/1.0\r\nProxy-Connection: keep-alive\r\n\r\n"),
         "GET / host= 1.0 none close fields=1"},
    };
    EXPECT_MEANINGS(cases);
}

Test(http1_request, connection_options_mark_fields_wherever_they_stand)
{
    static const struct meaning cases[] = {
        {SLICE_INIT(GET HOST "X-One: 1\r\nConnection: x-ONE, X-Two ,x-none\r\nx-two: 2\r\n"
                             "X-Three: 3\r\n\r\n"),
         "GET / host=a 1.1 none keep fields=5 -X-One -x-two"},
        {SLICE_INIT(GET HOST "Connection: b\r\nA: 1\r\nB: 1\r\nA: 2\r\nConnection: a\r\n\r\n"),
         "GET / host=a 1.1 none keep fields=6 -A -B -A"},
        {SLICE_INIT(GET HOST "Keep-Alive: timeout=5\r\nConnection: keep-alive\r\n\r\n"),
         "GET / host=a 1.1 none keep fields=3 -Keep-Alive"},
        {SLICE_INIT(GET HOST "TE: trailers\r\nConnection: TE\r\n\r\n"),
         "GET / host=a 1.1 none keep trailers fields=3 -TE"},
        {SLICE_INIT(GET HOST "Connection: connection\r\n\r\n"),
         "GET / host=a 1.1 none keep fields=2 -Connection"},
    };
    EXPECT_MEANINGS(cases);
}

Test(http1_request, expectations_upgrades_and_trailers_are_told)
{
    static const struct meaning cases[] = {
        {SLICE_INIT("POST / HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\nContent-Length: 5\r\n\r\n"),
         "POST / host=a 1.1 length 5 keep continue fields=3"},
        {SLICE_INIT("POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n"),
         "POST / host=a 1.1 chunked keep continue fields=3"},
        {SLICE_INIT(GET HOST "Expect: 100-continue\r\n\r\n"),
         "GET / host=a 1.1 none keep fields=2"},
        {SLICE_INIT("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"),
         "POST / host= 1.0 length 5 close fields=2"},
        {SLICE_INIT("POST / HTTP/1.0\r\nExpect: nonsense\r\n\r\n"),
         "POST / host= 1.0 none close fields=1"},
        {SLICE_INIT(GET HOST "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
         "GET / host=a 1.1 none keep upgrade fields=3 -Upgrade"},
        {SLICE_INIT(GET HOST "Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n"),
         "GET / host=a 1.1 none keep fields=3 -Upgrade"},
        {SLICE_INIT(GET HOST "Upgrade: h2c, websocket\r\n\r\n"),
         "GET / host=a 1.1 none keep upgrade fields=2"},
        {SLICE_INIT("GET / HTTP/1.0\r\nUpgrade: websocket\r\n\r\n"),
         "GET / host= 1.0 none close fields=1"},
        {SLICE_INIT(GET HOST "TE: gzip, Trailers\r\n\r\n"),
         "GET / host=a 1.1 none keep trailers fields=2"},
        {SLICE_INIT(GET HOST "TE: trailers;q=0.5\r\n\r\n"), "GET / host=a 1.1 none keep fields=2"},
    };
    EXPECT_MEANINGS(cases);
}

Test(http1_request, hosts_may_be_names_and_addresses)
{
    static const char *const hosts[] = {
        "a",
        "a.b.",
        "gw.internal:8080",
        "127.0.0.1",
        "127.0.0.1:65535",
        "[::1]",
        "[::1]:80",
        "[2001:db8::ffff:1.2.3.4]:1",
        "x_y-z~1",
        "a%20b",
        "a!$&'()*+,;=b",
        "A:1",
    };
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        char bytes[128];
        char meaning[128];
        int len = snprintf(bytes, sizeof(bytes), GET "Host: %s\r\n\r\n", hosts[i]);
        (void)snprintf(meaning, sizeof(meaning), "GET / host=%s 1.1 none keep fields=1", hosts[i]);
        feed_expect_meaning(feed_request, slice_make(bytes, (size_t)len), meaning);
        len = snprintf(bytes, sizeof(bytes), "GET http://%s/ HTTP/1.0\r\n\r\n", hosts[i]);
        (void)snprintf(meaning, sizeof(meaning), "GET / host=%s 1.0 none close fields=0", hosts[i]);
        feed_expect_meaning(feed_request, slice_make(bytes, (size_t)len), meaning);
    }
}

Test(http1_request, fields_are_found_without_the_blanks_around_values)
{
    static const char bytes[] =
        GET HOST "Empty:\r\nBlank: \t \r\nX-A:\t one \t two\t\r\n"
                 "x-a: 2\r\nX-Obs: \x80\xff\r\nContent-Type: text/plain\r\n\r\n";
    struct http1_field fields[FEED_FIELDS];
    struct http1_request request = {.fields = fields};
    struct http1_fault fault;
    cr_assert_eq(
        http1_read_request(slice_make(bytes, sizeof(bytes) - 1), &feed_limits, &request, &fault),
        HTTP1_DONE);
    static const char *const values[] = {"a", "", "", "one \t two", "2", "\x80\xff", "text/plain"};
    cr_assert_eq(request.field_count, 7);
    for (unsigned i = 0; i < 7; i++) {
        cr_expect(slice_equal(fields[i].value, slice_from(values[i])), "field %u", i);
        cr_expect_eq(fields[i].hash, http1_name_hash(fields[i].name));
        cr_expect_eq(fields[i].id, http1_name_find(fields[i].name));
    }
    cr_expect_eq(http1_find_field(fields, 7, SLICE("X-a")), &fields[3]);
    cr_expect_eq(http1_find_field(fields, 7, SLICE("CONTENT-TYPE")), &fields[6]);
    cr_expect_null(http1_find_field(fields, 7, SLICE("X-B")));
}

Test(http1_request, pipelined_bytes_are_left_alone)
{
    static const char bytes[] = GET HOST "\r\n" GET "Host: b\r\n\r\n";
    struct feed feed;
    feed_request(slice_make(bytes, sizeof(bytes) - 1), &feed);
    cr_assert_eq(feed.result, HTTP1_DONE);
    cr_assert_eq(feed.head_len, sizeof(GET HOST "\r\n") - 1);
    feed_expect_meaning(feed_request,
                        slice_skip(slice_make(bytes, sizeof(bytes) - 1), feed.head_len),
                        "GET / host=b 1.1 none keep fields=1");
}

Test(http1_request, what_was_read_before_a_fault_is_told)
{
    struct http1_field fields[FEED_FIELDS];
    struct http1_request request = {.fields = fields};
    struct http1_fault fault;
    cr_assert_eq(http1_read_request(SLICE("PUT /x HTTP/1.1\r\nExpect: 200-ok\r\n\r\n"),
                                    &feed_limits, &request, &fault),
                 HTTP1_BAD);
    cr_expect_eq(request.method, HTTP1_PUT);
    cr_expect(slice_equal(request.target, SLICE("/x")));
    cr_expect_eq(request.fields, fields);
}

/* A head of `target_len` bytes of target and one field of `value_len` bytes. */
static struct slice make_head(char *out, size_t target_len, size_t value_len)
{
    size_t len = 0;
    memcpy(out, "GET /", 5);
    memset(out + 5, 'x', target_len - 1);
    len = 4 + target_len;
    static const char middle[] = " HTTP/1.1\r\nHost: a\r\nX: ";
    memcpy(out + len, middle, sizeof(middle) - 1);
    len += sizeof(middle) - 1;
    memset(out + len, 'y', value_len);
    len += value_len;
    memcpy(out + len, "\r\n\r\n", 4);
    return slice_make(out, len + 4);
}

Test(http1_request, limits_hold_at_their_very_byte)
{
    static char bytes[4096];
    struct feed feed;
    feed_request(make_head(bytes, 128, 1), &feed);
    cr_expect_eq(feed.result, HTTP1_DONE);
    feed_expect_refusal(feed_request, make_head(bytes, 129, 1), 414);

    size_t fixed = make_head(bytes, 1, 0).len;
    struct slice head = make_head(bytes, 1, 2048 - fixed);
    feed_request(head, &feed);
    cr_expect_eq(feed.result, HTTP1_DONE);
    cr_expect_eq(feed.head_len, 2048);
    feed_request(slice_make(bytes, 2047), &feed);
    cr_expect_eq(feed.result, HTTP1_PARTIAL);
    feed_expect_refusal(feed_request, make_head(bytes, 1, 2049 - fixed), 431);
}

Test(http1_request, limits_hold_before_the_head_has_an_end)
{
    static char bytes[100000];
    struct feed feed;
    memset(bytes, 'x', sizeof(bytes));
    memcpy(bytes, "GET /", 5);
    feed_request(slice_make(bytes, 4 + 129), &feed);
    cr_expect_eq(feed.result, HTTP1_BAD);
    cr_expect_eq(feed.fault.status, 414);

    memset(bytes, 'x', sizeof(bytes));
    memcpy(bytes, GET "X: ", sizeof(GET "X: ") - 1);
    feed_request(slice_make(bytes, 2047), &feed);
    cr_expect_eq(feed.result, HTTP1_PARTIAL);
    for (size_t len = 2048; len <= sizeof(bytes); len += sizeof(bytes) - 2048) {
        feed_request(slice_make(bytes, len), &feed);
        cr_expect_eq(feed.result, HTTP1_BAD);
        cr_expect_eq(feed.fault.status, 431);
    }
    memset(bytes, 'M', sizeof(bytes));
    feed_request(slice_make(bytes, sizeof(bytes)), &feed);
    cr_expect_eq(feed.fault.status, 431);
}

Test(http1_request, one_field_too_many_is_431_at_once)
{
    char bytes[512];
    int len = snprintf(bytes, sizeof(bytes), GET HOST);
    for (unsigned i = 1; i < FEED_FIELDS; i++) {
        len += snprintf(bytes + len, sizeof(bytes) - (size_t)len, "X-%u: y\r\n", i);
    }
    (void)snprintf(bytes + len, sizeof(bytes) - (size_t)len, "\r\n");
    feed_expect_meaning(feed_request, slice_from(bytes), "GET / host=a 1.1 none keep fields=16");
    (void)snprintf(bytes + len, sizeof(bytes) - (size_t)len, "More:");
    feed_expect_refusal(feed_request, slice_from(bytes), 431);
}

Test(http1_request, a_head_in_small_pieces_is_read_again_only_for_lines)
{
    struct slice bytes = SLICE(GET HOST "\r\n");
    unsigned count = 0;
    for (size_t len = 1; len <= bytes.len; len++) {
        count += http1_head_grew(slice_make(bytes.ptr, len), len - 1, &feed_limits);
    }
    cr_expect_eq(count, 3);
    static const char many[2048] = "x";
    cr_expect(http1_head_grew(slice_make(many, 2048), 2047, &feed_limits));
    cr_expect_not(http1_head_grew(slice_make(many, 2047), 2046, &feed_limits));
}
