#include "certificate.h"
#include "desk.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

static struct desk desk;
static struct buffer got;
static struct certificate files;
static SSL_CTX *server;

static void set_up(void)
{
    struct error err;
    buffer_init(&got, 16 * 1024 * 1024);
    certificate_make(&files, NULL);
    cr_assert_eq(client_tls_new(&(struct client_tls_files){.cert = files.cert, .key = files.key},
                                &server, &err),
                 STATUS_OK, "%s", err.message);
    desk_open(&desk, server, 100);
}

static void tear_down(void)
{
    desk_close(&desk);
    SSL_CTX_free(server);
    certificate_remove(&files);
    buffer_fini(&got);
}

TestSuite(tls, .init = set_up, .fini = tear_down);

/* A client's side of TLS, driven together with the desk. */
struct secure {
    int fd;
    SSL_CTX *ctx;
    SSL *ssl;
};

static void secure_open(struct secure *client, int version, SSL_SESSION *resumed)
{
    client->fd = client_connect(&desk);
    client->ctx = SSL_CTX_new(TLS_client_method());
    (void)SSL_CTX_set_min_proto_version(client->ctx, version);
    (void)SSL_CTX_set_max_proto_version(client->ctx, version);
    client->ssl = SSL_new(client->ctx);
    (void)SSL_set_fd(client->ssl, client->fd);
    SSL_set_connect_state(client->ssl);
    if (resumed != NULL) {
        (void)SSL_set_session(client->ssl, resumed);
    }
}

static void secure_close(struct secure *client)
{
    SSL_free(client->ssl);
    SSL_CTX_free(client->ctx);
    (void)close(client->fd);
}

