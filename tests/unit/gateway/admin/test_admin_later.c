/* Answers of the admin listener that come later than their question. */
#include "base/buffer.h"
#include "base/memory.h"
#include "gateway/admin/admin_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <event2/event.h>

enum { KEPT_MAX = 8, TURNS_MAX = 5000 };

struct bench {
    struct event_base *base;
    struct admin_server *server;
    struct admin_later *kept[KEPT_MAX];
    unsigned kept_count;
    char reply[4096];
};

static struct bench bench; /* each test is a process of its own */

static enum status keep(void *ctx, const struct webhook_question *question,
                        enum webhook_change change, struct admin_later *take_later,
                        struct error *err)
{
    (void)ctx;
    (void)change;
    if (question->hook[0] == '\0') {
        FAIL(err, STATUS_INVALID, "say which");
    }
    cr_assert_lt(bench.kept_count, KEPT_MAX);
    bench.kept[bench.kept_count++] = take_later;
    return STATUS_OK;
}

static enum admin_right all_rights(void *ctx, struct slice token)
{
    (void)ctx;
    (void)token;
    return ADMIN_ALL;
}

static const struct admin_ops ops = {.change_webhooks = keep, .right = all_rights};

static void start_server(void)
{
    struct error err;
    bench.base = event_base_new();
    struct admin_server_settings settings = {
        .base = bench.base, .listen = "127.0.0.1:0", .ops = &ops};
    cr_assert_eq(admin_server_start(&settings, &bench.server, &err), STATUS_OK, "%s", err.message);
}

static void stop_server(void)
{
    admin_server_stop(bench.server);
    event_base_free(bench.base);
}

TestSuite(admin_later, .init = start_server, .fini = stop_server, .timeout = 30);

static int dial(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)admin_server_port(bench.server)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static int ask(const char *request)
{
    int fd = dial();
    cr_assert_eq(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
    return fd;
}

static void turn(void)
{
    (void)event_base_loop(bench.base, EVLOOP_NONBLOCK);
    usleep(1000);
}

static void turn_until_kept(unsigned count)
{
    for (unsigned i = 0; i < TURNS_MAX && bench.kept_count < count; i++) {
        turn();
    }
    cr_assert_eq(bench.kept_count, count);
}

/* All that comes until the server closes. */
static const char *read_all(int fd)
{
    size_t len = 0;
    for (unsigned i = 0; i < TURNS_MAX; i++) {
        turn();
        ssize_t count = recv(fd, bench.reply + len, sizeof(bench.reply) - 1 - len, MSG_DONTWAIT);
        if (count == 0 || (count < 0 && errno != EAGAIN)) {
            bench.reply[len] = '\0';
            (void)close(fd);
            return bench.reply;
        }
        len += count > 0 ? (size_t)count : 0;
    }
    cr_assert_fail("not closed");
    return NULL;
}

#define HEAD      " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\n"
#define REPLAY    "POST /api/v1/webhooks/replay?hook=h" HEAD "Content-Length: 0\r\n\r\n"
#define NO_FILTER "POST /api/v1/webhooks/replay" HEAD "Content-Length: 0\r\n\r\n"

static void expect_answer(const char *reply, const char *status, const char *body)
{
    size_t len = strlen(reply);
    cr_expect_eq(strncmp(reply, status, strlen(status)), 0, "%s", reply);
    cr_expect(len > strlen(body) && strcmp(reply + len - strlen(body), body) == 0, "%s", reply);
    cr_expect_null(strstr(reply + 1, "HTTP/1.1"), "one answer: %s", reply);
    cr_expect_not_null(strstr(reply, "\r\nConnection: close\r\n"), "%s", reply);
}

Test(admin_later, others_are_answered_meanwhile)
{
    int fd = ask(REPLAY);
    turn_until_kept(1);
    expect_answer(read_all(ask("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")),
                  "HTTP/1.1 200 OK\r\n", "\r\n\r\nalive\n");
    expect_answer(read_all(ask(NO_FILTER)), "HTTP/1.1 400 ", "{\"error\":\"say which\"}\n");
    cr_expect_eq(recv(fd, bench.reply, 1, MSG_DONTWAIT), -1, "nothing yet");
    admin_later_answer(bench.kept[0], 200, SLICE("{\"count\":3}\n"));
    expect_answer(read_all(fd), "HTTP/1.1 200 OK\r\n", "\r\n\r\n{\"count\":3}\n");
}

Test(admin_later, the_status_is_the_one_that_is_given)
{
    int fd = ask(REPLAY);
    turn_until_kept(1);
    admin_later_answer(bench.kept[0], 503, SLICE("{}\n"));
    expect_answer(read_all(fd), "HTTP/1.1 503 ", "\r\n\r\n{}\n");
}

Test(admin_later, a_client_that_is_gone_makes_no_difference)
{
    struct linger hard = {.l_onoff = 1};
    int polite = ask(REPLAY);
    turn_until_kept(1);
    int rude = ask(REPLAY);
    turn_until_kept(2);
    (void)close(polite);
    (void)setsockopt(rude, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    (void)close(rude);
    for (unsigned i = 0; i < 20; i++) {
        turn();
    }
    admin_later_answer(bench.kept[0], 200, SLICE("{}\n"));
    admin_later_answer(bench.kept[1], 200, SLICE("{}\n"));
    for (unsigned i = 0; i < 20; i++) {
        turn();
    }
    expect_answer(read_all(ask("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")),
                  "HTTP/1.1 200 OK\r\n", "alive\n");
}

Test(admin_later, what_comes_behind_the_request_is_not_answered)
{
    int at_once = ask(REPLAY REPLAY);
    turn_until_kept(1);
    int afterwards = ask(REPLAY);
    turn_until_kept(2);
    cr_assert_eq(send(afterwards, REPLAY, strlen(REPLAY), MSG_NOSIGNAL), (ssize_t)strlen(REPLAY));
    for (unsigned i = 0; i < 20; i++) {
        turn();
    }
    cr_expect_eq(bench.kept_count, 2);
    admin_later_answer(bench.kept[0], 200, SLICE("{}\n"));
    admin_later_answer(bench.kept[1], 200, SLICE("{}\n"));
    expect_answer(read_all(afterwards), "HTTP/1.1 200 OK\r\n", "{}\n");
    expect_answer(read_all(at_once), "HTTP/1.1 200 OK\r\n", "{}\n");
}

Test(admin_later, the_server_may_be_gone_first)
{
    int fd = ask(REPLAY);
    turn_until_kept(1);
    admin_server_stop(bench.server);
    bench.server = NULL;
    admin_later_answer(bench.kept[0], 200, SLICE("{}\n"));
    (void)close(fd);
}
