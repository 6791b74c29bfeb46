/* Answers as the providers' references show them, split at every byte. */
#include "gateway/meter/request_usage.h"
#include "tests/unit/gateway/meter/findings.h"

#include <stdio.h>

static struct findings read_text(const char *table, enum scanned_body body, const char *text)
{
    return read_table_all_ways(table_named(table), body, slice_from(text));
}

/* ---- OpenAI ---- */

Test(usage_providers, chat_tells_sound_and_what_was_written_to_the_cache)
{
    struct findings found =
        read_text("openai-chat", SCAN_JSON,
                  "{\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":50,\"total_tokens\":150,"
                  "\"prompt_tokens_details\":{\"cached_tokens\":30,\"cache_write_tokens\":5,"
                  "\"audio_tokens\":20},\"completion_tokens_details\":{\"reasoning_tokens\":7,"
                  "\"audio_tokens\":12}}}");
    cr_assert(found.told);
    expect_usage(found.usage, (struct usage){.input = 45,
                                             .cache_read = 30,
                                             .cache_write = 5,
                                             .audio_input = 20,
                                             .output = 38,
                                             .audio_output = 12,
                                             .reasoning = 7});
}

Test(usage_providers, what_was_cached_may_be_sound)
{
    struct findings found =
        read_text("openai-chat", SCAN_JSON,
                  "{\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":5,"
                  "\"prompt_tokens_details\":{\"cached_tokens\":90,\"audio_tokens\":60}}}");
    cr_assert(found.told);
    expect_usage(found.usage, (struct usage){.audio_input = 10, .cache_read = 90, .output = 5});
}

Test(usage_providers, images_are_tokens_where_tokens_are_told)
{
    struct findings found =
        read_text("openai-images", SCAN_JSON,
                  "{\"created\":1713833628,\"data\":[{\"b64_json\":\"aGk=\"}],\"usage\":{"
                  "\"total_tokens\":100,\"input_tokens\":50,\"output_tokens\":50,"
                  "\"input_tokens_details\":{\"text_tokens\":10,\"image_tokens\":40}}}");
    cr_assert(found.told);
    expect_usage(found.usage,
                 (struct usage){.input = 10, .image_input = 40, .output = 50, .images = 1});
    found = read_text("openai-images", SCAN_JSON,
                      "{\"created\":1589478378,\"data\":[{\"url\":\"https://x/1\"},"
                      "{\"url\":\"https://x/2\"}]}");
    cr_assert(found.told);
    expect_usage(found.usage, (struct usage){.images = 2});
}

Test(usage_providers, sound_is_told_in_tokens_or_seconds)
{
    struct findings found = read_text(
        "openai-transcriptions", SCAN_JSON,
        "{\"text\":\"Imagine.\",\"usage\":{\"type\":\"tokens\",\"input_tokens\":14,"
        "\"input_token_details\":{\"text_tokens\":4,\"audio_tokens\":10},\"output_tokens\":45,"
        "\"total_tokens\":59}}");
    cr_assert(found.told);
    expect_usage(found.usage, (struct usage){.input = 4, .audio_input = 10, .output = 45});
    static const struct {
        const char *text;
        uint64_t milliseconds;
    } seconds[] = {
        {"{\"text\":\"a\",\"usage\":{\"type\":\"duration\",\"seconds\":3}}", 3000},
        {"{\"task\":\"transcribe\",\"duration\":8.470000267028809,\"text\":\"a\"}", 8471},
        {"{\"duration\":\"8.4\",\"text\":\"a\"}", 8400},
        {"{\"duration\":8.47,\"usage\":{\"type\":\"duration\",\"seconds\":9}}", 9000},
        {"{\"duration\":0.0000001}", 1},
    };
    for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
        found = read_text("openai-transcriptions", SCAN_JSON, seconds[i].text);
        cr_assert(found.told, "%s", seconds[i].text);
        expect_usage(found.usage, (struct usage){.milliseconds = seconds[i].milliseconds});
    }
    found = read_text("openai-transcriptions", SCAN_EVENTS,
                      "data: {\"type\":\"transcript.text.delta\",\"delta\":\"I\"}\n\n"
                      "data: {\"type\":\"transcript.text.done\",\"text\":\"I see\",\"usage\":{"
                      "\"input_tokens\":14,\"input_token_details\":{\"text_tokens\":0,"
                      "\"audio_tokens\":14},\"output_tokens\":4,\"total_tokens\":18}}\n\n");
    cr_assert(found.told);
    expect_usage(found.usage, (struct usage){.audio_input = 14, .output = 4});
    cr_expect(found.ended);
}

