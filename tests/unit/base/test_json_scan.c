#include "base/json_scan.h"

#include <stdio.h>

#include <criterion/criterion.h>

enum { WRITTEN = 4096 };

/* What was read, in short: "{" "}" "[" "]", n(name), s(string), #(number), t f z, each behind its
 * depth; "." at the end of a whole value, "!" if it is not one. */
struct record {
    char text[WRITTEN];
    size_t len;
};

static void write_event(struct record *record, const struct json_scan *scan, enum json_event event)
{
    static const char marks[] = "!.?{}[]ns#tfz";
    char *end = record->text + record->len;
    size_t room = WRITTEN - record->len;
    bool has_text = event == JSON_NAME || event == JSON_STRING || event == JSON_NUMBER;
    struct slice text = has_text ? json_scan_text(scan) : SLICE("");
    cr_assert(room > text.len + 64);
    if (event == JSON_INVALID || event == JSON_DONE) {
        record->len += (size_t)snprintf(end, room, "%c", marks[event]);
    } else if (has_text) {
        record->len +=
            (size_t)snprintf(end, room, "%u%c(%.*s)", scan->depth, marks[event], SLICE_ARG(text));
    } else {
        record->len += (size_t)snprintf(end, room, "%u%c", scan->depth, marks[event]);
    }
}

static enum json_event feed(struct json_scan *scan, struct slice data, struct record *record)
{
    enum json_event event = JSON_MORE;
    while ((event = json_scan_next(scan, &data)) > JSON_MORE) {
        write_event(record, scan, event);
    }
    cr_assert(event == JSON_INVALID || data.len == 0);
    return event;
}

static void finish(struct json_scan *scan, struct record *record)
{
    enum json_event event = json_scan_end(scan);
    if (event == JSON_NUMBER) {
        write_event(record, scan, event);
        event = json_scan_end(scan);
    }
    cr_assert(event == JSON_DONE || event == JSON_INVALID);
    write_event(record, scan, event);
}

static struct record read_pieces(struct slice text, size_t cut, size_t piece)
{
    struct json_scan scan;
    struct record record = {.len = 0};
    json_scan_init(&scan);
    (void)feed(&scan, slice_make(text.ptr, cut), &record);
    for (size_t at = cut; at < text.len; at += piece) {
        size_t rest = text.len - at;
        (void)feed(&scan, slice_make(text.ptr + at, rest < piece ? rest : piece), &record);
    }
    finish(&scan, &record);
    return record;
}

/* The same, however the text is cut in two, and byte by byte. */
static struct record read_all_ways(struct slice text)
{
    struct record whole = read_pieces(text, text.len, 1);
    for (size_t cut = 0; cut < text.len; cut++) {
        struct record split = read_pieces(text, cut, text.len);
        cr_expect_str_eq(split.text, whole.text, "cut at %zu: %.*s", cut, SLICE_ARG(text));
    }
    struct record bytes = read_pieces(text, 0, 1);
    cr_expect_str_eq(bytes.text, whole.text, "byte by byte: %.*s", SLICE_ARG(text));
    return whole;
}

struct reading {
    struct slice text;
    const char *events;
};

static void check(const struct reading *readings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct record record = read_all_ways(readings[i].text);
        cr_expect_str_eq(record.text, readings[i].events, "%.*s", SLICE_ARG(readings[i].text));
    }
}

#define CHECK(readings) check((readings), sizeof(readings) / sizeof((readings)[0]))

Test(json_scan, reads_values_with_their_depth)
{
    static const struct reading readings[] = {
        {SLICE_INIT("{}"), "0{0}."},
        {SLICE_INIT("[]"), "0[0]."},
        {SLICE_INIT(" \t\r\n[ \n] \r\n"), "0[0]."},
        {SLICE_INIT("null"), "0z."},
        {SLICE_INIT("true"), "0t."},
        {SLICE_INIT("false "), "0f."},
        {SLICE_INIT("\"\""), "0s()."},
        {SLICE_INIT("\"a\" "), "0s(a)."},
        {SLICE_INIT("[1,[2,{\"a\":3}],[]]"), "0[1#(1)1[2#(2)2{3n(a)3#(3)2}1]1[1]0]."},
        {SLICE_INIT("{\"a\":null,\"b\" : [true , false]}"), "0{1n(a)1z1n(b)1[2t2f1]0}."},
        {SLICE_INIT("{\"\":0,\"\":{\"x\":\"y\"}}"), "0{1n()1#(0)1n()1{2n(x)2s(y)1}0}."},
        {SLICE_INIT("{\"a\":1,\"a\":1}"), "0{1n(a)1#(1)1n(a)1#(1)0}."},
        {SLICE_INIT("[[[[]]],[{}]]"), "0[1[2[3[3]2]1]1[2{2}1]0]."},
        {SLICE_INIT("[{\"a\":[{\"b\":{}}]}]"), "0[1{2n(a)2[3{4n(b)4{4}3}2]1}0]."},
    };
    CHECK(readings);
}

