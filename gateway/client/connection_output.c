/*
 * What a client is sent: answer bytes are queued, then sent at once; what the socket does not take
 * waits for its event. And how a connection ends so that the last answer can be read.
 */
#include "base/memory.h"
#include "gateway/client/connection_internal.h"

#include <assert.h>

#define LINGER_TIME (1 * SEC)

enum { LINGER_BYTES = 256 * 1024 };

/* ---- memory ---- */

static void take_spare(struct connection *connection)
{
    struct buffer *output = &connection->output;
    struct buffer *spare = &connection->side->spare_output;
    if (output->ptr == NULL && spare->ptr != NULL) {
        output->ptr = TAKE(spare->ptr);
        output->size = spare->size;
    }
}

void connection_drop_output(struct connection *connection)
{
    struct buffer *output = &connection->output;
    struct buffer *spare = &connection->side->spare_output;
    if (output->size <= SPARE_OUTPUT_BYTES && spare->ptr == NULL) {
        spare->ptr = TAKE(output->ptr);
        spare->size = output->size;
    }
    buffer_reset(output);
    connection->uncounted = 0;
}

/* ---- sending ---- */

/* As much as the socket takes now. */
static enum channel_result send_all(struct connection *connection, size_t *ret_taken)
{
    struct channel *channel = &connection->channel;
    struct buffer *output = &connection->output;
    *ret_taken = 0;
    while (buffer_len(output) > 0) {
        size_t count;
        enum channel_result result = channel_write(channel, buffer_bytes(output), &count);
        if (result != CHANNEL_DONE) {
            return result;
        }
        buffer_consume(output, count);
        *ret_taken += count;
        if (channel->ssl == NULL && buffer_len(output) > 0) {
            return CHANNEL_AGAIN;
        }
    }
    return CHANNEL_DONE;
}

static void count_sent(struct connection *connection, size_t taken)
{
    size_t uncounted = taken < connection->uncounted ? taken : connection->uncounted;
    connection->uncounted -= uncounted;
    connection->sent += taken - uncounted;
    if (connection->was_full && buffer_len(&connection->output) <= CONNECTION_OUTPUT_BYTES / 2) {
        connection->was_full = false;
        wake(connection->owner);
    }
}

bool connection_send(struct connection *connection)
{
    if (buffer_len(&connection->output) == 0) {
        return true;
    }
    size_t taken;
    connection->writable = false;
    enum channel_result result = send_all(connection, &taken);
    count_sent(connection, taken);
    switch (result) {
    case CHANNEL_DONE:
        timer_stop(&connection->write_timer);
        connection_drop_output(connection);
        return true;
    case CHANNEL_AGAIN:
        connection->blocked = true;
        connection_await_room(connection);
        if (taken > 0 || connection->write_timer.due == 0) {
            loop_timer(connection->side->settings.loop, &connection->write_timer,
                       connection_limits(connection)->write_idle_timeout);
        }
        return true;
    case CHANNEL_EOF:
    case CHANNEL_ERROR:
        break;
    }
    connection_lost(connection);
    return false;
}

void connection_flush(struct connection *connection)
{
    if (!connection->blocked && !connection->gone) {
        (void)connection_send(connection);
    }
}

/* ---- queueing ---- */

size_t connection_room(const struct connection *connection)
{
    size_t queued = buffer_len(&connection->output);
    return queued < CONNECTION_OUTPUT_BYTES ? CONNECTION_OUTPUT_BYTES - queued : 0;
}

char *connection_reserve(struct connection *connection, size_t count)
{
    take_spare(connection);
    enum status status = buffer_reserve(&connection->output, count);
    assert(status == STATUS_OK); /* who writes looks at the room, and caps a head */
    (void)status;
    return buffer_tail(&connection->output);
}

void connection_wrote(struct connection *connection, size_t count)
{
    buffer_commit(&connection->output, count);
    if (connection->gone) {
        connection_drop_output(connection);
    } else if (connection_room(connection) == 0) {
        connection->was_full = true;
    }
}

void connection_write(struct connection *connection, struct slice bytes)
{
    if (connection->gone || bytes.len == 0) {
        return;
    }
    memcpy(connection_reserve(connection, bytes.len), bytes.ptr, bytes.len);
    connection_wrote(connection, bytes.len);
}

void connection_continue(struct connection *connection)
{
    static const struct slice line = SLICE_INIT("HTTP/1.1 100 Continue\r\n\r\n");
    const struct input *input = &connection->input;
    bool body_came = connection->body.total > 0 || input->start < input->end;
    if (!connection->request.expect_continue || connection->continued || body_came) {
        return;
    }
    connection->continued = true;
    connection->uncounted += line.len;
    connection_write(connection, line);
    connection_flush(connection);
}

uint64_t connection_bytes_sent(const struct connection *connection)
{
    return connection->sent;
}

/* ---- the end ---- */

/* All was sent. Closing now would reset the connection if the client has sent, or is sending, what
 * nobody will read, and a reset can take the answer away from it (RFC 9112, section 9.6). */
static void begin_to_linger(struct connection *connection)
{
    channel_shutdown(&connection->channel);
    if (connection->peer_left) {
        connection_close(connection, CHANNEL_CLOSE);
        return;
    }
    connection->phase = PHASE_LINGER;
    connection->skipped = 0;
    connection_expect(connection, LINGER_TIME);
    if (connection->readable) {
        wake(&connection->waiter);
    }
}

void connection_end(struct connection *connection)
{
    connection->phase = PHASE_SEND;
    connection_expect_nothing(connection);
    connection_drop_input(connection);
    if (buffer_len(&connection->output) == 0) {
        begin_to_linger(connection);
    }
}

void connection_linger(struct connection *connection)
{
    struct loop *loop = connection->side->settings.loop;
    if (connection->read_expired || connection->skipped > LINGER_BYTES) {
        connection_close(connection, CHANNEL_CLOSE);
        return;
    }
    if (!connection->readable) {
        return;
    }
    size_t count;
    switch (channel_discard(&connection->channel, loop->scratch, LOOP_SCRATCH_BYTES, &count)) {
    case CHANNEL_DONE:
        connection->skipped += count;
        connection->readable = count == LOOP_SCRATCH_BYTES;
        if (connection->readable) {
            wake(&connection->waiter); /* after the others */
        }
        break;
    case CHANNEL_AGAIN:
        connection->readable = false;
        break;
    case CHANNEL_EOF:
    case CHANNEL_ERROR:
        connection_close(connection, CHANNEL_CLOSE);
        break;
    }
}
