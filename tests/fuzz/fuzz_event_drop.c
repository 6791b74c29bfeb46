/*
 * Fuzzes what takes the event of usage alone out of a stream. The first byte says how long the
 * pieces are.
 *
 * Checked is that pieces do not matter, that no more is held than may be, and that what is left are
 * the events of the stream but those that a tree says to be it.
 */
#include "base/json.h"
#include "gateway/meter/event_drop.h"
#include "gateway/meter/event_stream.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_MAX = 3 * EVENT_DROP_HELD };

static void check(bool claim)
{
    if (!claim) {
        abort();
    }
}

static void take_out(struct slice text, size_t piece_len, struct buffer *out)
{
    struct event_drop *drop = event_drop_new();
    while (text.len > 0) {
        struct slice piece;
        struct slice part = slice_make(text.ptr, text.len < piece_len ? text.len : piece_len);
        text = slice_skip(text, part.len);
        while (event_drop_next(drop, &part, &piece)) {
            check(piece.len > 0);
            check(buffer_append(out, piece) == STATUS_OK);
        }
        check(part.len == 0 && buffer_len(&drop->held) <= EVENT_DROP_HELD);
    }
    check(buffer_append(out, event_drop_end(drop)) == STATUS_OK);
    event_drop_free(drop);
}

/* An event with data, as a client sees it. */
struct event {
    struct buffer data;
    char type[EVENT_STREAM_TYPE];
    size_t type_len;
    size_t len; /* in the stream, with what stands before it */
};

/* False: there is no more. */
static bool next_event(struct event_stream *stream, struct slice *rest, struct event *event)
{
    struct slice piece;
    enum event_stream_found found;
    size_t before = rest->len;
    buffer_reset(&event->data);
    while ((found = event_stream_next(stream, rest, &piece)) != EVENT_STREAM_MORE) {
        if (found == EVENT_STREAM_DATA) {
            check(buffer_append(&event->data, piece) == STATUS_OK);
        } else if (stream->has_data) {
            event->len = before - rest->len;
            event->type_len = stream->type_len;
            memcpy(event->type, stream->type, stream->type_len);
            return true;
        }
    }
    return false;
}

static bool same(const struct event *a, const struct event *b)
{
    return slice_equal(buffer_bytes(&a->data), buffer_bytes(&b->data)) &&
           slice_equal(slice_make(a->type, a->type_len), slice_make(b->type, b->type_len));
}

enum claim { CLAIM_NO, CLAIM_YES, CLAIM_UNSURE };

/* What a tree says: sure of what is no JSON with a name twice, and not too long. */
static enum claim is_usage_alone(const struct event *event)
{
    static const struct json_limits limits = {
        .bytes = TEXT_MAX, .depth = 200, .names = JSON_NAMES_ONCE};
    struct cJSON *value CLEANUP(json_free_at) = NULL;
    if (json_parse(buffer_bytes(&event->data), &limits, &value, NULL) != STATUS_OK) {
        return CLAIM_UNSURE;
    }
    const struct cJSON *choices = json_get(value, "choices");
    bool is_it = json_is_object(value) && json_is_array(choices) && json_count(choices) == 0 &&
                 json_is_object(json_get(value, "usage"));
    return !is_it ? CLAIM_NO : event->len > EVENT_DROP_HELD ? CLAIM_UNSURE : CLAIM_YES;
}

static void check_events(struct slice text, struct slice left)
{
    struct event_stream text_stream = {0};
    struct event_stream left_stream = {0};
    struct event wanted = {.len = 0};
    struct event got = {.len = 0};
    buffer_init(&wanted.data, TEXT_MAX);
    buffer_init(&got.data, TEXT_MAX);
    bool more = next_event(&left_stream, &left, &got);
    while (next_event(&text_stream, &text, &wanted)) {
        enum claim claim = is_usage_alone(&wanted);
        if (more && claim != CLAIM_YES && same(&wanted, &got)) {
            more = next_event(&left_stream, &left, &got);
        } else {
            check(claim != CLAIM_NO);
        }
    }
    check(!more);
    buffer_fini(&wanted.data);
    buffer_fini(&got.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer whole CLEANUP(buffer_fini);
    struct buffer pieces CLEANUP(buffer_fini);
    buffer_init(&whole, TEXT_MAX);
    buffer_init(&pieces, TEXT_MAX);
    if (size < 2 || size > TEXT_MAX) {
        return 0;
    }
    struct slice text = slice_make((const char *)data + 1, size - 1);
    take_out(text, text.len, &whole);
    take_out(text, (size_t)data[0] + 1, &pieces);
    check(slice_equal(buffer_bytes(&whole), buffer_bytes(&pieces)));
    struct slice left = buffer_bytes(&whole);
    bool has_mark = text.ptr[0] == '\xef' || (left.len > 0 && left.ptr[0] == '\xef');
    if (memmem(text.ptr, text.len, "\\u0000", 6) == NULL && !has_mark) {
        check_events(text, left); /* the tree takes no zero */
    }
    return 0;
}
