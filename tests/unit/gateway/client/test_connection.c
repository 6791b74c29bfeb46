#include "desk.h"

#include <netinet/tcp.h>
#include <sys/ioctl.h>

static struct desk desk;
static struct buffer got;

static void set_up(void)
{
    buffer_init(&got, 16 * 1024 * 1024);
    desk_open(&desk, NULL, 100);
}

static void tear_down(void)
{
    desk_close(&desk);
    buffer_fini(&got);
}

TestSuite(connection, .init = set_up, .fini = tear_down);

static const char get_echo[] = "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n";

Test(connection, many_requests_use_one_connection)
{
    int fd = client_connect(&desk);
    for (unsigned i = 1; i <= 5; i++) {
        client_send(&desk, fd,
                    SLICE("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"));
        client_expect(&desk, fd, &got, "\r\n\r\nhello", i);
    }
    cr_assert_eq(desk.begun, 5);
    cr_assert_eq(client_side_count(desk.side), 1);
    (void)close(fd);
    DESK_UNTIL(&desk, client_side_count(desk.side) == 0);
}

Test(connection, pipelined_requests_are_answered_in_order)
{
    int fd = client_connect(&desk);
    struct buffer sent;
    buffer_init(&sent, 65536);
    for (unsigned i = 0; i < 50; i++) {
        cr_assert_eq(buffer_print(&sent,
                                  "POST /echo HTTP/1.1\r\nHost: a\r\nX: %0*d\r\n"
                                  "Content-Length: 3\r\n\r\nn%02u",
                                  (int)(i * 7), 0, i),
                     STATUS_OK);
    }
    client_send(&desk, fd, buffer_bytes(&sent));
    buffer_fini(&sent);
    client_expect(&desk, fd, &got, "HTTP/1.1 200", 50);
    client_expect(&desk, fd, &got, "n49", 1);
    const char *at = buffer_bytes(&got).ptr;
    for (unsigned i = 0; i < 50; i++) {
        char text[8];
        (void)snprintf(text, sizeof(text), "n%02u", i);
        at = memmem(at, buffer_len(&got) - (size_t)(at - buffer_bytes(&got).ptr), text, 3);
        cr_assert_not_null(at, "answer %u is missing or out of order", i);
    }
    (void)close(fd);
}

Test(connection, a_second_head_waits_for_the_first_answer)
{
    int fd = client_connect(&desk);
    client_send(&desk, fd, SLICE("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n"));
    client_send(&desk, fd, slice_from(get_echo));
    DESK_UNTIL(&desk, desk.begun == 1);
    desk_settle(&desk);
    cr_assert_eq(desk.begun, 1);
    desk_answer(desk_last(&desk), SLICE("held"));
    client_expect(&desk, fd, &got, "HTTP/1.1 200", 2);
    cr_assert_eq(desk.begun, 2);
    (void)close(fd);
}

Test(connection, a_head_may_come_byte_by_byte)
{
    static const char request[] = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                                  "X-One: 1\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: u\r\n\r\n";
    int fd = client_connect(&desk);
    for (size_t i = 0; i < sizeof(request) - 1; i++) {
        client_send(&desk, fd, slice_make(request + i, 1));
        desk_turn(&desk);
    }
    client_expect(&desk, fd, &got, "\r\n\r\nabcde", 1);
    (void)close(fd);
}

Test(connection, a_head_that_fills_the_limit_grows_its_block)
{
    int fd = client_connect(&desk);
    struct buffer sent;
    buffer_init(&sent, 65536);
    cr_assert_eq(buffer_print(&sent, "POST /echo HTTP/1.1\r\nHost: a\r\n"), STATUS_OK);
    for (unsigned i = 0; i < 90; i++) {
        cr_assert_eq(buffer_print(&sent, "X-Field-%02u: %0150d\r\n", i, 7), STATUS_OK);
    }
    cr_assert_eq(buffer_print(&sent, "Content-Length: 4\r\n\r\nbody"), STATUS_OK);
    cr_assert_gt(buffer_len(&sent), 14 * 1024);
    for (size_t at = 0; at < buffer_len(&sent); at += 1000) {
        struct slice rest = slice_skip(buffer_bytes(&sent), at);
        rest.len = rest.len < 1000 ? rest.len : 1000;
        client_send(&desk, fd, rest);
        desk_turn(&desk);
    }
    buffer_fini(&sent);
    client_expect(&desk, fd, &got, "\r\n\r\nbody", 1);
    (void)close(fd);
}

