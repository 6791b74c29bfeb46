#include "base/json.h"
#include "gateway/meter/event_stream.h"
#include "gateway/meter/stream_end.h"
#include "gateway/meter/usage_scan.h"
#include "tests/unit/gateway/meter/streams.h"
#include "tests/unit/gateway/meter/tables.h"

#include <criterion/criterion.h>

static const struct usage charged = {
    .input = 10, .cache_read = 20, .cache_write = 3, .output = 7, .reasoning = 2};

enum end_usage { WITHOUT_USAGE, WITH_USAGE };

/* What ends `stream`, into `out`. It is valid JSON in whole events. */
static void end_of(enum usage_dialect dialect, struct slice stream, enum end_usage with,
                   struct buffer *out)
{
    struct usage_scan *scan = usage_scan_new(table_of(dialect), SCAN_EVENTS);
    cr_assert_eq(usage_scan_feed(scan, stream, UINT64_MAX), stream.len);
    buffer_init(out, 16 * 1024);
    cr_assert_eq(stream_end_write(scan, &charged, with == WITH_USAGE, out), STATUS_OK);
    usage_scan_free(scan);

    struct event_stream events = {0};
    struct slice rest = buffer_bytes(out);
    struct slice piece;
    enum event_stream_found found;
    while ((found = event_stream_next(&events, &rest, &piece)) != EVENT_STREAM_MORE) {
        static const struct json_limits limits = {.bytes = 4096, .depth = 8};
        struct cJSON *value CLEANUP(json_free_at) = NULL;
        if (found == EVENT_STREAM_DATA && !slice_equal(piece, SLICE("[DONE]"))) {
            cr_assert_eq(json_parse(piece, &limits, &value, NULL), STATUS_OK, "%.*s",
                         SLICE_ARG(piece));
        }
    }
    cr_assert(event_stream_between(&events));
}

static void expect_end(enum usage_dialect dialect, struct slice stream, enum end_usage with,
                       const char *expected)
{
    struct buffer out CLEANUP(buffer_fini);
    end_of(dialect, stream, with, &out);
    cr_expect(slice_equal(buffer_bytes(&out), slice_from(expected)), "%.*s",
              SLICE_ARG(buffer_bytes(&out)));
}

/* Up to and without the event in which `mark` stands. */
static struct slice before(const char *stream, const char *mark)
{
    const char *at = strstr(stream, mark);
    cr_assert_not_null(at);
    while (at > stream && !(at[-1] == '\n' && (at - 1 == stream || at[-2] == '\n'))) {
        at--;
    }
    return slice_make(stream, (size_t)(at - stream));
}

/* ---- OpenAI chat ---- */

#define CHUNK_HEAD                                                                                 \
    "data: {\"id\":\"chatcmpl-9\",\"object\":\"chat.completion.chunk\","                           \
    "\"created\":1694268190,\"model\":\"gpt-4o-mini\",\"choices\":["
#define CHUNK_USAGE                                                                                \
    "],\"usage\":{\"prompt_tokens\":33,\"completion_tokens\":7,\"total_tokens\":40,"               \
    "\"prompt_tokens_details\":{\"cached_tokens\":20},"                                            \
    "\"completion_tokens_details\":{\"reasoning_tokens\":2}}}\n\n"
#define LENGTH ",\"delta\":{},\"logprobs\":null,\"finish_reason\":\"length\"}"

Test(stream_end, ends_a_chat)
{
    struct slice stream = before(chat_stream, "\"stop\"");
    expect_end(USAGE_OPENAI_CHAT, stream, WITHOUT_USAGE,
               CHUNK_HEAD "{\"index\":0" LENGTH "]}\n\ndata: [DONE]\n\n");
    expect_end(USAGE_OPENAI_CHAT, stream, WITH_USAGE,
               CHUNK_HEAD "{\"index\":0" LENGTH "]}\n\n" CHUNK_HEAD CHUNK_USAGE "data: [DONE]\n\n");
}

Test(stream_end, does_not_say_again_what_was_said)
{
    struct slice stopped = before(chat_stream, "2306");
    expect_end(USAGE_OPENAI_CHAT, stopped, WITHOUT_USAGE, "data: [DONE]\n\n");
    expect_end(USAGE_OPENAI_CHAT, stopped, WITH_USAGE, CHUNK_HEAD CHUNK_USAGE "data: [DONE]\n\n");
    expect_end(USAGE_OPENAI_CHAT, before(chat_stream, "[DONE]"), WITH_USAGE, "data: [DONE]\n\n");
    expect_end(USAGE_OPENAI_CHAT, slice_from(chat_stream), WITH_USAGE, "");
}