Test(usage_providers, seconds_that_cannot_be_are_none)
{
    static const char *const broken[] = {
        "-1", "1e3", "1e30", "\"x\"", "\"1.\"", "true", "[1]", "1000001", "\"-1\"", "\"1.2.3\"",
    };
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        char text[128];
        (void)snprintf(text, sizeof(text), "{\"duration\":%s}", broken[i]);
        cr_expect_not(read_text("openai-transcriptions", SCAN_JSON, text).told, "%s", text);
    }
}

/* ---- Anthropic ---- */

Test(usage_providers, searches_that_the_model_made_are_counted)
{
    struct findings found = read_text(
        "anthropic", SCAN_JSON,
        "{\"type\":\"message\",\"content\":[],\"usage\":{\"input_tokens\":105,"
        "\"output_tokens\":6039,\"cache_read_input_tokens\":7123,"
        "\"cache_creation_input_tokens\":7345,\"server_tool_use\":{\"web_search_requests\":2}}}");
    cr_assert(found.told);
    expect_usage(
        found.usage,
        (struct usage){
            .input = 105, .cache_read = 7123, .cache_write = 7345, .output = 6039, .searches = 2});
}

/* ---- Gemini ---- */

#define GEMINI_USAGE                                                                               \
    "\"usageMetadata\":{\"promptTokenCount\":100,\"candidatesTokenCount\":20,"                     \
    "\"thoughtsTokenCount\":30,\"toolUsePromptTokenCount\":5,\"cachedContentTokenCount\":40,"      \
    "\"totalTokenCount\":155,\"promptTokensDetails\":[{\"modality\":\"TEXT\",\"tokenCount\":90},"  \
    "{\"tokenCount\":10,\"modality\":\"AUDIO\"}],\"candidatesTokensDetails\":["                    \
    "{\"modality\":\"TEXT\",\"tokenCount\":8},{\"modality\":\"IMAGE\",\"tokenCount\":12}]}"

#define GEMINI_PART(text) "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"" text "\"}]"

static void expect_gemini(struct usage usage)
{
    expect_usage(usage, (struct usage){.input = 55,
                                       .cache_read = 40,
                                       .audio_input = 10,
                                       .output = 38,
                                       .image_output = 12,
                                       .reasoning = 30});
}

Test(usage_providers, gemini_tells_thoughts_beside_the_output)
{
    struct findings found =
        read_text("gemini", SCAN_JSON,
                  GEMINI_PART("Hello") "},\"finishReason\":\"STOP\"}]," GEMINI_USAGE "}");
    cr_assert(found.told);
    expect_gemini(found.usage);
    cr_expect_eq(found.estimate, 2);
}

Test(usage_providers, the_last_chunk_of_geminis_stream_counts)
{
    struct findings found = read_text(
        "gemini", SCAN_EVENTS,
        "data: " GEMINI_PART("Hel") "}}],\"usageMetadata\":{\"promptTokenCount\":100,"
                                    "\"candidatesTokenCount\":1,\"totalTokenCount\":101}}\r\n\r\n"
                                    "data: " GEMINI_PART(
                                        "lo") "},\"finishReason\":\"STOP\"}]," GEMINI_USAGE
                                              "}\r\n\r\n");
    cr_assert(found.told);
    expect_gemini(found.usage);
    cr_expect(found.ended);
}

Test(usage_providers, gemini_may_send_its_chunks_as_one_list)
{
    struct findings found = read_text(
        "gemini", SCAN_JSON,
        "[" GEMINI_PART("Hel") "}}],\"usageMetadata\":{\"promptTokenCount\":9,"
                               "\"candidatesTokenCount\":1,\"totalTokenCount\":10}},\n" GEMINI_PART(
                                   "lo") "}}],\"usageMetadata\":{\"promptTokenCount\":9,"
                                         "\"candidatesTokenCount\":4,\"totalTokenCount\":13}}]");
    cr_assert(found.told);
    expect_usage(found.usage, (struct usage){.input = 9, .output = 4});
    cr_expect_eq(found.estimate, 2);
}

/* ---- Cohere ---- */

