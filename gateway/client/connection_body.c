/*
 * A request's body: decoded on demand, piece by piece, where it lies; or skipped, when nobody
 * wants it and the next request is behind it.
 */
#include "base/memory.h"
#include "gateway/client/connection_internal.h"

#include <assert.h>

/* How large a block the body's next bytes should be read into; 0: the one that is there. */
static size_t body_block_size(const struct connection *connection, size_t room)
{
    const struct input *input = &connection->input;
    size_t have = input->end - input->start;
    if (connection->head_block != NULL) {
        return 0; /* size lines and trailers are far smaller */
    }
    if (connection->body.framing == HTTP1_LENGTH) {
        /* One byte more than the body has: a short read says that the socket is empty. */
        uint64_t whole = connection->body.left + 1;
        if (whole <= room) {
            return 0;
        }
        return whole < INPUT_BODY_BYTES - have ? (size_t)whole + have : INPUT_BODY_BYTES;
    }
    return room == 0 ? INPUT_BODY_BYTES : 0;
}

/* Makes room behind the unread bytes. Nothing points into them: the last piece was consumed. */
static void make_body_room(struct connection *connection)
{
    struct input *input = &connection->input;
    bool was_full = input->end == input->limit;
    if (input->start == input->end && !was_full) {
        input->start = input->floor;
        input->end = input->floor;
    }
    size_t size = body_block_size(connection, input->limit - input->end);
    if (size == 0) {
        if (input->end == input->limit) {
            size_t have = input->end - input->start;
            memmove(input->block + input->floor, input->block + input->start, have);
            input->start = input->floor;
            input->end = input->floor + have;
        }
        return;
    }
    struct slice kept = input_unread(input);
    char *block = memory_resize(NULL, size);
    if (kept.len > 0) {
        memcpy(block, kept.ptr, kept.len);
    }
    connection->head_block = input->block;
    connection->head_block_size = input->size;
    *input = (struct input){.block = block, .size = size, .limit = size, .end = kept.len};
}

/* Takes the body's next piece from what was read. */
static enum http1_piece decode(struct connection *connection)
{
    struct input *input = &connection->input;
    size_t used;
    struct slice data;
    enum http1_piece piece =
        http1_body_next(&connection->body, input_unread(input), &used, &data, &connection->fault);
    input->start += used;
    switch (piece) {
    case HTTP1_PIECE_DATA:
        connection->piece = data;
        break;
    case HTTP1_PIECE_MORE:
        break;
    case HTTP1_PIECE_END:
        connection->body_over = true;
        break;
    case HTTP1_PIECE_BAD:
        connection->body_bad = true;
        break;
    }
    return piece;
}

static enum connection_body body_late(struct connection *connection, struct http1_fault *fault)
{
    connection->body_bad = true;
    connection->fault =
        (struct http1_fault){.status = 408, .reason = "the request's body stopped coming"};
    *fault = connection->fault;
    return CONNECTION_BODY_BAD;
}

/* Reads more of the body. DONE: decode again. */
static enum channel_result read_body(struct connection *connection)
{
    make_body_room(connection);
    enum channel_result result = input_fill(connection);
    if (result == CHANNEL_DONE) {
        connection_expect_nothing(connection);
    } else if (result == CHANNEL_AGAIN && connection->read_timer.due == 0 &&
               !connection->read_expired) {
        connection_expect(connection, connection_limits(connection)->body_idle_timeout);
    }
    return result;
}

enum connection_body connection_read(struct connection *connection, struct slice *ret_data,
                                     struct http1_fault *fault)
{
    connection->body_wanted = false;
    if (connection->gone) {
        return CONNECTION_BODY_PENDING;
    }
    while (connection->piece.len == 0) {
        if (connection->body_over) {
            return CONNECTION_BODY_END;
        }
        switch (connection->body_bad ? HTTP1_PIECE_BAD : decode(connection)) {
        case HTTP1_PIECE_DATA:
        case HTTP1_PIECE_END:
            continue;
        case HTTP1_PIECE_BAD:
            *fault = connection->fault;
            return CONNECTION_BODY_BAD;
        case HTTP1_PIECE_MORE:
            break;
        }
        switch (read_body(connection)) {
        case CHANNEL_DONE:
            break;
        case CHANNEL_AGAIN:
            if (connection->read_expired && !connection->readable) {
                return body_late(connection, fault);
            }
            connection->body_wanted = true;
            return CONNECTION_BODY_PENDING;
        case CHANNEL_EOF:
        case CHANNEL_ERROR:
            connection_lost(connection);
            return CONNECTION_BODY_PENDING;
        }
    }
    *ret_data = connection->piece;
    return CONNECTION_BODY_DATA;
}

void connection_consume(struct connection *connection, size_t count)
{
    assert(count <= connection->piece.len);
    connection->piece = slice_skip(connection->piece, count);
}

void connection_skip(struct connection *connection)
{
    for (;;) {
        switch (decode(connection)) {
        case HTTP1_PIECE_DATA:
            connection->skipped += connection->piece.len;
            connection->piece.len = 0;
            if (connection->skipped > INPUT_SKIP_BYTES) {
                connection_end(connection);
                return;
            }
            continue;
        case HTTP1_PIECE_END:
            connection_next_head(connection);
            return;
        case HTTP1_PIECE_BAD:
            connection_end(connection);
            return;
        case HTTP1_PIECE_MORE:
            break;
        }
        make_body_room(connection);
        switch (input_fill(connection)) {
        case CHANNEL_DONE:
            break;
        case CHANNEL_AGAIN:
            return;
        case CHANNEL_EOF:
        case CHANNEL_ERROR:
            connection_close(connection, CHANNEL_RESET);
            return;
        }
    }
}
