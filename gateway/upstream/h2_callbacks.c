#include "gateway/upstream/h2_callbacks.h"

#include "gateway/upstream/attempt_h2.h"
#include "gateway/upstream/endpoint.h"
#include "gateway/upstream/h2_connection.h"
#include "gateway/upstream/h2_memory.h"

#include <assert.h>

enum { CONNECTION_WINDOW_BYTES = 4 * 1024 * 1024 };

/* NULL: whoever wanted the stream has gone. */
static struct attempt_h2 *stream_of(nghttp2_session *session, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(session, stream_id);
}

static void refuse(nghttp2_session *session, struct attempt_h2 *attempt)
{
    (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, attempt->stream_id,
                                    NGHTTP2_PROTOCOL_ERROR);
}

/* ---- what comes ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct h2_connection *connection = ctx;
    struct attempt_h2 *attempt = stream_of(session, frame->hd.stream_id);
    if (attempt != NULL) {
        attempt->received = true;
        if (attempt->base.facts.first_byte_at == 0) {
            attempt->base.facts.first_byte_at = connection->received_at;
        }
    }
    return 0;
}

/* NOLINTNEXTLINE(readability-function-size): nghttp2 asks for eight parameters */
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *ctx)
{
    struct attempt_h2 *attempt = stream_of(session, frame->hd.stream_id);
    (void)flags;
    (void)ctx;
    if (attempt == NULL || attempt->invalid != NULL) {
        return 0;
    }
    return attempt_h2_on_field(attempt, slice_make((const char *)name, name_len),
                               slice_make((const char *)value, value_len))
               ? 0
               : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* nghttp2 would leave the field out. */
/* NOLINTNEXTLINE(readability-function-size): nghttp2 asks for eight parameters */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
                             const uint8_t *name, size_t name_len, const uint8_t *value,
                             size_t value_len, uint8_t flags, void *ctx)
{
    struct attempt_h2 *attempt = stream_of(session, frame->hd.stream_id);
    (void)name;
    (void)name_len;
    (void)value;
    (void)value_len;
    (void)flags;
    (void)ctx;
    if (attempt != NULL && attempt->invalid == NULL) {
        attempt->invalid = "a field of its head is not allowed in HTTP/2";
    }
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static void on_headers(nghttp2_session *session, const nghttp2_frame *frame)
{
    struct attempt_h2 *attempt = stream_of(session, frame->hd.stream_id);
    if (attempt != NULL && attempt->invalid == NULL && !attempt_h2_on_fields_end(attempt)) {
        refuse(session, attempt);
    }
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct h2_connection *connection = ctx;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        connection->going_away = true;
        connection->draining = true;
        return 0;
    }
    if (frame->hd.type == NGHTTP2_SETTINGS && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) {
        connection->told_limits = true;
        connection->endpoint->h2.most_streams =
            nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
        return 0;
    }
    if (frame->hd.type == NGHTTP2_HEADERS) {
        on_headers(session, frame);
    }
    bool ends = (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
                (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    struct attempt_h2 *attempt = stream_of(session, frame->hd.stream_id);
    if (ends && attempt != NULL && attempt->invalid == NULL) {
        attempt_h2_on_end(attempt);
    }
    if (frame->hd.type == NGHTTP2_RST_STREAM && attempt != NULL) {
        attempt->reset_by_peer = true;
    }
    return 0;
}

/* NOLINTNEXTLINE(readability-function-size): nghttp2 asks for six parameters */
static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *bytes,
                   size_t len, void *ctx)
{
    struct attempt_h2 *attempt = stream_of(session, stream_id);
    (void)flags;
    (void)ctx;
    /* The connection's window is free again: what waits is bounded by the streams' own. */
    (void)nghttp2_session_consume_connection(session, len);
    if (attempt != NULL && attempt->invalid == NULL) {
        attempt_h2_on_data(attempt, slice_make((const char *)bytes, len));
    }
    return 0;
}

/* ---- what leaves ---- */

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct attempt_h2 *attempt = stream_of(session, frame->hd.stream_id);
    (void)ctx;
    if (attempt == NULL || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)) {
        return 0;
    }
    attempt_h2_on_sent(attempt, frame->hd.length);
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        attempt_h2_on_whole_sent(attempt);
    }
    return 0;
}

