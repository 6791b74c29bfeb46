/*
 * peer: a provider that plays a script: a listening socket, and a thread that runs one function for
 * each connection, one after another, or at once where the test says so.
 *
 * The script must not assert: Criterion's macros belong to the main thread. It counts.
 */
#pragma once

#include "base/memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

struct peer;

struct peer_connection {
    struct peer *peer;
    int fd;
    SSL *ssl;
    char head[16 * 1024]; /* the last request's head, and what came behind it */
    size_t head_len;
    size_t filled;
    unsigned index; /* of the connection, from 0 */
};

struct peer {
    int listener;
    unsigned port;
    SSL_CTX *tls; /* owned; NULL: plain */
    void (*script)(struct peer_connection *connection);
    bool at_once; /* a thread for each connection */
    pthread_t thread;
    atomic_uint connections;
    atomic_uint requests; /* heads that were read whole */
    atomic_uint resumed;  /* TLS sessions */
    atomic_ullong bytes;  /* of bodies, where the script counts them */
    atomic_bool failed;   /* the script saw something wrong */
    atomic_bool stopping;
};

static inline void peer_sleep(unsigned ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&time, NULL);
}

static inline ssize_t peer_read(struct peer_connection *connection, char *into, size_t size)
{
    if (connection->ssl != NULL) {
        return SSL_read(connection->ssl, into, (int)size);
    }
    return recv(connection->fd, into, size, 0);
}

/* False: the other side has gone. */
static inline bool peer_write(struct peer_connection *connection, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = connection->ssl != NULL ? SSL_write(connection->ssl, bytes, (int)len)
                                               : send(connection->fd, bytes, len, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        bytes += sent;
        len -= (size_t)sent;
    }
    return true;
}

static inline bool peer_say(struct peer_connection *connection, const char *text)
{
    return peer_write(connection, text, strlen(text));
}

/* Reads a request's head; false at the end of file. What came behind it stays for peer_body(). */
static inline bool peer_head(struct peer_connection *connection)
{
    size_t rest = connection->filled - connection->head_len;
    memmove(connection->head, connection->head + connection->head_len, rest);
    connection->filled = rest;
    connection->head_len = 0;
    for (;;) {
        char *end = memmem(connection->head, connection->filled, "\r\n\r\n", 4);
        if (end != NULL) {
            connection->head_len = (size_t)(end - connection->head) + 4;
            atomic_fetch_add(&connection->peer->requests, 1);
            return true;
        }
        ssize_t count = peer_read(connection, connection->head + connection->filled,
                                  sizeof(connection->head) - connection->filled);
        if (count <= 0) {
            return false;
        }
        connection->filled += (size_t)count;
    }
}

/* Reads exactly `len` bytes behind the head into `into`. */
static inline bool peer_body(struct peer_connection *connection, char *into, size_t len)
{
    size_t there = connection->filled - connection->head_len;
    size_t taken = there < len ? there : len;
    memcpy(into, connection->head + connection->head_len, taken);
    connection->head_len += taken;
    while (taken < len) {
        ssize_t count = peer_read(connection, into + taken, len - taken);
        if (count <= 0) {
            return false;
        }
        taken += (size_t)count;
    }
    return true;
}

static inline void *peer_serve(void *ctx)
{
    struct peer_connection *connection = ctx;
    struct peer *peer = connection->peer;
    bool ready = true;
    if (peer->tls != NULL) {
        connection->ssl = SSL_new(peer->tls);
        SSL_set_fd(connection->ssl, connection->fd);
        ready = SSL_accept(connection->ssl) == 1;
        if (ready && SSL_session_reused(connection->ssl)) {
            atomic_fetch_add(&peer->resumed, 1);
        }
    }
    if (ready) {
        peer->script(connection);
    }
    if (connection->ssl != NULL) {
        (void)SSL_shutdown(connection->ssl);
        SSL_free(connection->ssl);
    }
    (void)close(connection->fd);
    memory_free(connection);
    return NULL;
}

static inline void *peer_run(void *ctx)
{
    struct peer *peer = ctx;
    pthread_t threads[64];
    unsigned count = 0;
    for (;;) {
        int fd = accept(peer->listener, NULL, NULL);
        if (fd < 0 || atomic_load(&peer->stopping)) {
            if (fd >= 0) {
                (void)close(fd);
            }
            break;
        }
        struct timeval patience = {.tv_sec = 10}; /* a stuck script ends */
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
        struct peer_connection *connection = MEMORY_NEW(struct peer_connection);
        connection->peer = peer;
        connection->fd = fd;
        connection->index = atomic_fetch_add(&peer->connections, 1);
        if (peer->at_once && count < 64) {
            (void)pthread_create(&threads[count++], NULL, peer_serve, connection);
        } else {
            (void)peer_serve(connection);
        }
    }
    while (count > 0) {
        (void)pthread_join(threads[--count], NULL);
    }
    return NULL;
}

/* `take_tls` may be NULL. Set peer->at_once before, if wanted. */
static inline void peer_start(struct peer *peer, void (*script)(struct peer_connection *connection),
                              SSL_CTX *take_tls)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)signal(SIGPIPE, SIG_IGN); /* SSL_write() on a connection that the other side closed */
    peer->script = script;
    peer->tls = take_tls;
    peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)bind(peer->listener, (struct sockaddr *)&address, sizeof(address));
    (void)listen(peer->listener, 128);
    (void)getsockname(peer->listener, (struct sockaddr *)&address, &len);
    peer->port = ntohs(address.sin_port);
    (void)pthread_create(&peer->thread, NULL, peer_run, peer);
}

/* The other side must have closed, for scripts are waited for. */
static inline void peer_stop(struct peer *peer)
{
    atomic_store(&peer->stopping, true);
    (void)shutdown(peer->listener, SHUT_RDWR);
    (void)pthread_join(peer->thread, NULL);
    (void)close(peer->listener);
    SSL_CTX_free(peer->tls);
}
