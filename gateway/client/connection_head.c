/*
 * A request's head: read until it is whole, parsed strictly, handed to the owner or refused. The
 * work for a head is linear in its bytes, in however small pieces they come.
 */
#include "base/memory.h"
#include "gateway/client/connection_internal.h"

#include <assert.h>
#include <stdalign.h>

enum { LONG_METHOD_BYTES = 64 };

/* Is the empty line that ends a head among the bytes that were not looked through yet? Linear: a
 * byte is looked at once, however small the pieces that a head comes in. */
static bool has_end(struct connection *connection, struct slice bytes)
{
    while (connection->scanned < bytes.len) {
        struct slice rest = slice_skip(bytes, connection->scanned);
        size_t newline = slice_find(rest, '\n');
        if (newline == rest.len) {
            connection->scanned = bytes.len;
            return false;
        }
        struct slice behind = slice_skip(rest, newline + 1);
        if (behind.len < 2 && !slice_equal(behind, SLICE("\n"))) {
            connection->scanned += newline; /* this line end is looked at again */
            return false;
        }
        if (slice_starts_with(behind, SLICE("\r\n")) || slice_starts_with(behind, SLICE("\n"))) {
            return true;
        }
        connection->scanned += newline + 1;
    }
    return false;
}

/* A head that is not whole yet is parsed again when it has doubled, or must have passed a limit, to
 * refuse a bad one early. */
static bool worth_parsing(struct connection *connection, struct slice bytes,
                          const struct http1_limits *limits)
{
    size_t parsed = connection->parsed;
    size_t too_long = limits->uri_bytes + LONG_METHOD_BYTES;
    return bytes.len > parsed &&
           (bytes.len >= 2 * parsed || bytes.len >= limits->head_bytes ||
            (bytes.len > too_long && parsed <= too_long) || has_end(connection, bytes));
}

static enum http1_result parse(struct connection *connection, struct slice bytes,
                               const struct http1_limits *limits, struct http1_fault *fault)
{
    struct client_side *side = connection->side;
    if (side->field_count < limits->field_count) {
        side->field_count = limits->field_count;
        side->fields = memory_resize(side->fields, side->field_count * sizeof(struct http1_field));
    }
    connection->parsed = bytes.len;
    connection->request = (struct http1_request){.fields = side->fields};
    return http1_read_request(bytes, limits, &connection->request, fault);
}

/* Copies the fields out of the side's array: to the end of the block, if there is room. */
static void keep_fields(struct connection *connection)
{
    struct input *input = &connection->input;
    struct http1_request *request = &connection->request;
    size_t size = request->field_count * sizeof(struct http1_field);
    size_t align = alignof(struct http1_field);
    if (size == 0) {
        request->fields = NULL;
        return;
    }
    struct http1_field *kept = NULL;
    if (input->size >= size && ((input->size - size) & ~(align - 1)) >= input->end) {
        input->limit = (input->size - size) & ~(align - 1);
        kept = (struct http1_field *)(void *)(input->block + input->limit);
    } else {
        kept = memory_resize(NULL, size);
        connection->fields_apart = true;
    }
    memcpy(kept, request->fields, size);
    request->fields = kept;
}

/* Before the owner is told: what it asks stays the same while it has the request. */
static void find_source(struct connection *connection)
{
    uint8_t address[ADDRESS_BYTES];
    const struct trusted_proxies *proxies = &connection_limits(connection)->proxies;
    connection->is_forwarded =
        proxies->count > 0 && connection->has_address &&
        forwarded_source(&connection->request, proxies, connection->address, address);
    if (!connection->is_forwarded) {
        return;
    }
    if (connection->forwarded == NULL) {
        connection->forwarded = MEMORY_NEW(struct forwarded);
    }
    memcpy(connection->forwarded->address, address, sizeof(address));
    address_print(address, connection->forwarded->text);
}

static void serve(struct connection *connection)
{
    connection->phase = PHASE_SERVE;
    find_source(connection);
    connection_expect_nothing(connection);
    connection->head_begun = false;
    connection->continued = false;
    connection->body_wanted = false;
    connection->body_over = false;
    connection->body_bad = false;
    connection->came_unread = false;
    connection->sent = 0;
}

static void begin(struct connection *connection)
{
    const struct client_side_settings *settings = &connection->side->settings;
    const struct http1_request *request = &connection->request;
    keep_fields(connection);
    connection->input.start += request->head_len;
    connection->input.floor = connection->input.start;
    http1_body_init(&connection->body, request->framing, request->content_length);
    serve(connection);
    struct waiter *owner = settings->ops->begin(settings->ctx, connection);
    if (connection->phase == PHASE_SERVE) { /* it was not finished inside */
        connection->owner = owner;
        if (connection->gone) {
            wake(owner);
        }
    }
}

