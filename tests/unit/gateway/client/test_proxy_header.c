/* The lines are those of HAProxy's doc/proxy-protocol.txt, sections 2.1 and 2.2. */
#include "gateway/client/proxy_header.h"

#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#define V2 "\r\n\r\n\0\r\nQUIT\n"

/* In memory of its own size, so that a byte read too much is seen. */
static enum proxy_header_result read_exactly(struct slice bytes, struct proxy_header *ret,
                                             const char **ret_why)
{
    char *copy = malloc(bytes.len + 1);
    cr_assert_not_null(copy);
    char *from = copy + 1;
    if (bytes.len > 0) {
        memcpy(from, bytes.ptr, bytes.len);
    }
    enum proxy_header_result result = proxy_header_read(slice_make(from, bytes.len), ret, ret_why);
    free(copy);
    return result;
}

static void expect_address(struct slice bytes, const char *address, size_t len)
{
    struct proxy_header header;
    const char *why = "";
    char text[ADDRESS_TEXT_BYTES];
    for (size_t part = 0; part < len; part++) { /* in pieces of any size */
        cr_assert_eq(read_exactly(slice_make(bytes.ptr, part), &header, &why), PROXY_HEADER_PARTIAL,
                     "%zu bytes of %s: %s", part, address, why);
    }
    cr_assert_eq(read_exactly(bytes, &header, &why), PROXY_HEADER_DONE, "%s: %s", address, why);
    cr_expect_eq(header.source, PROXY_HEADER_ADDRESS);
    cr_expect_eq(header.len, len);
    address_print(header.address, text);
    cr_expect_str_eq(text, address);
}

static void expect_source(struct slice bytes, enum proxy_header_source source)
{
    struct proxy_header header;
    const char *why = "";
    cr_assert_eq(read_exactly(slice_make(bytes.ptr, bytes.len - 1), &header, &why),
                 PROXY_HEADER_PARTIAL, "%s", why);
    cr_assert_eq(read_exactly(bytes, &header, &why), PROXY_HEADER_DONE, "%s", why);
    cr_expect_eq(header.source, source);
    cr_expect_eq(header.len, bytes.len);
}

static void expect_bad(struct slice bytes, const char *expected)
{
    struct proxy_header header;
    const char *why = "";
    cr_assert_eq(read_exactly(bytes, &header, &why), PROXY_HEADER_BAD, "%.*s: \"%s\" expected",
                 SLICE_ARG(bytes), expected);
    cr_expect_str_eq(why, expected, "%.*s: %s", SLICE_ARG(bytes), why);
}