Test(usage_providers, cohere_bills_units)
{
    static const char v2[] =
        "{\"id\":\"c\",\"finish_reason\":\"COMPLETE\",\"message\":{\"role\":\"assistant\","
        "\"content\":[{\"type\":\"text\",\"text\":\"Hi there\"}]},\"usage\":{\"billed_units\":{"
        "\"input_tokens\":5,\"output_tokens\":418},\"tokens\":{\"input_tokens\":71,"
        "\"output_tokens\":418}}}";
    struct findings found = read_text("cohere-chat", SCAN_JSON, v2);
    cr_assert(found.told);
    expect_usage(found.usage, (struct usage){.input = 5, .output = 418});
    cr_expect_eq(found.estimate, 2);
    found = read_text("cohere-units", SCAN_JSON,
                      "{\"results\":[{\"index\":3,\"relevance_score\":0.99}],\"id\":\"r\","
                      "\"meta\":{\"billed_units\":{\"search_units\":1}}}");
    cr_assert(found.told);
    expect_usage(found.usage, (struct usage){.searches = 1});
    found = read_text("cohere-units", SCAN_JSON,
                      "{\"embeddings\":{\"float\":[[0.1]]},\"meta\":{\"billed_units\":{"
                      "\"input_tokens\":2,\"images\":3}}}");
    cr_assert(found.told);
    expect_usage(found.usage, (struct usage){.input = 2, .images = 3});
}

Test(usage_providers, coheres_streams_end_with_their_usage)
{
    struct findings found = read_text(
        "cohere-chat", SCAN_EVENTS,
        "event: content-delta\ndata: {\"type\":\"content-delta\",\"index\":0,\"delta\":{"
        "\"message\":{\"content\":{\"text\":\"Hello\"}}}}\n\n"
        "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":"
        "\"COMPLETE\",\"usage\":{\"billed_units\":{\"input_tokens\":3,\"output_tokens\":20},"
        "\"tokens\":{\"input_tokens\":69,\"output_tokens\":20}}}}\n\n");
    cr_assert(found.told);
    expect_usage(found.usage, (struct usage){.input = 3, .output = 20});
    cr_expect_eq(found.estimate, 2);
    cr_expect(found.ended);
    found = read_text(
        "cohere-chat", SCAN_LINES,
        "{\"is_finished\":false,\"event_type\":\"text-generation\",\"text\":\"Hello\"}\n"
        "{\"is_finished\":true,\"event_type\":\"stream-end\",\"response\":{\"text\":\"Hello\","
        "\"meta\":{\"billed_units\":{\"input_tokens\":4,\"output_tokens\":21}}}}\n");
    cr_assert(found.told);
    expect_usage(found.usage, (struct usage){.input = 4, .output = 21});
    cr_expect_eq(found.estimate, 2);
    cr_expect(found.ended);
    cr_expect(found.between);
}

/* ---- Mistral ---- */

Test(usage_providers, mistral_tells_with_the_last_choice)
{
    struct findings found = read_text(
        "openai-chat", SCAN_EVENTS,
        "data: {\"id\":\"m\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"x\","
        "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}],"
        "\"usage\":{\"prompt_tokens\":13,\"total_tokens\":20,\"completion_tokens\":7}}\n\n"
        "data: [DONE]\n\n");
    cr_assert(found.told);
    expect_usage(found.usage, (struct usage){.input = 13, .output = 7});
    cr_expect(found.ended);
}

/* ---- Bedrock ---- */

static size_t put_word(char *out, size_t at, size_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        out[at + i] = (char)(value >> (8 * (3 - i)) & 0xff);
    }
    return at + 4;
}

/* A message of AWS' event stream; nobody looks at the checksums. */
static size_t put_message(char *out, size_t at, const char *payload)
{
    static const char header[] = "\x0b:event-type\x07\0\x05"
                                 "chunk";
    size_t headers = sizeof(header) - 1;
    size_t len = strlen(payload);
    at = put_word(out, at, 16 + headers + len);
    at = put_word(out, at, headers);
    at = put_word(out, at, 0x12345678);
    memcpy(out + at, header, headers);
    memcpy(out + at + headers, payload, len);
    return put_word(out, at + headers + len, 0x9abcdef0);
}

