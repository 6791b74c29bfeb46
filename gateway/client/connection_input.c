/*
 * What a client sends is read into one block: a head stays at its front, body bytes are decoded in
 * place behind it. A body that does not fit there gets a block of its own. Blocks are given back
 * when they are empty, to a few spare ones of the worker.
 */
#include "base/memory.h"
#include "gateway/client/connection_internal.h"

#include <assert.h>

/* ---- blocks ---- */

static void give_back(struct client_side *side, char *block, size_t size)
{
    if (size == INPUT_BLOCK_BYTES && side->spare_block_count < SPARE_BLOCKS) {
        side->spare_blocks[side->spare_block_count++] = block;
    } else {
        memory_free(block);
    }
}

void input_take_block(struct client_side *side, struct input *input)
{
    char *block = side->spare_block_count > 0 ? side->spare_blocks[--side->spare_block_count]
                                              : memory_resize(NULL, INPUT_BLOCK_BYTES);
    *input = (struct input){.block = block, .size = INPUT_BLOCK_BYTES, .limit = INPUT_BLOCK_BYTES};
}

void input_drop_block(struct connection *connection)
{
    if (connection->input.block != NULL) {
        give_back(connection->side, connection->input.block, connection->input.size);
        connection->input = (struct input){0};
    }
}

void input_drop_fields(struct connection *connection)
{
    if (connection->fields_apart) {
        memory_free(connection->request.fields);
        connection->fields_apart = false;
    }
    connection->request = (struct http1_request){0};
}

void input_drop_head_block(struct connection *connection)
{
    if (connection->head_block != NULL) {
        give_back(connection->side, TAKE(connection->head_block), connection->head_block_size);
    }
}

void connection_drop_input(struct connection *connection)
{
    connection->piece = slice_make(NULL, 0);
    input_drop_fields(connection);
    input_drop_head_block(connection);
    input_drop_block(connection);
}

/* ---- reading ---- */

/* One read behind the unread bytes, where there is room. */
enum channel_result input_fill(struct connection *connection)
{
    struct input *input = &connection->input;
    size_t room = input->limit - input->end;
    size_t count;
    assert(room > 0);
    if (!connection->readable) {
        return CHANNEL_AGAIN;
    }
    if (connection->budget == 0) {
        wake(&connection->waiter); /* after the others who are ready */
        return CHANNEL_AGAIN;
    }
    enum channel_result result =
        channel_read(&connection->channel, input->block + input->end, room, &count);
    switch (result) {
    case CHANNEL_DONE:
        input->end += count;
        connection->budget -= count < connection->budget ? count : connection->budget;
        connection->readable = count == room || connection->channel.ssl != NULL;
        break;
    case CHANNEL_AGAIN:
        if (connection->channel.wants_write) {
            connection_await_room(connection);
        } else {
            connection->readable = false;
        }
        break;
    case CHANNEL_EOF:
    case CHANNEL_ERROR:
        break;
    }
    return result;
}
