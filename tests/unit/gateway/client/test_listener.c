#include "desk.h"

#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/un.h>

static struct desk desk;
static struct buffer got;

static void set_up(void)
{
    buffer_init(&got, 1024 * 1024);
}

static void tear_down(void)
{
    buffer_fini(&got);
}

TestSuite(listener, .init = set_up, .fini = tear_down);

static const char get_early[] = "GET /early HTTP/1.1\r\nHost: a\r\n\r\n";
static const char get_hold[] = "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n";

Test(listener, no_descriptor_is_left_or_closed_twice)
{
    unsigned before = count_descriptors();
    desk_open(&desk, NULL, 3);
    int fds[6];
    for (unsigned i = 0; i < 6; i++) { /* three are one too many, three times */
        fds[i] = client_connect(&desk);
    }
    DESK_UNTIL(&desk, client_side_refused(desk.side) == 3);
    client_send(&desk, fds[0], slice_from(get_early));
    client_send(&desk, fds[1], slice_from(get_hold));
    client_send(&desk, fds[2], SLICE("nonsense\r\n\r\n"));
    client_expect(&desk, fds[0], &got, "early", 1);
    client_expect(&desk, fds[2], &got, "HTTP/1.1 400", 1);
    (void)close(fds[0]);
    DESK_UNTIL(&desk, client_side_count(desk.side) <= 2);
    int probe = dup(0); /* takes the number of one that was closed: a second close would show */
    desk_close(&desk);
    cr_assert_neq(fcntl(probe, F_GETFD), -1);
    (void)close(probe);
    for (unsigned i = 1; i < 6; i++) {
        (void)close(fds[i]);
    }
    cr_assert_eq(count_descriptors(), before);
}

Test(listener, more_than_max_connections_are_closed_and_counted)
{
    desk_open(&desk, NULL, 1);
    int first = client_connect(&desk);
    DESK_UNTIL(&desk, client_side_count(desk.side) == 1);
    int second = client_connect(&desk);
    (void)client_expect_end(&desk, second, &got);
    cr_assert_eq(client_side_refused(desk.side), 1);
    (void)close(first);
    DESK_UNTIL(&desk, client_side_count(desk.side) == 0);
    int third = client_connect(&desk);
    client_send(&desk, third, slice_from(get_early));
    client_expect(&desk, third, &got, "early", 1);
    (void)close(second);
    (void)close(third);
    desk_close(&desk);
}

