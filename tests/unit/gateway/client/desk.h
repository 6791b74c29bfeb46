/*
 * desk: a real loop and client_side with an owner that does what the target says, and clients on
 * sockets in the same thread. Nothing waits for longer than DESK_PATIENCE.
 *
 *   /echo     reads the body, answers with it          /hold   does nothing until it is told to
 *   /early    answers without reading the body         /cut    sends half an answer, then cuts
 *   /flood    sends for ever, as far as there is room  /want   asks for the body, but never answers
 *   /go       as /echo, and says 100 Continue first    /big    answers with 300,000 bytes
 *
 * It closes after the answer when the request says so, or when the target ends with "?close".
 */
#pragma once

#include "base/buffer.h"
#include "base/memory.h"
#include "gateway/client/listener.h"
#include "gateway/loop/loop.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#define DESK_PATIENCE (20 * SEC)

enum { DESK_BIG_BYTES = 300 * 1000 };

struct desk {
    struct loop loop;
    struct client_side *side;
    struct connection_limits limits;
    atomic_uint open_connections;
    unsigned port;
    int listening;        /* for options that accepted sockets inherit */
    struct visit *visits; /* every one that was begun */
    unsigned begun;
    unsigned refused;
    unsigned refused_status;
    char refused_method[16];
    unsigned finished;
    unsigned gone;
    unsigned bad;        /* bodies */
    unsigned bad_status; /* of the last one */
    size_t most_queued;  /* /flood */
    uint64_t flooded;
};

struct visit {
    struct waiter waiter;
    struct desk *desk;
    struct connection *connection; /* NULL: finished */
    struct buffer body;
    struct visit *next;
    char action[16];
    bool closes;
    bool finished;
};

static inline void desk_end(struct visit *visit)
{
    visit->desk->finished++;
    visit->finished = true;
    waiter_cancel(&visit->waiter);
    bool keep = !visit->closes && connection_request(visit->connection)->keep_alive &&
                !connection_draining(visit->connection);
    connection_finish(TAKE(visit->connection), keep ? CONNECTION_KEEP : CONNECTION_CLOSE);
}

static inline void desk_answer(struct visit *visit, struct slice body)
{
    char head[128];
    (void)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", body.len);
    connection_write(visit->connection, slice_from(head));
    connection_write(visit->connection, body);
    connection_flush(visit->connection);
    desk_end(visit);
}

/* Whether the whole body is there. */
static inline bool desk_read_body(struct visit *visit)
{
    struct slice data;
    struct http1_fault fault;
    for (;;) {
        switch (connection_read(visit->connection, &data, &fault)) {
        case CONNECTION_BODY_DATA:
            /* In two bites, so that a half consumed piece is met. */
            data.len = data.len > 1 ? data.len / 2 : data.len;
            cr_assert_eq(buffer_append(&visit->body, data), STATUS_OK);
            connection_consume(visit->connection, data.len);
            break;
        case CONNECTION_BODY_PENDING:
            return false;
        case CONNECTION_BODY_END:
            return true;
        case CONNECTION_BODY_BAD:
            visit->desk->bad++;
            visit->desk->bad_status = fault.status;
            connection_write(visit->connection, SLICE("HTTP/1.1 400 Bad\r\n\r\n"));
            visit->closes = true;
            desk_end(visit);
            return false;
        }
    }
}

static inline void desk_flood(struct visit *visit)
{
    struct desk *desk = visit->desk;
    static char bytes[8192];
    size_t room;
    for (unsigned i = 0; i < 64 && (room = connection_room(visit->connection)) > 0; i++) {
        size_t len = room < sizeof(bytes) ? room : sizeof(bytes);
        memcpy(connection_reserve(visit->connection, len), bytes, len);
        connection_wrote(visit->connection, len);
        desk->flooded += len;
        size_t queued = CONNECTION_OUTPUT_BYTES - connection_room(visit->connection);
        desk->most_queued = queued > desk->most_queued ? queued : desk->most_queued;
        connection_flush(visit->connection);
    }
    if (connection_room(visit->connection) > 0) {
        wake(&visit->waiter);
    }
}