Test(stream_end, ends_each_choice_that_is_open)
{
    expect_end(USAGE_OPENAI_CHAT,
               SLICE("data: {\"id\":\"c\",\"choices\":[{\"index\":2,\"delta\":{\"content\":\"x\"}},"
                     "{\"delta\":{},\"index\":0}]}\n\n"
                     "data: {\"choices\":[{\"index\":1,\"finish_reason\":\"stop\"}]}\n\n"
                     "data: {\"choices\":[{\"finish_reason\":null,\"index\":127},"
                     "{\"index\":99999999999}]}\n\n"),
               WITHOUT_USAGE,
               "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":0,"
               "\"model\":\"\",\"choices\":[{\"index\":0" LENGTH ",{\"index\":2" LENGTH
               ",{\"index\":127" LENGTH "]}\n\n"
               "data: [DONE]\n\n");
}

Test(stream_end, a_choice_is_not_mixed_up_with_the_one_before)
{
    expect_end(USAGE_OPENAI_CHAT,
               SLICE("data: {\"id\":\"c\",\"choices\":[{\"index\":2,\"finish_reason\":\"stop\"},"
                     "{\"delta\":{}}]}\n\n"),
               WITHOUT_USAGE,
               "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":0,"
               "\"model\":\"\",\"choices\":[{\"index\":0" LENGTH "]}\n\n"
               "data: [DONE]\n\n");
}

/* Usage in every chunk is not the chunk that was asked for. */
Test(stream_end, usage_beside_choices_is_said_again)
{
    expect_end(USAGE_OPENAI_CHAT,
               SLICE("data: {\"id\":\"chatcmpl-9\",\"created\":1694268190,"
                     "\"model\":\"gpt-4o-mini\",\"choices\":[{\"finish_reason\":\"stop\"}],"
                     "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n"),
               WITH_USAGE, CHUNK_HEAD CHUNK_USAGE "data: [DONE]\n\n");
}

Test(stream_end, ends_a_chat_of_which_nothing_was_seen)
{
    expect_end(USAGE_OPENAI_CHAT, SLICE(""), WITHOUT_USAGE,
               "data: {\"id\":\"\",\"object\":\"chat.completion.chunk\",\"created\":0,"
               "\"model\":\"\",\"choices\":[{\"index\":0" LENGTH "]}\n\ndata: [DONE]\n\n");
}

Test(stream_end, ends_a_legacy_completion)
{
    expect_end(USAGE_OPENAI_CHAT,
               SLICE("data: {\"id\":\"cmpl-7\",\"object\":\"text_completion\",\"created\":5,"
                     "\"choices\":[{\"text\":\"This\",\"index\":0,\"logprobs\":null,"
                     "\"finish_reason\":null}],\"model\":\"gpt-3.5-turbo-instruct\"}\n\n"),
               WITHOUT_USAGE,
               "data: {\"id\":\"cmpl-7\",\"object\":\"text_completion\",\"created\":5,"
               "\"model\":\"gpt-3.5-turbo-instruct\",\"choices\":[{\"index\":0,\"text\":\"\","
               "\"logprobs\":null,\"finish_reason\":\"length\"}]}\n\n"
               "data: [DONE]\n\n");
}

Test(stream_end, hostile_identities_stay_text)
{
    expect_end(USAGE_OPENAI_CHAT,
               SLICE("data: {\"id\":\"\\\",\\\"x\\\\\\n\\ndata: y\\u0007\",\"model\":{\"a\":1},"
                     "\"created\":-5,\"object\":7,\"choices\":[{\"index\":\"0\"}]}\n\n"),
               WITHOUT_USAGE,
               "data: {\"id\":\"\\\",\\\"x\\\\\\u000a\\u000adata: y\\u0007\","
               "\"object\":\"chat.completion.chunk\",\"created\":0,\"model\":\"\",\"choices\":["
               "{\"index\":0" LENGTH "]}\n\ndata: [DONE]\n\n");
}

