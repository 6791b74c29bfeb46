/* What a warm request costs in system calls. The calls are counted by standing in for them. */
#include "desk.h"

#include <sys/epoll.h>
#include <sys/syscall.h>

static struct calls {
    unsigned recv, send, epoll_ctl, epoll_wait;
} calls;

ssize_t recv(int fd, void *to, size_t size, int flags)
{
    calls.recv++;
    return syscall(SYS_recvfrom, fd, to, size, flags, NULL, NULL);
}

ssize_t send(int fd, const void *from, size_t size, int flags)
{
    calls.send++;
    return syscall(SYS_sendto, fd, from, size, flags, NULL, 0);
}

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    calls.epoll_ctl++;
    return (int)syscall(SYS_epoll_ctl, epoll, operation, fd, event);
}

int epoll_wait(int epoll, struct epoll_event *events, int size, int timeout)
{
    calls.epoll_wait++;
    return (int)syscall(SYS_epoll_wait, epoll, events, size, timeout);
}

static struct desk desk;
static struct buffer got;

static void set_up(void)
{
    buffer_init(&got, 1024 * 1024);
    desk_open(&desk, NULL, 100);
}

static void tear_down(void)
{
    desk_close(&desk);
    buffer_fini(&got);
}

TestSuite(connection_cost, .init = set_up, .fini = tear_down);

Test(connection_cost, a_warm_request_is_one_wait_one_recv_one_send)
{
    int fd = client_connect(&desk);
    client_send(&desk, fd,
                SLICE("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"));
    client_expect(&desk, fd, &got, "\r\n\r\nhello", 1);
    desk_settle(&desk);
    for (unsigned i = 2; i < 10; i++) {
        client_send(&desk, fd,
                    SLICE("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"));
        calls = (struct calls){0};
        loop_turn(&desk.loop, LOOP_WAIT);
        cr_assert_eq(desk.finished, i);
        cr_assert_eq(calls.epoll_wait, 1);
        cr_assert_eq(calls.recv, 1);
        cr_assert_eq(calls.send, 1);
        cr_assert_eq(calls.epoll_ctl, 0);
    }
    (void)close(fd);
}

Test(connection_cost, unread_bytes_cause_no_turns)
{
    static char pipelined[100 * 1000];
    int fd = client_connect(&desk);
    client_send(&desk, fd, SLICE("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n"));
    client_send(&desk, fd, slice_make(pipelined, sizeof(pipelined)));
    DESK_UNTIL(&desk, desk.begun == 1);
    desk_settle(&desk);
    calls = (struct calls){0};
    for (usec_t end = clock_now() + 200 * MSEC; clock_now() < end;) {
        loop_turn(&desk.loop, LOOP_POLL);
        cr_assert_null(desk.loop.ready.first);
        (void)poll(NULL, 0, 10);
    }
    cr_assert_eq(calls.recv, 0);
    cr_assert_eq(calls.epoll_ctl, 0);
    (void)close(fd);
    DESK_UNTIL(&desk, desk.gone == 1);
}
