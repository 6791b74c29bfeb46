#include "gateway/meter/event_drop.h"

#include "base/memory.h"

#include <assert.h>

enum member { MEMBER_OTHER, MEMBER_CHOICES, MEMBER_USAGE };

enum fate {
    FATE_OPEN,    /* what was read may be of the event that is taken out */
    FATE_GOES,    /* it is not */
    FATE_DROPPED, /* it is, and that event is whole */
};

static const char byte_order_mark[] = {'\xef', '\xbb', '\xbf'};

static void begin_event(struct event_drop *drop)
{
    drop->len = 0;
    drop->goes = false;
    drop->member = MEMBER_OTHER;
    drop->without_choice = false;
    drop->has_usage = false;
    json_scan_init(&drop->json);
}

struct event_drop *event_drop_new(void)
{
    struct event_drop *drop = MEMORY_NEW(struct event_drop);
    buffer_init(&drop->held, EVENT_DROP_HELD);
    begin_event(drop);
    return drop;
}

void event_drop_free(struct event_drop *drop)
{
    if (drop != NULL) {
        buffer_fini(&drop->held);
        memory_free(drop);
    }
}

/* ---- what an event is ---- */

static void note_name(struct event_drop *drop)
{
    drop->member = json_scan_is(&drop->json, SLICE("choices")) ? MEMBER_CHOICES
                   : json_scan_is(&drop->json, SLICE("usage")) ? MEMBER_USAGE
                                                               : MEMBER_OTHER;
}

/* A value, or its beginning or end, of a member at the top. */
static void note_member(struct event_drop *drop, enum json_event event)
{
    if (drop->member == MEMBER_CHOICES) {
        drop->goes = event != JSON_ARRAY_BEGIN && event != JSON_ARRAY_END;
        drop->without_choice = event == JSON_ARRAY_END;
    } else if (drop->member == MEMBER_USAGE) {
        drop->goes = event != JSON_OBJECT_BEGIN && event != JSON_OBJECT_END;
        drop->has_usage = true;
    }
}

static void note(struct event_drop *drop, enum json_event event)
{
    unsigned depth = drop->json.depth;
    if (depth == 0) {
        drop->goes = event != JSON_OBJECT_BEGIN && event != JSON_OBJECT_END;
    } else if (depth == 1 && event == JSON_NAME) {
        note_name(drop);
    } else if (depth == 1) {
        note_member(drop, event);
    } else if (drop->member == MEMBER_CHOICES) {
        drop->goes = true; /* there is one */
    }
}

/* Looks at a piece of its data, unless it is known. */
static void look(struct event_drop *drop, struct slice piece)
{
    enum json_event event = JSON_MORE;
    while (!drop->goes && (event = json_scan_next(&drop->json, &piece)) > JSON_MORE) {
        note(drop, event);
    }
    drop->goes |= event == JSON_INVALID;
}

static bool is_whole(struct event_drop *drop)
{
    return json_scan_end(&drop->json) == JSON_DONE;
}

static enum fate end_event(struct event_drop *drop)
{
    bool is_it = !drop->goes && drop->without_choice && drop->has_usage && is_whole(drop);
    begin_event(drop);
    drop->dropped = is_it;
    return is_it ? FATE_DROPPED : FATE_GOES;
}

/* ---- the stream ---- */

/* Reads the next `count` bytes of what stands between two events. */
static void read_between(struct event_drop *drop, struct slice *data, size_t count)
{
    struct slice piece;
    struct slice bytes = slice_make(data->ptr, count);
    (void)event_stream_next(&drop->stream, &bytes, &piece);
    *data = slice_skip(*data, count);
}

/* Up to the end of its line, or all. */
static size_t comment_len(struct event_drop *drop, struct slice data)
{
    for (size_t i = 0; i < data.len; i++) {
        if (data.ptr[i] == '\r' || data.ptr[i] == '\n') {
            drop->in_comment = false;
            return i + 1;
        }
    }
    drop->in_comment = true;
    return data.len;
}

/* The stream's first bytes; a part of a mark is the beginning of a field that nobody knows. */
static bool read_mark(struct event_drop *drop, struct slice *data)
{
    bool is_mark = data->ptr[0] == byte_order_mark[drop->mark_len];
    if (is_mark) {
        drop->mark_len++;
        read_between(drop, data, 1);
    } else {
        drop->goes = drop->mark_len > 0;
        drop->mark_len = sizeof(byte_order_mark);
    }
    return is_mark;
}

