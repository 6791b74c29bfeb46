#include "tests/unit/gateway/meter/findings.h"
#include "tests/unit/gateway/meter/streams.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- streams as they should be ---- */

static void expect_chat(struct findings found)
{
    cr_assert(found.told);
    expect_usage(found.usage,
                 (struct usage){.input = 86, .cache_read = 1920, .output = 300, .reasoning = 128});
    cr_expect_eq(found.output, 300);
    cr_expect_eq(found.estimate, 2);
    cr_expect(found.ended);
    cr_expect(found.between);
}

static void expect_responses(struct findings found)
{
    cr_assert(found.told);
    expect_usage(found.usage,
                 (struct usage){.input = 7, .cache_read = 30, .output = 11, .reasoning = 4});
    cr_expect_eq(found.output, 5 + 2 + 4 + 5);
    cr_expect_eq(found.estimate, 4);
    cr_expect(found.ended);
    cr_expect(found.between);
}

static void expect_anthropic(struct findings found)
{
    cr_assert(found.told);
    expect_usage(found.usage,
                 (struct usage){.input = 25, .cache_read = 1000, .cache_write = 100, .output = 89});
    cr_expect_eq(found.output, 89);
    cr_expect_eq(found.estimate, 5); /* of 3, 6, 3 and 7 bytes */
    cr_expect(found.ended);
    cr_expect(found.between);
}

Test(usage_scan, finds_the_usage_of_a_chat_stream)
{
    expect_chat(events(USAGE_OPENAI_CHAT, chat_stream));
}

Test(usage_scan, finds_the_usage_of_a_responses_stream)
{
    expect_responses(events(USAGE_OPENAI_RESPONSES, responses_stream));
}

Test(usage_scan, finds_the_usage_of_an_anthropic_stream)
{
    expect_anthropic(events(USAGE_ANTHROPIC, anthropic_stream));
}

/* With `end` for each line feed. */
static char *with_line_ends(const char *text, const char *end)
{
    char *copy = malloc(2 * strlen(text) + 4);
    char *at = stpcpy(copy, "\xef\xbb\xbf");
    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            at = stpcpy(at, end);
        } else {
            *at++ = *text;
        }
    }
    *at = '\0';
    return copy;
}

Test(usage_scan, takes_other_line_ends_and_a_byte_order_mark)
{
    static const char *const ends[] = {"\n", "\r\n", "\r"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        char *chat = with_line_ends(chat_stream, ends[i]);
        char *responses = with_line_ends(responses_stream, ends[i]);
        char *anthropic = with_line_ends(anthropic_stream, ends[i]);
        expect_chat(events(USAGE_OPENAI_CHAT, chat));
        expect_responses(events(USAGE_OPENAI_RESPONSES, responses));
        expect_anthropic(events(USAGE_ANTHROPIC, anthropic));
        free(chat);
        free(responses);
        free(anthropic);
    }
}

Test(usage_scan, knows_an_event_by_its_name_where_the_data_does_not_say)
{
    struct findings found = events(USAGE_ANTHROPIC, "event: message_stop\ndata: {}\n\n");
    cr_expect(found.ended);
    found = events(USAGE_ANTHROPIC, "event: message_stop\ndata: {\"type\":\"ping\"}\n\n");
    cr_expect_not(found.ended);
    found = events(USAGE_OPENAI_RESPONSES, "event: response.failed\ndata: {}\n\n");
    cr_expect(found.ended);
    found = events(USAGE_OPENAI_RESPONSES, "event: response.incomplete\n\n");
    cr_expect_not(found.ended, "without data it is no event");
}

Test(usage_scan, joins_the_lines_of_an_event)
{
    struct findings found = events(USAGE_OPENAI_CHAT, "data: {\"usage\":\n"
                                                      "data: {\"prompt_tokens\":3,\n"
                                                      ": a comment\n"
                                                      "data:\"completion_tokens\":4\n"
                                                      "data:}}\n\n");
    cr_assert(found.told);
    cr_expect_eq(found.usage.input, 3);
    cr_expect_eq(found.usage.output, 4);
}

Test(usage_scan, an_event_without_its_empty_line_does_not_count)
{
    struct slice text = slice_from(chat_stream);
    const char *usage = strstr(chat_stream, "data: [DONE]");
    text.len = (size_t)(usage - text.ptr) - 1;
    struct findings found = read_all_ways(USAGE_OPENAI_CHAT, SCAN_EVENTS, text);
    cr_expect_not(found.told);
    cr_expect_not(found.between);
    text.len++;
    found = read_all_ways(USAGE_OPENAI_CHAT, SCAN_EVENTS, text);
    cr_expect(found.told);
    cr_expect(found.between);
    cr_expect_not(found.ended);
}

