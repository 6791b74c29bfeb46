#include "base/buffer.h"
#include "gateway/admin/admin_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <event2/event.h>

static bool say_ready(void *ctx, struct buffer *text)
{
    (void)ctx;
    (void)text;
    return true;
}

static void say_metrics(void *ctx, struct buffer *out)
{
    for (unsigned i = 0; i < *(const unsigned *)ctx; i++) {
        cr_assert_eq(buffer_append(out, SLICE("metric_of_the_test 1\n")), STATUS_OK);
    }
}

static const struct admin_ops ops = {.ready = say_ready, .metrics = say_metrics};

struct bench {
    struct event_base *base;
    struct admin_server *server;
    unsigned metric_lines;
    char reply[1024 * 1024];
};

static struct bench bench; /* each test is a process of its own */

static void start_server(void)
{
    struct error err;
    bench.metric_lines = 1;
    bench.base = event_base_new();
    struct admin_server_settings settings = {
        .base = bench.base, .listen = "127.0.0.1:0", .ops = &ops, .ctx = &bench.metric_lines};
    cr_assert_eq(admin_server_start(&settings, &bench.server, &err), STATUS_OK, "%s", err.message);
}

static void stop_server(void)
{
    admin_server_stop(bench.server);
    event_base_free(bench.base);
}

static int dial(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)admin_server_port(bench.server)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void turn(void)
{
    (void)event_base_loop(bench.base, EVLOOP_NONBLOCK);
}

/* Sends the request and runs the loop until the server closes; what it sent, NUL-terminated. */
static const char *ask(const char *request)
{
    int fd = dial();
    cr_assert_eq(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
    size_t len = 0;
    for (unsigned i = 0; i < 5000; i++) {
        turn();
        ssize_t count = recv(fd, bench.reply + len, sizeof(bench.reply) - 1 - len, MSG_DONTWAIT);
        if (count == 0 || (count < 0 && errno != EAGAIN)) {
            bench.reply[len] = '\0';
            (void)close(fd);
            return bench.reply;
        }
        len += count > 0 ? (size_t)count : 0;
        usleep(count > 0 ? 0 : 1000);
    }
    cr_assert_fail("not closed after %s", bench.reply);
    return NULL;
}

static void expect_reply(const char *request, const char *start, const char *part)
{
    const char *reply = ask(request);
    cr_expect_eq(strncmp(reply, start, strlen(start)), 0, "%s", reply);
    cr_expect_not_null(strstr(reply, part), "no \"%s\" in %s", part, reply);
}

TestSuite(admin_server, .init = start_server, .fini = stop_server, .timeout = 30);

Test(admin_server, answers_over_a_socket_and_closes)
{
    expect_reply("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 200 OK\r\n",
                 "\r\nContent-Length: 6\r\n");
    expect_reply("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 200 OK\r\n",
                 "\r\n\r\nalive\n");
    expect_reply("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 200 OK\r\n",
                 "\r\nConnection: close\r\n");
}

Test(admin_server, an_answer_to_head_has_the_length_but_no_body)
{
    const char *reply = ask("HEAD /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    cr_expect_not_null(strstr(reply, "\r\nContent-Length: 6\r\n"), "%s", reply);
    cr_expect_null(strstr(reply, "alive"), "%s", reply);
}

Test(admin_server, a_query_does_not_change_the_page)
{
    expect_reply("GET /readyz?verbose HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 200 OK\r\n",
                 "every route has its credential\n");
}

Test(admin_server, other_methods_are_told_which_are_allowed)
{
    expect_reply("POST /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi",
                 "HTTP/1.1 405 ", "\r\nAllow: GET, HEAD\r\n");
}

Test(admin_server, a_foreign_host_is_refused)
{
    expect_reply("GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", "HTTP/1.1 403 ",
                 "admin.hosts");
}

Test(admin_server, names_can_be_changed)
{
    char name[] = "gw.internal";
    const char *names[] = {name};
    admin_server_set_hosts(bench.server, names, 1);
    name[0] = 'x'; /* it was copied */
    expect_reply("GET /livez HTTP/1.1\r\nHost: gw.internal\r\n\r\n", "HTTP/1.1 200 ", "alive");
}

Test(admin_server, a_large_page_comes_whole)
{
    bench.metric_lines = 40000;
    const char *reply = ask("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const char *body = strstr(reply, "\r\n\r\n");
    cr_assert_not_null(body);
    cr_expect_eq(strlen(body + 4), 40000 * strlen("metric_of_the_test 1\n"));
    cr_expect_not_null(strstr(reply, "Content-Type: text/plain; version=0.0.4"));
}

Test(admin_server, two_hosts_or_too_many_fields_end_the_connection)
{
    cr_expect_str_eq(ask("GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"),
                     "");
    char request[8192] = "GET /livez HTTP/1.1\r\nHost: localhost\r\n";
    for (unsigned i = 0; i < 101; i++) {
        size_t len = strlen(request);
        (void)snprintf(request + len, sizeof(request) - len, "X-%u: y\r\n", i);
    }
    cr_expect_str_eq(ask(strncat(request, "\r\n", 3)), "");
}

Test(admin_server, a_connection_too_many_is_closed_at_once)
{
    int fds[65];
    for (unsigned i = 0; i < 65; i++) {
        fds[i] = dial();
        turn();
    }
    char byte;
    cr_expect_eq(recv(fds[64], &byte, 1, 0), 0);
    cr_expect_lt(recv(fds[63], &byte, 1, MSG_DONTWAIT), 0);
    for (unsigned i = 0; i < 65; i++) {
        (void)close(fds[i]);
    }
}

/* Without a leak: the sanitizer looks. */
Test(admin_server, stops_with_connections_in_any_state)
{
    int silent = dial();
    int halfway = dial();
    cr_assert_eq(send(halfway, "GET /live", 9, MSG_NOSIGNAL), 9);
    for (unsigned i = 0; i < 20; i++) {
        turn();
    }
    admin_server_stop(bench.server);
    bench.server = NULL;
    turn(); /* libevent closes them here */
    char byte;
    cr_expect_leq(recv(silent, &byte, 1, 0), 0);
    cr_expect_leq(recv(halfway, &byte, 1, 0), 0);
    (void)close(silent);
    (void)close(halfway);
}

Test(admin_server, a_taken_address_is_told)
{
    char address[32];
    struct error err;
    struct admin_server *second;
    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", admin_server_port(bench.server));
    struct admin_server_settings settings = {
        .base = bench.base, .listen = address, .ops = &ops, .ctx = &bench.metric_lines};
    cr_expect_eq(admin_server_start(&settings, &second, &err), STATUS_UNAVAILABLE);
    cr_expect_not_null(strstr(err.message, "admin.listen"), "%s", err.message);
    cr_expect_not_null(strstr(err.message, address), "%s", err.message);
}