Test(json_scan, reads_numbers_as_they_are)
{
    static const struct reading readings[] = {
        {SLICE_INIT("0"), "0#(0)."},
        {SLICE_INIT("-0"), "0#(-0)."},
        {SLICE_INIT("12 "), "0#(12)."},
        {SLICE_INIT("[10,-1]"), "0[1#(10)1#(-1)0]."},
        {SLICE_INIT("{\"a\":1.50}"), "0{1n(a)1#(1.50)0}."},
        {SLICE_INIT("0e1"), "0#(0e1)."},
        {SLICE_INIT("1E400"), "0#(1E400)."},
        {SLICE_INIT("-0.0e+00"), "0#(-0.0e+00)."},
        {SLICE_INIT("[1e-2]"), "0[1#(1e-2)0]."},
        {SLICE_INIT("123456789012345678901234567890"), "0#(123456789012345678901234567890)."},
    };
    CHECK(readings);
}

Test(json_scan, unescapes_strings)
{
    static const struct reading readings[] = {
        {SLICE_INIT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), "0s(\"\\/\b\f\n\r\t)."},
        {SLICE_INIT("\"\\u0041\\u00e9\\u20AC\\uFFFF\""), "0s(A\xc3\xa9\xe2\x82\xac\xef\xbf\xbf)."},
        {SLICE_INIT("\"\\ud83d\\ude00\""), "0s(\xf0\x9f\x98\x80)."},
        {SLICE_INIT("\"\\uD800\\uDC00\\uDBFF\\uDFFF\""), "0s(\xf0\x90\x80\x80\xf4\x8f\xbf\xbf)."},
        {SLICE_INIT("{\"\\u0061b\":1}"), "0{1n(ab)1#(1)0}."},
        {SLICE_INIT("\"0123456789abcdef\\n0123456789\""), "0s(0123456789abcdef\n0123456789)."},
        {SLICE_INIT("\"\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\""),
         "0s(\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80)."},
        {SLICE_INIT("\"\xef\xbb\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""),
         "0s(\xef\xbb\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf)."},
        {SLICE_INIT("[\"{\",\"}\",\"\\\\\",\"\\\"]\"]"), "0[1s({)1s(})1s(\\)1s(\"])0]."},
    };
    CHECK(readings);
}

