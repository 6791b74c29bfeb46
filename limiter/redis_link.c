#include "limiter/redis_link.h"

#include "base/memory.h"
#include "base/secret.h"
#include "limiter/redis_link_dial.h"
#include "limiter/redis_link_drain.h"
#include "limiter/redis_link_login.h"
#include "limiter/redis_link_reader.h"
#include "limiter/redis_link_tls.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

enum {
    STREAM_BYTES = 64 * 1024, /* that wait in libevent's own buffer; the others stay in `output` */
    KEPT_OUTPUT = 256 * 1024, /* memory that an empty `output` may keep */
    LOGIN_MAX = 1024 * 1024,
};

enum link_state {
    LINK_CLOSED,
    LINK_DIALING,
    LINK_HANDSHAKE, /* of TLS */
    LINK_LOGIN,
    LINK_UP,
    LINK_FAILED, /* `down` is due */
};

struct redis_link {
    struct redis_link_settings settings;
    enum link_state state;
    struct redis_dial dial;
    struct bufferevent *stream; /* owned; from HANDSHAKE on */
    struct event *readable;     /* owned; so long, where there is no TLS: see on_readable() */
    struct redis_reader *reader;
    struct event *failed; /* owned; calls `down` from the loop */
    struct timer timer;   /* from HANDSHAKE until UP */
    usec_t opened_at;
    struct buffer output;
    uint64_t due;           /* replies to commands */
    unsigned login_replies; /* due for the login */
    unsigned login_index;
    unsigned connection; /* counts them: another number means that the one at hand is gone */
    bool calling;        /* in one of the owner's functions */
    bool freed;          /* there, so that it goes when that returns */
    char why[768];       /* of FAILED */
};

static struct redis_link *link_of(struct timer *timer)
{
    return (struct redis_link *)((char *)timer - offsetof(struct redis_link, timer));
}

static void clear_output(struct redis_link *link)
{
    buffer_consume(&link->output, buffer_len(&link->output));
    if (link->output.size > KEPT_OUTPUT) {
        buffer_reset(&link->output);
    }
}

/* From whatever state. libevent keeps a bufferevent that is freed in its own callback until that
 * has returned; the peer is told at once all the same. */
static void drop_connection(struct redis_link *link)
{
    link->connection++;
    timer_cancel(link->settings.timers, &link->timer);
    redis_dial_cancel(&link->dial);
    if (link->readable != NULL) {
        event_free(link->readable);
        link->readable = NULL;
    }
    if (link->stream != NULL) {
        bufferevent_setcb(link->stream, NULL, NULL, NULL, NULL);
        (void)bufferevent_disable(link->stream, EV_READ | EV_WRITE);
        (void)shutdown(bufferevent_getfd(link->stream), SHUT_RDWR);
        bufferevent_free(link->stream);
        link->stream = NULL;
    }
    redis_reader_reset(link->reader);
    clear_output(link);
    link->due = 0;
}

/* `down` is called from the loop, for we may be inside a call of the owner's. */
static void fail(struct redis_link *link, const char *format, ...) PRINTF_LIKE(2, 3);
static void fail(struct redis_link *link, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    (void)snprintf(link->why, sizeof(link->why), "%.250s: %s", link->settings.address->url_shown,
                   text);
    drop_connection(link);
    link->state = LINK_FAILED;
    event_active(link->failed, EV_TIMEOUT, 0);
}

static void destroy(struct redis_link *link)
{
    redis_dial_fini(&link->dial);
    redis_reader_free(link->reader);
    event_free(link->failed);
    buffer_fini(&link->output);
    memory_free(link);
}

/* Around each of the owner's functions. */
static void enter(struct redis_link *link)
{
    assert(!link->calling); /* the owner runs no loop in there */
    link->calling = true;
}

/* False: the link is gone. */
static bool leave(struct redis_link *link)
{
    link->calling = false;
    if (link->freed) {
        destroy(link);
        return false;
    }
    return true;
}

