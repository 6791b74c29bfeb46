/*
 * upstream: the server behind every gateway that is measured. One thread, plain epoll, none of the
 * product's code, so that it is the same for all.
 *
 *   POST any path            2 KiB of JSON with a Content-Length, after --delay-us if given
 *   any path?events=N&bytes=N&interval_us=N
 *                            text/event-stream in chunks, one event a write; each event says when
 *                            it was written (CLOCK_MONOTONIC, µs), so that its way can be timed.
 *                            With &chat they are a chat's, the last one tells its usage
 *   --key KEY                anything without "Authorization: Bearer KEY" is 401
 *   --cert FILE --key-file FILE    TLS
 *
 * Prints the port it listens on, and serves until it is ended by a signal.
 */
#include "bench/load/event.h"
#include "bench/load/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

enum {
    INPUT_BYTES = 16 << 10,
    OUTPUT_BYTES = 16 << 10,
    BODY_BYTES = 2048,
    EVENT_MAX_BYTES = 4096,
    READY_MAX = 256,
};

struct client {
    int fd;
    SSL *ssl; /* owned; NULL on plain TCP */
    bool greeted;
    bool want_write;
    size_t in_len, out_len;
    size_t body_left; /* of a request body that is still to come */
    bool answering;   /* between the end of a request and the end of its answer */
    unsigned long events_left, event_bytes;
    bool chat;        /* the events are a chat's */
    int64_t interval; /* µs */
    int64_t due;      /* when the answer or the next event is to be written; 0: not waiting */
    struct client *next, *prev; /* in the line of those who wait, by `due` */
    char in[INPUT_BYTES];
    char out[OUTPUT_BYTES];
};

static struct {
    int epoll;
    SSL_CTX *tls;
    const char *key;
    int64_t delay;
    char answer[BODY_BYTES + 512];
    size_t answer_len;
    struct client line; /* ring of waiting clients */
} server;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* Streams of one interval come in the order of their times, so the search from the end is short. */
static void wait_until(struct client *client, int64_t due)
{
    struct client *before = server.line.prev;
    while (before != &server.line && before->due > due) {
        before = before->prev;
    }
    client->due = due;
    client->prev = before;
    client->next = before->next;
    before->next->prev = client;
    before->next = client;
}

static void stop_waiting(struct client *client)
{
    if (client->due != 0) {
        client->prev->next = client->next;
        client->next->prev = client->prev;
        client->due = 0;
    }
}

static void close_client(struct client *client)
{
    stop_waiting(client);
    if (client->ssl != NULL) {
        SSL_free(client->ssl);
    }
    close(client->fd);
    free(client);
}

static void watch(struct client *client, bool want_write)
{
    if (client->want_write != want_write) {
        struct epoll_event event = {.events = EPOLLIN | (want_write ? EPOLLOUT : 0U),
                                    .data.ptr = client};
        epoll_ctl(server.epoll, EPOLL_CTL_MOD, client->fd, &event);
        client->want_write = want_write;
    }
}

/* -1: broken, 0: would block. */
static ssize_t receive(struct client *client, char *out, size_t size)
{
    if (client->ssl != NULL) {
        int got = SSL_read(client->ssl, out, (int)size);
        int error = got > 0 ? 0 : SSL_get_error(client->ssl, got);
        ERR_clear_error();
        return got > 0                                                         ? got
               : error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0
                                                                               : -1;
    }
    ssize_t got = recv(client->fd, out, size, 0);
    return got > 0 ? got : got < 0 && errno == EAGAIN ? 0 : -1;
}

static ssize_t transmit(struct client *client, const char *bytes, size_t len)
{
    if (client->ssl != NULL) {
        int sent = SSL_write(client->ssl, bytes, (int)len);
        int error = sent > 0 ? 0 : SSL_get_error(client->ssl, sent);
        ERR_clear_error();
        return sent > 0                                                        ? sent
               : error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0
                                                                               : -1;
    }
    ssize_t sent = send(client->fd, bytes, len, MSG_NOSIGNAL);
    return sent >= 0 ? sent : errno == EAGAIN ? 0 : -1;
}

/* False: broken. What does not leave at once waits in `out`, in front of what comes later. */
static bool flush(struct client *client)
{
    size_t sent = 0;
    while (sent < client->out_len) {
        ssize_t count = transmit(client, client->out + sent, client->out_len - sent);
        if (count < 0) {
            return false;
        }
        if (count == 0) {
            break;
        }
        sent += (size_t)count;
    }
    client->out_len -= sent;
    memmove(client->out, client->out + sent, client->out_len);
    watch(client, client->out_len > 0);
    return true;
}