Test(usage_providers, bedrock_converse_tells_plainly_and_in_its_metadata)
{
    static const char usage[] =
        "{\"metrics\":{\"latencyMs\":1275},\"usage\":{\"inputTokens\":125,\"outputTokens\":60,"
        "\"totalTokens\":185,\"cacheReadInputTokens\":10,\"cacheWriteInputTokens\":20}}";
    const struct usage expected = {.input = 125, .cache_read = 10, .cache_write = 20, .output = 60};
    struct findings found = read_text("bedrock-converse", SCAN_JSON, usage);
    cr_assert(found.told);
    expect_usage(found.usage, expected);
    char stream[1024];
    size_t len = put_message(stream, 0, "{\"p\":\"abc\",\"role\":\"assistant\"}");
    len = put_message(stream, len, "");
    len = put_message(stream, len,
                      "{\"contentBlockIndex\":0,\"delta\":{\"text\":\"Hello\"},\"p\":\"ab\"}");
    len = put_message(stream, len, usage);
    found =
        read_table_all_ways(table_named("bedrock-converse"), SCAN_AMAZON, slice_make(stream, len));
    cr_assert(found.told);
    expect_usage(found.usage, expected);
    cr_expect_eq(found.estimate, 2);
    cr_expect_not(found.between, "it can only be cut");
    found = read_table_all_ways(table_named("bedrock-converse"), SCAN_AMAZON,
                                slice_make(stream, len - 1));
    cr_expect_not(found.told, "its last message is not whole");
}

/* {"amazon-bedrock-invocationMetrics":{"inputTokenCount":11,"outputTokenCount":22}} */
static const char metrics_chunk[] =
    "{\"bytes\":\"eyJhbWF6b24tYmVkcm9jay1pbnZvY2F0aW9uTWV0cmljcyI6eyJpbnB1dFRva2VuQ291bnQiOjExLCJv"
    "dXRwdXRUb2tlbkNvdW50IjoyMn19\",\"p\":\"abcd\"}";

Test(usage_providers, bedrock_invoke_wraps_what_models_say)
{
    char stream[1024];
    size_t len = put_message(stream, 0, metrics_chunk);
    struct findings found =
        read_table_all_ways(table_named("bedrock-invoke"), SCAN_AMAZON, slice_make(stream, len));
    cr_assert(found.told);
    expect_usage(found.usage, (struct usage){.input = 11, .output = 22});
}

Test(usage_providers, what_is_no_event_stream_of_amazons_tells_nothing)
{
    char stream[1024];
    size_t len = put_message(stream, 0, metrics_chunk);
    (void)put_word(stream, 0, 3); /* shorter than what every message has */
    cr_expect_not(
        read_table_all_ways(table_named("bedrock-invoke"), SCAN_AMAZON, slice_make(stream, len))
            .told);
    (void)put_word(stream, 0, len);
    (void)put_word(stream, 4, len); /* more headers than there is room for */
    cr_expect_not(
        read_table_all_ways(table_named("bedrock-invoke"), SCAN_AMAZON, slice_make(stream, len))
            .told);
}

/* ---- messages ---- */

Test(usage_providers, twilio_tells_its_segments_in_quotes)
{
    static const char answer[] = "{\"body\":\"Hi\",\"num_media\":\"0\",\"num_segments\":\"3\","
                                 "\"price\":null,\"status\":\"queued\"}";
    const struct usage_table *table = table_named("twilio-messages");
    struct usage_figures known;
    struct usage usage;
    struct usage_scan *scan = usage_scan_new(table, SCAN_JSON);
    request_usage_read(table, SLICE("To=%2B1&Body=Hi"), &known);
    usage_scan_note(scan, &known);
    cr_expect_eq(usage_scan_feed(scan, slice_from(answer), UINT64_MAX), sizeof(answer) - 1);
    cr_assert(usage_scan_result(scan, &usage));
    expect_usage(usage, (struct usage){.messages = 1, .segments = 3});
    usage_scan_free(scan);
    cr_expect_not(read_text("twilio-messages", SCAN_JSON, "{\"num_segments\":3}").told);
    cr_expect_not(read_text("twilio-messages", SCAN_JSON, "{\"num_segments\":\"-3\"}").told);
}

/* What a request's body tells by itself. */
static struct usage request_of(const char *name, const char *body)
{
    const struct usage_table *table = table_named(name);
    struct usage_figures known;
    struct usage usage = {0};
    struct usage_told told;
    request_usage_read(table, slice_from(body), &known);
    cr_assert(usage_table_sum(table, &known, &usage, &told));
    return usage;
}

