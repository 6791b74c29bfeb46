/*
 * event_stream: reads text/event-stream as the WHATWG's HTML standard defines it (section 9.2.6),
 * split anywhere, in constant memory: what the events' data are is handed on piece by piece.
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    EVENT_STREAM_TYPE = 64, /* most bytes of an event's type */
    EVENT_STREAM_NAME = 6,  /* a field's name may be longer, but is then none that is known */
};

enum event_stream_found {
    EVENT_STREAM_MORE, /* all of the data was read */
    EVENT_STREAM_DATA, /* a piece of an event's data, line ends between lines included */
    EVENT_STREAM_END,  /* the event is whole */
};

struct event_stream {
    /* Of the event, at its end. */
    bool has_data;    /* else it is none (a comment, say) */
    uint8_t type_len; /* as "event:" says; 0: it does not, or it is too long */
    char type[EVENT_STREAM_TYPE];

    /* For event_stream.c alone. */
    uint8_t state;
    uint8_t field;       /* of the line */
    uint8_t mark_len;    /* of the byte order mark, read so far */
    uint8_t name_len;    /* of the field's name; more than there is room for: not known */
    bool after_cr;       /* a line feed that comes now belongs to the line end before */
    bool lines_end_crlf; /* the last line did */
    bool end_pending;    /* the event ends with the line feed that should follow */
    bool begun;          /* a line of the event was read, or a part of one */
    bool ended;          /* the last thing found was the end of an event */
    bool type_too_long;
    char name[EVENT_STREAM_NAME];
};

/* Zero-initialized is the start of a stream. */

/* Reads from the front of *data up to what is found, and takes that off. *ret_piece says something
 * for EVENT_STREAM_DATA alone, and lies in *data, or is a constant. */
enum event_stream_found event_stream_next(struct event_stream *stream, struct slice *data,
                                          struct slice *ret_piece);

/* Nothing of the next event has been seen (comments aside), not even a part of a line. */
bool event_stream_between(const struct event_stream *stream);

static inline struct slice event_stream_type(const struct event_stream *stream)
{
    return slice_make(stream->type, stream->type_len);
}
