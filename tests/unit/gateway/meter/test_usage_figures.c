/* Which figures in an answer are its usage. */
#include "tests/unit/gateway/meter/findings.h"

#include <stdio.h>

/* ---- plain answers ---- */

Test(usage_figures, finds_the_usage_of_plain_answers)
{
    struct findings found =
        json(USAGE_OPENAI_CHAT,
             "{\"id\":\"c\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
             "\"content\":\"Hello there\"},\"finish_reason\":\"stop\"}],\"usage\":{"
             "\"prompt_tokens\":19,\"completion_tokens\":10,\"total_tokens\":29,"
             "\"prompt_tokens_details\":null}}\n");
    cr_assert(found.told);
    expect_usage(found.usage, (struct usage){.input = 19, .output = 10});
    cr_expect_eq(found.estimate, 3);
    cr_expect_not(found.ended);
    cr_expect_not(found.between);

    found = json(USAGE_OPENAI_RESPONSES,
                 "{\"id\":\"r\",\"output\":[{\"content\":[{\"type\":\"output_text\","
                 "\"text\":\"Hello\"}]}],\"usage\":{\"input_tokens\":36,"
                 "\"input_tokens_details\":{\"cached_tokens\":6},\"output_tokens\":87,"
                 "\"output_tokens_details\":{\"reasoning_tokens\":80},\"total_tokens\":123}}");
    cr_assert(found.told);
    expect_usage(found.usage,
                 (struct usage){.input = 30, .cache_read = 6, .output = 87, .reasoning = 80});
    cr_expect_eq(found.estimate, 2);

    found = json(USAGE_ANTHROPIC,
                 "{\"type\":\"message\",\"content\":[{\"type\":\"text\",\"text\":\"Hi!\"}],"
                 "\"usage\":{\"input_tokens\":5,\"cache_creation_input_tokens\":null,"
                 "\"cache_read_input_tokens\":7,\"output_tokens\":503}}");
    cr_assert(found.told);
    expect_usage(found.usage, (struct usage){.input = 5, .cache_read = 7, .output = 503});
    cr_expect_eq(found.estimate, 1);
}

Test(usage_figures, embeddings_have_no_output)
{
    struct findings found =
        json(USAGE_OPENAI_CHAT, "{\"object\":\"list\",\"data\":[{\"embedding\":[0.1,-2e-3]}],"
                                "\"usage\":{\"prompt_tokens\":8,\"total_tokens\":8}}");
    cr_assert(found.told);
    expect_usage(found.usage, (struct usage){.input = 8});
}

/* Some count the reasoning in the total alone. */
Test(usage_figures, output_is_what_the_total_has_beyond_the_input)
{
    struct findings found =
        json(USAGE_OPENAI_CHAT, "{\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5,"
                                "\"total_tokens\":115}}");
    cr_assert(found.told);
    expect_usage(found.usage, (struct usage){.input = 10, .output = 105});
}

Test(usage_figures, a_plain_answer_counts_only_when_it_is_whole)
{
    static const char answer[] = "{\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}";
    for (size_t len = 0; len < sizeof(answer) - 1; len++) {
        struct slice part = slice_make(answer, len);
        cr_expect_not(read_all_ways(USAGE_OPENAI_CHAT, SCAN_JSON, part).told, "%zu", len);
    }
    cr_expect(json(USAGE_OPENAI_CHAT, answer).told);
    cr_expect_not(json(USAGE_OPENAI_CHAT, "{\"usage\":{\"prompt_tokens\":1,"
                                          "\"completion_tokens\":2}}{}")
                      .told);
}

/* ---- what is no usage ---- */