static void on_failed(evutil_socket_t fd, short what, void *ctx)
{
    struct redis_link *link = ctx;
    (void)fd;
    (void)what;
    if (link->state == LINK_FAILED) {
        link->state = LINK_CLOSED;
        enter(link);
        link->settings.ops->down(link->settings.ctx, link->why); /* no other before it returns */
        (void)leave(link);
    }
}

/* Plain: what the socket takes goes out at once, without a round through the loop. The rest, and
 * all of TLS, is the bufferevent's, a piece at a time. */
static void send_output(struct redis_link *link)
{
    struct evbuffer *waiting = bufferevent_get_output(link->stream);
    if (link->settings.tls == NULL && evbuffer_get_length(waiting) == 0) {
        struct slice bytes = buffer_bytes(&link->output);
        ssize_t sent = send(bufferevent_getfd(link->stream), bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            fail(link, "the connection broke: %s", strerrordesc_np(errno));
            return;
        }
        buffer_consume(&link->output, sent > 0 ? (size_t)sent : 0);
    }
    size_t room = STREAM_BYTES - evbuffer_get_length(waiting);
    struct slice rest = buffer_bytes(&link->output);
    rest.len = rest.len < room ? rest.len : room;
    if (rest.len > 0) {
        if (bufferevent_write(link->stream, rest.ptr, rest.len) != 0) {
            fail(link, "no memory to send with");
            return;
        }
        buffer_consume(&link->output, rest.len);
    }
    if (buffer_len(&link->output) == 0) {
        clear_output(link);
    }
}

static void wipe_login(const void *bytes, size_t len, void *ctx)
{
    struct buffer *login = ctx;
    (void)bytes;
    (void)len;
    buffer_wipe(login);
    memory_free(login);
}

/* By reference: the password is not copied, and is wiped once it is sent, or the connection gone.
 */
static void send_login(struct redis_link *link)
{
    struct buffer *login = MEMORY_NEW(struct buffer);
    buffer_init(login, LOGIN_MAX);
    link->state = LINK_LOGIN;
    link->login_index = 0;
    link->login_replies = redis_login_write(link->settings.address, login);
    struct slice bytes = buffer_bytes(login);
    if (evbuffer_add_reference(bufferevent_get_output(link->stream), bytes.ptr, bytes.len,
                               wipe_login, login) != 0) {
        wipe_login(NULL, 0, login);
        fail(link, "no memory to send with");
    }
}

/* False: the link is gone, or this connection of it. */
static bool take_login_reply(struct redis_link *link, const struct redis_reply *reply)
{
    char why[256];
    if (redis_login_refused(link->settings.address, link->login_index, reply, why, sizeof(why))) {
        fail(link, "%s", why);
        return false;
    }
    if (++link->login_index < link->login_replies) {
        return true;
    }
    unsigned connection = link->connection;
    link->state = LINK_UP;
    timer_cancel(link->settings.timers, &link->timer);
    enter(link);
    link->settings.ops->up(link->settings.ctx);
    return leave(link) && link->connection == connection;
}

static bool take_reply(struct redis_link *link, const struct redis_reply *reply)
{
    if (link->state == LINK_LOGIN) {
        return take_login_reply(link, reply);
    }
    if (link->due == 0) {
        fail(link, "it sent a reply that no command asked for");
        return false;
    }
    unsigned connection = link->connection;
    link->due--;
    enter(link);
    link->settings.ops->reply(link->settings.ctx, reply);
    return leave(link) && link->connection == connection;
}

static bool take_replies(struct redis_link *link)
{
    struct redis_reply reply;
    const char *why = "";
    enum redis_read result;
    while ((result = redis_reader_next(link->reader, &reply, &why)) == REDIS_READ_REPLY) {
        if (!take_reply(link, &reply)) {
            return false;
        }
    }
    if (result == REDIS_READ_BROKEN) {
        fail(link, "%s%s", why,
             link->state == LINK_LOGIN && link->settings.tls == NULL
                 ? "; is that the right port? For one with TLS write rediss://"
                 : "");
        return false;
    }
    return true;
}