Test(listener, accepted_sockets_have_their_options)
{
    desk_open(&desk, NULL, 10);
    int fd = client_connect(&desk);
    DESK_UNTIL(&desk, client_side_count(desk.side) == 1);
    struct sockaddr_in peer;
    unsigned found = 0;
    for (int at = 3; at < 256; at++) { /* the accepted one: bound to the port and connected */
        socklen_t len = sizeof(peer);
        if (at == fd || listen_socket_port(at) != desk.port ||
            getpeername(at, (struct sockaddr *)&peer, &len) != 0) {
            continue;
        }
        int on = 0;
        len = sizeof(on);
        cr_assert_eq(getsockopt(at, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
        cr_assert_neq(on, 0);
        cr_assert_eq(getsockopt(at, SOL_SOCKET, SO_KEEPALIVE, &on, &len), 0);
        cr_assert_neq(on, 0);
        cr_assert_neq(fcntl(at, F_GETFL) & O_NONBLOCK, 0);
        cr_assert_neq(fcntl(at, F_GETFD) & FD_CLOEXEC, 0);
        found++;
    }
    cr_assert_eq(found, 1);
    (void)close(fd);
    desk_close(&desk);
}

Test(listener, the_peer_is_known_by_its_address)
{
    desk_open(&desk, NULL, 10);
    int fd = client_connect(&desk);
    client_send(&desk, fd, slice_from(get_hold));
    DESK_UNTIL(&desk, desk.begun == 1);
    cr_assert_str_eq(connection_peer(desk_last(&desk)->connection), "127.0.0.1");
    cr_assert_not(connection_is_tls(desk_last(&desk)->connection));
    cr_assert_gt(connection_request_start(desk_last(&desk)->connection), 0);
    (void)close(fd);
    desk_close(&desk);
}

Test(listener, unix_sockets_are_served)
{
    char folder[] = "/tmp/sallyport-test-XXXXXX";
    cr_assert_not_null(mkdtemp(folder));
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char address[128];
    struct error err;
    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/s", folder);
    (void)snprintf(address, sizeof(address), "unix:%s", at.sun_path);
    desk_open(&desk, NULL, 10);
    int fd;
    cr_assert_eq(listen_socket_open(address, true, &fd, &err), STATUS_OK, "%s", err.message);
    cr_assert_eq(client_side_listen(desk.side, fd, NULL, &err), STATUS_OK);
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(connect(client, (struct sockaddr *)&at, sizeof(at)), 0);
    (void)fcntl(client, F_SETFL, O_NONBLOCK);
    client_send(&desk, client, slice_from(get_early));
    client_expect(&desk, client, &got, "early", 1);
    client_send(&desk, client, slice_from(get_hold));
    DESK_UNTIL(&desk, desk.begun == 2);
    cr_assert_str_eq(connection_peer(desk_last(&desk)->connection), "unix");
    (void)close(client);
    DESK_UNTIL(&desk, desk.gone == 1);
    desk_close(&desk);
    (void)unlink(at.sun_path);
    (void)rmdir(folder);
}

Test(listener, running_out_of_descriptors_does_not_spin)
{
    desk_open(&desk, NULL, 100);
    int first = client_connect(&desk);
    int second = client_connect(&desk); /* in the backlog */
    struct rlimit before;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit none = {.rlim_cur = (rlim_t)second + 1, .rlim_max = before.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    DESK_UNTIL(&desk, desk.loop.timers.count > 0); /* the pause */
    unsigned turns = 0;
    for (usec_t end = clock_now() + 300 * MSEC; clock_now() < end; turns++) {
        loop_turn(&desk.loop, LOOP_WAIT);
    }
    cr_assert_lt(turns, 50);
    cr_assert_eq(client_side_count(desk.side), 0);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    DESK_UNTIL(&desk, client_side_count(desk.side) == 2);
    (void)close(first);
    (void)close(second);
    desk_close(&desk);
}

Test(listener, draining_ends_when_the_answers_are_out)
{
    desk_open(&desk, NULL, 10);
    int idle = client_connect(&desk);
    int held = client_connect(&desk);
    int sent = client_connect(&desk);
    client_send(&desk, held, slice_from(get_hold));
    DESK_UNTIL(&desk, desk.begun == 1 && client_side_count(desk.side) == 3);
    cr_assert_not(connection_draining(desk_last(&desk)->connection));

    client_send(&desk, sent, slice_from(get_early)); /* in the socket, not yet looked at */
    client_side_drain(desk.side);
    cr_assert(connection_draining(desk_last(&desk)->connection));
    cr_assert_eq(client_expect_end(&desk, idle, &got), 0);
    cr_assert_eq(buffer_len(&got), 0);
    client_expect(&desk, sent, &got, "early", 1);
    cr_assert_eq(client_expect_end(&desk, sent, &got), 0);

    int late = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)desk.port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_eq(connect(late, (struct sockaddr *)&to, sizeof(to)), -1);

    struct visit *visit = desk.visits;
    while (visit->finished) {
        visit = visit->next;
    }
    desk_answer(visit, SLICE("held"));
    client_expect(&desk, held, &got, "held", 1);
    cr_assert_eq(client_expect_end(&desk, held, &got), 0);
    (void)close(idle);
    (void)close(held);
    (void)close(sent);
    (void)close(late);
    DESK_UNTIL(&desk, client_side_count(desk.side) == 0);
    desk_close(&desk);
}
