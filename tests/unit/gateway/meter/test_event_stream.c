#include "gateway/meter/event_stream.h"

#include <stdio.h>

#include <criterion/criterion.h>

enum { WRITTEN = 1024 };

/* Each event in short: type(data), or "-" for one without data; "|" where it is between events at
 * the end. */
struct record {
    char text[WRITTEN];
    size_t len;
    bool in_data;
};

static void append(struct record *record, struct slice text)
{
    cr_assert_lt(record->len + text.len, WRITTEN - 1);
    memcpy(record->text + record->len, text.ptr, text.len);
    record->len += text.len;
    record->text[record->len] = '\0';
}

static void feed(struct event_stream *stream, struct slice data, struct record *record)
{
    enum event_stream_found found;
    struct slice piece = {0};
    while ((found = event_stream_next(stream, &data, &piece)) != EVENT_STREAM_MORE) {
        if (found == EVENT_STREAM_DATA) {
            append(record, piece);
            continue;
        }
        append(record, stream->has_data ? SLICE("(") : SLICE("-"));
        if (stream->has_data) {
            append(record, event_stream_type(stream));
            append(record, SLICE(")"));
        }
        cr_expect(event_stream_between(stream));
    }
    cr_assert_eq(data.len, 0);
}

static struct record read_pieces(struct slice text, size_t cut, size_t piece)
{
    struct event_stream stream = {0};
    struct record record = {.len = 0};
    feed(&stream, slice_make(text.ptr, cut), &record);
    for (size_t at = cut; at < text.len; at += piece) {
        size_t rest = text.len - at;
        feed(&stream, slice_make(text.ptr + at, rest < piece ? rest : piece), &record);
    }
    if (event_stream_between(&stream)) {
        append(&record, SLICE("|"));
    }
    return record;
}

struct reading {
    const char *text;
    const char *events;
};

static void check(const struct reading *readings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct slice text = slice_from(readings[i].text);
        for (size_t cut = 0; cut <= text.len; cut++) {
            struct record record = read_pieces(text, cut, text.len + 1);
            cr_expect_str_eq(record.text, readings[i].events, "%zu, cut at %zu", i, cut);
        }
        struct record bytes = read_pieces(text, 0, 1);
        cr_expect_str_eq(bytes.text, readings[i].events, "%zu byte by byte", i);
    }
}

#define CHECK(readings) check((readings), sizeof(readings) / sizeof((readings)[0]))

Test(event_stream, joins_lines_of_data_and_knows_types)
{
    static const struct reading readings[] = {
        {"", "|"},
        {"data: a\n\n", "a()|"},
        {"data:a\n\ndata:  b\n\n", "a() b()|"},
        {"data: a\ndata: b\ndata\ndata:\n\n", "a\nb\n\n()|"},
        {"event: x\ndata: a\n\ndata: b\n\n", "a(x)b()|"},
        {"data: a\nevent: x\n\n", "a(x)|"},
        {"event: x\nevent:yz\ndata: a\n\n", "a(yz)|"},
        {"event: x\nevent\ndata: a\n\n", "a()|"},
        {"data\n\n", "()|"},
        {"data: a:b: c\n\n", "a:b: c()|"},
    };
    CHECK(readings);
}

Test(event_stream, passes_over_what_is_no_data)
{
    static const struct reading readings[] = {
        {"\n\n", "--|"},
        {": comment\n\n", "-|"},
        {": comment\n", "|"},
        {":\ndata: a\n:\n\n", "a()|"},
        {"id: 1\nretry: 5\n\n", "-|"},
        {"event: x\n\ndata: a\n\n", "-a()|"},
        {"Data: a\n\n", "-|"},
        {" data: a\n\n", "-|"},
        {"dat: a\ndataa: b\ndatabase: c\nevents: d\neventful: e\n\n", "-|"},
        {"data : a\n\n", "-|"},
    };
    CHECK(readings);
}

Test(event_stream, an_event_without_its_empty_line_is_none)
{
    static const struct reading readings[] = {
        {"data: a", "a"},
        {"data: a\n", "a"},
        {"data: a\n\nd", "a()"},
        {"event: x\n", ""},
        {"data: a\n\n: c", "a()"},
        {"data: a\r\n\r", "a"},
        {"data: a\r\n\r\n\r", "a()"},
    };
    CHECK(readings);
}

Test(event_stream, takes_all_line_ends)
{
    static const struct reading readings[] = {
        {"data: a\r\n\r\ndata: b\r\ndata: c\r\n\r\n", "a()b\nc()|"},
        {"data: a\r\rdata: b\rdata: c\r\r", "a()b\nc()|"},
        {"data: a\r\n\ndata: b\n\r\n", "a()b()|"},
        {"data: a\r\n\rdata: b\r\r", "a()b()|"},
        {"data: a\n\rdata: b\r\n\n", "a()b()|"},
        {"\r\ndata: a\r\n\r\n", "-a()|"},
    };
    CHECK(readings);
}

Test(event_stream, takes_one_byte_order_mark_at_the_start)
{
    static const struct reading readings[] = {
        {"\xef\xbb\xbf"
         "data: a\n\n",
         "a()|"},
        {"\xef\xbb\xbf\xef\xbb\xbf"
         "data: a\n\n",
         "-|"},
        {"\xef\xbb"
         "data: a\n\n",
         "-|"},
        {"\xef\ndata: a\n\n", "a()|"},
        {"data: a\n\n\xef\xbb\xbf"
         "data: b\n\n",
         "a()-|"},
        {"\xef\xbb\xbf", "|"},
    };
    CHECK(readings);
}

/* What is put in between must come behind the whole of a line end. */
Test(event_stream, an_event_ends_behind_both_bytes_of_its_line_end)
{
    struct event_stream stream = {0};
    struct slice data = SLICE("data: a\r\n\r\ndata: b\r\n\r\n");
    struct slice piece;
    cr_assert_eq(event_stream_next(&stream, &data, &piece), EVENT_STREAM_DATA);
    cr_assert_eq(event_stream_next(&stream, &data, &piece), EVENT_STREAM_END);
    cr_expect(slice_equal(data, SLICE("data: b\r\n\r\n")));
}

Test(event_stream, a_type_that_is_too_long_is_none)
{
    char text[EVENT_STREAM_TYPE + 32] = "event:";
    struct event_stream stream;
    for (unsigned len = EVENT_STREAM_TYPE; len <= EVENT_STREAM_TYPE + 1; len++) {
        memset(text + 6, 'x', len);
        strcpy(text + 6 + len, "\ndata:a\n\n");
        stream = (struct event_stream){0};
        struct slice data = slice_from(text);
        struct slice piece;
        while (event_stream_next(&stream, &data, &piece) == EVENT_STREAM_DATA) {
        }
        cr_expect_eq(stream.type_len, len <= EVENT_STREAM_TYPE ? len : 0);
    }
}