/* Repeats an SSL call until it is through; whether it was. */
#define SECURE_TRY(client, result, call)                                                           \
    do {                                                                                           \
        usec_t secure_end_ = clock_now() + DESK_PATIENCE;                                          \
        ERR_clear_error();                                                                         \
        while (((result) = (call)) <= 0) {                                                         \
            int why = SSL_get_error((client)->ssl, (result));                                      \
            if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {                       \
                break;                                                                             \
            }                                                                                      \
            cr_assert_lt(clock_now(), secure_end_, "%s takes too long", #call);                    \
            desk_turn(&desk);                                                                      \
        }                                                                                          \
    } while (0)

static bool secure_handshake(struct secure *client)
{
    int result;
    SECURE_TRY(client, result, SSL_do_handshake(client->ssl));
    return result == 1;
}

static void secure_send(struct secure *client, struct slice bytes)
{
    int result;
    SECURE_TRY(client, result, SSL_write(client->ssl, bytes.ptr, (int)bytes.len));
    cr_assert_eq(result, (int)bytes.len);
}

/* The result of the last read, when `text` has come that often, or the connection has ended. */
static int secure_expect(struct secure *client, const char *text, unsigned times)
{
    int result = 1;
    while (count_text(buffer_bytes(&got), text) < times && result > 0) {
        cr_assert_eq(buffer_reserve(&got, 16384), STATUS_OK);
        SECURE_TRY(client, result, SSL_read(client->ssl, buffer_tail(&got), 16384));
        buffer_commit(&got, result > 0 ? (size_t)result : 0);
    }
    return result;
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

Test(tls, requests_are_served_on_a_kept_connection)
{
    for (size_t i = 0; i < 2; i++) {
        struct secure client;
        secure_open(&client, versions[i], NULL);
        cr_assert(secure_handshake(&client));
        for (unsigned k = 1; k <= 3; k++) {
            secure_send(&client,
                        SLICE("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"));
            cr_assert_gt(secure_expect(&client, "\r\n\r\nhello", k), 0);
        }
        buffer_reset(&got);
        secure_close(&client);
        DESK_UNTIL(&desk, client_side_count(desk.side) == 0);
    }
    cr_assert_eq(desk.begun, 6);
}

Test(tls, large_bodies_go_both_ways)
{
    enum { BODY = 500 * 1000 };
    char *body = memory_alloc(BODY);
    for (size_t i = 0; i < BODY; i++) {
        body[i] = (char)('a' + i % 23);
    }
    for (size_t i = 0; i < 2; i++) {
        struct secure client;
        secure_open(&client, versions[i], NULL);
        cr_assert(secure_handshake(&client));
        secure_send(&client,
                    SLICE("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n"));
        for (size_t at = 0; at < BODY; at += 10000) {
            secure_send(&client, slice_make(body + at, 10000));
        }
        secure_send(&client, SLICE("GET /early HTTP/1.1\r\nHost: a\r\n\r\n"));
        cr_assert_gt(secure_expect(&client, "early", 1), 0);
        const char *start = memmem(buffer_bytes(&got).ptr, 200, "\r\n\r\n", 4);
        cr_assert_not_null(start);
        cr_assert_eq(memcmp(start + 4, body, BODY), 0);
        buffer_reset(&got);
        secure_close(&client);
    }
    memory_free(body);
}

Test(tls, continue_is_said)
{
    struct secure client;
    secure_open(&client, TLS1_3_VERSION, NULL);
    cr_assert(secure_handshake(&client));
    secure_send(&client, SLICE("POST /go HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                               "Content-Length: 4\r\n\r\n"));
    cr_assert_gt(secure_expect(&client, "100 Continue", 1), 0);
    secure_send(&client, SLICE("body"));
    cr_assert_gt(secure_expect(&client, "\r\n\r\nbody", 1), 0);
    secure_close(&client);
}

Test(tls, an_orderly_end_is_told_and_a_cut_is_not)
{
    static const struct {
        const char *request;
        int error;
    } cases[] = {
        {"GET /echo?close HTTP/1.1\r\nHost: a\r\n\r\n", SSL_ERROR_ZERO_RETURN},
        {"GET /cut HTTP/1.1\r\nHost: a\r\n\r\n", SSL_ERROR_SYSCALL},
    };
    for (size_t i = 0; i < 2; i++) {
        for (size_t k = 0; k < 2; k++) {
            struct secure client;
            secure_open(&client, versions[i], NULL);
            cr_assert(secure_handshake(&client));
            secure_send(&client, slice_from(cases[k].request));
            int result = secure_expect(&client, "never", 1);
            cr_assert_leq(result, 0);
            cr_assert_eq(SSL_get_error(client.ssl, result), cases[k].error);
            secure_close(&client);
        }
    }
}

Test(tls, a_client_that_leaves_is_noticed_while_its_request_waits)
{
    for (unsigned i = 0; i < 2; i++) {
        struct secure client;
        secure_open(&client, versions[i], NULL);
        cr_assert(secure_handshake(&client));
        secure_send(&client, SLICE("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n"));
        DESK_UNTIL(&desk, desk.begun == i + 1);
        secure_close(&client);
        DESK_UNTIL(&desk, desk.gone == i + 1);
    }
    DESK_UNTIL(&desk, client_side_count(desk.side) == 0);
}

Test(tls, sessions_are_resumed)
{
    struct secure client;
    secure_open(&client, TLS1_2_VERSION, NULL);
    cr_assert(secure_handshake(&client));
    SSL_SESSION *session = SSL_get1_session(client.ssl);
    SSL_set_shutdown(client.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* stays resumable */
    secure_close(&client);
    secure_open(&client, TLS1_2_VERSION, session);
    cr_assert(secure_handshake(&client));
    cr_assert_eq(SSL_session_reused(client.ssl), 1);
    SSL_SESSION_free(session);
    secure_close(&client);
}

struct offer {
    unsigned char protocols[16];
    unsigned len;
    bool accepted;
};

Test(tls, only_http_1_1_is_agreed_on)
{
    static const struct offer offers[] = {
        {"\x02h2\x08http/1.1", 12, true},
        {"\x02h2", 3, false},
    };
    for (size_t i = 0; i < 2; i++) {
        struct secure client;
        secure_open(&client, TLS1_3_VERSION, NULL);
        cr_assert_eq(SSL_set_alpn_protos(client.ssl, offers[i].protocols, offers[i].len), 0);
        cr_assert_eq(secure_handshake(&client), offers[i].accepted);
        if (offers[i].accepted) {
            const unsigned char *chosen;
            unsigned len;
            SSL_get0_alpn_selected(client.ssl, &chosen, &len);
            cr_assert(slice_equal(slice_make((const char *)chosen, len), SLICE("http/1.1")));
        }
        secure_close(&client);
    }
}

Test(tls, old_versions_are_refused)
{
    struct secure client;
    secure_open(&client, TLS1_1_VERSION, NULL);
    SSL_set_security_level(client.ssl, 0);
    cr_assert_not(secure_handshake(&client));
    secure_close(&client);
    DESK_UNTIL(&desk, client_side_count(desk.side) == 0);
}

Test(tls, garbage_and_plain_http_are_closed)
{
    static const char *const openings[] = {
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03garbage garbage garbage garbage",
        "\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    };
    for (size_t i = 0; i < 3; i++) {
        int fd = client_connect(&desk);
        client_send(&desk, fd, slice_from(openings[i]));
        if (i == 1) {
            (void)shutdown(fd, SHUT_WR); /* it would be waited for, up to the deadline */
        }
        (void)client_expect_end(&desk, fd, &got);
        (void)close(fd);
        DESK_UNTIL(&desk, client_side_count(desk.side) == 0);
    }
    cr_assert_eq(desk.begun + desk.refused, 0);
}

Test(tls, a_handshake_has_the_deadline_of_a_head)
{
    desk.limits.header_timeout = 100 * MSEC;
    int fd = client_connect(&desk);
    (void)client_expect_end(&desk, fd, &got);
    (void)close(fd);
    cr_assert_eq(client_side_count(desk.side), 0);
}

Test(tls, a_trusted_proxys_header_comes_before_the_handshake)
{
    struct egress_network network;
    cr_assert_eq(egress_network_parse(SLICE("127.0.0.0/8"), &network, NULL), STATUS_OK);
    desk.limits.proxies = (struct trusted_proxies){.networks = &network, .count = 1};
    desk.limits.proxy_protocol = true;
    struct secure client;
    secure_open(&client, TLS1_3_VERSION, NULL);
    client_send(&desk, client.fd, SLICE("PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\r\n"));
    cr_assert(secure_handshake(&client));
    secure_send(&client, SLICE("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n"));
    DESK_UNTIL(&desk, desk.begun == 1);
    cr_assert_str_eq(connection_source(desk_last(&desk)->connection), "192.0.2.7");
    cr_assert(connection_is_tls(desk_last(&desk)->connection));
    secure_close(&client);
    secure_open(&client, TLS1_3_VERSION, NULL); /* without the header */
    cr_assert_not(secure_handshake(&client));
    secure_close(&client);
}

Test(tls, new_settings_are_for_new_connections)
{
    struct error err;
    SSL_CTX *newer;
    cr_assert_eq(client_tls_new(&(struct client_tls_files){.cert = files.cert, .key = files.key},
                                &newer, &err),
                 STATUS_OK);
    (void)SSL_CTX_set_max_proto_version(newer, TLS1_2_VERSION);
    struct secure old;
    secure_open(&old, TLS1_3_VERSION, NULL);
    cr_assert(secure_handshake(&old));
    client_side_set_tls(desk.side, newer);
    SSL_CTX_free(newer);
    secure_send(&old, SLICE("GET /early HTTP/1.1\r\nHost: a\r\n\r\n"));
    cr_assert_gt(secure_expect(&old, "early", 1), 0);
    struct secure fresh;
    secure_open(&fresh, TLS1_3_VERSION, NULL);
    cr_assert_not(secure_handshake(&fresh));
    secure_close(&old);
    secure_close(&fresh);
}

Test(tls, errors_name_the_file)
{
    struct certificate other;
    struct certificate locked;
    certificate_make(&other, NULL);
    certificate_make(&locked, (char[]){"secret"});
    const struct {
        const char *cert, *key, *named, *said;
    } cases[] = {
        {"/nonexistent/cert.pem", files.key, "/nonexistent/cert.pem", "cannot be read"},
        {files.cert, "/nonexistent/key.pem", "/nonexistent/key.pem", "cannot be read"},
        {files.key, files.key, files.key, "no usable certificate"},
        {files.cert, files.cert, files.cert, "no usable key"},
        {files.cert, other.key, other.key, "no usable key"},
        {locked.cert, locked.key, locked.key, "without a passphrase"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err;
        SSL_CTX *tls = NULL;
        cr_assert_neq(
            client_tls_new(&(struct client_tls_files){.cert = cases[i].cert, .key = cases[i].key},
                           &tls, &err),
            STATUS_OK);
        cr_assert_not_null(strstr(err.message, cases[i].named), "%s", err.message);
        cr_assert_not_null(strstr(err.message, cases[i].said), "%s", err.message);
        cr_assert_null(tls);
    }
    certificate_remove(&other);
    certificate_remove(&locked);
}
