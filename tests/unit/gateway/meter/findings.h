/* What a usage_scan says of a text, however it is cut. */
#pragma once

#include "gateway/meter/usage_scan.h"
#include "tests/unit/gateway/meter/tables.h"

#include <criterion/criterion.h>

/* All that a scan says. */
struct findings {
    bool told;
    struct usage usage;
    bool input_told;
    struct usage input;
    uint64_t output;
    uint64_t estimate;
    bool ended;
    bool between;
};

static inline struct findings read_pieces(const struct usage_table *table, enum scanned_body body,
                                          struct slice text, size_t cut, size_t piece)
{
    struct findings found;
    memset(&found, 0, sizeof(found));
    struct usage_scan *scan = usage_scan_new(table, body);
    cr_assert_eq(usage_scan_feed(scan, slice_make(text.ptr, cut), UINT64_MAX), cut);
    for (size_t at = cut; at < text.len; at += piece) {
        size_t len = text.len - at < piece ? text.len - at : piece;
        cr_assert_eq(usage_scan_feed(scan, slice_make(text.ptr + at, len), UINT64_MAX), len);
    }
    found.told = usage_scan_result(scan, &found.usage);
    found.input_told = usage_scan_input(scan, &found.input);
    found.output = usage_scan_output(scan);
    found.estimate = usage_scan_output_estimate(scan);
    found.ended = usage_scan_ended(scan);
    found.between = usage_scan_between_events(scan);
    usage_scan_free(scan);
    return found;
}

/* The same, however the text is cut in two, and byte by byte. */
static inline struct findings read_table_all_ways(const struct usage_table *table,
                                                  enum scanned_body body, struct slice text)
{
    struct findings whole = read_pieces(table, body, text, text.len, 1);
    for (size_t cut = 0; cut < text.len; cut++) {
        struct findings split = read_pieces(table, body, text, cut, text.len);
        cr_assert(memcmp(&split, &whole, sizeof(whole)) == 0, "cut at %zu", cut);
    }
    struct findings bytes = read_pieces(table, body, text, 0, 1);
    cr_assert(memcmp(&bytes, &whole, sizeof(whole)) == 0, "byte by byte");
    return whole;
}

static inline struct findings read_all_ways(enum usage_dialect dialect, enum scanned_body body,
                                            struct slice text)
{
    return read_table_all_ways(table_of(dialect), body, text);
}

static inline struct findings events(enum usage_dialect dialect, const char *text)
{
    return read_all_ways(dialect, SCAN_EVENTS, slice_from(text));
}

static inline struct findings json(enum usage_dialect dialect, const char *text)
{
    return read_all_ways(dialect, SCAN_JSON, slice_from(text));
}

static inline void expect_usage(struct usage usage, struct usage expected)
{
    for (enum usage_kind kind = USAGE_INPUT; kind < USAGE_KINDS; kind++) {
        cr_expect_eq(usage_get(&usage, kind), usage_get(&expected, kind), "%s: %lu, not %lu",
                     usage_kind_name(kind).ptr, (unsigned long)usage_get(&usage, kind),
                     (unsigned long)usage_get(&expected, kind));
    }
}
