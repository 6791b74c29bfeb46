#include "gateway/meter/event_drop.h"

#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

enum { WRITTEN = 2048 };

#define HEAD "\"id\":\"c-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\""
#define TEXT                                                                                       \
    "data: {" HEAD ",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}],\"usage\":null}"
#define LAST  "data: {" HEAD ",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}"
#define USAGE "{" HEAD ",\"choices\":[],\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":1}}"
#define DONE  "data: [DONE]\n\n"

struct written {
    char text[WRITTEN];
    size_t len;
    unsigned pieces;
};

static void append(struct written *written, struct slice text)
{
    cr_assert_leq(written->len + text.len, WRITTEN);
    if (text.len > 0) {
        memcpy(written->text + written->len, text.ptr, text.len);
    }
    written->len += text.len;
    written->pieces++;
}

/* The bytes lie in memory of their own, which ends where they do. */
static void feed(struct event_drop *drop, struct slice bytes, struct written *written)
{
    char *copy = malloc(bytes.len + 1);
    struct slice data = slice_make(copy, bytes.len);
    struct slice piece;
    cr_assert_not_null(copy);
    memcpy(copy, bytes.ptr, bytes.len);
    while (event_drop_next(drop, &data, &piece)) {
        append(written, piece);
    }
    cr_expect_eq(data.len, 0);
    free(copy);
}

enum ending { ENDS, GOES_ON };

/* `first` bytes, `second` bytes, then the rest in pieces of `piece`. */
static struct written run(struct slice text, size_t first, size_t second, size_t piece,
                          enum ending ending)
{
    struct event_drop *drop = event_drop_new();
    struct written written = {.len = 0};
    size_t size = first;
    for (size_t at = 0; at < text.len; at += size, size = at <= first ? second : piece) {
        size = size < text.len - at ? size : text.len - at;
        feed(drop, slice_make(text.ptr + at, size), &written);
    }
    if (ending == ENDS) {
        append(&written, event_drop_end(drop));
    }
    event_drop_free(drop);
    return written;
}

static void expect(struct written got, struct slice wanted, struct slice text, const char *how)
{
    cr_expect(slice_equal(slice_make(got.text, got.len), wanted), "%s: \"%.*s\" of \"%.*s\"", how,
              (int)got.len, got.text, (int)text.len, text.ptr);
}

static void expect_split_anywhere(struct slice text, struct slice wanted)
{
    char how[64];
    expect(run(text, text.len, 0, 1, ENDS), wanted, text, "whole");
    expect(run(text, 1, 1, 1, ENDS), wanted, text, "byte by byte");
    for (size_t first = 1; first < text.len; first++) {
        for (size_t second = 1; second <= 4; second++) {
            (void)snprintf(how, sizeof(how), "%zu and %zu bytes", first, second);
            expect(run(text, first, second, text.len, ENDS), wanted, text, how);
        }
    }
}

struct drop_case {
    const char *before, *event, *behind; /* the event is taken out */
};

Test(event_drop, the_usage_alone_is_taken_out_however_it_is_split)
{
    static const struct drop_case cases[] = {
        {TEXT "\n\n" LAST "\n\n", "data: " USAGE "\n\n", DONE},
        {TEXT "\r\n\r\n", "data: " USAGE "\r\n\r\n", "data: [DONE]\r\n\r\n"},
        {TEXT "\r\r", "data: " USAGE "\r\r", "data: [DONE]\r\r"},
        {TEXT "\n\n", "data: " USAGE "\n\r\n", DONE},
        {TEXT "\r\n\r", "data: " USAGE "\r\n\r", "data: x\r\n\r" DONE},
        {TEXT "\r\n\n", "data: " USAGE "\r\n\n", DONE},
        {"", "data:" USAGE "\n\n", "data:[DONE]\n\n"},
        {"\xef\xbb\xbf", "data: " USAGE "\n\n", DONE},
        {"\xef\xbb\xbf: hello\n\n" TEXT "\n\n", "event: message\ndata: " USAGE "\nid: 7\n\n", DONE},
        {TEXT "\n\n: ping\n", "data: " USAGE "\n\n", ": ping\n\n" DONE},
        {TEXT "\r\n\r\n: ping\r\n", "data: " USAGE "\r\n\r\n", ": ping\r\n\r\n"},
        {TEXT "\n\n: ping\r", "data: " USAGE "\n\n", ":\n:\r\n" DONE},
        {TEXT "\n\n\n\n", "data: " USAGE "\n: within\n\n", "\n" DONE},
        {LAST "\n\n",
         "data: {\ndata: \"usage\": {\"x\": [1, {\"choices\": [1]}]},\ndata: \"choices\": [ "
         "]\ndata: "
         "}\n\n",
         DONE},
        {"", "data: {\"choices\":[],\"usage\":{}}\n\n", ""},
        {"", "data: {\"ch\\u006fices\":[],\"usage\":{}}\n\n", DONE},
        {DONE, "data: {\"choices\":[],\"usage\":{\"a\":1}}\n\n", DONE},
        {"", "data: " USAGE "\n\ndata: " USAGE "\n\n", DONE},
        {TEXT "\n\n", "data: " USAGE "\n\n", TEXT "\n\n"},
        {"data: x\n\n", "data: " USAGE, ""}, /* its end is the stream's */
        {"data: x\n\n", "data: " USAGE "\n", ""},
        {"data: x\n\n", "data: {" HEAD ",\"choices\":[],\"usage\":{\"prom", ""},
        {"data: x\n\n", "data: {\"usage\":{\"prompt_tokens\":1},\"ch", ""},
        {"data: x\n\n", "data: {" HEAD ",\"choices\":[]", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[WRITTEN];
        char wanted[WRITTEN];
        (void)snprintf(text, sizeof(text), "%s%s%s", cases[i].before, cases[i].event,
                       cases[i].behind);
        (void)snprintf(wanted, sizeof(wanted), "%s%s", cases[i].before, cases[i].behind);
        expect_split_anywhere(slice_from(text), slice_from(wanted));
    }
}

Test(event_drop, all_else_goes_as_it_came)
{
    static const char *const streams[] = {
        "",
        "\n",
        DONE,
        TEXT "\n\n" LAST "\n\n" DONE,
        "data: {\"choices\":[{\"index\":0}],\"usage\":{\"prompt_tokens\":1}}\n\n",
        "data: {\"usage\":{\"prompt_tokens\":1},\"choices\":[{\"index\":0}]}\n\n",
        "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n",
        "data: {\"choices\":[],\"usage\":null}\n\n",
        "data: {\"choices\":null,\"usage\":{\"prompt_tokens\":1}}\n\n",
        "data: {\"choices\":{},\"usage\":{}}\n\n",
        "data: {\"choices\":[],\"usage\":[]}\n\n",
        "data: {\"choices\":[],\"usage\":3}\n\n",
        "data: {\"choices\":[0],\"choices\":[],\"usage\":{}}\n\n",
        "data: {\"usage\":{}}\n\n",
        "data: {\"x\":{\"choices\":[],\"usage\":{}}}\n\n",
        "data: [{\"choices\":[],\"usage\":{}}]\n\n",
        "data: {\"choices\":[],\"usage\":{}} {}\n\n",
        "data: {\"choices\":[],\"usage\":{}}x\n\n",
        "data: {\"choices\":[],\"usage\":{}\n\n",
        "data: {\"choices\":[],\"usage\":{}\r\r\ndata: [DONE]\r\n",
        "data:  \n\ndata\n\nevent: x\n\nid\n\n",
        "dat: {\"choices\":[],\"usage\":{}}\n\n",
        "data : {\"choices\":[],\"usage\":{}}\n\n",
        ": {\"choices\":[],\"usage\":{}}\n\n: ping\r\n\r\n: ping",
        "\xef\xbb: x\ndata: {\"choices\":[],\"usage\":{}}\n\n", /* half a mark goes, so all does */
        "data: {\"id\":\"c-1\"", /* where the stream ends nothing tells that it is that one */
        "data: {\"error\":{\"message\":\"x\"}}\n\n",
        "dat",
        "data: {\"usage\":{}}",
        "data: {\"choices\":[]}",
    };
    for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
        expect_split_anywhere(slice_from(streams[i]), slice_from(streams[i]));
    }
}

