#include "base/http1.h"
#include "gateway/client/forwarded.h"

#include <stdio.h>

#include <criterion/criterion.h>

enum { FIELDS_MAX = 16 };

/* 10.0.0.0/8 and fd00::/8 are trusted. */
static bool source_of(const char *peer, const char *fields, char out[ADDRESS_TEXT_BYTES])
{
    static const struct http1_limits limits = {64 * 1024, 1024, FIELDS_MAX};
    struct egress_network networks[2];
    struct http1_field places[FIELDS_MAX];
    struct http1_request request = {.fields = places};
    struct http1_fault fault;
    char head[4096];
    uint8_t from[ADDRESS_BYTES];
    uint8_t source[ADDRESS_BYTES];
    cr_assert_eq(egress_network_parse(SLICE("10.0.0.0/8"), &networks[0], NULL), STATUS_OK);
    cr_assert_eq(egress_network_parse(SLICE("fd00::/8"), &networks[1], NULL), STATUS_OK);
    int len = snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", fields);
    cr_assert_eq(http1_read_request(slice_make(head, (size_t)len), &limits, &request, &fault),
                 HTTP1_DONE, "%s", fields);
    cr_assert(address_parse_any(slice_from(peer), from));
    if (!forwarded_source(&request, &(struct trusted_proxies){networks, 2}, from, source)) {
        return false;
    }
    address_print(source, out);
    return true;
}

static void expect_source(const char *fields, const char *expected)
{
    char text[ADDRESS_TEXT_BYTES] = "the peer";
    (void)source_of("10.0.0.1", fields, text);
    cr_expect_str_eq(text, expected, "%s: %s instead of %s", fields, text, expected);
}

Test(forwarded, of_who_is_not_trusted_nothing_is_believed)
{
    char text[ADDRESS_TEXT_BYTES];
    cr_expect_not(source_of("192.0.2.1", "X-Forwarded-For: 192.0.2.7\r\n", text));
    cr_expect_not(source_of("::1", "X-Forwarded-For: 192.0.2.7\r\n", text));
    cr_expect_not(source_of("10.0.0.1", "Forwarded-For: 192.0.2.7\r\n", text));
    cr_expect(source_of("fd00::9", "X-Forwarded-For: 192.0.2.7\r\n", text));
}

Test(forwarded, the_rightmost_address_that_is_no_proxys_is_the_client)
{
    expect_source("X-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7");
    expect_source("X-Forwarded-For: 198.51.100.1, 192.0.2.7\r\n", "192.0.2.7");
    expect_source("X-Forwarded-For: 198.51.100.1 ,192.0.2.7\t, 10.9.9.9,fd00::1\r\n", "192.0.2.7");
    expect_source("X-Forwarded-For: 198.51.100.1\r\nx-forwarded-for: 192.0.2.7, 10.2.2.2\r\n",
                  "192.0.2.7");
    expect_source("X-Forwarded-For: 198.51.100.1, 192.0.2.7\r\nX-Forwarded-For: 10.2.2.2\r\n",
                  "192.0.2.7");
    expect_source("X-Forwarded-For: ::ffff:192.0.2.7\r\n", "192.0.2.7");
    expect_source("X-Forwarded-For: 2001:DB8::7\r\n", "2001:db8::7");
}

Test(forwarded, ports_and_brackets_are_taken_off)
{
    expect_source("X-Forwarded-For: 192.0.2.7:4711\r\n", "192.0.2.7");
    expect_source("X-Forwarded-For: [2001:db8::7]:4711\r\n", "2001:db8::7");
    expect_source("X-Forwarded-For: [2001:db8::7]\r\n", "2001:db8::7");
}

Test(forwarded, where_all_are_proxies_it_is_the_first_of_them)
{
    expect_source("X-Forwarded-For: 10.3.3.3, 10.2.2.2\r\n", "10.3.3.3");
}

/* What stands left of it was not written by a proxy that is trusted. */
Test(forwarded, what_is_no_address_ends_the_search)
{
    expect_source("X-Forwarded-For: 192.0.2.7, unknown\r\n", "the peer");
    expect_source("X-Forwarded-For: 192.0.2.7, unknown, 10.2.2.2\r\n", "10.2.2.2");
    expect_source("X-Forwarded-For: 192.0.2.7, , 10.2.2.2\r\n", "10.2.2.2");
    expect_source("X-Forwarded-For: 192.0.2.7,\r\n", "the peer");
    expect_source("X-Forwarded-For:\r\n", "the peer");
    expect_source("X-Forwarded-For: [192.0.2.7]\r\n", "the peer");
    expect_source("X-Forwarded-For: [2001:db8::7]x\r\n", "the peer");
    expect_source("X-Forwarded-For: [2001:db8::7\r\n", "the peer");
    expect_source("X-Forwarded-For: [\r\n", "the peer");
    expect_source("", "the peer");
}