static bool write_bytes(struct client *client, const char *bytes, size_t len)
{
    if (client->out_len + len > sizeof(client->out)) {
        return false;
    }
    memcpy(client->out + client->out_len, bytes, len);
    client->out_len += len;
    return flush(client);
}

static bool write_event(struct client *client)
{
    char event[EVENT_MAX_BYTES + 64];
    char data[EVENT_MAX_BYTES];
    bool last = --client->events_left == 0;
    size_t len = event_write(data, sizeof(data), client->event_bytes, client->chat, last);
    int total = snprintf(event, sizeof(event), "%zx\r\n%.*s\r\n%s", len, (int)len, data,
                         last ? "0\r\n\r\n" : "");
    client->answering = !last;
    return write_bytes(client, event, (size_t)total);
}

/* Writes events until the next one is not due yet, or the client takes no more. */
static bool advance_stream(struct client *client)
{
    while (client->answering && client->out_len == 0) {
        if (!write_event(client)) {
            return false;
        }
        if (client->answering && client->interval > 0) {
            wait_until(client, wire_now_ns() / 1000 + client->interval);
            return true;
        }
    }
    return true;
}

static unsigned long number_after(const char *target, const char *name, unsigned long fallback)
{
    const char *at = strstr(target, name);
    return at == NULL ? fallback : strtoul(at + strlen(name), NULL, 10);
}

static bool start_stream(struct client *client, const char *target)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                               "Cache-Control: no-cache\r\nX-Request-Id: req_0123456789abcdef\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n";
    client->events_left = number_after(target, "events=", 50);
    client->event_bytes = number_after(target, "bytes=", 120);
    client->chat = strstr(target, "&chat") != NULL;
    client->interval = (int64_t)number_after(target, "interval_us=", 0);
    if (client->event_bytes > EVENT_MAX_BYTES / 2 || client->events_left == 0) {
        return false;
    }
    client->answering = true;
    if (!write_bytes(client, head, sizeof(head) - 1)) {
        return false;
    }
    if (client->interval > 0) {
        wait_until(client, wire_now_ns() / 1000 + client->interval);
        return true;
    }
    return advance_stream(client);
}

static bool key_fits(const char *head)
{
    const char *value = wire_field(head, "Authorization");
    size_t len = server.key == NULL ? 0 : strlen(server.key);
    return server.key == NULL ||
           (value != NULL && strncmp(value, "Bearer ", 7) == 0 &&
            strncmp(value + 7, server.key, len) == 0 && value[7 + len] == '\r');
}

static bool answer(struct client *client, const char *head)
{
    static const char refused[] = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
    char target[256] = "";
    if (!key_fits(head)) {
        return write_bytes(client, refused, sizeof(refused) - 1);
    }
    (void)sscanf(head, "%*s %255s", target);
    if (strstr(target, "?events=") != NULL) {
        return start_stream(client, target);
    }
    if (server.delay > 0) {
        client->answering = true;
        client->events_left = 0;
        wait_until(client, wire_now_ns() / 1000 + server.delay);
        return true;
    }
    return write_bytes(client, server.answer, server.answer_len);
}

/* Takes what is complete out of the input: the rest of a body, then requests. */
static bool take_requests(struct client *client)
{
    while (client->in_len > 0 && !client->answering) {
        size_t skipped = client->body_left < client->in_len ? client->body_left : client->in_len;
        char *end = NULL;
        if (skipped == 0) {
            client->in[client->in_len] = '\0';
            end = strstr(client->in, "\r\n\r\n");
            if (end == NULL) {
                return client->in_len < sizeof(client->in) - 1;
            }
            const char *length = wire_field(client->in, "Content-Length");
            size_t head = (size_t)(end - client->in) + 4;
            size_t body = length == NULL ? 0 : strtoul(length, NULL, 10);
            if (client->in_len < head + body && head + body < sizeof(client->in)) {
                return true; /* the answer comes when the body is whole */
            }
            skipped = head + body < client->in_len ? head + body : client->in_len;
            client->body_left = head + body - skipped;
            end[2] = '\0';
            if (!answer(client, client->in)) {
                return false;
            }
        } else {
            client->body_left -= skipped;
        }
        client->in_len -= skipped;
        memmove(client->in, client->in + skipped, client->in_len);
    }
    return true;
}