static void refuse(struct connection *connection, const struct http1_fault *fault)
{
    const struct client_side_settings *settings = &connection->side->settings;
    struct http1_fault reason = *fault;
    keep_fields(connection);
    connection->request.keep_alive = false;
    http1_body_init(&connection->body, HTTP1_NO_BODY, 0);
    serve(connection);
    connection->body_bad = true; /* nothing behind such a head can be trusted */
    connection->fault = reason;
    settings->ops->refuse(settings->ctx, connection, &reason);
}

void connection_head_late(struct connection *connection)
{
    struct slice bytes = input_unread(&connection->input);
    if (bytes.len == 0) {
        if (connection->channel.ssl != NULL) {
            channel_shutdown(&connection->channel);
        }
        connection_close(connection, CHANNEL_CLOSE);
        return;
    }
    struct http1_fault fault;
    (void)parse(connection, bytes, &connection_limits(connection)->head, &fault);
    connection->request.field_count = 0;
    fault =
        (struct http1_fault){.status = 408, .reason = "the request's head did not come in time"};
    refuse(connection, &fault);
}

/* Room behind the unread bytes. false: there are as many as a head may have. */
static bool make_head_room(struct connection *connection, size_t head_bytes)
{
    struct input *input = &connection->input;
    if (input->block == NULL) {
        input_take_block(connection->side, input);
    }
    if (input->end < input->limit) {
        return true;
    }
    if (input->start > 0) {
        memmove(input->block, input->block + input->start, input->end - input->start);
        input->end -= input->start;
        input->start = 0;
        return true;
    }
    if (input->size > head_bytes) {
        return false;
    }
    input->size *= 2;
    input->limit = input->size;
    input->block = memory_resize(input->block, input->size);
    return true;
}

/* Nothing more can be read for now. */
static void wait_for_head(struct connection *connection)
{
    const struct connection_limits *limits = connection_limits(connection);
    if (input_unread(&connection->input).len > 0) {
        if (!connection->head_begun) {
            connection->head_begun = true;
            connection_expect(connection, limits->header_timeout);
        }
        return;
    }
    input_drop_block(connection);
    if (connection->side->draining && !connection->readable) {
        connection_head_late(connection);
    } else if (connection->read_timer.due == 0) {
        connection_expect(connection, limits->keep_alive_timeout);
    }
}

void connection_read_head(struct connection *connection)
{
    const struct connection_limits *limits = connection_limits(connection);
    struct http1_fault fault;
    for (;;) {
        struct slice bytes = input_unread(&connection->input);
        if (bytes.len > 0 && connection->request_start == 0) {
            connection->request_start = connection->side->settings.loop->now;
        }
        if (worth_parsing(connection, bytes, &limits->head)) {
            switch (parse(connection, bytes, &limits->head, &fault)) {
            case HTTP1_DONE:
                begin(connection);
                return;
            case HTTP1_BAD:
                refuse(connection, &fault);
                return;
            case HTTP1_PARTIAL:
                break;
            }
        }
        if (!make_head_room(connection, limits->head.head_bytes)) {
            fault = (struct http1_fault){.status = 431, .reason = "the head is too large"};
            refuse(connection, &fault);
            return;
        }
        switch (input_fill(connection)) {
        case CHANNEL_DONE:
            break;
        case CHANNEL_AGAIN:
            wait_for_head(connection);
            return;
        case CHANNEL_EOF:
            connection_close(connection, CHANNEL_CLOSE);
            return;
        case CHANNEL_ERROR:
            connection_close(connection, CHANNEL_RESET);
            return;
        }
    }
}

void connection_next_head(struct connection *connection)
{
    struct input *input = &connection->input;
    input_drop_fields(connection);
    input_drop_head_block(connection);
    input->floor = 0;
    input->limit = input->size;
    connection->phase = PHASE_HEAD;
    connection->parsed = 0;
    connection->scanned = 0;
    connection->request_start = 0;
    connection_expect_nothing(connection);
    if (input->start == input->end) {
        input_drop_block(connection);
    }
    if (buffer_len(&connection->output) > 0) {
        return; /* goes on when it was taken */
    }
    if (input->block != NULL || connection->readable || connection->side->draining) {
        wake(&connection->waiter);
    } else {
        connection_expect(connection, connection_limits(connection)->keep_alive_timeout);
    }
}
