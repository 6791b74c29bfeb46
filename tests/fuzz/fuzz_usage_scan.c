/*
 * Fuzzes what watches answers for their usage. The first byte says dialect and kind of body, the
 * second how long the pieces are, the third how much output is covered at a time.
 *
 * Checked is that pieces do not matter; that no more is looked at than is covered; that what is
 * told can be; and that what ends a stream is JSON in events that end it.
 */
#include "base/json.h"
#include "gateway/meter/event_stream.h"
#include "gateway/meter/stream_end.h"
#include "gateway/meter/usage_scan.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { END_MAX = 64 * 1024 };

static void check(bool claim)
{
    if (!claim) {
        abort();
    }
}

static void check_usage(const struct usage *usage)
{
    check(usage->input <= USAGE_TOKENS_MAX && usage->cache_read <= USAGE_TOKENS_MAX);
    check(usage->cache_write <= USAGE_TOKENS_MAX && usage->output <= USAGE_TOKENS_MAX);
}

static void check_same(const struct usage_scan *a, const struct usage_scan *b)
{
    struct usage usage_a = {0};
    struct usage usage_b = {0};
    check(usage_scan_result(a, &usage_a) == usage_scan_result(b, &usage_b));
    check(memcmp(&usage_a, &usage_b, sizeof(usage_a)) == 0);
    check_usage(&usage_a);
    check(usage_scan_input(a, &usage_a) == usage_scan_input(b, &usage_b));
    check(memcmp(&usage_a, &usage_b, sizeof(usage_a)) == 0);
    check(usage_scan_output(a) == usage_scan_output(b));
    check(usage_scan_output_estimate(a) == usage_scan_output_estimate(b));
    check(usage_scan_ended(a) == usage_scan_ended(b));
    check(usage_scan_between_events(a) == usage_scan_between_events(b));
}

/* In pieces, and covered step by step. */
static void feed_pieces(struct usage_scan *scan, struct slice text, size_t piece, uint64_t step)
{
    uint64_t covered = step;
    while (text.len > 0) {
        struct slice part = slice_make(text.ptr, text.len < piece ? text.len : piece);
        bool was_ended = usage_scan_ended(scan);
        size_t count = usage_scan_feed(scan, part, covered);
        check(count <= part.len);
        check(count == part.len || usage_scan_between_events(scan));
        check(count == part.len || (usage_scan_output(scan) > covered && !was_ended));
        text = slice_skip(text, count);
        if (usage_scan_output(scan) > covered) {
            check(count == part.len || usage_scan_feed(scan, text, covered) == 0);
            covered = usage_scan_output(scan) + step;
        }
    }
}

static void check_event(struct slice data)
{
    static const struct json_limits limits = {
        .bytes = END_MAX, .depth = 8, .names = JSON_NAMES_ONCE};
    struct cJSON *value CLEANUP(json_free_at) = NULL;
    bool has_zero = memmem(data.ptr, data.len, "\\u0000", 6) != NULL; /* json.h takes none */
    check(slice_equal(data, SLICE("[DONE]")) || has_zero ||
          json_parse(data, &limits, &value, NULL) == STATUS_OK);
}

static void check_end(struct usage_scan *scan)
{
    static const struct usage usage = {.input = 1, .output = 2};
    struct event_stream stream = {0};
    struct buffer out CLEANUP(buffer_fini);
    struct slice piece;
    enum event_stream_found found;
    buffer_init(&out, END_MAX);
    check(stream_end_write(scan, &usage, true, &out) == STATUS_OK);
    struct slice rest = buffer_bytes(&out);
    while ((found = event_stream_next(&stream, &rest, &piece)) != EVENT_STREAM_MORE) {
        if (found == EVENT_STREAM_DATA) {
            check_event(piece);
        }
    }
    check(event_stream_between(&stream));
    bool empty = buffer_len(&out) == 0;
    check(usage_scan_feed(scan, buffer_bytes(&out), UINT64_MAX) == buffer_len(&out));
    check(empty || usage_scan_ended(scan));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum usage_dialect dialects[] = {USAGE_OPENAI_CHAT, USAGE_OPENAI_RESPONSES,
                                                  USAGE_ANTHROPIC};
    if (size < 3) {
        return 0;
    }
    enum usage_dialect dialect = dialects[data[0] % 3];
    enum scanned_body body = (data[0] & 0x40) != 0 ? SCAN_JSON : SCAN_EVENTS;
    struct slice text = slice_make((const char *)data + 3, size - 3);
    struct usage_scan *whole = usage_scan_new(dialect, body);
    struct usage_scan *pieces = usage_scan_new(dialect, body);
    check(usage_scan_feed(whole, text, UINT64_MAX) == text.len);
    feed_pieces(pieces, text, (size_t)data[1] + 1, data[2]);
    check_same(whole, pieces);
    if (body == SCAN_EVENTS && usage_scan_between_events(pieces)) {
        check_end(pieces);
    }
    usage_scan_free(whole);
    usage_scan_free(pieces);
    return 0;
}