Test(stream_end, identities_that_are_too_long_are_left_out)
{
    enum { MOST = 128 };
    for (unsigned len = MOST; len <= MOST + 1; len++) {
        char stream[512] = "data: {\"id\":\"";
        size_t at = strlen(stream);
        memset(stream + at, 'i', len);
        strcpy(stream + at + len, "\"}\n\n");
        struct buffer out CLEANUP(buffer_fini);
        end_of(USAGE_OPENAI_CHAT, slice_from(stream), WITHOUT_USAGE, &out);
        struct slice empty = SLICE("data: {\"id\":\"\",");
        cr_expect_eq(slice_starts_with(buffer_bytes(&out), empty), len > MOST);
    }
}

/* ---- OpenAI responses ---- */

#define INCOMPLETE(sequence)                                                                       \
    "event: response.incomplete\n"                                                                 \
    "data: {\"type\":\"response.incomplete\"" sequence ",\"response\":{\"id\":\"resp_67\","        \
    "\"object\":\"response\",\"created_at\":1741290958,\"status\":\"incomplete\","                 \
    "\"error\":null,\"incomplete_details\":{\"reason\":\"max_output_tokens\"},"                    \
    "\"model\":\"gpt-4.1\",\"output\":[],\"usage\":{\"input_tokens\":33,"                          \
    "\"input_tokens_details\":{\"cached_tokens\":20},\"output_tokens\":7,"                         \
    "\"output_tokens_details\":{\"reasoning_tokens\":2},\"total_tokens\":40}}}\n\n"

Test(stream_end, ends_a_response)
{
    expect_end(USAGE_OPENAI_RESPONSES, before(responses_stream, "\"response.refusal.delta\""),
               WITHOUT_USAGE, INCOMPLETE(",\"sequence_number\":3"));
    expect_end(USAGE_OPENAI_RESPONSES, slice_from(responses_stream), WITHOUT_USAGE, "");
    expect_end(USAGE_OPENAI_RESPONSES, SLICE(""), WITHOUT_USAGE, "");
    expect_end(USAGE_OPENAI_RESPONSES,
               SLICE("data: {\"response\":{\"id\":\"resp_67\",\"created_at\":1741290958,"
                     "\"model\":\"gpt-4.1\"}}\n\n"),
               WITHOUT_USAGE, INCOMPLETE(""));
}

/* ---- Anthropic ---- */

#define MESSAGE_END                                                                                \
    "event: message_delta\n"                                                                       \
    "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"max_tokens\","                 \
    "\"stop_sequence\":null},\"usage\":{\"output_tokens\":7}}\n\n" MESSAGE_STOP
#define MESSAGE_STOP "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"

Test(stream_end, ends_a_message)
{
    expect_end(USAGE_ANTHROPIC, before(anthropic_stream, "Hello!"), WITHOUT_USAGE,
               "event: content_block_stop\ndata: "
               "{\"type\":\"content_block_stop\",\"index\":1}\n\n" MESSAGE_END);
    expect_end(USAGE_ANTHROPIC, before(anthropic_stream, "tool_use"), WITHOUT_USAGE, MESSAGE_END);
    expect_end(USAGE_ANTHROPIC, before(anthropic_stream, "message_stop"), WITHOUT_USAGE,
               MESSAGE_STOP);
    expect_end(USAGE_ANTHROPIC, slice_from(anthropic_stream), WITHOUT_USAGE, "");
}

Test(stream_end, a_message_that_did_not_start_can_only_be_cut)
{
    expect_end(USAGE_ANTHROPIC, SLICE("event: ping\ndata: {\"type\": \"ping\"}\n\n"), WITHOUT_USAGE,
               "");
}

/* ---- all ---- */

Test(stream_end, says_when_the_buffer_is_full)
{
    static const enum usage_dialect dialects[] = {USAGE_OPENAI_CHAT, USAGE_OPENAI_RESPONSES,
                                                  USAGE_ANTHROPIC};
    static const char *const streams[] = {chat_stream, responses_stream, anthropic_stream};
    for (size_t i = 0; i < sizeof(dialects) / sizeof(dialects[0]); i++) {
        struct usage_scan *scan = usage_scan_new(table_of(dialects[i]), SCAN_EVENTS);
        struct slice first = slice_from(streams[i]);
        first.len = (size_t)(strstr(first.ptr, "\n\n") - first.ptr) + 2;
        cr_assert_eq(usage_scan_feed(scan, first, UINT64_MAX), first.len);
        for (size_t room = 0; room < 100; room++) {
            struct buffer out CLEANUP(buffer_fini);
            buffer_init(&out, room);
            cr_expect_eq(stream_end_write(scan, &charged, true, &out), STATUS_TOO_LARGE);
        }
        usage_scan_free(scan);
    }
}
