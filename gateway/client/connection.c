#include "gateway/client/connection.h"

#include "base/memory.h"
#include "gateway/client/connection_internal.h"
#include "gateway/client/peer_certificate.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>

#include <event2/event.h>

#define CONNECTION_OF(ptr, member)                                                                 \
    ((struct connection *)((char *)(ptr)-offsetof(struct connection, member)))

/* ---- what the library calls: note and wake ---- */

static void on_came(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    struct connection *connection = ctx;
    if ((what & EV_READ) != 0) {
        connection->readable = true;
        connection->came_unread = true;
    }
    if ((what & EV_CLOSED) != 0) {
        connection->peer_left = true;
    }
    wake(&connection->waiter);
}

static void on_takes(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    struct connection *connection = ctx;
    connection->writable = true;
    wake(&connection->waiter);
}

static void on_read_timer(struct timer *timer)
{
    struct connection *connection = CONNECTION_OF(timer, read_timer);
    connection->read_expired = true;
    wake(&connection->waiter);
}

static void on_write_timer(struct timer *timer)
{
    struct connection *connection = CONNECTION_OF(timer, write_timer);
    connection->write_expired = true;
    wake(&connection->waiter);
}

/* ---- what all files need ---- */

const struct connection_limits *connection_limits(const struct connection *connection)
{
    const struct client_side_settings *settings = &connection->side->settings;
    return settings->ops->limits(settings->ctx);
}

void connection_expect(struct connection *connection, usec_t within)
{
    connection->read_expired = false;
    loop_timer(connection->side->settings.loop, &connection->read_timer, within);
}

void connection_expect_nothing(struct connection *connection)
{
    connection->read_expired = false;
    timer_stop(&connection->read_timer);
}

void connection_await_room(struct connection *connection)
{
    if (!connection->takes_armed) {
        int failed = event_add(&connection->takes, NULL);
        assert(failed == 0);
        (void)failed;
        connection->takes_armed = true;
    }
}

static void unwatch(struct connection *connection)
{
    (void)event_del(&connection->came);
    (void)event_del(&connection->takes);
    connection->takes_armed = false;
}

static void stop_timers(struct connection *connection)
{
    struct timer_queue *timers = &connection->side->settings.loop->timers;
    timer_cancel(timers, &connection->read_timer);
    timer_cancel(timers, &connection->write_timer);
    connection->read_expired = false;
    connection->write_expired = false;
}

/* ---- life ---- */

static void link_in(struct client_side *side, struct connection *connection)
{
    connection->next = side->connections;
    if (side->connections != NULL) {
        side->connections->prev = connection;
    }
    side->connections = connection;
    side->count++;
    side->accepted++;
}

static void link_out(struct client_side *side, struct connection *connection)
{
    if (connection->prev != NULL) {
        connection->prev->next = connection->next;
    } else {
        side->connections = connection->next;
    }
    if (connection->next != NULL) {
        connection->next->prev = connection->prev;
    }
    side->count--;
    atomic_fetch_sub(side->settings.open_connections, 1);
}

static void free_connection(struct reapable *reapable)
{
    struct connection *connection = CONNECTION_OF(reapable, reapable);
    memory_free(connection->forwarded);
    memory_free(connection);
}

void connection_close(struct connection *connection, enum channel_farewell farewell)
{
    assert(connection->phase != PHASE_CLOSED);
    connection->phase = PHASE_CLOSED;
    connection->owner = NULL;
    unwatch(connection);
    stop_timers(connection);
    waiter_cancel(&connection->waiter);
    channel_close(&connection->channel, farewell);
    connection_drop_input(connection);
    connection_drop_output(connection);
    link_out(connection->side, connection);
    loop_reap(connection->side->settings.loop, &connection->reapable, free_connection);
}

void connection_lost(struct connection *connection)
{
    if (connection->phase != PHASE_SERVE) {
        connection_close(connection, CHANNEL_RESET);
        return;
    }
    connection->gone = true;
    unwatch(connection);
    stop_timers(connection);
    connection_drop_output(connection);
    wake(connection->owner);
}

static void know_peer(struct connection *connection, const struct sockaddr *peer)
{
    connection->has_address = address_of(peer, connection->address);
    if (connection->has_address) {
        address_print(connection->address, connection->peer);
    } else {
        (void)snprintf(connection->peer, sizeof(connection->peer), "unix");
    }
}

/* ---- the phases ---- */