Test(json_scan, refuses_what_is_not_json)
{
    static const struct slice texts[] = {
        /* structure */
        SLICE_INIT(""),
        SLICE_INIT(" "),
        SLICE_INIT("["),
        SLICE_INIT("{"),
        SLICE_INIT("]"),
        SLICE_INIT("}"),
        SLICE_INIT(","),
        SLICE_INIT(":"),
        SLICE_INIT("[}"),
        SLICE_INIT("{]"),
        SLICE_INIT("[1}"),
        SLICE_INIT("{\"a\":1]"),
        SLICE_INIT("[,]"),
        SLICE_INIT("[,1]"),
        SLICE_INIT("[1,]"),
        SLICE_INIT("[1,,2]"),
        SLICE_INIT("[1 2]"),
        SLICE_INIT("[1:2]"),
        SLICE_INIT("[1]]"),
        SLICE_INIT("[1"),
        SLICE_INIT("[1,"),
        SLICE_INIT("[[1]"),
        SLICE_INIT("{,}"),
        SLICE_INIT("{\"a\"}"),
        SLICE_INIT("{\"a\":}"),
        SLICE_INIT("{\"a\" 1}"),
        SLICE_INIT("{\"a\"::1}"),
        SLICE_INIT("{\"a\":1,}"),
        SLICE_INIT("{\"a\":1,,\"b\":2}"),
        SLICE_INIT("{\"a\":1 \"b\":2}"),
        SLICE_INIT("{\"a\",\"b\"}"),
        SLICE_INIT("{1:1}"),
        SLICE_INIT("{a:1}"),
        SLICE_INIT("{'a':1}"),
        SLICE_INIT("{\"a\":1"),
        SLICE_INIT("{\"a\":"),
        SLICE_INIT("{\"a\""),
        SLICE_INIT("{\"a"),
        SLICE_INIT("{null:1}"),
        SLICE_INIT("{[]:1}"),
        SLICE_INIT("{\"a\":1}}"),
        SLICE_INIT("{\"a\":1:2}"),
        SLICE_INIT("{}{}"),
        SLICE_INIT("{} x"),
        SLICE_INIT("1 2"),
        SLICE_INIT("\"a\"\"b\""),
        SLICE_INIT("null,"),
        /* blanks and marks that JSON does not have */
        SLICE_INIT("\v1"),
        SLICE_INIT("\f[]"),
        SLICE_INIT("[\xc2\xa0]"),
        SLICE_INIT("1\0"),
        SLICE_INIT("\0"),
        SLICE_INIT("[\x01]"),
        SLICE_INIT("\xef\xbb\xbf{}"),
        SLICE_INIT("// a\n1"),
        SLICE_INIT("1/**/"),
        SLICE_INIT("# a\n1"),
        SLICE_INIT("[\xe2\x81\xa0]"),
        /* words */
        SLICE_INIT("n"),
        SLICE_INIT("nul"),
        SLICE_INIT("nulll"),
        SLICE_INIT("NULL"),
        SLICE_INIT("True"),
        SLICE_INIT("tru"),
        SLICE_INIT("trux"),
        SLICE_INIT("fals"),
        SLICE_INIT("falsee"),
        SLICE_INIT("undefined"),
        SLICE_INIT("NaN"),
        SLICE_INIT("Infinity"),
        SLICE_INIT("-Infinity"),
        SLICE_INIT("[nu]"),
        SLICE_INIT("[t rue]"),
        SLICE_INIT("truefalse"),
        /* numbers */
        SLICE_INIT("-"),
        SLICE_INIT("+1"),
        SLICE_INIT("01"),
        SLICE_INIT("-01"),
        SLICE_INIT("00"),
        SLICE_INIT("1."),
        SLICE_INIT("[1.]"),
        SLICE_INIT(".5"),
        SLICE_INIT("-.5"),
        SLICE_INIT("1.e1"),
        SLICE_INIT("1e"),
        SLICE_INIT("[1e]"),
        SLICE_INIT("1e+"),
        SLICE_INIT("1e-]"),
        SLICE_INIT("1ee1"),
        SLICE_INIT("1e1.5"),
        SLICE_INIT("1.2.3"),
        SLICE_INIT("0x10"),
        SLICE_INIT("1a"),
        SLICE_INIT("1-"),
        SLICE_INIT("--1"),
        SLICE_INIT("- 1"),
        SLICE_INIT("1 000"),
        SLICE_INIT("1_000"),
        SLICE_INIT("1,5"),
        SLICE_INIT("[-]"),
        SLICE_INIT("\xef\xbc\x91"),
        /* strings */
        SLICE_INIT("\""),
        SLICE_INIT("\"a"),
        SLICE_INIT("'a'"),
        SLICE_INIT("a"),
        SLICE_INIT("\"\\\""),
        SLICE_INIT("\"\\"),
        SLICE_INIT("\"\\a\""),
        SLICE_INIT("\"\\'\""),
        SLICE_INIT("\"\\x41\""),
        SLICE_INIT("\"\\U0041\""),
        SLICE_INIT("\"\\0\""),
        SLICE_INIT("\"\\\0\""),
        SLICE_INIT("\"\\\n\""),
        SLICE_INIT("\"\\ \""),
        SLICE_INIT("\"a\nb\""),
        SLICE_INIT("\"a\tb\""),
        SLICE_INIT("\"\0\""),
        SLICE_INIT("\"12345678\x1f\""),
        SLICE_INIT("\"\\u\""),
        SLICE_INIT("\"\\u12\""),
        SLICE_INIT("\"\\u123\""),
        SLICE_INIT("\"\\u123g\""),
        SLICE_INIT("\"\\uzzzz\""),
        SLICE_INIT("\"\\u 123\""),
        SLICE_INIT("\"\\u-123\""),
        SLICE_INIT("\"\\u12"),
        SLICE_INIT("\"\\ud800\""),
        SLICE_INIT("\"\\udc00\""),
        SLICE_INIT("\"\\ud800x\""),
        SLICE_INIT("\"\\ud800\\n\""),
        SLICE_INIT("\"\\ud800\\u0041\""),
        SLICE_INIT("\"\\ud800\\ud800\""),
        SLICE_INIT("\"\\udc00\\ud800\""),
        SLICE_INIT("\"\\ud800\\ud800\\udc00\""),
        SLICE_INIT("\"\\ud800\\"),
        SLICE_INIT("\"\\ud800\\\""),
        SLICE_INIT("{\"\\ud800\":1}"),
        SLICE_INIT("{\"a\nb\":1}"),
        /* UTF-8 */
        SLICE_INIT("\"\x80\""),
        SLICE_INIT("\"\xbf\""),
        SLICE_INIT("\"\xc3\""),
        SLICE_INIT("\"\xc3"),
        SLICE_INIT("\"\xc3(\""),
        SLICE_INIT("\"\xc0\x80\""),
        SLICE_INIT("\"\xc1\xbf\""),
        SLICE_INIT("\"\xe0\x80\x80\""),
        SLICE_INIT("\"\xe0\x9f\xbf\""),
        SLICE_INIT("\"\xe2\x82\""),
        SLICE_INIT("\"\xe2\x28\xa1\""),
        SLICE_INIT("\"\xed\xa0\x80\""),
        SLICE_INIT("\"\xed\xbf\xbf\""),
        SLICE_INIT("\"\xf0\x80\x80\x80\""),
        SLICE_INIT("\"\xf0\x8f\xbf\xbf\""),
        SLICE_INIT("\"\xf0\x90\x80\""),
        SLICE_INIT("\"\xf4\x90\x80\x80\""),
        SLICE_INIT("\"\xf5\x80\x80\x80\""),
        SLICE_INIT("\"\xf8\x88\x80\x80\x80\""),
        SLICE_INIT("\"\xff\""),
        SLICE_INIT("\"\xfe\""),
        SLICE_INIT("\"\xc3\\u00a9\""),
        SLICE_INIT("\"\xe2\\\""),
        SLICE_INIT("[\xe9]"),
        SLICE_INIT("{\"\xff\":1}"),
        SLICE_INIT("\"\xf0\x9f\x98\x80\xf0\""),
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct record record = read_all_ways(texts[i]);
        cr_assert_gt(record.len, 0);
        cr_expect_eq(record.text[record.len - 1], '!', "%zu %.*s: %s", i, SLICE_ARG(texts[i]),
                     record.text);
    }
}