/* NOLINTNEXTLINE(readability-function-size): nghttp2 asks for seven parameters */
static ssize_t read_body(nghttp2_session *session, int32_t stream_id, uint8_t *into, size_t size,
                         uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
    struct attempt_h2 *attempt = stream_of(session, stream_id);
    size_t len = 0;
    bool end = false;
    (void)source;
    (void)ctx;
    if (attempt == NULL || !attempt_h2_take_body(attempt, (char *)into, size, &len, &end)) {
        return NGHTTP2_ERR_DEFERRED;
    }
    if (end) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)len;
}

nghttp2_data_provider h2_body_provider(void)
{
    return (nghttp2_data_provider){.read_callback = read_body};
}

/* ---- how streams end ---- */

/* A request that cannot be sent any more, for the provider has said goodbye meanwhile. */
static int on_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int error, void *ctx)
{
    struct h2_connection *connection = ctx;
    struct attempt_h2 *attempt = connection->streams;
    (void)session;
    (void)error;
    if (frame->hd.type != NGHTTP2_HEADERS) {
        return 0;
    }
    while (attempt != NULL && attempt->stream_id != frame->hd.stream_id) {
        attempt = attempt->next;
    }
    if (attempt != NULL) {
        h2_connection_detach(connection, attempt);
        attempt_h2_on_close(attempt, H2_GOING_AWAY, NGHTTP2_REFUSED_STREAM);
    }
    return 0;
}

static enum h2_ending ending_of(const struct h2_connection *connection,
                                const struct attempt_h2 *attempt, uint32_t code)
{
    if (attempt->invalid != NULL) {
        return H2_INVALID;
    }
    if (attempt->over) {
        return H2_CLOSED;
    }
    if (code == NGHTTP2_REFUSED_STREAM && (attempt->reset_by_peer || connection->going_away)) {
        return attempt->reset_by_peer ? H2_REFUSED : H2_GOING_AWAY;
    }
    return attempt->reset_by_peer ? H2_RESET : H2_INVALID;
}

static int on_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *ctx)
{
    struct h2_connection *connection = ctx;
    struct attempt_h2 *attempt = stream_of(session, stream_id);
    if (attempt != NULL) {
        enum h2_ending ending = ending_of(connection, attempt, code);
        h2_connection_detach(connection, attempt);
        attempt_h2_on_close(attempt, ending, code);
    }
    return 0;
}

/* ---- the session ---- */

static nghttp2_session_callbacks *make_callbacks(void)
{
    nghttp2_session_callbacks *callbacks;
    int failed = nghttp2_session_callbacks_new(&callbacks);
    assert(failed == 0); /* only for want of memory */
    (void)failed;
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_not_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    return callbacks;
}

nghttp2_session *h2_session_new(struct h2_connection *connection)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, ATTEMPT_HEAD_BYTES},
    };
    nghttp2_session_callbacks *callbacks = make_callbacks();
    nghttp2_option *option;
    nghttp2_session *session;
    int failed = nghttp2_option_new(&option);
    assert(failed == 0); /* only for want of memory, as all of these */
    nghttp2_option_set_no_auto_window_update(option, 1);
    failed = nghttp2_session_client_new3(&session, callbacks, connection, option, h2_memory());
    assert(failed == 0);
    failed = nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings,
                                     sizeof(settings) / sizeof(settings[0]));
    assert(failed == 0);
    failed = nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0,
                                                   CONNECTION_WINDOW_BYTES);
    assert(failed == 0);
    (void)failed;
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return session;
}