Test(usage_figures, usage_elsewhere_does_not_count)
{
    static const struct {
        enum usage_dialect dialect;
        enum scanned_body body;
        const char *text;
    } cases[] = {
        {USAGE_OPENAI_CHAT, SCAN_JSON,
         "{\"a\":{\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}}"},
        {USAGE_OPENAI_CHAT, SCAN_JSON,
         "[{\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}]"},
        {USAGE_OPENAI_CHAT, SCAN_JSON,
         "{\"usage\":[{\"prompt_tokens\":1,\"completion_tokens\":2}]}"},
        {USAGE_OPENAI_CHAT, SCAN_JSON,
         "{\"choices\":[{\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}]}"},
        {USAGE_OPENAI_CHAT, SCAN_JSON,
         "{\"choices\":[{\"message\":{\"content\":\"{\\\"usage\\\":{\\\"prompt_tokens\\\":1,"
         "\\\"completion_tokens\\\":2}}\"}}]}"},
        {USAGE_OPENAI_CHAT, SCAN_JSON,
         "{\"choices\":[{\"message\":{\"usage\":{\"prompt_tokens\":1,"
         "\"completion_tokens\":2}}}]}"},
        {USAGE_OPENAI_CHAT, SCAN_JSON, "{\"prompt_tokens\":1,\"completion_tokens\":2}"},
        {USAGE_OPENAI_CHAT, SCAN_JSON,
         "{\"usage\":{\"x\":{\"prompt_tokens\":1,\"completion_tokens\":2}}}"},
        {USAGE_OPENAI_CHAT, SCAN_JSON, "{\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}"},
        {USAGE_OPENAI_CHAT, SCAN_JSON, "{\"usage\":null}"},
        {USAGE_OPENAI_CHAT, SCAN_JSON, "{\"usage\":{}}"},
        {USAGE_OPENAI_CHAT, SCAN_EVENTS,
         "data: {\"response\":{\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}}\n\n"},
        {USAGE_OPENAI_CHAT, SCAN_EVENTS,
         "event: {\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n"},
        {USAGE_OPENAI_CHAT, SCAN_EVENTS,
         "id: x\n: data: {\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n"},
        {USAGE_OPENAI_CHAT, SCAN_EVENTS,
         "data: {\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}},\n\n"},
        {USAGE_OPENAI_CHAT, SCAN_EVENTS,
         "data: x{\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n"},
        {USAGE_OPENAI_CHAT, SCAN_EVENTS,
         "data: {\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}\n\n"},
        {USAGE_OPENAI_RESPONSES, SCAN_JSON,
         "{\"response\":{\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}}"},
        {USAGE_OPENAI_RESPONSES, SCAN_EVENTS,
         "data: {\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}\n\n"},
        {USAGE_OPENAI_RESPONSES, SCAN_EVENTS,
         "data: {\"item\":{\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}}\n\n"},
        {USAGE_ANTHROPIC, SCAN_JSON,
         "{\"message\":{\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}}"},
        {USAGE_ANTHROPIC, SCAN_JSON,
         "{\"content\":[{\"input\":{\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}}]}"},
        {USAGE_ANTHROPIC, SCAN_JSON, "{\"usage\":{\"input_tokens\":1}}"},
        {USAGE_ANTHROPIC, SCAN_JSON, "{\"usage\":{\"output_tokens\":1}}"},
        {USAGE_ANTHROPIC, SCAN_EVENTS,
         "data: {\"delta\":{\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}}\n\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct findings found =
            read_all_ways(cases[i].dialect, cases[i].body, slice_from(cases[i].text));
        cr_expect_not(found.told, "%s", cases[i].text);
        cr_expect_not(found.input_told, "%s", cases[i].text);
    }
}

Test(usage_figures, a_broken_usage_is_none)
{
    static const char *const broken[] = {
        "{\"prompt_tokens\":-1,\"completion_tokens\":2}",
        "{\"prompt_tokens\":1.0,\"completion_tokens\":2}",
        "{\"prompt_tokens\":1e3,\"completion_tokens\":2}",
        "{\"prompt_tokens\":1e30,\"completion_tokens\":2}",
        "{\"prompt_tokens\":\"1\",\"completion_tokens\":2}",
        "{\"prompt_tokens\":true,\"completion_tokens\":2}",
        "{\"prompt_tokens\":[1],\"completion_tokens\":2}",
        "{\"prompt_tokens\":{\"a\":1},\"completion_tokens\":2}",
        "{\"prompt_tokens\":1000000001,\"completion_tokens\":2}",
        "{\"prompt_tokens\":1,\"completion_tokens\":18446744073709551617}",
        "{\"prompt_tokens\":1,\"prompt_tokens\":1,\"completion_tokens\":2}",
        "{\"prompt_tokens\":1,\"completion_tokens\":2,\"completion_tokens\":null}",
        "{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":\"3\"}",
        "{\"prompt_tokens\":1}",
        "{\"completion_tokens\":2}",
        "{\"prompt_tokens\":null,\"completion_tokens\":2}",
        "{\"prompt_tokens\":1,\"completion_tokens\":2,\"prompt_tokens_details\":"
        "{\"cached_tokens\":2}}",
        "{\"prompt_tokens\":9,\"completion_tokens\":2,\"prompt_tokens_details\":[]}",
        "{\"prompt_tokens\":9,\"completion_tokens\":2,\"prompt_tokens_details\":"
        "{\"cached_tokens\":1,\"cached_tokens\":2}}",
        "{\"prompt_tokens\":9,\"completion_tokens\":2,\"prompt_tokens_details\":"
        "{\"cached_tokens\":1},\"prompt_tokens_details\":{\"cached_tokens\":1}}",
        "{\"prompt_tokens\":9,\"completion_tokens\":2,\"completion_tokens_details\":"
        "{\"reasoning_tokens\":-1}}",
        "{\"prompt_tokens\":1,\"completion_tokens\":2},\"usage\":{}",
        "\"none\"",
        "7",
        "[]",
        "false",
    };
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        char text[512];
        (void)snprintf(text, sizeof(text), "{\"usage\":%s}", broken[i]);
        cr_expect_not(json(USAGE_OPENAI_CHAT, text).told, "%s", text);
        (void)snprintf(text, sizeof(text), "data: {\"usage\":%s}\n\n", broken[i]);
        cr_expect_not(events(USAGE_OPENAI_CHAT, text).told, "%s", text);
    }
}

Test(usage_figures, a_broken_usage_spoils_the_stream)
{
    static const char *const broken[] = {"{\"completion_tokens\":-2}", "\"none\"", "[]"};
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        char text[256];
        (void)snprintf(text, sizeof(text),
                       "data: {\"usage\":%s}\n\n"
                       "data: {\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n",
                       broken[i]);
        cr_expect_not(events(USAGE_OPENAI_CHAT, text).told, "%s", text);
    }
}

Test(usage_figures, a_name_that_is_too_long_is_not_the_one_before)
{
    char text[512];
    char name[300];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    (void)snprintf(text, sizeof(text),
                   "{\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"%s\":3}}", name);
    cr_expect(json(USAGE_OPENAI_CHAT, text).told);
}

Test(usage_figures, figures_up_to_the_bound_count)
{
    struct findings found = json(USAGE_OPENAI_CHAT, "{\"usage\":{\"prompt_tokens\":1000000000,"
                                                    "\"completion_tokens\":1000000000}}");
    cr_assert(found.told);
    cr_expect_eq(found.usage.output, USAGE_TOKENS_MAX);
}