/* ---- chat ---- */

Test(usage_scan, the_last_of_several_chat_usages_counts)
{
    struct findings found = events(
        USAGE_OPENAI_CHAT, "data: {\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":9}}\n\n"
                           "data: {\"usage\":null}\n\n"
                           "data: {\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":10}}\n\n");
    cr_assert(found.told);
    cr_expect_eq(found.usage.output, 10);
}

Test(usage_scan, counts_generated_text_of_all_choices)
{
    static const struct {
        const char *choices;
        uint64_t bytes;
    } cases[] = {
        {"[{\"delta\":{\"role\":\"assistant\",\"content\":\"abc\"}}]", 3},
        {"[{\"delta\":{\"content\":\"a\\n\\u20ac\"}}]", 5},
        {"[{\"delta\":{\"content\":\"a\"}},{\"index\":1,\"delta\":{\"content\":\"bc\"}}]", 3},
        {"[{\"delta\":{\"refusal\":\"abcd\",\"content\":null}}]", 4},
        {"[{\"delta\":{\"reasoning_content\":\"abcd\"}}]", 4},
        {"[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"call_1\",\"type\":\"function\","
         "\"function\":{\"name\":\"\",\"arguments\":\"{}\"}},{\"function\":"
         "{\"arguments\":\"{\\\"a\\\"\"}}]}}]",
         6},
        {"[{\"delta\":{\"function_call\":{\"arguments\":\"{}\"}}}]", 2},
        {"[{\"delta\":{\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\","
         "\"text\":\"abc\"}]}]}}]",
         3},
        {"[{\"text\":\"abcde\",\"index\":0,\"logprobs\":null}]", 5},
        {"[{\"delta\":{\"role\":\"assistant\"},\"finish_reason\":\"stop\"}]", 0},
        {"[{\"delta\":null,\"text\":null}]", 0},
        {"[]", 0},
        {"{\"delta\":{\"content\":\"abc\"}}", 0},
        {"[[{\"delta\":{\"content\":\"abc\"}}]]", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[512];
        (void)snprintf(text, sizeof(text), "data: {\"id\":\"x\",\"choices\":%s}\n\n",
                       cases[i].choices);
        struct findings found = events(USAGE_OPENAI_CHAT, text);
        cr_expect_eq(found.output, cases[i].bytes, "%s", text);
        cr_expect_not(found.told);
    }
}

/* It may be text: what an SDK makes of it is not known. */
Test(usage_scan, what_is_not_json_counts_as_generated)
{
    struct findings found = events(USAGE_OPENAI_CHAT, "data: abc\n\ndata: {}x yz\n\n");
    cr_expect_geq(found.output, 2 + 3);
    cr_expect_leq(found.output, 3 + 6);
    found = events(USAGE_OPENAI_CHAT, "data: [DONE]\n\n");
    cr_expect_eq(found.output, 0);
    cr_expect_eq(found.estimate, 1);
}

Test(usage_scan, a_long_event_is_read_whole)
{
    enum { LONG = 300 * 1000 };
    static const char before[] = "data: {\"choices\":[{\"delta\":{\"content\":\"";
    static const char after[] =
        "\"}}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n";
    char *text = malloc(LONG + 200);
    char *at = stpcpy(text, before);
    memset(at, 'a', LONG);
    strcpy(at + LONG, after);
    struct slice stream = slice_from(text);
    struct findings found = read_pieces(table_of(USAGE_OPENAI_CHAT), SCAN_EVENTS, stream, 0, 1000);
    cr_expect(found.told);
    cr_expect_eq(found.output, LONG);
    free(text);
}

Test(usage_scan, nothing_is_estimated_where_nothing_came)
{
    cr_expect_eq(events(USAGE_OPENAI_CHAT, "").estimate, 0);
    cr_expect_eq(events(USAGE_OPENAI_CHAT, ":").estimate, 1);
    cr_expect_eq(json(USAGE_OPENAI_CHAT, "").estimate, 0);
}

/* ---- Anthropic ---- */

#define MESSAGE_START                                                                              \
    "data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":25,"               \
    "\"cache_read_input_tokens\":4,\"output_tokens\":3}}}\n\n"

Test(usage_scan, message_start_tells_the_input_alone)
{
    struct findings found = events(USAGE_ANTHROPIC, MESSAGE_START);
    cr_expect_not(found.told);
    cr_assert(found.input_told);
    expect_usage(found.input, (struct usage){.input = 25, .cache_read = 4});
    cr_expect_eq(found.output, 3);
}

Test(usage_scan, message_delta_has_the_last_word)
{
    struct findings found =
        events(USAGE_ANTHROPIC, MESSAGE_START
               "data: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":50}}\n\n"
               "data: {\"type\":\"message_delta\",\"usage\":{\"input_tokens\":30,"
               "\"cache_creation_input_tokens\":6,\"output_tokens\":60}}\n\n");
    cr_assert(found.told);
    expect_usage(found.usage,
                 (struct usage){.input = 30, .cache_read = 4, .cache_write = 6, .output = 60});
}