Test(json_scan, stays_invalid_and_says_why)
{
    struct json_scan scan;
    struct slice data = SLICE("[1,,2]");
    struct slice more = SLICE("3]");
    json_scan_init(&scan);
    cr_expect_eq(json_scan_next(&scan, &data), JSON_ARRAY_BEGIN);
    cr_expect_eq(json_scan_next(&scan, &data), JSON_NUMBER);
    cr_expect_eq(json_scan_next(&scan, &data), JSON_INVALID);
    cr_expect_str_eq(json_scan_fault(&scan), "a value is expected");
    cr_expect_eq(json_scan_next(&scan, &more), JSON_INVALID);
    cr_expect_eq(more.len, 2);
    cr_expect_eq(json_scan_end(&scan), JSON_INVALID);
}

Test(json_scan, bounds_the_depth)
{
    char text[2 * (JSON_SCAN_DEPTH + 1)];
    struct json_scan scan;
    struct record record = {.len = 0};
    for (unsigned depth = JSON_SCAN_DEPTH; depth <= JSON_SCAN_DEPTH + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        record.len = 0;
        json_scan_init(&scan);
        (void)feed(&scan, slice_make(text, (size_t)2 * depth), &record);
        enum json_event end = json_scan_end(&scan);
        cr_expect_eq(end, depth <= JSON_SCAN_DEPTH ? JSON_DONE : JSON_INVALID);
    }
    cr_expect_str_eq(json_scan_fault(&scan), "arrays and objects are nested too deeply");
}

/* Arrays and objects take turns, so that a bit of another level would show. */
Test(json_scan, tells_arrays_from_objects_at_every_level)
{
    char text[8 * JSON_SCAN_DEPTH] = "";
    size_t len = 0;
    for (unsigned level = 0; level < JSON_SCAN_DEPTH; level++) {
        const char *open = level % 3 == 0 ? "[" : "{\"\":";
        len = (size_t)(stpcpy(text + len, open) - text);
    }
    text[len++] = '1';
    for (unsigned level = JSON_SCAN_DEPTH; level > 0; level--) {
        text[len++] = (level - 1) % 3 == 0 ? ']' : '}';
    }
    struct json_scan scan;
    struct record record = {.len = 0};
    json_scan_init(&scan);
    cr_expect_eq(feed(&scan, slice_make(text, len), &record), JSON_MORE);
    cr_expect_eq(json_scan_end(&scan), JSON_DONE);
}

