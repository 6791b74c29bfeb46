/*
 * outbox: what is still to be sent of a request: its head, the held body, and streamed bytes.
 *
 * Puts them into their framing and lists them as pieces for one send, without copying what is
 * held. Knows nothing of sockets.
 */
#pragma once

#include "base/buffer.h"
#include "base/http1.h"

#include <stdbool.h>
#include <sys/uio.h>

enum {
    OUTBOX_FIXED_PIECES = 5,
    OUTBOX_PIECES = OUTBOX_FIXED_PIECES + 1,
    OUTBOX_STREAM_BYTES = 64 * 1024, /* most streamed bytes that wait, framing included */
};

struct outbox {
    struct slice fixed[OUTBOX_FIXED_PIECES]; /* borrowed but for the chunk's head */
    unsigned fixed_count;
    unsigned next;      /* of the fixed pieces, the first that is not sent whole */
    size_t next_offset; /* bytes of it that are sent */
    char chunk_head[HTTP1_CHUNK_HEAD_BYTES];
    bool chunked;
    bool ended;           /* nothing will be added */
    struct buffer stream; /* framed; sent after the fixed pieces */
};

/* `head` and `body` are borrowed until outbox_fini(). `framing` is that of the whole body. */
void outbox_init(struct outbox *outbox, struct slice head, struct slice body,
                 enum http1_framing framing, bool body_whole);
void outbox_fini(struct outbox *outbox);

/* The unsent pieces; returns how many. */
unsigned outbox_pieces(const struct outbox *outbox, struct iovec ret[OUTBOX_PIECES]);
void outbox_sent(struct outbox *outbox, size_t count);
/* To send everything once more. Only if nothing was streamed, or none of it sent. */
void outbox_rewind(struct outbox *outbox);

static inline bool outbox_empty(const struct outbox *outbox)
{
    return outbox->next == outbox->fixed_count && buffer_len(&outbox->stream) == 0;
}
static inline bool outbox_done(const struct outbox *outbox)
{
    return outbox->ended && outbox_empty(outbox);
}

/* How many body bytes outbox_write() takes. */
size_t outbox_room(const struct outbox *outbox);
void outbox_write(struct outbox *outbox, struct slice bytes);
void outbox_end(struct outbox *outbox);
