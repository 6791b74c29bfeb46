#include "limiter/redis_link_drain.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

/* What the socket waits for. */
enum sent { SENT_SOME, SENT_NONE_CANNOT_WRITE, SENT_NONE_CANNOT_READ, SENT_BROKEN };

static enum sent send_plain(int fd, const struct evbuffer_iovec *piece, size_t *ret_count)
{
    ssize_t count = send(fd, piece->iov_base, piece->iov_len, MSG_NOSIGNAL);
    if (count >= 0) {
        *ret_count = (size_t)count;
        return SENT_SOME;
    }
    return errno == EAGAIN || errno == EINTR ? SENT_NONE_CANNOT_WRITE : SENT_BROKEN;
}

/* A write that libevent has begun is repeated with the same bytes: they are the first ones. */
static enum sent send_tls(struct ssl_st *ssl, const struct evbuffer_iovec *piece, size_t *ret_count)
{
    ERR_clear_error();
    int result = SSL_write_ex(ssl, piece->iov_base, piece->iov_len, ret_count);
    if (result == 1) {
        return SENT_SOME;
    }
    switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_WRITE:
        return SENT_NONE_CANNOT_WRITE;
    case SSL_ERROR_WANT_READ:
        return SENT_NONE_CANNOT_READ;
    default:
        return SENT_BROKEN;
    }
}

/* False: it breaks, or the time is over. */
static bool send_piece(struct bufferevent *stream, struct evbuffer *waiting, usec_t left)
{
    int fd = bufferevent_getfd(stream);
    struct ssl_st *ssl = bufferevent_openssl_get_ssl(stream);
    struct evbuffer_iovec piece;
    size_t count = 0;
    if (evbuffer_peek(waiting, -1, NULL, &piece, 1) < 1) {
        return false;
    }
    enum sent sent = ssl == NULL ? send_plain(fd, &piece, &count) : send_tls(ssl, &piece, &count);
    if (sent == SENT_SOME) {
        return evbuffer_drain(waiting, count) == 0;
    }
    struct pollfd look = {.fd = fd, .events = sent == SENT_NONE_CANNOT_READ ? POLLIN : POLLOUT};
    return sent != SENT_BROKEN && left > 0 && poll(&look, 1, (int)(left / MSEC) + 1) > 0;
}

/* A socket that is closed with answers unread is reset, and what the server has not read yet is
 * lost: so the end is said, and all is read until the server has said it, too. */
static void part(struct bufferevent *stream, usec_t (*now)(void), usec_t end)
{
    char thrown_away[4096];
    int fd = bufferevent_getfd(stream);
    struct ssl_st *ssl = bufferevent_openssl_get_ssl(stream);
    struct pollfd look = {.fd = fd, .events = POLLIN};
    if (ssl != NULL) {
        ERR_clear_error();
        (void)SSL_shutdown(ssl);
    }
    (void)shutdown(fd, SHUT_WR);
    for (usec_t left = end - now(); left > 0; left = end - now()) {
        ssize_t count = recv(fd, thrown_away, sizeof(thrown_away), 0);
        if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
            return;
        }
        if (count < 0 && poll(&look, 1, (int)(left / MSEC) + 1) <= 0) {
            return;
        }
    }
}

void redis_drain(struct bufferevent *stream, struct buffer *rest, usec_t (*now)(void), usec_t most)
{
    usec_t end = now() + most;
    struct evbuffer *waiting = bufferevent_get_output(stream);
    struct slice bytes = buffer_bytes(rest);
    (void)bufferevent_disable(stream, EV_READ | EV_WRITE);
    (void)evbuffer_unfreeze(waiting, 1); /* its front is libevent's own otherwise */
    if (bytes.len > 0 && evbuffer_add(waiting, bytes.ptr, bytes.len) != 0) {
        return;
    }
    buffer_consume(rest, bytes.len);
    while (evbuffer_get_length(waiting) > 0) {
        if (!send_piece(stream, waiting, end - now())) {
            return;
        }
    }
    part(stream, now, end);
}