Test(usage_providers, mails_are_counted_by_who_gets_them)
{
    struct usage usage = request_of(
        "sendgrid-mail", "{\"personalizations\":[{\"to\":[{\"email\":\"a\"},{\"email\":\"b\"}],"
                         "\"cc\":[{\"email\":\"c\"}]},{\"to\":[{\"email\":\"d\"}],\"bcc\":["
                         "{\"email\":\"e\"},{\"email\":\"f\"}]}],\"from\":{\"email\":\"z\"}}");
    expect_usage(usage, (struct usage){.messages = 6});
    expect_usage(request_of("one-message", "anything"), (struct usage){.messages = 1});
}

Test(usage_providers, characters_to_be_spoken_are_counted_as_people_do)
{
    static const struct {
        const char *text;
        uint64_t characters;
    } cases[] = {
        {"", 0},
        {"abc", 3},
        {"\xc3\xa4\xf0\x9f\x98\x80", 2},
        {"\\n\\\"\\\\", 3},
        {"\\u00e4x", 2},
        {"\\ud83d\\ude00", 1},
        {"\\uD83D\\uDE00!", 2},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char body[128];
        (void)snprintf(body, sizeof(body), "{\"model\":\"tts-1\", \"input\" : \"%s\" }",
                       cases[i].text);
        struct usage usage = request_of("openai-speech", body);
        cr_expect_eq(usage.characters, cases[i].characters, "%s", cases[i].text);
    }
    expect_usage(request_of("openai-speech", "{\"input\":\"abc\""), (struct usage){0});
    expect_usage(request_of("openai-speech", "{\"input\":\"a\",\"input\":\"abc\"}"),
                 (struct usage){0});
}

/* ---- lies ---- */

Test(usage_providers, figures_that_are_parts_of_less_are_broken)
{
    static const struct {
        const char *table, *text;
    } cases[] = {
        {"openai-chat", "{\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,"
                        "\"prompt_tokens_details\":{\"audio_tokens\":10}}}"},
        {"openai-chat", "{\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,"
                        "\"prompt_tokens_details\":{\"cached_tokens\":5,"
                        "\"cache_write_tokens\":5}}}"},
        {"openai-chat", "{\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,"
                        "\"completion_tokens_details\":{\"audio_tokens\":3}}}"},
        {"gemini", "{\"usageMetadata\":{\"promptTokenCount\":1000000000,"
                   "\"toolUsePromptTokenCount\":1,\"candidatesTokenCount\":1}}"},
        {"gemini", "{\"usageMetadata\":{\"promptTokenCount\":1,\"candidatesTokenCount\":\"2\"}}"},
        {"cohere-chat", "{\"usage\":{\"billed_units\":{\"input_tokens\":-5,"
                        "\"output_tokens\":1}}}"},
        {"cohere-chat", "{\"usage\":{\"billed_units\":{\"input_tokens\":1e30,"
                        "\"output_tokens\":1}}}"},
        {"bedrock-converse", "{\"usage\":{\"inputTokens\":1,\"inputTokens\":1,"
                             "\"outputTokens\":1}}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_not(read_text(cases[i].table, SCAN_JSON, cases[i].text).told, "%s",
                      cases[i].text);
    }
}

Test(usage_providers, an_event_of_ten_megabytes_is_read_in_constant_memory)
{
    static char text[64 * 1024];
    struct usage usage;
    struct usage_scan *scan = usage_scan_new(table_named("openai-chat"), SCAN_EVENTS);
    struct slice head = SLICE("data: {\"choices\":[{\"delta\":{\"content\":\"");
    struct slice tail = SLICE("\"}}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n");
    memset(text, 'x', sizeof(text));
    (void)usage_scan_feed(scan, head, UINT64_MAX);
    for (unsigned i = 0; i < 160; i++) {
        cr_assert_eq(usage_scan_feed(scan, slice_make(text, sizeof(text)), UINT64_MAX),
                     sizeof(text));
    }
    (void)usage_scan_feed(scan, tail, UINT64_MAX);
    cr_assert(usage_scan_result(scan, &usage));
    expect_usage(usage, (struct usage){.input = 1, .output = 2});
    cr_expect_eq(usage_scan_output(scan), 160 * sizeof(text));
    usage_scan_free(scan);
}