static inline void desk_act(struct visit *visit)
{
    if (connection_gone(visit->connection)) {
        visit->desk->gone++;
        desk_end(visit);
    } else if (strcmp(visit->action, "/hold") == 0) {
        /* until the test says desk_answer() */
    } else if (strcmp(visit->action, "/early") == 0) {
        desk_answer(visit, SLICE("early"));
    } else if (strcmp(visit->action, "/big") == 0) {
        static char big[DESK_BIG_BYTES];
        memset(big, 'b', sizeof(big));
        desk_answer(visit, slice_make(big, sizeof(big)));
    } else if (strcmp(visit->action, "/cut") == 0) {
        connection_write(visit->connection, SLICE("HTTP/1.1 200 OK\r\n\r\nhalf"));
        connection_flush(visit->connection);
        visit->finished = true;
        connection_cut(TAKE(visit->connection));
    } else if (strcmp(visit->action, "/flood") == 0) {
        desk_flood(visit);
    } else if (strcmp(visit->action, "/want") == 0) {
        (void)desk_read_body(visit);
    } else if (desk_read_body(visit)) {
        desk_answer(visit, buffer_bytes(&visit->body));
    }
}

static inline void desk_on_news(struct waiter *waiter)
{
    desk_act((struct visit *)waiter); /* its first member */
}

static inline struct visit *desk_new_visit(struct desk *desk, struct connection *connection)
{
    struct visit *visit = MEMORY_NEW(struct visit);
    waiter_init(&visit->waiter, &desk->loop.ready, desk_on_news);
    buffer_init(&visit->body, 1024 * 1024);
    visit->desk = desk;
    visit->connection = connection;
    visit->next = desk->visits;
    desk->visits = visit;
    return visit;
}

static inline struct waiter *desk_begin(void *ctx, struct connection *connection)
{
    struct desk *desk = ctx;
    struct visit *visit = desk_new_visit(desk, connection);
    struct slice path = connection_request(connection)->path;
    visit->closes = slice_find(path, '?') < path.len;
    path.len = slice_find(path, '?');
    (void)snprintf(visit->action, sizeof(visit->action), "%.*s", SLICE_ARG(path));
    desk->begun++;
    if (strcmp(visit->action, "/go") == 0) {
        connection_continue(connection);
    }
    desk_act(visit);
    return &visit->waiter;
}

static inline void desk_refuse(void *ctx, struct connection *connection,
                               const struct http1_fault *fault)
{
    struct desk *desk = ctx;
    char head[64];
    desk->refused++;
    desk->refused_status = fault->status;
    (void)snprintf(desk->refused_method, sizeof(desk->refused_method), "%.*s",
                   SLICE_ARG(connection_request(connection)->method_text));
    (void)snprintf(head, sizeof(head), "HTTP/1.1 %u Refused\r\n\r\n", fault->status);
    connection_write(connection, slice_from(head));
    connection_finish(connection, CONNECTION_CLOSE);
}

static inline const struct connection_limits *desk_limits(void *ctx)
{
    return &((struct desk *)ctx)->limits;
}

static inline void desk_open(struct desk *desk, struct ssl_ctx_st *tls, unsigned max_connections)
{
    static const struct connection_ops ops = {desk_begin, desk_refuse, desk_limits};
    struct error err;
    (void)signal(SIGPIPE, SIG_IGN);
    *desk = (struct desk){
        .limits = {.head = {.head_bytes = 16 * 1024, .uri_bytes = 8 * 1024, .field_count = 100},
                   .header_timeout = 60 * SEC,
                   .body_idle_timeout = 60 * SEC,
                   .write_idle_timeout = 60 * SEC,
                   .keep_alive_timeout = 60 * SEC}};
    cr_assert_eq(loop_init(&desk->loop, &err), STATUS_OK);
    desk->side =
        client_side_new(&(struct client_side_settings){.loop = &desk->loop,
                                                       .ops = &ops,
                                                       .ctx = desk,
                                                       .open_connections = &desk->open_connections,
                                                       .max_connections = max_connections});
    int fd;
    cr_assert_eq(listen_socket_open("127.0.0.1:0", true, &fd, &err), STATUS_OK, "%s", err.message);
    desk->port = listen_socket_port(fd);
    desk->listening = fd;
    cr_assert_eq(client_side_listen(desk->side, fd, tls, &err), STATUS_OK, "%s", err.message);
}