/* TLS. libevent reads 16 KiB a turn, so that this is bounded. */
static void on_read(struct bufferevent *stream, void *ctx)
{
    struct redis_link *link = ctx;
    struct evbuffer *input = bufferevent_get_input(stream);
    struct evbuffer_iovec piece;
    while (evbuffer_peek(input, REDIS_FEED_MAX, NULL, &piece, 1) > 0) {
        size_t len = piece.iov_len < REDIS_FEED_MAX ? piece.iov_len : REDIS_FEED_MAX;
        redis_reader_feed(link->reader, slice_make(piece.iov_base, len));
        (void)evbuffer_drain(input, len);
        if (!take_replies(link)) {
            return;
        }
    }
}

/* What waited in libevent's buffer has been taken. */
static void on_write(struct bufferevent *stream, void *ctx)
{
    struct redis_link *link = ctx;
    (void)stream;
    if (link->state == LINK_UP && buffer_len(&link->output) > 0) {
        send_output(link);
    }
}

/* The oldest that is of OpenSSL's queue, for libevent puts its own numbers among them; 0: none. */
static unsigned long tls_error(struct bufferevent *stream)
{
    unsigned long error;
    unsigned long found = 0;
    while ((error = bufferevent_get_openssl_error(stream)) != 0) {
        found = ERR_GET_LIB(error) != 0 ? error : found;
    }
    return found;
}

/* `error`: errno; 0: the server closed it. */
static void explain_end(struct redis_link *link, int error)
{
    const char *broke = error == 0 ? "it closed the connection" : strerrordesc_np(error);
    char text[320];
    struct ssl_st *ssl = bufferevent_openssl_get_ssl(link->stream);
    if (ssl != NULL) {
        redis_tls_explain(ssl, tls_error(link->stream), broke, link->settings.address, text,
                          sizeof(text));
        fail(link, "%s%s", text,
             link->state == LINK_LOGIN
                 ? "; does it want a client's certificate? Then set `tls-auth-clients no` there"
                 : "");
    } else if (link->state == LINK_LOGIN) {
        fail(link,
             "%s before it answered; is that the right port? For one with TLS write rediss://",
             broke);
    } else {
        fail(link, "the connection broke: %s", broke);
    }
}

static void on_event(struct bufferevent *stream, short what, void *ctx)
{
    struct redis_link *link = ctx;
    (void)stream;
    if ((what & BEV_EVENT_CONNECTED) != 0) {
        send_login(link);
    } else if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0) {
        explain_end(link, (what & BEV_EVENT_EOF) != 0 ? 0 : EVUTIL_SOCKET_ERROR());
    }
}

/* Plain: straight from the socket to the reader, a piece a turn; libevent would ask first how much
 * there is, and copy it once more. */
static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
    struct redis_link *link = ctx;
    char bytes[REDIS_FEED_MAX];
    (void)what;
    ssize_t count = recv(fd, bytes, sizeof(bytes), 0);
    if (count > 0) {
        redis_reader_feed(link->reader, slice_make(bytes, (size_t)count));
        (void)take_replies(link);
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
        explain_end(link, count == 0 ? 0 : errno);
    }
}

static bool start_reading(struct redis_link *link, int fd)
{
    if (link->settings.tls != NULL) {
        return bufferevent_enable(link->stream, EV_READ | EV_WRITE) == 0;
    }
    link->readable = event_new(link->settings.base, fd, EV_READ | EV_PERSIST, on_readable, link);
    return link->readable != NULL && event_add(link->readable, NULL) == 0;
}

