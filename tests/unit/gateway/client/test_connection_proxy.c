#include "desk.h"

static struct desk desk;
static struct buffer got;
static struct egress_network networks[2];

static const char line[] = "PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\r\n";
static const char get_hold[] = "GET /hold HTTP/1.1\r\nHost: a\r\n";

static void trust(const char *network)
{
    desk.limits.proxy_protocol = true;
    cr_assert_eq(egress_network_parse(slice_from(network), &networks[0], NULL), STATUS_OK);
    cr_assert_eq(egress_network_parse(SLICE("10.0.0.0/8"), &networks[1], NULL), STATUS_OK);
    desk.limits.proxies = (struct trusted_proxies){.networks = networks, .count = 2};
}

static void set_up(void)
{
    buffer_init(&got, 1024 * 1024);
    desk_open(&desk, NULL, 100);
    trust("127.0.0.0/8");
}

static void tear_down(void)
{
    desk_close(&desk);
    buffer_fini(&got);
}

TestSuite(connection_proxy, .init = set_up, .fini = tear_down);

/* Sends a request behind `before`, with `fields`, and is served. */
static int serve(const char *before, const char *fields)
{
    unsigned begun = desk.begun;
    int fd = client_connect(&desk);
    client_send(&desk, fd, slice_from(before));
    client_send(&desk, fd, slice_from(get_hold));
    client_send(&desk, fd, slice_from(fields));
    client_send(&desk, fd, SLICE("\r\n"));
    DESK_UNTIL(&desk, desk.begun == begun + 1);
    return fd;
}

static void expect_source(const char *before, const char *fields, const char *peer,
                          const char *source)
{
    int fd = serve(before, fields);
    const struct connection *connection = desk_last(&desk)->connection;
    uint8_t address[ADDRESS_BYTES];
    char text[ADDRESS_TEXT_BYTES] = "unix";
    cr_expect_str_eq(connection_peer(connection), peer);
    cr_expect_str_eq(connection_source(connection), source);
    if (connection_source_address(connection, address)) {
        address_print(address, text);
    }
    cr_expect_str_eq(text, source);
    (void)close(fd);
}

static void expect_closed(const char *bytes, unsigned count)
{
    int fd = client_connect(&desk);
    client_send(&desk, fd, slice_make(bytes, count));
    (void)client_expect_end(&desk, fd, &got);
    cr_expect_eq(buffer_len(&got), 0, "an answer came: %.*s", SLICE_ARG(buffer_bytes(&got)));
    (void)close(fd);
    DESK_UNTIL(&desk, client_side_count(desk.side) == 0);
    cr_expect_eq(desk.begun + desk.refused, 0);
}

Test(connection_proxy, the_client_is_who_a_trusted_proxy_names)
{
    expect_source(line, "", "192.0.2.7", "192.0.2.7");
    expect_source("PROXY TCP6 2001:db8::7 ::1 1 2\r\n", "", "2001:db8::7", "2001:db8::7");
    expect_source("PROXY UNKNOWN\r\n", "", "127.0.0.1", "127.0.0.1");
}