static bool greet(struct client *client)
{
    if (client->ssl == NULL || client->greeted) {
        return true;
    }
    int done = SSL_accept(client->ssl);
    int error = done == 1 ? 0 : SSL_get_error(client->ssl, done);
    client->greeted = done == 1;
    ERR_clear_error();
    return done == 1 || error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

static bool on_readable(struct client *client)
{
    if (!greet(client)) {
        return false;
    }
    for (;;) {
        size_t room = sizeof(client->in) - 1 - client->in_len;
        ssize_t got = room == 0 ? 0 : receive(client, client->in + client->in_len, room);
        if (got < 0) {
            return false;
        }
        client->in_len += (size_t)got;
        if (!take_requests(client)) {
            return false;
        }
        if (got == 0 || (client->ssl == NULL && (size_t)got < room)) {
            return true;
        }
    }
}

static bool on_writable(struct client *client)
{
    return greet(client) && flush(client) &&
           (client->due != 0 || !client->answering || advance_stream(client)) &&
           take_requests(client);
}

static void accept_clients(int listener)
{
    int fd = -1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct client *client = calloc(1, sizeof(*client));
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        client->fd = fd;
        if (server.tls != NULL) {
            client->ssl = SSL_new(server.tls);
            SSL_set_fd(client->ssl, fd);
        }
        epoll_ctl(server.epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

/* Writes what is due, and returns how long nothing else is, in µs; -1: nothing waits. */
static int64_t serve_line(void)
{
    while (server.line.next != &server.line) {
        struct client *client = server.line.next;
        int64_t wait = client->due - wire_now_ns() / 1000;
        if (wait > 0) {
            return wait;
        }
        stop_waiting(client);
        bool fine = true;
        if (client->events_left > 0) {
            fine = advance_stream(client);
        } else {
            client->answering = false;
            fine = write_bytes(client, server.answer, server.answer_len);
        }
        if (!fine || !take_requests(client)) {
            close_client(client);
        }
    }
    return -1;
}

static void serve(int listener)
{
    struct epoll_event ready[READY_MAX];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(server.epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int64_t wait = serve_line();
        struct timespec timeout = {.tv_sec = wait / 1000000, .tv_nsec = wait % 1000000 * 1000};
        int count = epoll_pwait2(server.epoll, ready, READY_MAX, wait < 0 ? NULL : &timeout, NULL);
        for (int i = 0; i < count; i++) {
            struct client *client = ready[i].data.ptr;
            if (client == NULL) {
                accept_clients(listener);
                continue;
            }
            bool fine = (ready[i].events & EPOLLOUT) == 0 || on_writable(client);
            if (!fine || ((ready[i].events & ~(unsigned)EPOLLOUT) != 0 && !on_readable(client))) {
                close_client(client);
            }
        }
    }
}

static void prepare_answer(void)
{
    char body[BODY_BYTES + 1];
    int used = snprintf(body, sizeof(body),
                        "{\"id\":\"chatcmpl-0123456789\",\"object\":\"chat.completion\",\"usage\":"
                        "{\"prompt_tokens\":250,\"completion_tokens\":450},\"content\":\"");
    memset(body + used, 'x', sizeof(body) - (size_t)used);
    memcpy(body + BODY_BYTES - 2, "\"}", 2);
    server.answer_len = (size_t)snprintf(
        server.answer, sizeof(server.answer),
        "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: "
        "application/json\r\n"
        "Content-Length: %d\r\nX-Request-Id: req_0123456789abcdef\r\nServer: upstream\r\n"
        "X-Ratelimit-Remaining-Requests: 9999\r\n\r\n%.*s",
        BODY_BYTES, BODY_BYTES, body);
}

static int listen_on(unsigned port, unsigned *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, 4096) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        die("bench_upstream: cannot listen");
    }
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static void load_tls(const char *cert, const char *key)
{
    server.tls = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(server.tls, cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(server.tls, key, SSL_FILETYPE_PEM) != 1) {
        (void)fprintf(stderr, "bench_upstream: cannot use %s and %s\n", cert, key);
        exit(1);
    }
    SSL_CTX_set_mode(server.tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                     SSL_MODE_ENABLE_PARTIAL_WRITE);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},     {"delay-us", required_argument, NULL, 'd'},
        {"key", required_argument, NULL, 'k'},      {"cert", required_argument, NULL, 'c'},
        {"key-file", required_argument, NULL, 'f'}, {NULL, 0, NULL, 0},
    };
    const char *cert = NULL;
    const char *key_file = NULL;
    unsigned port = 0;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'p':
            port = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'd':
            server.delay = strtoll(optarg, NULL, 10);
            break;
        case 'k':
            server.key = optarg;
            break;
        case 'c':
            cert = optarg;
            break;
        case 'f':
            key_file = optarg;
            break;
        default:
            return 2;
        }
    }
    signal(SIGPIPE, SIG_IGN);
    if (cert != NULL) {
        load_tls(cert, key_file == NULL ? cert : key_file);
    }
    server.line.next = &server.line;
    server.line.prev = &server.line;
    server.epoll = epoll_create1(EPOLL_CLOEXEC);
    prepare_answer();
    int listener = listen_on(port, &port);
    (void)printf("%u\n", port);
    (void)fflush(stdout);
    serve(listener);
}
