/* The client leaves, or takes nothing: at any moment, in any way. */
#include "desk.h"

#include <malloc.h>

static struct desk desk;
static struct buffer got;

static void set_up(void)
{
    buffer_init(&got, 16 * 1024 * 1024);
    desk_open(&desk, NULL, 2000);
}

static void tear_down(void)
{
    desk_close(&desk);
    buffer_fini(&got);
}

TestSuite(connection_gone, .init = set_up, .fini = tear_down);

static const char get_hold[] = "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n";

/* Where the address sanitizer has taken the allocator's place. */
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static size_t allocated_bytes(void)
{
    return __sanitizer_get_current_allocated_bytes != NULL
               ? __sanitizer_get_current_allocated_bytes()
               : mallinfo2().uordblks;
}

enum leaving { CLOSES, RESETS, SHUTS_DOWN };

static void leave(int fd, enum leaving how)
{
    switch (how) {
    case CLOSES:
        (void)close(fd);
        break;
    case RESETS:
        client_reset(fd);
        break;
    case SHUTS_DOWN:
        cr_assert_eq(shutdown(fd, SHUT_WR), 0);
        break;
    }
}

Test(connection_gone, is_noticed_while_the_request_waits)
{
    for (enum leaving how = CLOSES; how <= SHUTS_DOWN; how++) {
        int fd = client_connect(&desk);
        client_send(&desk, fd, slice_from(get_hold));
        DESK_UNTIL(&desk, desk.begun == how + 1);
        desk_settle(&desk);
        leave(fd, how);
        DESK_UNTIL(&desk, desk.gone == how + 1);
        DESK_UNTIL(&desk, client_side_count(desk.side) == 0);
    }
}

Test(connection_gone, is_noticed_behind_bytes_that_nobody_reads)
{
    static char pipelined[50 * 1000];
    for (enum leaving how = CLOSES; how <= SHUTS_DOWN; how++) {
        int fd = client_connect(&desk);
        client_send(&desk, fd, slice_from(get_hold));
        DESK_UNTIL(&desk, desk.begun == how + 1);
        client_send(&desk, fd, slice_make(pipelined, sizeof(pipelined)));
        desk_settle(&desk);
        cr_assert_eq(desk.gone, how);
        leave(fd, how);
        DESK_UNTIL(&desk, desk.gone == how + 1);
        DESK_UNTIL(&desk, client_side_count(desk.side) == 0);
    }
}

Test(connection_gone, is_noticed_inside_a_body)
{
    for (enum leaving how = CLOSES; how <= SHUTS_DOWN; how++) {
        int fd = client_connect(&desk);
        client_send(&desk, fd,
                    SLICE("POST /want HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf"));
        DESK_UNTIL(&desk, desk.begun == how + 1);
        leave(fd, how);
        DESK_UNTIL(&desk, desk.gone == how + 1);
    }
    DESK_UNTIL(&desk, client_side_count(desk.side) == 0);
}

Test(connection_gone, between_requests_and_in_heads_nobody_is_told)
{
    static const char *const beginnings[] = {"", "GE", "GET / HTTP/1.1\r\nHost"};
    for (size_t i = 0; i < 3; i++) {
        for (enum leaving how = CLOSES; how <= SHUTS_DOWN; how++) {
            int fd = client_connect(&desk);
            client_send(&desk, fd, slice_from(beginnings[i]));
            DESK_UNTIL(&desk, client_side_count(desk.side) == 1);
            desk_settle(&desk);
            leave(fd, how);
            DESK_UNTIL(&desk, client_side_count(desk.side) == 0);
        }
    }
    cr_assert_eq(desk.begun + desk.refused, 0);
}

Test(connection_gone, a_complete_answer_is_sent_to_who_has_said_all)
{
    static const char *const requests[] = {"GET /big HTTP/1.1\r\nHost: a\r\n\r\n",
                                           "GET /big?close HTTP/1.1\r\nHost: a\r\n\r\n"};
    int little = 20000; /* so that much of the answer waits at our side */
    (void)setsockopt(desk.listening, SOL_SOCKET, SO_SNDBUF, &little, sizeof(little));
    for (unsigned i = 0; i < 2; i++) {
        int fd = client_connect(&desk);
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little));
        client_send(&desk, fd, slice_from(requests[i]));
        DESK_UNTIL(&desk, desk.finished == i + 1);
        leave(fd, SHUTS_DOWN);
        cr_assert_eq(client_expect_end(&desk, fd, &got), 0);
        cr_assert_gt(buffer_len(&got), DESK_BIG_BYTES);
        buffer_reset(&got);
        (void)close(fd);
    }
}

