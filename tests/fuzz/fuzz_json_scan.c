/*
 * Fuzzes the reader of JSON that streams. The first byte says how long the pieces are.
 *
 * Checked is that the pieces do not matter, and that it takes what json_parse() takes. Known to
 * differ: json_scan takes "\u0000", and numbers longer than cJSON reads; cJSON takes numbers that
 * are none ("01", "1."), a byte order mark, and for "\u" without digits what it likes.
 */
#include "base/json.h"
#include "base/json_scan.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LONGEST_NUMBER = 60 }; /* that cJSON reads */

static void check(bool claim)
{
    if (!claim) {
        abort();
    }
}

/* What was read: all events folded into one number. */
struct reading {
    uint64_t events;
    unsigned level;
    enum json_event end;
    bool beyond_parse; /* what json_parse() refuses */
    const char *fault;
};

static void fold(struct reading *reading, uint64_t number)
{
    reading->events = (reading->events ^ number) * UINT64_C(0x100000001b3);
}

static void note(struct reading *reading, const struct json_scan *scan, enum json_event event)
{
    fold(reading, event);
    fold(reading, scan->depth);
    reading->level += event == JSON_OBJECT_BEGIN || event == JSON_ARRAY_BEGIN;
    reading->level -= event == JSON_OBJECT_END || event == JSON_ARRAY_END;
    check(scan->depth ==
          reading->level - (event == JSON_OBJECT_BEGIN || event == JSON_ARRAY_BEGIN));
    if (event != JSON_NAME && event != JSON_STRING && event != JSON_NUMBER) {
        return;
    }
    struct slice text = json_scan_text(scan);
    check(text.len <= scan->text_len && text.len <= JSON_SCAN_TEXT);
    check(text.len == JSON_SCAN_TEXT || text.len == scan->text_len);
    fold(reading, scan->text_len);
    for (size_t i = 0; i < text.len; i++) {
        fold(reading, (unsigned char)text.ptr[i]);
    }
    reading->beyond_parse |= event == JSON_NUMBER && scan->text_len > LONGEST_NUMBER;
}

static struct reading read_pieces(struct slice text, size_t piece)
{
    struct json_scan scan;
    struct reading reading = {.end = JSON_MORE};
    json_scan_init(&scan);
    while (text.len > 0 && reading.end == JSON_MORE) {
        struct slice part = slice_make(text.ptr, text.len < piece ? text.len : piece);
        text = slice_skip(text, part.len);
        while ((reading.end = json_scan_next(&scan, &part)) > JSON_MORE) {
            note(&reading, &scan, reading.end);
        }
    }
    while (reading.end >= JSON_MORE && (reading.end = json_scan_end(&scan)) > JSON_MORE) {
        note(&reading, &scan, reading.end);
    }
    check(reading.end == JSON_DONE || reading.end == JSON_INVALID);
    check(reading.end == JSON_INVALID || reading.level == 0);
    reading.fault = reading.end == JSON_INVALID ? json_scan_fault(&scan) : "";
    return reading;
}

/* The escape may stand behind an escaped backslash, or what it is not: then nothing is compared. */
static bool has_zero(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (slice_starts_with(slice_skip(text, i), SLICE("\\u0000"))) {
            return true;
        }
    }
    return false;
}

static bool parses(struct slice text)
{
    static const struct json_limits limits = {
        .bytes = SIZE_MAX, .depth = JSON_SCAN_DEPTH, .names = JSON_NAMES_ANY};
    struct cJSON *value CLEANUP(json_free_at) = NULL;
    return json_parse(text, &limits, &value, NULL) == STATUS_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct slice text = slice_make((const char *)data + 1, size - 1);
    struct reading whole = read_pieces(text, SIZE_MAX);
    struct reading pieces = read_pieces(text, (size_t)data[0] % 16 + 1);
    check(whole.events == pieces.events && whole.end == pieces.end);
    bool only_parse = strcmp(whole.fault, "a number is malformed") == 0 ||
                      strcmp(whole.fault, "\\u wants four hex digits") == 0 ||
                      slice_starts_with(text, SLICE("\xef\xbb\xbf"));
    if (whole.beyond_parse || only_parse || has_zero(text)) {
        return 0;
    }
    check(parses(text) == (whole.end == JSON_DONE));
    return 0;
}