static void handshake(struct connection *connection)
{
    switch (channel_handshake(&connection->channel)) {
    case CHANNEL_DONE:
        connection->phase = PHASE_HEAD;
        connection_read_head(connection);
        break;
    case CHANNEL_AGAIN:
        if (connection->channel.wants_write) {
            connection_await_room(connection);
        }
        break;
    case CHANNEL_EOF:
    case CHANNEL_ERROR:
        peer_certificate_note_refused(connection);
        /* Not reset: the client shall be able to read the alert. */
        connection_close(connection, CHANNEL_CLOSE);
        break;
    }
}

void connection_begin(struct connection *connection)
{
    if (connection->channel.ssl != NULL) {
        connection->phase = PHASE_HANDSHAKE;
        handshake(connection);
    } else {
        connection->phase = PHASE_HEAD;
        connection_read_head(connection);
    }
}

static void resume_head(struct connection *connection)
{
    if (buffer_len(&connection->output) > 0) {
        return; /* a client that does not read its answers gets no more of them */
    }
    /* A request that comes in the instant in which waiting for it ends is served. */
    bool in_time = !connection->head_begun && connection->readable;
    if (connection->read_expired && !in_time) {
        connection_head_late(connection);
        return;
    }
    connection_read_head(connection);
}

static void resume_serve(struct connection *connection)
{
    bool look = connection->came_unread && !connection->body_wanted;
    connection->came_unread = false;
    if (look && channel_left(&connection->channel)) {
        connection_lost(connection);
        return;
    }
    if (connection->body_wanted && (connection->readable || connection->read_expired)) {
        wake(connection->owner);
    }
}

static void resume_skip(struct connection *connection)
{
    if (connection->read_expired) {
        connection_close(connection, CHANNEL_RESET);
        return;
    }
    connection_skip(connection);
}

static void resume_send(struct connection *connection)
{
    if (buffer_len(&connection->output) == 0) {
        connection_end(connection);
    }
}

/* The client has sent its end of file. Returns whether there is something left to do. */
static bool goes_on_alone(struct connection *connection)
{
    switch (connection->phase) {
    case PHASE_SEND:  /* a complete answer is sent even to one who has said all it will say */
    case PHASE_PROXY: /* a header that is none is said all the same */
        return true;
    case PHASE_SERVE:
        connection_lost(connection);
        return false;
    case PHASE_HANDSHAKE:
    case PHASE_HEAD:
    case PHASE_SKIP:
    case PHASE_LINGER:
    case PHASE_CLOSED:
        break;
    }
    if (buffer_len(&connection->output) > 0) {
        connection_end(connection);
        return true;
    }
    connection_close(connection, CHANNEL_CLOSE);
    return false;
}

static void on_news(struct waiter *waiter)
{
    struct connection *connection = CONNECTION_OF(waiter, waiter);
    connection->budget = INPUT_BYTES_A_TURN;
    if (connection->gone) {
        return; /* told already; the owner is about to finish */
    }
    if (connection->write_expired) {
        connection_lost(connection);
        return;
    }
    if (connection->peer_left && !goes_on_alone(connection)) {
        return;
    }
    bool try_send = connection->writable || connection->channel.ssl != NULL;
    if (try_send && buffer_len(&connection->output) > 0) {
        connection->blocked = false;
        if (!connection_send(connection)) {
            return;
        }
    }
    switch (connection->phase) {
    case PHASE_PROXY:
        if (connection->read_expired) {
            connection_proxy_late(connection);
        } else {
            connection_read_proxy(connection);
        }
        break;
    case PHASE_HANDSHAKE:
        if (connection->read_expired) {
            connection_close(connection, CHANNEL_CLOSE);
        } else {
            handshake(connection);
        }
        break;
    case PHASE_HEAD:
        resume_head(connection);
        break;
    case PHASE_SERVE:
        resume_serve(connection);
        break;
    case PHASE_SKIP:
        resume_skip(connection);
        break;
    case PHASE_SEND:
        resume_send(connection);
        break;
    case PHASE_LINGER:
        connection_linger(connection);
        break;
    case PHASE_CLOSED:
        assert(false);
        break;
    }
}

static enum phase first_phase(const struct connection *connection)
{
    const struct connection_limits *limits = connection_limits(connection);
    if (limits->proxy_protocol && connection->has_address &&
        trusted_proxies_have(&limits->proxies, connection->address)) {
        return PHASE_PROXY;
    }
    return connection->channel.ssl == NULL ? PHASE_HEAD : PHASE_HANDSHAKE;
}