Test(connection_gone, what_is_written_to_one_who_left_is_dropped)
{
    int fd = client_connect(&desk);
    client_send(&desk, fd, slice_from(get_hold));
    DESK_UNTIL(&desk, desk.begun == 1);
    struct visit *visit = desk_last(&desk);
    (void)strcpy(visit->action, "/none");
    (void)close(fd);
    DESK_UNTIL(&desk, visit->connection == NULL || connection_gone(visit->connection));
    if (visit->connection != NULL) {
        connection_write(visit->connection, SLICE("HTTP/1.1 200 OK\r\n\r\n"));
        memcpy(connection_reserve(visit->connection, 4), "body", 4);
        connection_wrote(visit->connection, 4);
        connection_flush(visit->connection);
        cr_assert_eq(connection_room(visit->connection), CONNECTION_OUTPUT_BYTES);
        cr_assert_eq(connection_bytes_sent(visit->connection), 0);
        desk_end(visit);
    }
    desk_settle(&desk);
    cr_assert_eq(client_side_count(desk.side), 0);
}

Test(connection_gone, a_cut_answer_is_a_reset)
{
    int fd = client_connect(&desk);
    client_send(&desk, fd, SLICE("GET /cut HTTP/1.1\r\nHost: a\r\n\r\n"));
    cr_assert_eq(client_expect_end(&desk, fd, &got), -2);
    (void)close(fd);
    cr_assert_eq(client_side_count(desk.side), 0);
}

Test(connection_gone, a_client_that_reads_nothing_holds_up_the_owner)
{
    int fd = client_connect(&desk);
    client_send(&desk, fd, SLICE("GET /flood HTTP/1.1\r\nHost: a\r\n\r\n"));
    DESK_UNTIL(&desk, desk.begun == 1);
    uint64_t before;
    do {
        before = desk.flooded;
        desk_settle(&desk);
    } while (desk.flooded != before);
    cr_assert_gt(desk.flooded, CONNECTION_OUTPUT_BYTES);
    cr_assert_leq(desk.most_queued, CONNECTION_OUTPUT_BYTES);
    /* And goes on when it reads again. */
    usec_t end = clock_now() + DESK_PATIENCE;
    while (desk.flooded < before + 1000 * 1000) {
        cr_assert_lt(clock_now(), end, "the owner was not woken");
        (void)client_read_some(fd, &got);
        buffer_reset(&got);
        desk_turn(&desk);
    }
    (void)close(fd);
    DESK_UNTIL(&desk, desk.gone == 1);
}

Test(connection_gone, a_client_that_takes_nothing_for_long_is_cut)
{
    desk.limits.write_idle_timeout = 200 * MSEC;
    int fd = client_connect(&desk);
    client_send(&desk, fd, SLICE("GET /flood HTTP/1.1\r\nHost: a\r\n\r\n"));
    DESK_UNTIL(&desk, desk.gone == 1);
    DESK_UNTIL(&desk, client_side_count(desk.side) == 0);
    cr_assert_eq(client_expect_end(&desk, fd, &got), -2);
    (void)close(fd);
}

Test(connection_gone, pipelined_requests_wait_until_the_answers_were_taken)
{
    enum { REQUESTS = 60 };
    int fd = client_connect(&desk);
    for (unsigned i = 0; i < REQUESTS; i++) { /* each of them is an event */
        client_send(&desk, fd, SLICE("GET /big HTTP/1.1\r\nHost: a\r\n\r\n"));
        desk_turn(&desk);
    }
    desk_settle(&desk);
    cr_assert_lt(desk.begun, REQUESTS);
    usec_t end = clock_now() + DESK_PATIENCE;
    size_t taken = 0;
    while (taken < REQUESTS * (size_t)DESK_BIG_BYTES) {
        cr_assert_lt(clock_now(), end);
        ssize_t count = client_read_some(fd, &got);
        taken += count > 0 ? (size_t)count : 0;
        buffer_reset(&got);
        desk_turn(&desk);
    }
    cr_assert_eq(desk.begun, REQUESTS);
    (void)close(fd);
}

Test(connection_gone, idle_connections_hold_no_buffers)
{
    enum { CLIENTS = 200 };
    int fds[CLIENTS];
    for (unsigned i = 0; i < CLIENTS; i++) {
        fds[i] = client_connect(&desk);
        client_send(&desk, fds[i],
                    SLICE("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"));
    }
    DESK_UNTIL(&desk, desk.finished == CLIENTS);
    desk_settle(&desk);
    while (desk.visits != NULL) { /* the test's own */
        struct visit *visit = desk.visits;
        desk.visits = visit->next;
        buffer_fini(&visit->body);
        memory_free(visit);
    }
    size_t with = allocated_bytes();
    for (unsigned i = 0; i < CLIENTS; i++) {
        (void)close(fds[i]);
    }
    DESK_UNTIL(&desk, client_side_count(desk.side) == 0);
    size_t without = allocated_bytes();
    cr_assert_gt(with, without);
    cr_assert_lt((with - without) / CLIENTS, 1024, "%zu bytes an idle connection",
                 (with - without) / CLIENTS);
}