Test(usage_scan, output_without_input_is_not_enough)
{
    struct findings found = events(
        USAGE_ANTHROPIC, "data: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":50}}\n\n");
    cr_expect_not(found.told);
    cr_expect_not(found.input_told);
}

Test(usage_scan, both_usages_in_one_event_are_broken)
{
    struct findings found =
        events(USAGE_ANTHROPIC, "data: {\"message\":{\"usage\":{\"input_tokens\":1}},"
                                "\"usage\":{\"output_tokens\":1}}\n\n");
    cr_expect_not(found.told);
    cr_expect_not(found.input_told);
}

/* ---- output that is not covered ---- */

#define CHUNK(text) "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text "\"}}]}\n\n"

Test(usage_scan, looks_no_further_than_the_event_that_is_not_covered)
{
    struct usage_scan *scan = usage_scan_new(table_of(USAGE_OPENAI_CHAT), SCAN_EVENTS);
    struct slice data = SLICE(CHUNK("12345") CHUNK("67890") CHUNK("abcde") CHUNK("f"));
    size_t two = SLICE(CHUNK("12345") CHUNK("67890")).len;
    size_t three = two + SLICE(CHUNK("abcde")).len;

    cr_expect_eq(usage_scan_feed(scan, data, 9), two);
    cr_expect_eq(usage_scan_output(scan), 10);
    cr_expect(usage_scan_between_events(scan));

    cr_expect_eq(usage_scan_feed(scan, slice_skip(data, two), 9), 0, "still not covered");
    cr_expect_eq(usage_scan_feed(scan, slice_skip(data, two), 10), three - two);
    cr_expect_eq(usage_scan_output(scan), 15);
    cr_expect_eq(usage_scan_feed(scan, slice_skip(data, three), 16), data.len - three);
    usage_scan_free(scan);
}

Test(usage_scan, output_up_to_what_is_covered_holds_up_nothing)
{
    struct usage_scan *scan = usage_scan_new(table_of(USAGE_OPENAI_CHAT), SCAN_EVENTS);
    struct slice data = SLICE(CHUNK("12345") CHUNK(""));
    cr_expect_eq(usage_scan_feed(scan, data, 5), data.len);
    usage_scan_free(scan);
}

Test(usage_scan, an_event_in_pieces_is_not_covered_at_its_end)
{
    struct usage_scan *scan = usage_scan_new(table_of(USAGE_OPENAI_CHAT), SCAN_EVENTS);
    struct slice data = SLICE(CHUNK("12345"));
    size_t at = 0;
    while (at < data.len) {
        size_t len = data.len - at < 7 ? data.len - at : 7;
        cr_assert_eq(usage_scan_feed(scan, slice_make(data.ptr + at, len), 0), len);
        at += len;
        cr_expect_eq(usage_scan_output(scan), at < data.len ? 0 : 5);
    }
    usage_scan_free(scan);
}

Test(usage_scan, output_that_the_stream_tells_has_to_be_covered_too)
{
    struct usage_scan *scan = usage_scan_new(table_of(USAGE_OPENAI_CHAT), SCAN_EVENTS);
    struct slice usage =
        SLICE("data: {\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":70}}\n\n");
    struct slice data =
        SLICE("data: {\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":70}}\n\n:x\n");
    cr_expect_eq(usage_scan_feed(scan, data, 69), usage.len);
    cr_expect_eq(usage_scan_output(scan), 70);
    usage_scan_free(scan);
}

Test(usage_scan, nothing_holds_up_what_follows_the_end)
{
    struct usage_scan *scan = usage_scan_new(table_of(USAGE_ANTHROPIC), SCAN_EVENTS);
    struct slice data = SLICE("data: {\"type\":\"message_stop\",\"delta\":{\"text\":\"abc\"}}\n\n"
                              "data: {\"delta\":{\"text\":\"abc\"}}\n\n");
    cr_expect_eq(usage_scan_feed(scan, data, 0), data.len);
    usage_scan_free(scan);
}
