/* What answers of providers that are nearly like OpenAI, and of those for sound, say that was used.
 */
#include "gateway/meter/request_usage.h"
#include "tests/unit/gateway/meter/findings.h"

static struct findings read_text(const char *table, enum scanned_body body, const char *text)
{
    return read_table_all_ways(table_named(table), body, slice_from(text));
}

Test(usage_catalogue, groq_tells_a_stream_s_usage_in_a_member_of_its_own)
{
    struct findings found = read_text(
        "groq-chat", SCAN_EVENTS,
        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]}\n\n"
        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],"
        "\"x_groq\":{\"id\":\"req\",\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4,"
        "\"total_tokens\":13}}}\n\ndata: [DONE]\n\n");
    cr_assert(found.told);
    expect_usage(found.usage, (struct usage){.input = 9, .output = 4});
    found =
        read_text("groq-chat", SCAN_JSON,
                  "{\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4,\"total_tokens\":13,"
                  "\"prompt_tokens_details\":{\"cached_tokens\":5}},\"x_groq\":{\"id\":\"r\"}}");
    cr_assert(found.told);
    expect_usage(found.usage, (struct usage){.input = 4, .cache_read = 5, .output = 4});
}

Test(usage_catalogue, deepseek_tells_what_was_cached_by_another_name)
{
    struct findings found =
        read_text("deepseek-chat", SCAN_JSON,
                  "{\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":20,\"total_tokens\":120,"
                  "\"prompt_cache_hit_tokens\":64,\"prompt_cache_miss_tokens\":36,"
                  "\"completion_tokens_details\":{\"reasoning_tokens\":8}}}");
    cr_assert(found.told);
    expect_usage(found.usage,
                 (struct usage){.input = 36, .cache_read = 64, .output = 20, .reasoning = 8});
}

Test(usage_catalogue, what_xai_thinks_beside_its_answer_is_output)
{
    struct findings found =
        read_text("openai-chat", SCAN_JSON,
                  "{\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":115,"
                  "\"completion_tokens_details\":{\"reasoning_tokens\":100}}}");
    cr_assert(found.told);
    cr_expect_eq(usage_output(&found.usage), 105);
}

Test(usage_catalogue, perplexity_reads_citations_and_searches)
{
    struct findings found =
        read_text("perplexity-chat", SCAN_JSON,
                  "{\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":50,\"total_tokens\":60,"
                  "\"citation_tokens\":200,\"num_search_queries\":3,\"reasoning_tokens\":70}}");
    cr_assert(found.told);
    expect_usage(found.usage,
                 (struct usage){.input = 210, .output = 120, .reasoning = 70, .searches = 3});
    found = read_text(
        "perplexity-chat", SCAN_EVENTS,
        "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":{\"prompt_tokens\":10,"
        "\"completion_tokens\":1,\"total_tokens\":11}}\n\n"
        "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}],\"usage\":{\"prompt_tokens\":10,"
        "\"completion_tokens\":2,\"total_tokens\":12}}\n\ndata: [DONE]\n\n");
    cr_assert(found.told, "each event tells the sum so far");
    expect_usage(found.usage, (struct usage){.input = 10, .output = 2});
}

Test(usage_catalogue, vectors_are_input_alone)
{
    struct findings found = read_text(
        "input-total", SCAN_JSON,
        "{\"object\":\"list\",\"data\":[{\"embedding\":[0.1]}],\"usage\":{\"total_tokens\":17}}");
    cr_assert(found.told);
    expect_usage(found.usage, (struct usage){.input = 17});
}

Test(usage_catalogue, sound_is_told_in_seconds_or_counted_in_characters)
{
    struct findings found =
        read_text("deepgram-listen", SCAN_JSON,
                  "{\"metadata\":{\"request_id\":\"r\",\"duration\":25.933313,\"channels\":1}}");
    cr_assert(found.told);
    cr_expect_eq(found.usage.milliseconds, 25934);

    static const char *const tables[] = {"elevenlabs-speech", "deepgram-speak"};
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        const struct usage_table *table = table_named(tables[i]);
        struct usage_figures known;
        struct usage usage = {0};
        struct usage_told told;
        request_usage_read(table, SLICE("{\"text\":\"h\\u00e9llo\",\"model_id\":\"m\"}"), &known);
        cr_assert(usage_table_sum(table, &known, &usage, &told), "%s", tables[i]);
        expect_usage(usage, (struct usage){.characters = 5});
    }
}