static void check_long(char *text, size_t len, enum json_event kind)
{
    struct json_scan scan;
    struct slice data = slice_make(text, len);
    json_scan_init(&scan);
    enum json_event event = json_scan_next(&scan, &data);
    cr_assert_eq(event == JSON_MORE ? json_scan_end(&scan) : event, kind);
}

Test(json_scan, keeps_the_first_bytes_of_a_long_text_and_counts_all)
{
    char text[2 * JSON_SCAN_TEXT + 2];
    struct json_scan scan;
    memset(text, 'a', sizeof(text));
    text[0] = '"';
    text[sizeof(text) - 1] = '"';
    struct slice data = slice_make(text, sizeof(text));
    json_scan_init(&scan);
    cr_assert_eq(json_scan_next(&scan, &data), JSON_STRING);
    cr_expect_eq(scan.text_len, 2 * JSON_SCAN_TEXT);
    cr_expect(slice_equal(json_scan_text(&scan), slice_make(text + 1, JSON_SCAN_TEXT)));
    cr_expect_not(json_scan_whole(&scan));
    cr_expect_not(json_scan_is(&scan, json_scan_text(&scan)));

    memset(text, '7', sizeof(text));
    check_long(text, sizeof(text), JSON_NUMBER);
}

Test(json_scan, keeps_a_text_of_just_the_bound_whole)
{
    char text[JSON_SCAN_TEXT + 2];
    struct json_scan scan;
    memset(text, 'a', sizeof(text));
    text[0] = '"';
    text[sizeof(text) - 1] = '"';
    struct slice data = slice_make(text, sizeof(text));
    json_scan_init(&scan);
    cr_assert_eq(json_scan_next(&scan, &data), JSON_STRING);
    cr_expect(json_scan_whole(&scan));
    cr_expect(json_scan_is(&scan, slice_make(text + 1, JSON_SCAN_TEXT)));
}

Test(json_scan, a_zero_byte_is_part_of_a_text)
{
    struct json_scan scan;
    struct slice data = SLICE("\"a\\u0000b\"");
    json_scan_init(&scan);
    cr_assert_eq(json_scan_next(&scan, &data), JSON_STRING);
    cr_expect(json_scan_is(&scan, SLICE("a\0b")));
    cr_expect_not(json_scan_is(&scan, SLICE("a")));
}

Test(json_scan, reads_whole_numbers_only)
{
    static const struct {
        const char *text;
        bool whole;
        uint64_t number;
    } cases[] = {
        {"0", true, 0},    {"1000", true, 1000}, {"1001", false, 0},
        {"-1", false, 0},  {"-0", false, 0},     {"1.0", false, 0},
        {"1e2", false, 0}, {"1e30", false, 0},   {"18446744073709551617", false, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct json_scan scan;
        struct slice data = slice_from(cases[i].text);
        uint64_t number = 77;
        json_scan_init(&scan);
        cr_assert_eq(json_scan_next(&scan, &data), JSON_MORE);
        cr_assert_eq(json_scan_end(&scan), JSON_NUMBER);
        cr_expect_eq(json_scan_number(&scan, 1000, &number), cases[i].whole, "%s", cases[i].text);
        cr_expect_eq(number, cases[i].whole ? cases[i].number : 77);
    }
}

Test(json_scan, finds_every_special_byte_at_every_place_of_a_string)
{
    static const char bytes[] = {'"', '\\', '\x1f', '\x00', '\x80', '\xff'};
    for (size_t i = 0; i < sizeof(bytes); i++) {
        for (size_t place = 1; place < 32; place++) {
            char text[34];
            struct json_scan scan;
            struct slice data = slice_make(text, sizeof(text));
            memset(text, '~', sizeof(text));
            text[0] = '"';
            text[place] = bytes[i];
            json_scan_init(&scan);
            enum json_event event = json_scan_next(&scan, &data);
            cr_expect_eq(event, bytes[i] == '"' ? JSON_STRING : JSON_INVALID);
            cr_expect_eq(scan.text_len, place - 1);
        }
    }
}