/* What a caller waits for does not wait for its end. */
Test(event_drop, other_events_go_when_they_come)
{
    static const char *const streams[] = {
        TEXT "\n\n" LAST "\n\n" DONE,
        "data: {" HEAD ",\"choices\":[{",
        "data: {" HEAD ",\"choices\":[],\"usage\":null",
        "data: {\"choices\":[],\"usage\":{}}\n\ndata: [",
        "data: x",
        ": pi",
        ": ping\r",
        "\xef\xbb",
        "data: x\n\n\n",
    };
    for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
        struct slice text = slice_from(streams[i]);
        struct written at_once = run(text, text.len, 0, 1, GOES_ON);
        expect(run(text, text.len, 0, 1, ENDS), slice_make(at_once.text, at_once.len), text,
               "held to the end");
        cr_expect_leq(at_once.pieces, 1, "in one piece: %s", streams[i]);
    }
}

Test(event_drop, what_may_be_it_is_held)
{
    static const char *const beginnings[] = {"d",
                                             "data",
                                             "data: {" HEAD ",\"choices\":[",
                                             "data: {\"usage\":{",
                                             "event: x\n",
                                             "data: " USAGE "\n"};
    for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
        struct slice text = slice_from(beginnings[i]);
        expect(run(text, text.len, 0, 1, GOES_ON), SLICE(""), text, "not held");
    }
}

/* An event of usage of this length in all, blank line included. */
static char *long_event(size_t len)
{
    static const char begin[] = "data: {\"choices\":[],\"usage\":{},\"x\":\"";
    static const char end[] = "\"}\n\n";
    char *event = malloc(len + 1);
    cr_assert_not_null(event);
    memset(event, 'a', len);
    memcpy(event, begin, sizeof(begin) - 1);
    memcpy(event + len - (sizeof(end) - 1), end, sizeof(end));
    return event;
}

static size_t left_of_long_event(size_t len, size_t piece_len)
{
    struct event_drop *drop = event_drop_new();
    size_t left = 0;
    char *event = long_event(len);
    for (size_t at = 0; at < len; at += piece_len) {
        struct slice piece;
        struct slice data = slice_make(event + at, piece_len < len - at ? piece_len : len - at);
        while (event_drop_next(drop, &data, &piece)) {
            cr_expect_arr_eq(piece.ptr, event + left, piece.len);
            left += piece.len;
        }
        cr_expect_leq(buffer_len(&drop->held), EVENT_DROP_HELD);
    }
    left += event_drop_end(drop).len;
    event_drop_free(drop);
    free(event);
    return left;
}

Test(event_drop, an_event_that_is_too_long_to_be_held_goes)
{
    static const size_t pieces[] = {1, 1000, EVENT_DROP_HELD, 2 * EVENT_DROP_HELD};
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        size_t most = EVENT_DROP_HELD;
        cr_expect_eq(left_of_long_event(most, pieces[i]), 0);
        cr_expect_eq(left_of_long_event(most + 1, pieces[i]), most + 1);
        cr_expect_eq(left_of_long_event(2 * most, pieces[i]), 2 * most);
    }
}