Test(connection, bad_heads_are_refused_and_closed)
{
    static char long_target[9000];
    static char many_bytes[17000];
    memset(long_target, 'a', sizeof(long_target) - 1);
    memset(many_bytes, 'a', sizeof(many_bytes) - 1);
    const struct {
        const char *head[3];
        unsigned status;
    } cases[] = {
        {{"GET /echo HTTP/1.1\r\n\r\n"}, 400},
        {{"GET /echo HTTP/1.1\r\nHost : a\r\n\r\n"}, 400},
        {{"G@T"}, 400}, /* at once, not at the deadline */
        {{"GET /", long_target}, 414},
        {{"GET / HTTP/1.1\r\nHost: a\r\nX: ", many_bytes}, 431},
        {{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"}, 501},
        {{"GET / HTTP/3.0\r\nHost: a\r\n\r\n"}, 505},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[32];
        int fd = client_connect(&desk);
        for (size_t k = 0; k < 3 && cases[i].head[k] != NULL; k++) {
            client_send(&desk, fd, slice_from(cases[i].head[k]));
        }
        (void)snprintf(text, sizeof(text), "HTTP/1.1 %u", cases[i].status);
        cr_assert_eq(client_expect_end(&desk, fd, &got), 0);
        cr_assert_eq(count_text(buffer_bytes(&got), text), 1, "case %zu: not %u but %.*s", i,
                     cases[i].status, SLICE_ARG(buffer_bytes(&got)));
        buffer_reset(&got);
        (void)close(fd);
    }
    cr_assert_eq(desk.begun, 0);
    DESK_UNTIL(&desk, client_side_count(desk.side) == 0);
}

Test(connection, what_was_read_of_a_bad_head_is_known)
{
    int fd = client_connect(&desk);
    client_send(&desk, fd, SLICE("PATCH /x HTTP/1.1\r\nHo st: a\r\n\r\n"));
    DESK_UNTIL(&desk, desk.refused == 1);
    cr_assert_str_eq(desk.refused_method, "PATCH");
    (void)close(fd);
}

Test(connection, a_slow_head_is_408_however_often_a_byte_comes)
{
    desk.limits.header_timeout = 300 * MSEC;
    int fd = client_connect(&desk);
    usec_t end = clock_now() + DESK_PATIENCE;
    for (size_t i = 0; desk.refused == 0; i++) {
        cr_assert_lt(clock_now(), end);
        (void)!write(fd, i < 4 ? &"GET "[i] : "a", 1);
        for (usec_t next = clock_now() + 20 * MSEC; clock_now() < next;) {
            desk_turn(&desk);
        }
    }
    cr_assert_eq(desk.refused_status, 408);
    cr_assert_str_eq(desk.refused_method, "GET");
    client_expect(&desk, fd, &got, "HTTP/1.1 408", 1);
    (void)close(fd);
}

Test(connection, the_second_head_of_a_connection_has_its_deadline_too)
{
    int fd = client_connect(&desk);
    client_send(&desk, fd, slice_from(get_echo));
    client_expect(&desk, fd, &got, "HTTP/1.1 200", 1);
    desk.limits.header_timeout = 100 * MSEC;
    client_send(&desk, fd, SLICE("GET /ec"));
    DESK_UNTIL(&desk, desk.refused == 1);
    cr_assert_eq(desk.refused_status, 408);
    (void)close(fd);
}

Test(connection, who_says_nothing_is_closed_silently)
{
    desk.limits.header_timeout = 100 * MSEC;
    desk.limits.keep_alive_timeout = 150 * MSEC;
    int fresh = client_connect(&desk);
    cr_assert_eq(client_expect_end(&desk, fresh, &got), 0);
    cr_assert_eq(buffer_len(&got), 0);

    int kept = client_connect(&desk);
    client_send(&desk, kept, slice_from(get_echo));
    client_expect(&desk, kept, &got, "HTTP/1.1 200", 1);
    size_t before = buffer_len(&got);
    cr_assert_eq(client_expect_end(&desk, kept, &got), 0);
    cr_assert_eq(buffer_len(&got), before);
    cr_assert_eq(desk.refused, 0);
    cr_assert_eq(client_side_count(desk.side), 0);
    (void)close(fresh);
    (void)close(kept);
}

Test(connection, a_body_that_stops_is_408_while_it_is_wanted)
{
    desk.limits.body_idle_timeout = 150 * MSEC;
    int fd = client_connect(&desk);
    client_send(&desk, fd,
                SLICE("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf"));
    DESK_UNTIL(&desk, desk.bad == 1);
    cr_assert_eq(desk.bad_status, 408);
    cr_assert_eq(client_expect_end(&desk, fd, &got), 0);
    (void)close(fd);
}

Test(connection, a_body_nobody_asks_for_may_take_its_time)
{
    desk.limits.body_idle_timeout = 50 * MSEC;
    int fd = client_connect(&desk);
    client_send(&desk, fd, SLICE("POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"));
    for (usec_t end = clock_now() + 250 * MSEC; clock_now() < end;) {
        desk_turn(&desk);
    }
    cr_assert_eq(desk.begun, 1);
    cr_assert_eq(desk.bad, 0);
    cr_assert_eq(desk.gone, 0);
    (void)strcpy(desk_last(&desk)->action, "/echo");
    wake(&desk_last(&desk)->waiter);
    client_send(&desk, fd, SLICE("body"));
    client_expect(&desk, fd, &got, "\r\n\r\nbody", 1);
    (void)close(fd);
}

Test(connection, broken_chunks_are_400)
{
    int fd = client_connect(&desk);
    client_send(&desk, fd,
                SLICE("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "3\r\nabcX\r\n"));
    DESK_UNTIL(&desk, desk.bad == 1);
    cr_assert_eq(desk.bad_status, 400);
    (void)close(fd);
}

Test(connection, large_bodies_arrive_whole)
{
    enum { BODY = 700 * 1000 };
    static const char *const framings[] = {"Content-Length: 700000", "Transfer-Encoding: chunked"};
    char *body = memory_alloc(BODY);
    for (size_t i = 0; i < BODY; i++) {
        body[i] = (char)('a' + i % 23);
    }
    for (size_t i = 0; i < 2; i++) {
        int fd = client_connect(&desk);
        char text[128];
        (void)snprintf(text, sizeof(text), "POST /echo HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n",
                       framings[i]);
        client_send(&desk, fd, slice_from(text));
        for (size_t at = 0, len; at < BODY; at += len) {
            len = BODY - at < 9999 ? BODY - at : 9999;
            if (i == 1) {
                (void)snprintf(text, sizeof(text), "%zx\r\n", len);
                client_send(&desk, fd, slice_from(text));
            }
            client_send(&desk, fd, slice_make(body + at, len));
            if (i == 1) {
                client_send(&desk, fd, SLICE("\r\n"));
            }
        }
        if (i == 1) {
            client_send(&desk, fd, SLICE("0\r\n\r\n"));
        }
        client_send(&desk, fd, slice_from(get_echo)); /* pipelined behind it */
        client_expect(&desk, fd, &got, "HTTP/1.1 200", 2);
        const char *start = memmem(buffer_bytes(&got).ptr, 200, "\r\n\r\n", 4);
        cr_assert_not_null(start);
        cr_assert_eq(memcmp(start + 4, body, BODY), 0);
        buffer_reset(&got);
        (void)close(fd);
    }
    memory_free(body);
}

/* Appends a request whose answer ends with its number; returns what its body is. */
static void append_random_request(struct buffer *to, unsigned *seed, unsigned number)
{
    static char filler[16 * 1024];
    size_t head = (size_t)rand_r(seed) % 4000;
    size_t body = (size_t)rand_r(seed) % (rand_r(seed) % 8 == 0 ? 15000 : 3000);
    memset(filler, 'f', sizeof(filler));
    cr_assert_eq(
        buffer_print(to, "POST /echo HTTP/1.1\r\nHost: a\r\nX: %.*s\r\n", (int)head, filler),
        STATUS_OK);
    if (rand_r(seed) % 2 == 0) {
        cr_assert_eq(buffer_print(to, "Content-Length: %zu\r\n\r\n%.*s<%04u>", body + 6, (int)body,
                                  filler, number),
                     STATUS_OK);
        return;
    }
    cr_assert_eq(buffer_append(to, SLICE("Transfer-Encoding: chunked\r\n\r\n")), STATUS_OK);
    while (body > 0) {
        size_t chunk = 1 + (size_t)rand_r(seed) % body;
        cr_assert_eq(buffer_print(to, "%zx;e=1\r\n%.*s\r\n", chunk, (int)chunk, filler), STATUS_OK);
        body -= chunk;
    }
    cr_assert_eq(buffer_print(to, "6\r\n<%04u>\r\n0\r\nT: %.*s\r\n\r\n", number,
                              rand_r(seed) % 4000, filler),
                 STATUS_OK);
}

Test(connection, pieces_of_any_size_mean_the_same)
{
    enum { REQUESTS = 40 };
    for (unsigned seed = 1; seed <= 15; seed++) {
        unsigned random = seed;
        struct buffer sent;
        buffer_init(&sent, 4 * 1024 * 1024);
        for (unsigned i = 0; i < REQUESTS; i++) {
            append_random_request(&sent, &random, i);
        }
        int fd = client_connect(&desk);
        while (buffer_len(&sent) > 0) {
            struct slice piece = buffer_bytes(&sent);
            size_t len = 1 + (size_t)rand_r(&random) % (seed % 2 == 0 ? 60000 : 3000);
            piece.len = piece.len < len ? piece.len : len;
            client_send(&desk, fd, piece);
            buffer_consume(&sent, piece.len);
            loop_turn(&desk.loop, LOOP_POLL);
            (void)client_read_some(fd, &got);
        }
        client_expect(&desk, fd, &got, ">", REQUESTS);
        const char *at = buffer_bytes(&got).ptr;
        for (unsigned i = 0; i < REQUESTS; i++) {
            char text[8];
            (void)snprintf(text, sizeof(text), "<%04u>", i);
            at = memmem(at, buffer_len(&got) - (size_t)(at - buffer_bytes(&got).ptr), text, 6);
            cr_assert_not_null(at, "seed %u: answer %u is missing", seed, i);
        }
        cr_assert_eq(desk.refused + desk.bad + desk.gone, 0);
        cr_assert_eq(desk.begun, seed * REQUESTS);
        buffer_fini(&sent);
        buffer_reset(&got);
        (void)close(fd);
    }
}

Test(connection, a_piece_lies_still_until_it_is_consumed)
{
    int fd = client_connect(&desk);
    client_send(&desk, fd,
                SLICE("POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nfour"));
    DESK_UNTIL(&desk, desk.begun == 1);
    struct connection *connection = desk_last(&desk)->connection;
    struct slice first;
    struct slice again;
    struct http1_fault fault;
    cr_assert_eq(connection_read(connection, &first, &fault), CONNECTION_BODY_DATA);
    client_send(&desk, fd, SLICE("more"));
    desk_settle(&desk);
    cr_assert_eq(connection_read(connection, &again, &fault), CONNECTION_BODY_DATA);
    cr_assert_eq(again.ptr, first.ptr);
    cr_assert(slice_equal(again, SLICE("four")));
    cr_assert(slice_equal(connection_request(connection)->host, SLICE("a")));
    (void)close(fd);
}

Test(connection, continue_is_said_once_and_only_to_who_waits)
{
    int fd = client_connect(&desk);
    client_send(&desk, fd,
                SLICE("POST /go HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                      "Content-Length: 4\r\n\r\n"));
    client_expect(&desk, fd, &got, "HTTP/1.1 100 Continue\r\n\r\n", 1);
    cr_assert_eq(connection_bytes_sent(desk_last(&desk)->connection), 0);
    connection_continue(desk_last(&desk)->connection);
    client_send(&desk, fd, SLICE("body"));
    client_expect(&desk, fd, &got, "\r\n\r\nbody", 1);
    client_send(&desk, fd,
                SLICE("POST /go HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                      "Content-Length: 4\r\n\r\nsent"));
    client_expect(&desk, fd, &got, "\r\n\r\nsent", 1);
    cr_assert_eq(count_text(buffer_bytes(&got), "100 Continue"), 1);
    (void)close(fd);
}

Test(connection, who_was_not_told_to_continue_is_not_kept)
{
    int fd = client_connect(&desk);
    client_send(&desk, fd,
                SLICE("POST /early HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                      "Content-Length: 4\r\n\r\n"));
    cr_assert_eq(client_expect_end(&desk, fd, &got), 0);
    cr_assert_eq(count_text(buffer_bytes(&got), "early"), 1);
    (void)close(fd);
}

Test(connection, an_unread_body_is_skipped_before_the_next_head)
{
    static char body[40 * 1000];
    memset(body, 'x', sizeof(body));
    int fd = client_connect(&desk);
    client_send(&desk, fd,
                SLICE("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n"));
    client_send(&desk, fd, slice_make(body, sizeof(body)));
    client_send(&desk, fd,
                SLICE("POST /early HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "5\r\nabcde\r\n0\r\n\r\n"));
    client_send(&desk, fd, slice_from(get_echo));
    client_expect(&desk, fd, &got, "HTTP/1.1 200", 3);
    cr_assert_eq(desk.begun, 3);
    (void)close(fd);
}

Test(connection, too_long_an_unread_body_closes)
{
    static char chunk[32768 + 8];
    int fd = client_connect(&desk);
    client_send(&desk, fd,
                SLICE("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"));
    cr_assert_eq(client_expect_end(&desk, fd, &got), 0);
    cr_assert_eq(count_text(buffer_bytes(&got), "early"), 1);
    (void)close(fd);

    fd = client_connect(&desk);
    client_send(&desk, fd,
                SLICE("POST /early HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"));
    memset(chunk, 'x', sizeof(chunk));
    memcpy(chunk, "8000\r\n", 6);
    memcpy(chunk + 6 + 32768, "\r\n", 2);
    for (unsigned i = 0; i < 3; i++) {
        client_send(&desk, fd, slice_make(chunk, sizeof(chunk)));
    }
    cr_assert_eq(client_expect_end(&desk, fd, &got), 0);
    cr_assert_eq(count_text(buffer_bytes(&got), "early"), 2);
    (void)close(fd);
}

Test(connection, the_last_answer_survives_bytes_that_nobody_reads)
{
    static char noise[100 * 1000];
    int fd = client_connect(&desk);
    client_send(&desk, fd,
                SLICE("POST /big?close HTTP/1.1\r\nHost: a\r\nContent-Length: 100000"
                      "\r\n\r\n"));
    client_send(&desk, fd, slice_make(noise, sizeof(noise)));
    cr_assert_eq(client_expect_end(&desk, fd, &got), 0, "reset: the answer may be lost");
    cr_assert_gt(buffer_len(&got), DESK_BIG_BYTES);
    (void)close(fd);
    DESK_UNTIL(&desk, client_side_count(desk.side) == 0);
}

Test(connection, lingering_has_an_end)
{
    int fd = client_connect(&desk);
    client_send(&desk, fd, SLICE("GET /echo?close HTTP/1.1\r\nHost: a\r\n\r\n"));
    cr_assert_eq(client_expect_end(&desk, fd, &got), 0);
    cr_assert_eq(client_side_count(desk.side), 1); /* we have not closed our side */
    DESK_UNTIL(&desk, client_side_count(desk.side) == 0);
    (void)close(fd);
}