Test(connection_proxy, a_header_of_version_2_may_come_byte_by_byte)
{
    static const char v2[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x11\xc0\0\x02\x07\x0a\0\0\x01\xdc\x04"
                             "\x01\xbb\x04\0\x02\0\0";
    int fd = client_connect(&desk);
    for (size_t i = 0; i < sizeof(v2) - 1; i++) {
        client_send(&desk, fd, slice_make(v2 + i, 1));
        desk_settle(&desk);
    }
    cr_expect_eq(desk.begun, 0);
    client_send(&desk, fd, slice_from(get_hold));
    client_send(&desk, fd, SLICE("\r\n"));
    DESK_UNTIL(&desk, desk.begun == 1);
    cr_expect_str_eq(connection_peer(desk_last(&desk)->connection), "192.0.2.7");
    (void)close(fd);
}

Test(connection_proxy, a_unix_client_of_the_proxy_has_no_address)
{
    char header[16 + 216] = "\r\n\r\n\0\r\nQUIT\n\x21\x31\0\xd8/run/client";
    int fd = client_connect(&desk);
    client_send(&desk, fd, slice_make(header, sizeof(header)));
    client_send(&desk, fd, slice_from(get_hold));
    client_send(&desk, fd, SLICE("X-Forwarded-For: 192.0.2.9\r\n\r\n"));
    DESK_UNTIL(&desk, desk.begun == 1);
    uint8_t address[ADDRESS_BYTES];
    cr_expect_str_eq(connection_source(desk_last(&desk)->connection), "unix");
    cr_expect_not(connection_source_address(desk_last(&desk)->connection, address));
    (void)close(fd);
}

Test(connection_proxy, the_header_is_there_once_for_all_requests)
{
    int fd = client_connect(&desk);
    client_send(&desk, fd, slice_from(line));
    client_send(&desk, fd, SLICE("GET /early HTTP/1.1\r\nHost: a\r\n\r\n"));
    client_expect(&desk, fd, &got, "early", 1);
    client_send(&desk, fd, slice_from(line)); /* is no head */
    client_expect(&desk, fd, &got, "HTTP/1.1 400", 1);
    (void)close(fd);
}

Test(connection_proxy, what_is_no_header_is_closed_without_an_answer)
{
    expect_closed("GET /early HTTP/1.1\r\nHost: a\r\n\r\n", 32);
    expect_closed("PROXY TCP4 192.0.2.7 10.0.0.1 1 02\r\n", 36);
    expect_closed("\r\n\r\n\0\r\nQUIT\n\x31", 13);
}

Test(connection_proxy, a_header_has_the_deadline_of_a_head)
{
    desk.limits.header_timeout = 100 * MSEC;
    expect_closed("PROXY TCP4 192.0.2.7", 20);
    expect_closed("", 0);
}

Test(connection_proxy, who_leaves_within_the_header_is_gone)
{
    int fd = client_connect(&desk);
    client_send(&desk, fd, SLICE("PROXY TCP4"));
    desk_settle(&desk);
    (void)close(fd);
    fd = client_connect(&desk); /* as health checks do */
    (void)close(fd);
    DESK_UNTIL(&desk, client_side_accepted(desk.side) == 2 && client_side_count(desk.side) == 0);
}

Test(connection_proxy, of_others_the_header_is_no_head)
{
    trust("192.0.2.0/24");
    int fd = client_connect(&desk);
    client_send(&desk, fd, slice_from(line));
    client_send(&desk, fd, SLICE("GET /early HTTP/1.1\r\nHost: a\r\n\r\n"));
    client_expect(&desk, fd, &got, "HTTP/1.1 400", 1);
    cr_expect_eq(desk.begun, 0);
    (void)close(fd);
    expect_source("", "", "127.0.0.1", "127.0.0.1");
}

Test(connection_proxy, without_the_setting_the_header_is_no_head)
{
    desk.limits.proxy_protocol = false;
    int fd = client_connect(&desk);
    client_send(&desk, fd, slice_from(line));
    client_expect(&desk, fd, &got, "HTTP/1.1 400", 1);
    (void)close(fd);
}

Test(connection_proxy, who_was_forwarded_is_known_by_request)
{
    desk.limits.proxy_protocol = false;
    int fd = serve("", "X-Forwarded-For: 198.51.100.1, 192.0.2.7, 10.1.1.1\r\n");
    const struct connection *connection = desk_last(&desk)->connection;
    cr_expect_str_eq(connection_source(connection), "192.0.2.7");
    cr_expect_str_eq(connection_peer(connection), "127.0.0.1");
    desk_answer(desk_last(&desk), SLICE("held"));
    client_send(&desk, fd, slice_from(get_hold));
    client_send(&desk, fd, SLICE("X-Forwarded-For: 2001:db8::7\r\n\r\n"));
    DESK_UNTIL(&desk, desk.begun == 2);
    cr_expect_str_eq(connection_source(connection), "2001:db8::7");
    desk_answer(desk_last(&desk), SLICE("held"));
    client_send(&desk, fd, slice_from(get_hold));
    client_send(&desk, fd, SLICE("\r\n"));
    DESK_UNTIL(&desk, desk.begun == 3);
    cr_expect_str_eq(connection_source(connection), "127.0.0.1");
    (void)close(fd);
}

/* A proxy of connections before one of requests. */
Test(connection_proxy, both_ways_add_up)
{
    expect_source("PROXY TCP4 10.1.1.1 10.0.0.1 1 2\r\n", "X-Forwarded-For: 192.0.2.9\r\n",
                  "10.1.1.1", "192.0.2.9");
    expect_source(line, "X-Forwarded-For: 192.0.2.9\r\n", "192.0.2.7", "192.0.2.7");
}

Test(connection_proxy, what_a_client_says_of_itself_is_ignored)
{
    trust("192.0.2.0/24");
    expect_source("", "X-Forwarded-For: 192.0.2.7\r\n", "127.0.0.1", "127.0.0.1");
}