/* What is no part of an event goes at once, wherever it is split: the mark, comments; a line feed
 * that belongs to the end of the event before goes where that went. */
static bool read_outside(struct event_drop *drop, struct slice *data, enum fate *ret)
{
    *ret = FATE_GOES;
    if (drop->mark_len < sizeof(byte_order_mark) && read_mark(drop, data)) {
        return true;
    }
    if (!drop->in_comment && !event_stream_between(&drop->stream)) {
        return false;
    }
    if (!drop->in_comment && drop->after_cr && data->ptr[0] == '\n') {
        *ret = drop->dropped ? FATE_DROPPED : FATE_GOES;
        read_between(drop, data, 1);
        return true;
    }
    if (drop->in_comment || data->ptr[0] == ':') {
        drop->dropped = false;
        read_between(drop, data, comment_len(drop, *data));
        return true;
    }
    return false;
}

static enum fate read_event(struct event_drop *drop, struct slice *data)
{
    struct slice piece;
    struct slice before = *data;
    enum event_stream_found found = event_stream_next(&drop->stream, data, &piece);
    drop->len += before.len - data->len;
    drop->goes |= drop->len > EVENT_DROP_HELD;
    switch (found) {
    case EVENT_STREAM_DATA:
        look(drop, piece);
        break;
    case EVENT_STREAM_END:
        return end_event(drop);
    case EVENT_STREAM_MORE:
        break;
    }
    return drop->goes ? FATE_GOES : FATE_OPEN;
}

/* Takes off the front of *data, which is not empty, what has one fate, or a part of it; nothing
 * where its first byte shows that what came before was the end of an event. */
static enum fate read_on(struct event_drop *drop, struct slice *data)
{
    enum fate fate;
    struct slice before = *data;
    if (!read_outside(drop, data, &fate)) {
        fate = read_event(drop, data);
    }
    size_t count = before.len - data->len;
    if (count > 0) { /* else an event has ended before it */
        drop->after_cr = before.ptr[count - 1] == '\r';
    }
    return fate;
}

/* ---- what goes ---- */

/* What is held goes first, then the `count` bytes at the front of the data. */
static bool give_held(struct event_drop *drop, size_t count, struct slice *ret_piece)
{
    drop->given = true;
    drop->scanned = count;
    *ret_piece = buffer_bytes(&drop->held);
    return true;
}

static bool give(struct slice *data, size_t count, struct slice rest, struct slice *ret_piece)
{
    *ret_piece = slice_make(data->ptr, count);
    *data = rest;
    return count > 0;
}

bool event_drop_next(struct event_drop *drop, struct slice *data, struct slice *ret_piece)
{
    struct slice rest = *data;
    size_t run = 0; /* bytes at the front that may go */
    if (drop->given) {
        drop->given = false;
        buffer_reset(&drop->held);
    }
    if (drop->scanned > 0) {
        run = drop->scanned;
        drop->scanned = 0;
        return give(data, run, slice_skip(*data, run), ret_piece);
    }
    while (rest.len > 0) {
        enum fate fate = read_on(drop, &rest);
        size_t read = data->len - rest.len;
        if (fate == FATE_GOES && buffer_len(&drop->held) > 0) {
            return give_held(drop, read, ret_piece);
        }
        if (fate == FATE_DROPPED) {
            buffer_reset(&drop->held);
            if (run > 0) {
                return give(data, run, rest, ret_piece);
            }
            *data = rest;
        } else if (fate == FATE_GOES) {
            run = read;
        }
    }
    enum status status = buffer_append(&drop->held, slice_skip(*data, run));
    assert(status == STATUS_OK); /* what is open is no longer than EVENT_DROP_HELD */
    return give(data, run, rest, ret_piece);
}

struct slice event_drop_end(struct event_drop *drop)
{
    bool is_it = is_whole(drop) ? drop->without_choice && drop->has_usage
                                : drop->without_choice || drop->has_usage;
    return is_it ? slice_make("", 0) : buffer_bytes(&drop->held);
}
