#include "gateway/meter/event_stream.h"

enum state {
    STATE_MARK, /* a byte order mark may be here */
    STATE_LINE, /* a line begins */
    STATE_NAME,
    STATE_SPACE, /* one space may stand before the value */
    STATE_VALUE,
};

enum field { FIELD_OTHER, FIELD_DATA, FIELD_EVENT };

static const char byte_order_mark[] = "\xef\xbb\xbf";

/* The event before is over, and was looked at. */
static void forget_event(struct event_stream *stream)
{
    stream->has_data = false;
    stream->type_len = 0;
    stream->type_too_long = false;
    stream->begun = false;
}

static void read_mark(struct event_stream *stream, struct slice *data)
{
    if (data->ptr[0] == byte_order_mark[stream->mark_len]) {
        *data = slice_skip(*data, 1);
        stream->mark_len++;
        stream->state = stream->mark_len < 3 ? STATE_MARK : STATE_LINE;
        return;
    }
    /* A part of a mark is the beginning of a field that nobody knows. */
    stream->state = stream->mark_len == 0 ? STATE_LINE : STATE_NAME;
    stream->name_len = stream->mark_len == 0 ? 0 : EVENT_STREAM_NAME + 1;
    stream->begun = stream->mark_len > 0;
}

/* The name of the line's field is read. True: another line of data is joined to those before. */
static bool begin_value(struct event_stream *stream)
{
    bool known = stream->name_len <= EVENT_STREAM_NAME;
    struct slice name = slice_make(stream->name, known ? stream->name_len : 0);
    stream->field = FIELD_OTHER;
    if (slice_equal(name, SLICE("data"))) {
        bool joined = stream->has_data;
        stream->field = FIELD_DATA;
        stream->has_data = true;
        return joined;
    }
    if (slice_equal(name, SLICE("event"))) {
        stream->field = FIELD_EVENT;
        stream->type_len = 0;
        stream->type_too_long = false;
    }
    return false;
}

static void keep_type(struct event_stream *stream, struct slice piece)
{
    size_t room = (size_t)EVENT_STREAM_TYPE - stream->type_len;
    if (stream->type_too_long || piece.len > room) {
        stream->type_too_long = true;
        stream->type_len = 0;
        return;
    }
    memcpy(stream->type + stream->type_len, piece.ptr, piece.len);
    stream->type_len = (uint8_t)(stream->type_len + piece.len);
}

/* A line that is not empty, and was taken as it is, ends. True: see begin_value(). */
static bool end_line(struct event_stream *stream)
{
    bool joined = stream->state == STATE_NAME && begin_value(stream); /* "data" without a colon */
    stream->state = STATE_LINE;
    return joined;
}

static bool is_line_end(char byte)
{
    return byte == '\r' || byte == '\n';
}

/* The bytes of the line up to its end, or all. */
static struct slice rest_of_line(struct slice data)
{
    const char *feed = memchr(data.ptr, '\n', data.len);
    size_t len = feed == NULL ? data.len : (size_t)(feed - data.ptr);
    const char *cr = memchr(data.ptr, '\r', len);
    return slice_make(data.ptr, cr == NULL ? len : (size_t)(cr - data.ptr));
}

static enum event_stream_found read_value(struct event_stream *stream, struct slice *data,
                                          struct slice *ret_piece)
{
    struct slice piece = rest_of_line(*data);
    *data = slice_skip(*data, piece.len);
    if (stream->field == FIELD_EVENT) {
        keep_type(stream, piece);
    }
    if (stream->field != FIELD_DATA || piece.len == 0) {
        return EVENT_STREAM_MORE;
    }
    *ret_piece = piece;
    return EVENT_STREAM_DATA;
}

/* True: see begin_value(). */
static bool read_name(struct event_stream *stream, struct slice *data)
{
    while (data->len > 0 && !is_line_end(data->ptr[0])) {
        char byte = data->ptr[0];
        *data = slice_skip(*data, 1);
        if (byte == ':') {
            stream->state = STATE_SPACE;
            return begin_value(stream);
        }
        if (stream->name_len < EVENT_STREAM_NAME) {
            stream->name[stream->name_len++] = byte;
        } else {
            stream->name_len = EVENT_STREAM_NAME + 1;
        }
    }
    return false;
}

static bool is_comment(const struct event_stream *stream, char first)
{
    return stream->state == STATE_LINE && first == ':';
}

/* An empty line. Behind lines that end in CR LF, a CR is only half of it: what is sent between two
 * events must not come between them. */
static enum event_stream_found end_event(struct event_stream *stream, char byte)
{
    if (byte == '\r' && stream->lines_end_crlf) {
        stream->end_pending = true;
        return EVENT_STREAM_MORE;
    }
    return EVENT_STREAM_END;
}

/* What a line end means here; one is at the front of *data. */
static enum event_stream_found read_line_end(struct event_stream *stream, struct slice *data,
                                             struct slice *ret_piece)
{
    char byte = data->ptr[0];
    bool empty = stream->state == STATE_LINE;
    *data = slice_skip(*data, 1);
    stream->after_cr = byte == '\r';
    if (empty) {
        return end_event(stream, byte);
    }
    stream->lines_end_crlf = false;
    *ret_piece = SLICE("\n");
    return end_line(stream) ? EVENT_STREAM_DATA : EVENT_STREAM_MORE;
}

/* The byte behind a CR. True: it ends the event. */
static bool read_after_cr(struct event_stream *stream, struct slice *data)
{
    bool ends = stream->end_pending;
    stream->after_cr = false;
    stream->end_pending = false;
    stream->lines_end_crlf = data->ptr[0] == '\n';
    if (stream->lines_end_crlf) {
        *data = slice_skip(*data, 1);
    }
    return ends;
}

static enum event_stream_found read_line(struct event_stream *stream, struct slice *data,
                                         struct slice *ret_piece)
{
    if (is_line_end(data->ptr[0])) {
        return read_line_end(stream, data, ret_piece);
    }
    if (stream->state == STATE_LINE) {
        stream->begun |= !is_comment(stream, data->ptr[0]);
        stream->name_len = 0;
        stream->state = STATE_NAME;
    }
    if (stream->state == STATE_NAME) {
        *ret_piece = SLICE("\n");
        return read_name(stream, data) ? EVENT_STREAM_DATA : EVENT_STREAM_MORE;
    }
    if (stream->state == STATE_SPACE) {
        stream->state = STATE_VALUE;
        *data = slice_skip(*data, data->ptr[0] == ' ');
        return EVENT_STREAM_MORE;
    }
    return read_value(stream, data, ret_piece);
}

enum event_stream_found event_stream_next(struct event_stream *stream, struct slice *data,
                                          struct slice *ret_piece)
{
    enum event_stream_found found = EVENT_STREAM_MORE;
    if (stream->ended) {
        forget_event(stream);
        stream->ended = false;
    }
    while (data->len > 0 && found == EVENT_STREAM_MORE) {
        if (stream->after_cr) {
            found = read_after_cr(stream, data) ? EVENT_STREAM_END : EVENT_STREAM_MORE;
        } else if (stream->state == STATE_MARK) {
            read_mark(stream, data);
        } else {
            found = read_line(stream, data, ret_piece);
        }
    }
    stream->ended = found == EVENT_STREAM_END;
    return found;
}

bool event_stream_between(const struct event_stream *stream)
{
    bool at_line =
        stream->state == STATE_LINE || (stream->state == STATE_MARK && stream->mark_len == 0);
    return at_line && !stream->end_pending && (stream->ended || !stream->begun);
}
