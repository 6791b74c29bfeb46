#include "gateway/upstream/h2_connection.h"

#include "base/memory.h"
#include "base/secret.h"
#include "gateway/loop/loop.h"
#include "gateway/upstream/attempt_h2.h"
#include "gateway/upstream/endpoint.h"
#include "gateway/upstream/h2_callbacks.h"
#include "gateway/upstream/h2_head.h"
#include "gateway/upstream/link.h"
#include "gateway/upstream/pool.h"
#include "gateway/upstream/upstream_side.h"
#include "routes/origin.h"

#include <assert.h>
#include <stddef.h>

enum {
    READ_BYTES = 16 * 1024,
    READ_BYTES_A_TURN = 256 * 1024,
    SEND_BYTES_AT_ONCE = 64 * 1024,
    MOST_OUT_BYTES = 512 * 1024, /* above that and the largest head */
    MOST_STREAMS = 1000,         /* whatever the provider allows */
};

/* ---- streams ---- */

static void set_idle(struct h2_connection *connection, bool idle)
{
    if (idle == connection->is_idle) {
        return;
    }
    connection->is_idle = idle;
    connection->side->idle_h2 += idle ? 1U : -1U;
    if (idle) {
        loop_timer(connection->side->loop, &connection->idle, POOL_MOST_IDLE_AGE);
    } else {
        timer_stop(&connection->idle);
    }
}

static void list(struct h2_connection *connection, struct attempt_h2 *attempt)
{
    attempt->connection = connection;
    attempt->previous = NULL;
    attempt->next = connection->streams;
    if (attempt->next != NULL) {
        attempt->next->previous = attempt;
    }
    connection->streams = attempt;
    connection->stream_count++;
    connection->served++;
    set_idle(connection, false);
}

void h2_connection_detach(struct h2_connection *connection, struct attempt_h2 *attempt)
{
    *(attempt->previous != NULL ? &attempt->previous->next : &connection->streams) = attempt->next;
    if (attempt->next != NULL) {
        attempt->next->previous = attempt->previous;
    }
    (void)nghttp2_session_set_stream_user_data(connection->session, attempt->stream_id, NULL);
    connection->stream_count--;
    attempt->connection = NULL;
    wake(&connection->work);
}

/* ---- moving bytes ---- */

static void lose(struct h2_connection *connection)
{
    connection->lost = true;
    connection->draining = true;
}

static void read_frames(struct h2_connection *connection)
{
    char bytes[READ_BYTES];
    size_t budget = READ_BYTES_A_TURN;
    while (connection->link->readable && budget > 0 && !connection->lost) {
        size_t count = 0;
        enum link_io io = link_read(connection->link, bytes, sizeof(bytes), &count);
        if (io == LINK_AGAIN) {
            break;
        }
        if (io != LINK_OK) {
            lose(connection);
            return;
        }
        budget -= count < budget ? count : budget;
        connection->received_at = clock_now();
        ssize_t used = nghttp2_session_mem_recv(connection->session, (const uint8_t *)bytes, count);
        if (used < 0) {
            connection->wrong = nghttp2_strerror((int)used);
            lose(connection);
        }
    }
    if (connection->link->readable) { /* others want their turn, too */
        wake(&connection->work);
    } else {
        link_want_read(connection->link);
    }
}

/* As buffer_append(), but growing leaves no copy of a head behind. */
static enum status append_frames(struct buffer *out, struct slice bytes)
{
    if (bytes.len > buffer_tail_room(out)) {
        struct buffer grown;
        size_t wanted = 2 * (buffer_len(out) + bytes.len);
        buffer_init(&grown, out->max);
        TRY(buffer_reserve(&grown, wanted < out->max ? wanted : out->max));
        TRY(buffer_append(&grown, buffer_bytes(out)));
        buffer_wipe(out);
        *out = grown;
    }
    return buffer_append(out, bytes);
}

/* Frames into the buffer, as long as there is little in it. */
static void gather_frames(struct h2_connection *connection)
{
    while (buffer_len(&connection->out) < SEND_BYTES_AT_ONCE) {
        const uint8_t *bytes = NULL;
        ssize_t len = nghttp2_session_mem_send(connection->session, &bytes);
        if (len == 0) {
            return;
        }
        if (len < 0 || append_frames(&connection->out,
                                     slice_make((const char *)bytes, (size_t)len)) != STATUS_OK) {
            lose(connection);
            return;
        }
    }
}

static void send_frames(struct h2_connection *connection)
{
    struct buffer *out = &connection->out;
    while (!connection->lost) {
        gather_frames(connection);
        if (buffer_len(out) == 0 || !connection->link->writable) {
            return;
        }
        struct slice bytes = buffer_bytes(out);
        struct iovec piece = {.iov_base = (void *)bytes.ptr, .iov_len = bytes.len};
        size_t sent = 0;
        enum link_io io = link_write(connection->link, &piece, 1, &sent);
        if (io == LINK_LOST) {
            connection->link->readable = true; /* reading tells what there was */
            connection->send_lost = true;
            wake(&connection->work);
            return;
        }
        secret_wipe((char *)bytes.ptr, sent);
        buffer_consume(out, sent);
        if (buffer_len(out) == 0) {
            buffer_reset(out);
        }
    }
}

/* ---- ending ---- */

