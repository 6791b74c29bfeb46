/*
 * Fuzzes what watches answers for their usage. The first byte says table and kind of body, the
 * second how long the pieces are, the third how much output is covered at a time.
 *
 * Checked is that pieces do not matter; that no more is looked at than is covered; that what is
 * told can be; and that what ends a stream is JSON in events that end it.
 */
#include "base/json.h"
#include "base/memory.h"
#include "gateway/meter/event_stream.h"
#include "gateway/meter/request_usage.h"
#include "gateway/meter/stream_end.h"
#include "gateway/meter/usage_scan.h"
#include "routes/usage_table.h"

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
    check(usage_input(usage) <= USAGE_TOKENS_MAX && usage_output(usage) <= USAGE_TOKENS_MAX);
    for (enum usage_kind kind = USAGE_IMAGES; kind < USAGE_KINDS; kind++) {
        check(usage_get(usage, kind) <= 3 * USAGE_TOKENS_MAX); /* at most three are summed */
    }
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
static void feed_pieces(struct usage_scan *scan, struct slice text, size_t piece, uint64_t step,
                        enum scanned_body body)
{
    uint64_t covered = step;
    while (text.len > 0) {
        struct slice part = slice_make(text.ptr, text.len < piece ? text.len : piece);
        bool was_ended = usage_scan_ended(scan);
        size_t count = usage_scan_feed(scan, part, covered);
        check(count <= part.len);
        check(count == part.len || body == SCAN_AMAZON || usage_scan_between_events(scan));
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

/* All that are built in, by the order of their kinds of streams; read once. */
static const struct usage_table *table_at(unsigned index)
{
    static const char *const names[] = {
        "openai-chat",   "openai-responses", "anthropic",         "gemini",
        "cohere-chat",   "bedrock-converse", "bedrock-invoke",    "openai-images",
        "cohere-units",  "openai-speech",    "twilio-messages",   "openai-transcriptions",
        "sendgrid-mail", "one-message",      "gemini-embeddings",
    };
    enum { COUNT = sizeof(names) / sizeof(names[0]) };
    static struct arena arena;
    static const struct usage_table *tables[COUNT];
    const struct usage_table **table = &tables[index % COUNT];
    if (*table == NULL) {
        check(usage_table_load(&arena, slice_from(names[index % COUNT]), table, NULL) == STATUS_OK);
    }
    return *table;
}

/* What a request tells can be, whatever is in it. */
static void check_request(const struct usage_table *table, struct slice body)
{
    struct usage_figures known;
    struct usage usage = {0};
    struct usage_told told;
    request_usage_read(table, body, &known);
    if (usage_table_sum(table, &known, &usage, &told)) {
        check_usage(&usage);
        check(usage.characters <= body.len && usage.messages <= body.len + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum scanned_body bodies[] = {SCAN_EVENTS, SCAN_JSON, SCAN_LINES, SCAN_AMAZON};
    if (size < 3) {
        return 0;
    }
    const struct usage_table *table = table_at(data[0] & 0x0f);
    enum scanned_body body = bodies[data[0] >> 6];
    struct slice text = slice_make((const char *)data + 3, size - 3);
    struct usage_scan *whole = usage_scan_new(table, body);
    struct usage_scan *pieces = usage_scan_new(table, body);
    check(usage_scan_feed(whole, text, UINT64_MAX) == text.len);
    feed_pieces(pieces, text, (size_t)data[1] + 1, data[2], body);
    check_same(whole, pieces);
    if (body == SCAN_EVENTS && usage_scan_between_events(pieces)) {
        check_end(pieces);
    }
    check_request(table, text);
    usage_scan_free(whole);
    usage_scan_free(pieces);
    return 0;
}
