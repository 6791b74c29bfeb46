#include "gateway/client/channel.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

void channel_open(struct channel *channel, int fd, struct ssl_ctx_st *tls)
{
    *channel = (struct channel){.fd = fd};
    if (tls == NULL) {
        return;
    }
    channel->ssl = SSL_new(tls);
    bool attached = channel->ssl != NULL && SSL_set_fd(channel->ssl, fd) == 1;
    assert(attached); /* fails for want of memory only */
    (void)attached;
    SSL_set_accept_state(channel->ssl);
}

void channel_ask_nothing(struct channel *channel)
{
    /* A session that began here must not be one for where certificates are asked for. */
    static const unsigned char session_context[] = "sallyport, no certificate";
    if (channel->ssl != NULL) {
        SSL_set_verify(channel->ssl, SSL_VERIFY_NONE, NULL);
        int set =
            SSL_set_session_id_context(channel->ssl, session_context, sizeof(session_context) - 1);
        assert(set == 1); /* it is short enough */
        (void)set;
    }
}

static enum channel_result from_errno(void)
{
    bool later = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    return later ? CHANNEL_AGAIN : CHANNEL_ERROR;
}

/* What a failed SSL call means. The queue of errors is the thread's: it is left empty. */
static enum channel_result from_ssl(struct channel *channel, int result)
{
    int why = SSL_get_error(channel->ssl, result);
    ERR_clear_error();
    switch (why) {
    case SSL_ERROR_WANT_READ:
        channel->wants_write = false;
        return CHANNEL_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        channel->wants_write = true;
        return CHANNEL_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return CHANNEL_EOF;
    default: /* no enum of ours: a protocol error, or the socket's */
        channel->broken = true;
        return CHANNEL_ERROR;
    }
}

enum channel_result channel_handshake(struct channel *channel)
{
    ERR_clear_error();
    int result = SSL_do_handshake(channel->ssl);
    return result == 1 ? CHANNEL_DONE : from_ssl(channel, result);
}

static enum channel_result read_plain(int fd, char *to, size_t size, int flags, size_t *ret_count)
{
    ssize_t count = recv(fd, to, size, flags);
    if (count < 0) {
        return from_errno();
    }
    *ret_count = (size_t)count;
    return count == 0 ? CHANNEL_EOF : CHANNEL_DONE;
}

enum channel_result channel_read(struct channel *channel, char *to, size_t size, size_t *ret_count)
{
    *ret_count = 0;
    if (channel->ssl == NULL) {
        return read_plain(channel->fd, to, size, 0, ret_count);
    }
    channel->wants_write = false;
    ERR_clear_error();
    int result = SSL_read_ex(channel->ssl, to, size, ret_count);
    return result == 1 ? CHANNEL_DONE : from_ssl(channel, result);
}

enum channel_result channel_write(struct channel *channel, struct slice bytes, size_t *ret_count)
{
    *ret_count = 0;
    if (channel->ssl != NULL) {
        ERR_clear_error();
        int result = SSL_write_ex(channel->ssl, bytes.ptr, bytes.len, ret_count);
        return result == 1 ? CHANNEL_DONE : from_ssl(channel, result);
    }
    ssize_t count = send(channel->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
    if (count < 0) {
        return from_errno();
    }
    *ret_count = (size_t)count;
    return CHANNEL_DONE;
}

enum channel_result channel_peek(struct channel *channel, char *to, size_t size, size_t *ret_count)
{
    *ret_count = 0;
    return read_plain(channel->fd, to, size, MSG_PEEK, ret_count);
}

enum channel_result channel_discard(struct channel *channel, char *scratch, size_t size,
                                    size_t *ret_count)
{
    *ret_count = 0;
    return read_plain(channel->fd, scratch, size, 0, ret_count);
}

bool channel_left(const struct channel *channel)
{
    struct pollfd look = {.fd = channel->fd, .events = POLLRDHUP};
    return poll(&look, 1, 0) == 1 && (look.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void channel_shutdown(struct channel *channel)
{
    if (channel->ssl != NULL && !channel->broken && SSL_is_init_finished(channel->ssl) != 0) {
        ERR_clear_error();
        (void)SSL_shutdown(channel->ssl); /* only sends; the client's own is not waited for */
        ERR_clear_error();
    }
    (void)shutdown(channel->fd, SHUT_WR);
}

void channel_close(struct channel *channel, enum channel_farewell farewell)
{
    if (channel->fd < 0) {
        return;
    }
    if (channel->ssl != NULL) {
        SSL_set_quiet_shutdown(channel->ssl, 1); /* the session may be resumed all the same */
        SSL_free(channel->ssl);
        channel->ssl = NULL;
    }
    if (farewell == CHANNEL_RESET) {
        struct linger none = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(channel->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    }
    (void)close(channel->fd);
    channel->fd = -1;
}