static void drop_streams(struct h2_connection *connection)
{
    while (connection->streams != NULL) {
        struct attempt_h2 *attempt = connection->streams;
        bool invalid = connection->wrong != NULL || attempt->invalid != NULL;
        if (attempt->invalid == NULL) {
            attempt->invalid = connection->wrong;
        }
        h2_connection_detach(connection, attempt);
        attempt_h2_on_close(attempt, invalid ? H2_INVALID : H2_LOST, 0);
    }
}

static bool is_spent(const struct h2_connection *connection)
{
    const struct link *link = connection->link;
    return connection->draining || link->generation != connection->side->generation ||
           connection->side->loop->now - link->opened_at >= POOL_MOST_LIFE;
}

static void on_work(struct waiter *waiter)
{
    struct h2_connection *connection = (struct h2_connection *)waiter; /* its first member */
    nghttp2_session *session = connection->session;
    read_frames(connection);
    if (!connection->lost && !connection->send_lost) {
        send_frames(connection);
    }
    if (connection->send_lost && !connection->link->readable) {
        lose(connection);
    }
    if (!nghttp2_session_want_read(session) && !nghttp2_session_want_write(session) &&
        buffer_len(&connection->out) == 0) {
        if (!connection->going_away) {
            connection->wrong = "it breaks HTTP/2";
        }
        lose(connection);
    }
    if (connection->lost) {
        drop_streams(connection);
    }
    if (connection->stream_count > 0) {
        return;
    }
    if (is_spent(connection)) {
        h2_connection_free(connection);
    } else {
        set_idle(connection, true);
    }
}

static void on_news(struct link *link)
{
    struct h2_connection *connection = link->owner;
    wake(&connection->work);
}

static void on_idle(struct timer *timer)
{
    struct h2_connection *connection =
        (struct h2_connection *)((char *)timer - offsetof(struct h2_connection, idle));
    connection->draining = true;
    wake(&connection->work);
}

/* ---- public ---- */

struct h2_connection *h2_connection_new(struct upstream_side *side, struct endpoint *endpoint,
                                        struct link *take_link)
{
    struct h2_connection *connection = MEMORY_NEW(struct h2_connection);
    waiter_init(&connection->work, &side->loop->ready, on_work);
    timer_init(&connection->idle, on_idle);
    buffer_init(&connection->out, MOST_OUT_BYTES);
    connection->side = side;
    connection->endpoint = endpoint;
    endpoint->users++;
    connection->link = take_link;
    connection->session = h2_session_new(connection);
    connection->next = endpoint->h2.first;
    endpoint->h2.first = connection;
    link_set_owner(take_link, on_news, connection);
    take_link->readable = true; /* TLS may have read ahead */
    wake(&connection->work);
    return connection;
}

void h2_connection_free(struct h2_connection *connection)
{
    struct endpoint *endpoint = connection->endpoint;
    struct h2_connection **place = &endpoint->h2.first;
    assert(connection->stream_count == 0);
    while (*place != connection) {
        place = &(*place)->next;
    }
    *place = connection->next;
    set_idle(connection, false);
    timer_cancel(&connection->side->loop->timers, &connection->idle);
    waiter_cancel(&connection->work);
    nghttp2_session_del(connection->session);
    link_close(connection->link);
    buffer_wipe(&connection->out);
    endpoint_unuse(endpoint);
    memory_free(connection);
}

bool h2_connection_has_room(const struct h2_connection *connection)
{
    uint32_t allowed = nghttp2_session_get_remote_settings(connection->session,
                                                           NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    uint32_t most = allowed < MOST_STREAMS ? allowed : MOST_STREAMS;
    uint32_t told = connection->endpoint->h2.most_streams;
    if (!connection->told_limits && told > 0 && told < most) { /* by those before it */
        most = told;
    }
    return !connection->lost && !connection->send_lost && !is_spent(connection) &&
           connection->stream_count < most &&
           nghttp2_session_check_request_allowed(connection->session) != 0;
}

bool h2_connection_submit(struct h2_connection *connection, struct attempt_h2 *attempt)
{
    struct h2_head head;
    const struct attempt_request *request = &attempt->request;
    if (h2_head_make((char *)request->head.ptr, request->head.len, request->origin->tls, &head) !=
        STATUS_OK) {
        return false;
    }
    nghttp2_data_provider body = h2_body_provider();
    bool bodiless =
        request->framing == HTTP1_NO_BODY || (request->body_whole && request->body.len == 0);
    attempt->stream_id = nghttp2_submit_request(connection->session, NULL, head.fields, head.count,
                                                bodiless ? NULL : &body, attempt);
    h2_head_fini(&head);
    if (attempt->stream_id < 0) {
        return false;
    }
    attempt->on_trust = !connection->told_limits;
    list(connection, attempt);
    wake(&connection->work);
    return true;
}

void h2_connection_leave(struct h2_connection *connection, struct attempt_h2 *attempt)
{
    (void)nghttp2_submit_rst_stream(connection->session, NGHTTP2_FLAG_NONE, attempt->stream_id,
                                    NGHTTP2_CANCEL);
    h2_connection_detach(connection, attempt);
}

void h2_connection_consumed(struct h2_connection *connection, int32_t stream_id, size_t count)
{
    (void)nghttp2_session_consume_stream(connection->session, stream_id, count);
    if (nghttp2_session_want_write(connection->session)) {
        wake(&connection->work);
    }
}

void h2_connection_resume(struct h2_connection *connection, int32_t stream_id)
{
    (void)nghttp2_session_resume_data(connection->session, stream_id);
    wake(&connection->work);
}

void h2_connection_doubt(struct h2_connection *connection, usec_t since)
{
    if (connection->received_at < since) {
        connection->draining = true;
    }
}