static inline void desk_close(struct desk *desk)
{
    for (struct visit *visit = desk->visits; visit != NULL; visit = visit->next) {
        waiter_cancel(&visit->waiter);
        if (visit->connection != NULL) {
            connection_cut(TAKE(visit->connection));
        }
    }
    client_side_free(desk->side);
    loop_fini(&desk->loop);
    while (desk->visits != NULL) {
        struct visit *visit = desk->visits;
        desk->visits = visit->next;
        buffer_fini(&visit->body);
        memory_free(visit);
    }
}

static inline struct visit *desk_last(struct desk *desk)
{
    cr_assert_not_null(desk->visits);
    return desk->visits;
}

/* Runs the desk until `condition`, and fails the test if that takes too long. */
#define DESK_UNTIL(desk, condition)                                                                \
    do {                                                                                           \
        usec_t desk_end_ = clock_now() + DESK_PATIENCE;                                            \
        while (!(condition)) {                                                                     \
            cr_assert_lt(clock_now(), desk_end_, "never came: %s", #condition);                    \
            desk_turn(desk);                                                                       \
        }                                                                                          \
    } while (0)

static inline void desk_turn(struct desk *desk)
{
    loop_turn(&desk->loop, LOOP_POLL);
    if (desk->loop.ready.first == NULL) {
        (void)poll(NULL, 0, 1);
    }
}

static inline void desk_settle(struct desk *desk)
{
    for (unsigned i = 0; i < 20; i++) {
        desk_turn(desk);
    }
}

/* ---- clients: non-blocking sockets ---- */

static inline int client_connect(struct desk *desk)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)desk->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static inline void client_send(struct desk *desk, int fd, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t count = write(fd, bytes.ptr, bytes.len);
        if (count > 0) {
            bytes = slice_skip(bytes, (size_t)count);
        } else {
            cr_assert_eq(errno, EAGAIN, "write: %s", strerror(errno));
            desk_turn(desk);
        }
    }
}

/* One read: bytes, 0 at the end, -1 for nothing yet, -2 for a reset. */
static inline ssize_t client_read_some(int fd, struct buffer *to)
{
    cr_assert_eq(buffer_reserve(to, 65536), STATUS_OK);
    ssize_t count = read(fd, buffer_tail(to), 65536);
    if (count > 0) {
        buffer_commit(to, (size_t)count);
    } else if (count < 0) {
        count = errno == EAGAIN ? -1 : -2;
    }
    return count;
}

static inline unsigned count_text(struct slice in, const char *text)
{
    unsigned count = 0;
    size_t len = strlen(text);
    for (size_t i = 0; i + len <= in.len; i++) {
        count += memcmp(in.ptr + i, text, len) == 0;
    }
    return count;
}

/* Reads until `text` has come `times` times. */
static inline void client_expect(struct desk *desk, int fd, struct buffer *got, const char *text,
                                 unsigned times)
{
    usec_t end = clock_now() + DESK_PATIENCE;
    while (count_text(buffer_bytes(got), text) < times) {
        cr_assert_lt(clock_now(), end, "no \"%s\" in \"%.*s\"", text, SLICE_ARG(buffer_bytes(got)));
        desk_turn(desk);
        ssize_t count = client_read_some(fd, got);
        cr_assert(count > 0 || count == -1, "ended before \"%s\" came: \"%.*s\"", text,
                  SLICE_ARG(buffer_bytes(got)));
    }
}

/* Reads to the end: 0 for an orderly one, -2 for a reset. */
static inline ssize_t client_expect_end(struct desk *desk, int fd, struct buffer *got)
{
    usec_t end = clock_now() + DESK_PATIENCE;
    for (;;) {
        ssize_t count = client_read_some(fd, got);
        if (count == 0 || count == -2) {
            return count;
        }
        cr_assert_lt(clock_now(), end, "the connection did not end");
        desk_turn(desk);
    }
}

static inline void client_reset(int fd)
{
    struct linger none = {.l_onoff = 1, .l_linger = 0};
    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none)), 0);
    (void)close(fd);
}

static inline unsigned count_descriptors(void)
{
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/fd");
    cr_assert_not_null(dir);
    while (readdir(dir) != NULL) {
        count++;
    }
    (void)closedir(dir);
    return count;
}