void connection_open(struct client_side *side, int fd, struct ssl_ctx_st *tls,
                     const struct sockaddr *peer)
{
    struct loop *loop = side->settings.loop;
    struct connection *connection = MEMORY_NEW(struct connection);
    connection->side = side;
    channel_open(&connection->channel, fd, tls);
    if (side->settings.asks_nothing) {
        channel_ask_nothing(&connection->channel);
    }
    waiter_init(&connection->waiter, &loop->ready, on_news);
    timer_init(&connection->read_timer, on_read_timer);
    timer_init(&connection->write_timer, on_write_timer);
    buffer_init(&connection->output, OUTPUT_MAX_BYTES);
    know_peer(connection, peer);
    connection->phase = first_phase(connection);
    short reading = EV_READ | EV_CLOSED | EV_ET | EV_PERSIST;
    short writing = EV_WRITE | EV_ET | EV_PERSIST;
    int failed = event_assign(&connection->came, loop->base, fd, reading, on_came, connection) |
                 event_assign(&connection->takes, loop->base, fd, writing, on_takes, connection);
    assert(failed == 0);
    link_in(side, connection);
    connection->head_begun = true; /* of a fresh connection the wait counts, too */
    connection_expect(connection, connection_limits(connection)->header_timeout);
    failed = event_add(&connection->came, NULL);
    if (failed != 0) { /* more descriptors than fs.epoll.max_user_watches */
        connection_close(connection, CHANNEL_RESET);
    }
}

/* ---- what the owner asks ---- */

const struct http1_request *connection_request(const struct connection *connection)
{
    return &connection->request;
}

const char *connection_peer(const struct connection *connection)
{
    return connection->peer;
}

const char *connection_source(const struct connection *connection)
{
    return connection->is_forwarded ? connection->forwarded->text : connection->peer;
}

bool connection_source_address(const struct connection *connection, uint8_t ret[ADDRESS_BYTES])
{
    if (!connection->is_forwarded && !connection->has_address) {
        return false;
    }
    memcpy(ret, connection->is_forwarded ? connection->forwarded->address : connection->address,
           ADDRESS_BYTES);
    return true;
}

bool connection_is_tls(const struct connection *connection)
{
    return connection->channel.ssl != NULL;
}

usec_t connection_request_start(const struct connection *connection)
{
    return connection->request_start;
}

bool connection_gone(const struct connection *connection)
{
    return connection->gone;
}

bool connection_draining(const struct connection *connection)
{
    return connection->side->draining;
}

/* ---- how the owner ends ---- */

bool connection_must_close(const struct connection *connection)
{
    if (connection->side->draining || connection->body_bad) {
        return true;
    }
    if (connection->body_over || http1_body_ended(&connection->body)) {
        return false;
    }
    /* Who waited for 100 Continue in vain may send the body all the same, or not (RFC 9110,
     * 10.1.1): what comes next could be either. */
    bool body_may_never_come = connection->request.expect_continue && !connection->continued &&
                               connection->body.total == 0 &&
                               connection->input.start == connection->input.end;
    bool too_long =
        connection->body.framing == HTTP1_LENGTH && connection->body.left > INPUT_SKIP_BYTES;
    return body_may_never_come || too_long;
}

void connection_finish(struct connection *connection, enum connection_after after)
{
    assert(connection->phase == PHASE_SERVE);
    connection->owner = NULL;
    connection->piece = slice_make(NULL, 0);
    if (!connection->gone) {
        connection_flush(connection);
    }
    if (connection->gone) {
        connection_close(connection, CHANNEL_RESET);
        return;
    }
    connection_expect_nothing(connection);
    connection->body_wanted = false;
    if (after == CONNECTION_CLOSE || connection_must_close(connection)) {
        connection_end(connection);
    } else if (connection->body_over || http1_body_ended(&connection->body)) {
        connection_next_head(connection);
    } else {
        connection->phase = PHASE_SKIP;
        connection->skipped = 0;
        /* For all of it: a byte now and then must not hold the connection. */
        connection_expect(connection, connection_limits(connection)->body_idle_timeout);
        wake(&connection->waiter);
    }
}

void connection_cut(struct connection *connection)
{
    assert(connection->phase == PHASE_SERVE);
    connection_close(connection, CHANNEL_RESET);
}