static struct bufferevent *new_stream(const struct redis_link_settings *settings, int fd)
{
    if (settings->tls == NULL) {
        return bufferevent_socket_new(settings->base, fd, BEV_OPT_CLOSE_ON_FREE);
    }
    struct ssl_st *ssl = redis_tls_session(settings->tls, settings->address);
    if (ssl == NULL) {
        return NULL;
    }
    struct bufferevent *stream = bufferevent_openssl_socket_new(
        settings->base, fd, ssl, BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE);
    if (stream != NULL) {
        bufferevent_openssl_set_allow_dirty_shutdown(stream, 1);
    }
    return stream;
}

static void on_dialed(void *ctx, int fd, const char *why)
{
    struct redis_link *link = ctx;
    if (fd < 0) {
        fail(link, "%s", why);
        return;
    }
    link->stream = new_stream(&link->settings, fd);
    if (link->stream == NULL) {
        (void)evutil_closesocket(fd);
        fail(link, "no TLS with that host's name, or no memory for it");
        return;
    }
    timer_set(link->settings.timers, &link->timer,
              link->opened_at + link->settings.connect_timeout);
    bufferevent_setcb(link->stream, on_read, on_write, on_event, link);
    link->state = LINK_HANDSHAKE;
    if (!start_reading(link, fd)) {
        fail(link, "no memory to read with");
    } else if (link->settings.tls == NULL) {
        send_login(link);
    }
}

static void on_timer(struct timer *timer)
{
    struct redis_link *link = link_of(timer);
    long long ms = (long long)(link->settings.connect_timeout / MSEC);
    if (link->state == LINK_HANDSHAKE) {
        fail(link, "no TLS within %lld ms; is it overloaded or stopped, or is that a plain port?",
             ms);
    } else if (link->state == LINK_LOGIN) {
        fail(link, "connected, but no reply within %lld ms; is it overloaded or stopped?", ms);
    }
}

struct redis_link *redis_link_new(const struct redis_link_settings *settings)
{
    struct redis_link *link = MEMORY_NEW(struct redis_link);
    link->settings = *settings;
    link->reader = redis_reader_new();
    buffer_init(&link->output, REDIS_OUTPUT_MAX);
    timer_init(&link->timer, on_timer);
    link->failed = event_new(settings->base, -1, 0, on_failed, link);
    assert(link->failed != NULL); /* fails for want of memory only */
    redis_dial_init(&link->dial, &(struct redis_dial_settings){
                                     .base = settings->base,
                                     .timers = settings->timers,
                                     .now = settings->now,
                                     .address = settings->address,
                                     .done = on_dialed,
                                     .ctx = link,
                                 });
    return link;
}

void redis_link_free(struct redis_link *link)
{
    if (link == NULL) {
        return;
    }
    redis_link_close(link);
    if (link->calling) {
        link->freed = true;
    } else {
        destroy(link);
    }
}

void redis_link_open(struct redis_link *link)
{
    assert(link->state == LINK_CLOSED && !link->freed);
    clear_output(link); /* what was written while it was not up */
    link->state = LINK_DIALING;
    link->opened_at = link->settings.now();
    redis_dial_start(&link->dial, link->settings.connect_timeout);
}

void redis_link_close(struct redis_link *link)
{
    drop_connection(link);
    (void)event_del(link->failed);
    link->state = LINK_CLOSED;
}

bool redis_link_is_up(const struct redis_link *link)
{
    return link->state == LINK_UP;
}

struct buffer *redis_link_output(struct redis_link *link)
{
    return &link->output;
}

void redis_link_expect(struct redis_link *link, unsigned replies)
{
    if (link->state == LINK_UP) {
        link->due += replies;
    }
}

void redis_link_flush(struct redis_link *link)
{
    if (link->state == LINK_UP && buffer_len(&link->output) > 0) {
        send_output(link);
    }
}

void redis_link_drain(struct redis_link *link, usec_t most)
{
    if (link->state == LINK_UP) {
        redis_drain(link->stream, &link->output, link->settings.now, most);
    }
}