Test(proxy_header, lines_of_version_1_are_read)
{
    expect_address(SLICE("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\nGET / HTTP/1.1\r\n"),
                   "192.168.0.1", 47);
    expect_address(SLICE("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"),
                   "255.255.255.255", 56);
    expect_address(SLICE("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
                   "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 104);
    expect_address(SLICE("PROXY TCP6 2001:db8::7 ::1 0 0\r\n"), "2001:db8::7", 32);
    expect_address(SLICE("PROXY TCP6 ::ffff:10.1.2.3 ::1 1 2\r\n"), "10.1.2.3", 36);
}

Test(proxy_header, of_unknown_all_else_is_ignored)
{
    expect_source(SLICE("PROXY UNKNOWN\r\n"), PROXY_HEADER_OWN);
    expect_source(SLICE("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"), /* 107 */
                  PROXY_HEADER_OWN);
    expect_source(SLICE("PROXY UNKNOWN whatever it is\r\n"), PROXY_HEADER_OWN);
}

Test(proxy_header, what_is_no_line_of_version_1_is_bad)
{
    static const char family[] = "its addresses are not of the family that it names";
    static const char none[] = "it names no TCP4, TCP6 or UNKNOWN";
    static const char start[] = "it begins with no PROXY header";
    static const char first[] = "its first port is none";
    static const char second[] = "its second port is none";
    expect_bad(SLICE("GET / HTTP/1.1\r\n"), start);
    expect_bad(SLICE("PROXYTCP4 "), start);
    expect_bad(SLICE("proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n"), start);
    expect_bad(SLICE("\x16\x03\x01"), start);
    expect_bad(SLICE("PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n"), none);
    expect_bad(SLICE("PROXY \r\n"), none);
    expect_bad(SLICE("PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n"), none);
    expect_bad(SLICE("PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n"), family);
    expect_bad(SLICE("PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n"), family);
    expect_bad(SLICE("PROXY TCP4 ::1 ::1 1 2\r\n"), family);
    expect_bad(SLICE("PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n"), family);
    expect_bad(SLICE("PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n"), family);
    expect_bad(SLICE("PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n"), family);
    expect_bad(SLICE("PROXY TCP4\r\n"), family);
    expect_bad(SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n"), first);
    expect_bad(SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n"), first);
    expect_bad(SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n"), first);
    expect_bad(SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n"), second);
    expect_bad(SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n"), second);
    expect_bad(SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n"), second);
    expect_bad(SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n"), "its line has a byte that is no text");
    expect_bad(SLICE("PROXY TCP4 1.2.3.4\0 1.2.3.4 1 2\r\n"),
               "its line has a byte that is no text");
    expect_bad(SLICE("PROXY UNKNOWN \xc3\xa4\r\n"), "its line has a byte that is no text");
    expect_bad(SLICE("PROXY UNKNOWN\rx"), "its line ends with CR, but no LF");
}

Test(proxy_header, a_line_of_version_1_has_107_bytes_at_most)
{
    struct proxy_header header;
    const char *why = "";
    char line[200];
    memset(line, 'x', sizeof(line));
    memcpy(line, "PROXY UNKNOWN ", 14);
    cr_expect_eq(read_exactly(slice_make(line, 106), &header, &why), PROXY_HEADER_PARTIAL);
    expect_bad(slice_make(line, 107), "its line is too long");
    memcpy(line + 106, "\r\n", 2);
    expect_bad(slice_make(line, 108), "its line is too long");
    memcpy(line + 105, "\r\n", 2);
    cr_expect_eq(read_exactly(slice_make(line, 107), &header, &why), PROXY_HEADER_DONE);
}

Test(proxy_header, headers_of_version_2_are_read)
{
    expect_address(SLICE(V2 "\x21\x11\0\x0c\xc0\0\x02\x07\x0a\0\0\x01\xdc\x04\x01\xbb"
                            "\x16\x03\x01"),
                   "192.0.2.7", 28);
    expect_address(SLICE(V2 "\x21\x12\0\x0c\xc0\0\x02\x07\x0a\0\0\x01\xdc\x04\x01\xbb"),
                   "192.0.2.7", 28);
    expect_address(SLICE(V2 "\x21\x21\0\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"
                            "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\xdc\x04\x01\xbb"),
                   "2001:db8::7", 52);
    /* Behind the addresses: PP2_TYPE_NOOP of two bytes, and one that says more than there is. */
    expect_address(SLICE(V2 "\x21\x11\0\x14\xc0\0\x02\x07\x0a\0\0\x01\xdc\x04\x01\xbb"
                            "\x04\0\x02\0\0\x01\xff\xff"),
                   "192.0.2.7", 36);
}

Test(proxy_header, version_2_may_know_no_address)
{
    expect_source(SLICE(V2 "\x20\0\0\0"), PROXY_HEADER_OWN);
    expect_source(SLICE(V2 "\x20\x11\0\x0c\xc0\0\x02\x07\x0a\0\0\x01\xdc\x04\x01\xbb"),
                  PROXY_HEADER_OWN);
    expect_source(SLICE(V2 "\x20\xff\0\x01x"), PROXY_HEADER_OWN); /* of LOCAL it is ignored */
    expect_source(SLICE(V2 "\x21\0\0\x02xx"), PROXY_HEADER_OWN);
    char of_unix[16 + 216] = V2 "\x21\x31\0\xd8/run/client";
    expect_source(slice_make(of_unix, sizeof(of_unix)), PROXY_HEADER_UNIX);
}

Test(proxy_header, what_is_no_header_of_version_2_is_bad)
{
    static const char unknown[] = "its family or protocol is unknown";
    expect_bad(SLICE("\r\n\r\n\0\r\nQUIT\r"), "it begins with no PROXY header");
    expect_bad(SLICE(V2 "\x11"), "its version is not 2");
    expect_bad(SLICE(V2 "\x31"), "its version is not 2");
    expect_bad(SLICE(V2 "\x22"), "its command is not LOCAL or PROXY");
    expect_bad(SLICE(V2 "\x21\x10\0\x0c"), unknown);
    expect_bad(SLICE(V2 "\x21\x01\0\x0c"), unknown);
    expect_bad(SLICE(V2 "\x21\x13\0\x0c"), unknown);
    expect_bad(SLICE(V2 "\x21\x41\0\x0c"), unknown);
    expect_bad(SLICE(V2 "\x21\x11\0\x0b"), "it is shorter than its addresses");
    expect_bad(SLICE(V2 "\x21\x21\0\x23"), "it is shorter than its addresses");
    expect_bad(SLICE(V2 "\x21\x31\0\xd7"), "it is shorter than its addresses");
    expect_bad(SLICE(V2 "\x21\x11\x10\x01"), "it is longer than 4 KiB");
}

Test(proxy_header, version_2_may_be_as_long_as_the_bound)
{
    static char bytes[PROXY_HEADER_BYTES] = V2 "\x21\x11\x10\0\xc0\0\x02\x07\x0a\0\0\x01\xdc\x04";
    struct proxy_header header;
    const char *why = "";
    cr_expect_eq(read_exactly(slice_make(bytes, sizeof(bytes) - 1), &header, &why),
                 PROXY_HEADER_PARTIAL);
    cr_assert_eq(read_exactly(slice_make(bytes, sizeof(bytes)), &header, &why), PROXY_HEADER_DONE,
                 "%s", why);
    cr_expect_eq(header.len, sizeof(bytes));
}
