#include "gateway/upstream/outbox.h"

#include <assert.h>

enum {
    CHUNK_FRAME_BYTES = HTTP1_CHUNK_HEAD_BYTES + 2,
    LAST_CHUNK_BYTES = 5, /* always left, so that the end can be added */
};

static const struct slice line_end = SLICE_INIT("\r\n");
static const struct slice last_chunk = SLICE_INIT("0\r\n\r\n");

static void add_fixed(struct outbox *outbox, struct slice piece)
{
    if (piece.len > 0) {
        outbox->fixed[outbox->fixed_count++] = piece;
    }
}

void outbox_init(struct outbox *outbox, struct slice head, struct slice body,
                 enum http1_framing framing, bool body_whole)
{
    *outbox = (struct outbox){
        .chunked = framing == HTTP1_CHUNKED,
        .ended = body_whole || framing == HTTP1_NO_BODY,
    };
    buffer_init(&outbox->stream, OUTBOX_STREAM_BYTES);
    add_fixed(outbox, head);
    if (!outbox->chunked) {
        add_fixed(outbox, body);
        return;
    }
    if (body.len > 0) {
        size_t len = http1_write_chunk_head(outbox->chunk_head, body.len);
        add_fixed(outbox, slice_make(outbox->chunk_head, len));
        add_fixed(outbox, body);
        add_fixed(outbox, line_end);
    }
    if (outbox->ended) {
        add_fixed(outbox, last_chunk);
    }
}

void outbox_fini(struct outbox *outbox)
{
    buffer_fini(&outbox->stream);
    outbox->next = outbox->fixed_count = 0;
}

static struct iovec as_iovec(struct slice bytes)
{
    return (struct iovec){.iov_base = (void *)bytes.ptr, .iov_len = bytes.len};
}

unsigned outbox_pieces(const struct outbox *outbox, struct iovec ret[OUTBOX_PIECES])
{
    unsigned count = 0;
    for (unsigned i = outbox->next; i < outbox->fixed_count; i++) {
        size_t offset = i == outbox->next ? outbox->next_offset : 0;
        ret[count++] = as_iovec(slice_skip(outbox->fixed[i], offset));
    }
    if (buffer_len(&outbox->stream) > 0) {
        ret[count++] = as_iovec(buffer_bytes(&outbox->stream));
    }
    return count;
}

void outbox_sent(struct outbox *outbox, size_t count)
{
    while (count > 0 && outbox->next < outbox->fixed_count) {
        size_t left = outbox->fixed[outbox->next].len - outbox->next_offset;
        if (count < left) {
            outbox->next_offset += count;
            return;
        }
        count -= left;
        outbox->next++;
        outbox->next_offset = 0;
    }
    assert(count <= buffer_len(&outbox->stream));
    buffer_consume(&outbox->stream, count);
    if (outbox->ended && buffer_len(&outbox->stream) == 0) {
        buffer_reset(&outbox->stream);
    }
}

void outbox_rewind(struct outbox *outbox)
{
    outbox->next = 0;
    outbox->next_offset = 0;
}

size_t outbox_room(const struct outbox *outbox)
{
    size_t room = buffer_room(&outbox->stream);
    size_t frame = outbox->chunked ? CHUNK_FRAME_BYTES + LAST_CHUNK_BYTES : 0;
    return outbox->ended || room <= frame ? 0 : room - frame;
}

static void append(struct outbox *outbox, struct slice bytes)
{
    enum status status = buffer_append(&outbox->stream, bytes);
    assert(status == STATUS_OK); /* outbox_room() was asked */
}

void outbox_write(struct outbox *outbox, struct slice bytes)
{
    assert(bytes.len <= outbox_room(outbox));
    if (bytes.len == 0) {
        return; /* an empty chunk would end the body */
    }
    if (!outbox->chunked) {
        append(outbox, bytes);
        return;
    }
    char head[HTTP1_CHUNK_HEAD_BYTES];
    append(outbox, slice_make(head, http1_write_chunk_head(head, bytes.len)));
    append(outbox, bytes);
    append(outbox, line_end);
}

void outbox_end(struct outbox *outbox)
{
    if (outbox->ended) {
        return;
    }
    outbox->ended = true;
    if (outbox->chunked) {
        append(outbox, last_chunk);
    }
}
