#include "base/json.h"
#include "base/memory.h"
#include "gateway/meter/request_facts.h"
#include "routes/call.h"
#include "routes/profile.h"
#include "routes/usage.h"

#include <inttypes.h>

#include <criterion/criterion.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

enum { WRITTEN_MAX = 4096 };

static struct arena arena;
static struct profile_set profiles;

static void setup(void)
{
    struct error err = {0};
    cr_assert_eq(profile_set_load(&arena, &profiles, &err), STATUS_OK, "%s", err.message);
}

static void teardown(void)
{
    arena_fini(&arena);
}

TestSuite(request_facts, .init = setup, .fini = teardown);

static const struct call *call_of(const char *profile, const char *path)
{
    const struct call *call =
        call_find(profile_find(&profiles, slice_from(profile)), SLICE("POST"), slice_from(path));
    cr_assert_not_null(call, "%s", path);
    return call;
}

static const struct call *chat(void)
{
    return call_of("openai", "/v1/chat/completions");
}

static const struct call *responses(void)
{
    return call_of("openai", "/v1/responses");
}

static const struct call *completions(void)
{
    return call_of("openai", "/v1/completions");
}

static const struct call *embeddings(void)
{
    return call_of("openai", "/v1/embeddings");
}

static const struct call *messages(void)
{
    return call_of("anthropic", "/v1/messages");
}

static struct request_facts read_body(const struct call *call, const char *body)
{
    struct request_facts facts;
    struct error err = {0};
    cr_assert_eq(request_facts_read(call, slice_from(body), &facts, &err), STATUS_OK, "%s: %s",
                 body, err.message);
    return facts;
}

static void expect_refused(const struct call *call, struct slice body, const char *wanted)
{
    struct request_facts facts;
    struct error err = {0};
    cr_expect_eq(request_facts_read(call, body, &facts, &err), STATUS_INVALID, "%.*s",
                 SLICE_ARG(body));
    cr_expect_not_null(strstr(err.message, wanted), "%.*s: %s", SLICE_ARG(body), err.message);
}

/* ---- the members at the top ---- */

Test(request_facts, all_members_of_a_chat_are_read)
{
    const char *body =
        " {\"model\": \"gpt-4o\", \"messages\": [{\"role\": \"user\", \"content\": \"hi\"}],\n"
        "\"max_tokens\": 10, \"n\": 3, \"stream\": true, "
        "\"stream_options\": {\"include_usage\": true}}\n";
    struct request_facts facts = read_body(chat(), body);
    cr_expect_str_eq(facts.model, "gpt-4o");
    cr_expect(facts.text_only);
    cr_expect_eq(facts.text_bytes, strlen(body));
    cr_expect(facts.has_output_limit);
    cr_expect_eq(facts.output_limit, 10);
    cr_expect_eq(facts.choices, 3);
    cr_expect_eq(facts.inputs, 1);
    cr_expect(facts.stream);
    cr_expect(facts.include_usage);
}

Test(request_facts, what_is_absent_has_its_default)
{
    static const char *const bodies[] = {
        "{}",
        "{\"model\": null, \"n\": null, \"stream\": null, \"max_tokens\": null,"
        " \"max_completion_tokens\": null, \"stream_options\": null,"
        " \"web_search_options\": null}",
        "{\"stream_options\": {\"include_usage\": null}}",
        "{\"stream_options\": {\"include_obfuscation\": true}}",
        "{\"messages\": [{\"model\": \"m\", \"n\": 7, \"max_tokens\": 5, \"stream\": true,"
        " \"prediction\": {}, \"stream_options\": {\"include_usage\": true}}]}",
        "{\"messages\": {\"include_usage\": true}}",
        "{\"stream_options\": {\"x\": {\"include_usage\": true}}}",
        "{\"stream_options\": null, \"x\": {\"include_usage\": true}}",
    };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct request_facts facts = read_body(chat(), bodies[i]);
        cr_expect_str_eq(facts.model, "");
        cr_expect(facts.text_only, "%s", bodies[i]);
        cr_expect_not(facts.has_output_limit);
        cr_expect_eq(facts.choices, 1);
        cr_expect_not(facts.stream);
        cr_expect_not(facts.include_usage, "%s", bodies[i]);
    }
}

Test(request_facts, the_largest_of_the_limits_counts)
{
    static const struct {
        const char *body;
        uint64_t limit;
    } cases[] = {
        {"{\"max_tokens\": 5, \"max_completion_tokens\": 9}", 9},
        {"{\"max_tokens\": 9, \"max_completion_tokens\": 5}", 9},
        {"{\"max_tokens\": 9, \"max_completion_tokens\": null}", 9},
        {"{\"max_tokens\": 0}", 0},
        {"{\"max_tokens\":1000000000}", 1000000000},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct request_facts facts = read_body(chat(), cases[i].body);
        cr_expect(facts.has_output_limit);
        cr_expect_eq(facts.output_limit, cases[i].limit, "%s", cases[i].body);
    }
    cr_expect_eq(read_body(responses(), "{\"max_output_tokens\": 7}").output_limit, 7);
    cr_expect_not(read_body(responses(), "{\"max_tokens\": 7}").has_output_limit);
    cr_expect_eq(read_body(messages(), "{\"max_tokens\": 7}").output_limit, 7);
    cr_expect_eq(read_body(messages(), "{\"max_tokens\": 7, \"stream_options\": 5}").output_limit,
                 7);
}

Test(request_facts, names_are_compared_after_unescaping_and_exactly)
{
    struct request_facts facts =
        read_body(chat(), "{\"mo\\u0064el\": \"gpt\\u002d4o\", \"\\u006e\": 2, \"Stream\": true,"
                          " \"max_tokens \": 5, \"MAX_TOKENS\": 5, \"n\\u0000\": 9}");
    cr_expect_str_eq(facts.model, "gpt-4o");
    cr_expect_eq(facts.choices, 2);
    cr_expect_not(facts.stream);
    cr_expect_not(facts.has_output_limit);
}

Test(request_facts, models_are_taken_up_to_their_longest)
{
    char longest[MODEL_NAME_MAX + 1];
    memset(longest, 'm', MODEL_NAME_MAX);
    longest[MODEL_NAME_MAX] = '\0';
    const char *body = arena_print(&arena, "{\"model\": \"%s\"}", longest);
    cr_expect_str_eq(read_body(chat(), body).model, longest);
    cr_expect_str_eq(read_body(NULL, body).model, longest);
    body = arena_print(&arena, "{\"model\": \"%sm\"}", longest);
    expect_refused(chat(), slice_from(body), "\"model\" is longer than 128 bytes");
    body = arena_print(&arena, "{\"model\": \"%s%s%s\"}", longest, longest, longest);
    expect_refused(chat(), slice_from(body), "\"model\" is longer than 128 bytes");
    cr_expect_str_eq(read_body(chat(), "{\"model\": \"\xc3\xa9 \\ud83d\\ude00\"}").model,
                     "\xc3\xa9 \xf0\x9f\x98\x80");
}

Test(request_facts, of_an_unknown_call_only_the_model_is_read)
{
    struct request_facts facts =
        read_body(NULL, "{\"n\": \"x\", \"stream\": 5, \"type\": 1, \"type\": 2, \"model\": \"m\","
                        " \"max_tokens\": -1}");
    cr_expect_str_eq(facts.model, "m");
    cr_expect_not(facts.text_only);
    cr_expect_eq(facts.choices, 1);
    cr_expect_eq(facts.inputs, 1);
    cr_expect_not(facts.has_output_limit);
    expect_refused(NULL, SLICE("{\"model\": \"a\", \"model\": \"b\"}"), "\"model\" is there twice");
}

/* ---- many inputs in one ---- */

Test(request_facts, completions_without_a_limit_have_the_providers)
{
    struct request_facts facts = read_body(completions(), "{\"prompt\": \"x\"}");
    cr_expect(facts.has_output_limit);
    cr_expect_eq(facts.output_limit, 16);
    cr_expect_eq(read_body(completions(), "{\"max_tokens\": null}").output_limit, 16);
    cr_expect_eq(read_body(completions(), "{\"max_tokens\": 3}").output_limit, 3);
    cr_expect_eq(read_body(completions(), "{\"max_tokens\": 0}").output_limit, 0);
}

Test(request_facts, inputs_and_choices_of_a_batch_are_counted)
{
    static const struct {
        const char *body;
        uint64_t inputs, choices;
    } cases[] = {
        {"{\"prompt\": \"x\"}", 1, 1},
        {"{\"prompt\": null, \"n\": 2}", 1, 2},
        {"{\"prompt\": []}", 1, 1},
        {"{\"prompt\": [\"a\"]}", 1, 1},
        {"{\"prompt\": [\"a\", \"b\", \"c\"], \"n\": 2}", 3, 6},
        {"{\"n\": 2, \"best_of\": 5, \"prompt\": [\"a\", \"b\"]}", 2, 10},
        {"{\"n\": 4, \"best_of\": 1, \"prompt\": \"x\"}", 1, 4},
        {"{\"best_of\": 1, \"n\": 4, \"prompt\": [1, 2, 3]}", 1, 4},
        {"{\"prompt\": [[1, 2], [3], []]}", 3, 3},
        {"{\"prompt\": [[\"a\", \"b\"], \"c\", {\"d\": [\"e\"]}, null]}", 4, 4},
        {"{\"suffix\": [\"a\", \"b\"], \"prompt\": {\"a\": [1]}}", 1, 1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct request_facts facts = read_body(completions(), cases[i].body);
        cr_expect_eq(facts.choices, cases[i].choices, "%s: %" PRIu64, cases[i].body, facts.choices);
        cr_expect_eq(facts.inputs, cases[i].inputs, "%s: %" PRIu64, cases[i].body, facts.inputs);
    }
    cr_expect_eq(read_body(embeddings(), "{\"input\": [\"a\", \"b\"]}").inputs, 2);
    cr_expect(read_body(embeddings(), "{\"input\": [\"a\", \"b\"]}").text_only);
}

/* ---- text, and what is more than text ---- */

struct text_case {
    const char *body;
    bool text_only;
};

static void expect_text(const struct call *call, const struct text_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct request_facts facts = read_body(call, cases[i].body);
        cr_expect_eq(facts.text_only, cases[i].text_only, "%s", cases[i].body);
    }
}

Test(request_facts, chats_are_text_unless_they_have_media_or_references)
{
    static const struct text_case cases[] = {
        {"{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"text\"}]}]}", true},
        {"{\"messages\": [{\"content\": [{\"type\": \"text\"}, {\"type\": \"image_url\"}]}]}",
         false},
        {"{\"messages\": [{\"content\": [{\"t\\u0079pe\": \"image\\u005furl\"}]}]}", false},
        {"{\"messages\": [{\"content\": [{\"type\": \"input_audio\"}]}]}", false},
        {"{\"messages\": [{\"content\": [{\"type\": \"file\", \"file\": {}}]}]}", false},
        {"{\"messages\": [{\"role\": \"assistant\", \"tool_calls\": [{\"id\": \"call_1\","
         " \"type\": \"function\", \"function\": {\"name\": \"f\", \"arguments\": \"{}\"}}]},"
         " {\"role\": \"tool\", \"tool_call_id\": \"call_1\", \"content\": \"x\"}]}",
         true},
        {"{\"messages\": [{\"role\": \"assistant\", \"audio\": {\"id\": \"audio_1\"}}]}", false},
        {"{\"messages\": [{\"role\": \"assistant\", \"audio\": {\"id\": null}}]}", true},
        {"{\"tools\": [{\"type\": \"function\", \"function\": {\"parameters\": {\"type\":"
         " \"object\", \"properties\": {\"id\": {\"type\": [\"string\", \"null\"]},"
         " \"type\": {\"type\": \"image_url\"}}, \"examples\": [{\"id\": 1}]}}}]}",
         true},
        {"{\"tools\": [{\"type\": \"function\", \"function\": {\"parameters\": null}},"
         " {\"type\": \"retrieval\"}]}",
         false},
        {"{\"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"name\": \"n\","
         " \"schema\": {\"type\": \"object\"}}}}",
         true},
        {"{\"web_search_options\": {}}", false},
        {"{\"prediction\": {\"type\": \"content\", \"content\": \"x\"}}", false},
        {"{\"metadata\": {\"id\": \"1\", \"type\": \"image_url\"}}", true},
        {"{\"metadata\": \"x\", \"tools\": [{\"type\": \"mcp\"}]}", false},
        {"{\"metadata\": {}, \"tools\": [{\"type\": \"mcp\"}]}", false},
        {"{\"messages\": [{\"type\": {\"a\": 1}}]}", false},
        {"{\"messages\": [{\"type\": null}]}", true},
        {"{\"type\": \"image_url\"}", false},
        {"{\"id\": \"x\"}", true}, /* the body itself is no reference */
    };
    expect_text(chat(), cases, COUNT_OF(cases));
}

Test(request_facts, responses_refer_by_id_and_by_members)
{
    static const struct text_case cases[] = {
        {"{\"input\": \"hi\"}", true},
        {"{\"input\": [{\"role\": \"user\", \"content\": \"hi\"}]}", true},
        {"{\"input\": [{\"role\": \"user\", \"content\": \"hi\"}, {\"id\": \"msg_1\"}]}", false},
        {"{\"input\": [{\"id\": \"msg_1\"}]}", false}, /* an item_reference has no type */
        {"{\"input\": [{\"type\": \"item_reference\", \"id\": \"msg_1\"}]}", false},
        {"{\"input\": [{\"type\": \"message\", \"id\": \"msg_1\", \"role\": \"assistant\","
         " \"content\": [{\"type\": \"output_text\", \"text\": \"x\", \"annotations\": []}]}]}",
         true},
        {"{\"input\": [{\"type\": \"reasoning\", \"id\": \"rs_1\", \"summary\": []}]}", false},
        {"{\"input\": [{\"type\": \"reasoning\", \"id\": \"rs_1\", \"summary\": [],"
         " \"encrypted_content\": null}]}",
         false},
        {"{\"input\": [{\"type\": \"reasoning\", \"id\": \"rs_1\", \"summary\": [],"
         " \"encrypted_content\": \"gAAA\"}]}",
         true},
        {"{\"input\": [{\"type\": \"function_call\", \"id\": \"fc_1\", \"call_id\": \"c\","
         " \"name\": \"f\", \"arguments\": \"{}\"}, {\"type\": \"function_call_output\","
         " \"call_id\": \"c\", \"output\": \"x\"}]}",
         true},
        {"{\"input\": [{\"type\": \"function_call_output\", \"call_id\": \"c\","
         " \"output\": [{\"type\": \"input_image\", \"file_id\": \"f\"}]}]}",
         false},
        {"{\"tools\": [{\"type\": \"web_search\"}]}", false},
        {"{\"tools\": [{\"type\": \"function\", \"name\": \"f\", \"parameters\": {\"type\":"
         " \"object\"}}]}",
         true},
        {"{\"previous_response_id\": \"resp_1\"}", false},
        {"{\"previous_response_id\": null, \"conversation\": null, \"prompt\": null}", true},
        {"{\"conversation\": {\"id\": \"conv_1\"}}", false},
        {"{\"prompt\": {\"id\": \"pmpt_1\"}}", false},
        {"{\"text\": {\"format\": {\"type\": \"text\"}}, \"reasoning\": {\"effort\": \"low\"}}",
         true},
    };
    expect_text(responses(), cases, COUNT_OF(cases));
}

Test(request_facts, messages_are_text_unless_they_have_media_or_server_tools)
{
    static const struct text_case cases[] = {
        {"{\"system\": [{\"type\": \"text\", \"text\": \"s\","
         " \"cache_control\": {\"type\": \"ephemeral\"}}],"
         " \"thinking\": {\"type\": \"enabled\", \"budget_tokens\": 1024},"
         " \"tool_choice\": {\"type\": \"tool\", \"name\": \"f\"}}",
         true},
        {"{\"messages\": [{\"role\": \"assistant\", \"content\": [{\"type\": \"tool_use\","
         " \"id\": \"toolu_1\", \"name\": \"f\", \"input\": {\"type\": \"bug\", \"id\": 7}}]},"
         " {\"role\": \"user\", \"content\": [{\"type\": \"tool_result\","
         " \"tool_use_id\": \"toolu_1\", \"content\": [{\"type\": \"text\"}]}]}]}",
         true},
        {"{\"messages\": [{\"content\": [{\"type\": \"tool_result\","
         " \"content\": [{\"type\": \"image\"}]}]}]}",
         false},
        {"{\"messages\": [{\"content\": [{\"type\": \"tool_use\", \"input\": {}},"
         " {\"type\": \"document\"}]}]}",
         false},
        {"{\"tools\": [{\"name\": \"f\", \"input_schema\": {\"type\": \"object\"}}]}", true},
        {"{\"tools\": [{\"type\": \"web_search_20250305\", \"name\": \"web_search\"}]}", false},
        {"{\"container\": \"container_1\"}", false},
        {"{\"mcp_servers\": [{\"type\": \"url\"}]}", false},
        {"{\"messages\": [{\"id\": \"x\"}]}", false},
    };
    expect_text(messages(), cases, COUNT_OF(cases));
}

Test(request_facts, what_the_provider_adds_is_input_too)
{
    const char *body = "{\"tools\": [{\"name\": \"f\"}]}";
    cr_expect_eq(read_body(messages(), body).text_bytes, strlen(body) + 600);
    cr_expect_eq(read_body(messages(), "{\"tools\": null}").text_bytes, 15);
    cr_expect_eq(read_body(chat(), body).text_bytes, strlen(body));
}

/* ---- bodies that are refused ---- */

Test(request_facts, members_of_the_wrong_kind_are_refused)
{
    static const struct {
        const char *member, *wanted;
    } cases[] = {
        {"\"model\": 4", "\"model\" is no string"},
        {"\"model\": {}", "\"model\" is no string"},
        {"\"model\": [\"gpt-4o\"]", "\"model\" is no string"},
        {"\"model\": true", "\"model\" is no string"},
        {"\"model\": \"\"", "\"model\" is empty"},
        {"\"model\": \"gpt\\u0000-4o\"", "\"model\" is empty or has control"},
        {"\"model\": \"gpt\\n\"", "\"model\" is empty or has control"},
        {"\"stream\": \"true\"", "\"stream\" is neither"},
        {"\"stream\": 1", "\"stream\" is neither"},
        {"\"stream\": []", "\"stream\" is neither"},
        {"\"n\": 0", "\"n\" is no whole number from 1 to 128"},
        {"\"n\": 129", "\"n\" is no"},
        {"\"n\": -1", "\"n\" is no"},
        {"\"n\": 1.0", "\"n\" is no"},
        {"\"n\": \"2\"", "\"n\" is no"},
        {"\"n\": [2]", "\"n\" is no"},
        {"\"n\": 18446744073709551617", "\"n\" is no"},
        {"\"max_tokens\": \"10\"", "\"max_tokens\" is no whole number"},
        {"\"max_tokens\": -1", "\"max_tokens\" is no"},
        {"\"max_tokens\": -0", "\"max_tokens\" is no"},
        {"\"max_tokens\": 1e3", "\"max_tokens\" is no"},
        {"\"max_tokens\": 10.5", "\"max_tokens\" is no"},
        {"\"max_tokens\": 10.0", "\"max_tokens\" is no"},
        {"\"max_tokens\": 1000000001", "\"max_tokens\" is no"},
        {"\"max_tokens\": 99999999999999999999999999", "\"max_tokens\" is no"},
        {"\"max_tokens\": true", "\"max_tokens\" is no"},
        {"\"max_tokens\": {\"a\": 1}", "\"max_tokens\" is no"},
        {"\"max_completion_tokens\": \"\"", "\"max_completion_tokens\" is no"},
        {"\"stream_options\": true", "\"stream_options\" is no object"},
        {"\"stream_options\": []", "\"stream_options\" is no object"},
        {"\"stream_options\": {\"include_usage\": 1}", "\"stream_options.include_usage\" is"},
        {"\"stream_options\": {\"include_usage\": {}}", "\"stream_options.include_usage\" is"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        expect_refused(chat(), slice_from(arena_print(&arena, "{%s}", cases[i].member)),
                       cases[i].wanted);
    }
}

Test(request_facts, names_that_are_read_and_stand_twice_are_refused)
{
    static const char *const chats[] = {
        "{\"model\": \"a\", \"model\": \"a\"}",
        "{\"model\": \"a\", \"m\\u006fdel\": \"b\"}",
        "{\"model\": null, \"model\": \"b\"}",
        "{\"max_tokens\": 1, \"n\": 1, \"max_tokens\": null}",
        "{\"max_completion_tokens\": 1, \"max_completion_tokens\": 2}",
        "{\"n\": 1, \"n\": 1}",
        "{\"stream\": false, \"stream\": true}",
        "{\"stream_options\": {}, \"stream_options\": {}}",
        "{\"stream_options\": {\"include_usage\": true, \"include_usage\": true}}",
        "{\"web_search_options\": null, \"web_search_options\": {}}",
        "{\"messages\": [{\"type\": \"text\", \"type\": \"text\"}]}",
        "{\"messages\": [{\"role\": \"user\", \"role\": null}]}",
        "{\"messages\": [{\"id\": null, \"a\": {\"id\": 1}, \"id\": \"x\"}]}",
    };
    for (size_t i = 0; i < COUNT_OF(chats); i++) {
        expect_refused(chat(), slice_from(chats[i]), "twice");
    }
    expect_refused(completions(), SLICE("{\"prompt\": 1, \"prompt\": [\"a\", \"b\"]}"), "twice");
    expect_refused(completions(), SLICE("{\"best_of\": 1, \"best_of\": 2}"), "twice");
    expect_refused(messages(), SLICE("{\"tools\": [], \"tools\": []}"), "twice");
    expect_refused(responses(),
                   SLICE("{\"input\": [{\"encrypted_content\": \"x\", \"type\": \"reasoning\","
                         " \"encrypted_content\": null}]}"),
                   "twice");
}

Test(request_facts, names_may_stand_again_in_other_objects_and_where_nothing_is_read)
{
    (void)read_body(chat(), "{\"messages\": [{\"type\": \"text\"}, {\"type\": \"text\"}]}");
    (void)read_body(chat(),
                    "{\"messages\": [{\"a\": {\"id\": 1}, \"id\": 2, \"b\": {\"id\": 1}}]}");
    (void)read_body(chat(), "{\"messages\": [], \"messages\": []}");
    (void)read_body(chat(), "{\"metadata\": {\"type\": 1, \"type\": 2, \"id\": 1, \"id\": 1}}");
    (void)read_body(chat(), "{\"model\": \"a\", \"x\": {\"model\": 1, \"model\": 2}}");
}

Test(request_facts, bodies_that_are_no_json_object_are_refused)
{
    static const struct {
        const char *body, *wanted;
    } cases[] = {
        {"", "no JSON"},
        {"   \n", "no JSON"},
        {"model=gpt-4o", "no JSON"},
        {"{", "no JSON: the value is not complete"},
        {"{\"model\": \"m\"", "no JSON"},
        {"{\"model\": \"m\"}}", "no JSON: something follows"},
        {"{\"model\": \"m\"} {}", "no JSON"},
        {"{\"model\": \"m\",}", "no JSON"},
        {"{'model': 'm'}", "no JSON"},
        {"{\"model\": \"m\" \"n\": 1}", "no JSON"},
        {"{\"model\": tru}", "no JSON"},
        {"{\"model\": \"m\", \"n\": 01}", "no JSON"},
        {"{\"model\": \"m\", /* c */ \"n\": 1}", "no JSON"},
        {"\xef\xbb\xbf{\"model\": \"m\"}", "no JSON"},
        {"{\"a\": \"\xff\"}", "no JSON: not valid UTF-8"},
        {"{\"a\": \"\xc0\xaf\"}", "no JSON: not valid UTF-8"},
        {"{\"a\": \"\xed\xa0\x80\"}", "no JSON: not valid UTF-8"},
        {"{\"a\": \"\\ud800\"}", "no JSON"},
        {"{\"a\": \"line\nbreak\"}", "no JSON"},
        {"{\"a\": NaN}", "no JSON"},
        {"[]", "no JSON object"},
        {"[{\"model\": \"m\"}]", "no JSON object"},
        {"\"model\"", "no JSON object"},
        {"null", "no JSON object"},
        {"true", "no JSON object"},
        {"12", "no JSON object"},
        {"12 ", "no JSON object"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        expect_refused(chat(), slice_from(cases[i].body), cases[i].wanted);
        expect_refused(NULL, slice_from(cases[i].body), cases[i].wanted);
    }
    expect_refused(chat(), SLICE("{\"model\": \"m\"}\0"), "no JSON");
    expect_refused(chat(), SLICE("{\"a\": 1\0}"), "no JSON");
}

Test(request_facts, every_truncation_of_a_body_is_refused)
{
    struct slice body = SLICE("{\"model\": \"m\\u00e9\", \"messages\": [{\"role\": \"user\","
                              " \"content\": [{\"type\": \"text\"}]}], \"n\": 2}");
    for (size_t len = 0; len < body.len; len++) {
        expect_refused(chat(), slice_make(body.ptr, len), "no JSON");
    }
    struct request_facts facts;
    cr_expect_eq(request_facts_read(chat(), body, &facts, NULL), STATUS_OK);
}

static struct slice nested(unsigned depth, char open, char close)
{
    char *text = arena_reserve(&arena, 2 * (size_t)depth + 16);
    size_t len = 0;
    memcpy(text, "{\"a\":", 5);
    len += 5;
    memset(text + len, open, depth);
    len += depth;
    memset(text + len, close, depth);
    len += depth;
    text[len++] = '}';
    return slice_make(text, len);
}

Test(request_facts, nesting_has_a_bound)
{
    struct request_facts facts;
    cr_expect_eq(request_facts_read(chat(), nested(255, '[', ']'), &facts, NULL), STATUS_OK);
    expect_refused(chat(), nested(256, '[', ']'), "nested too deeply");
    expect_refused(chat(), nested(100000, '[', ']'), "nested too deeply");
}

/* Objects, so that what is noted of each level is reached at the deepest. */
Test(request_facts, references_are_found_at_the_deepest_level)
{
    struct buffer body CLEANUP(buffer_fini);
    buffer_init(&body, WRITTEN_MAX);
    for (unsigned i = 0; i < 255; i++) {
        cr_assert_eq(buffer_append(&body, SLICE("{\"a\":")), STATUS_OK);
    }
    cr_assert_eq(buffer_append(&body, SLICE("{\"id\": \"x\"}")), STATUS_OK);
    for (unsigned i = 0; i < 255; i++) {
        cr_assert_eq(buffer_append(&body, SLICE("}")), STATUS_OK);
    }
    struct request_facts facts;
    cr_assert_eq(request_facts_read(chat(), buffer_bytes(&body), &facts, NULL), STATUS_OK);
    cr_expect_not(facts.text_only);
}

/* A pass, not a pass for each member: it would take minutes. */
Test(request_facts, a_large_body_is_read_in_one_pass, .timeout = 60)
{
    const struct slice item = SLICE("{\"role\":\"user\",\"content\":\"\xc3\xa9 \\u00e9 text\"},");
    size_t size = (size_t)32 * 1024 * 1024;
    struct buffer body CLEANUP(buffer_fini);
    buffer_init(&body, size);
    cr_assert_eq(buffer_append(&body, SLICE("{\"messages\":[")), STATUS_OK);
    while (buffer_len(&body) + item.len + 32 < size) {
        cr_assert_eq(buffer_append(&body, item), STATUS_OK);
    }
    cr_assert_eq(buffer_append(&body, SLICE("0],\"model\":\"m\",\"n\":2}")), STATUS_OK);
    struct request_facts facts;
    cr_assert_eq(request_facts_read(chat(), buffer_bytes(&body), &facts, NULL), STATUS_OK);
    cr_expect_str_eq(facts.model, "m");
    cr_expect_eq(facts.choices, 2);
    cr_expect(facts.text_only);
}

/* ---- writing the limit ---- */

static void expect_written(const char *body, const char *wanted)
{
    struct buffer out CLEANUP(buffer_fini);
    buffer_init(&out, WRITTEN_MAX);
    cr_assert_eq(request_write_output_limit(slice_from(body), SLICE("max_tokens"), 250, &out),
                 STATUS_OK);
    struct slice written = buffer_bytes(&out);
    cr_expect(slice_equal(written, slice_from(wanted)), "%.*s", SLICE_ARG(written));
    struct request_facts facts;
    cr_assert_eq(request_facts_read(messages(), written, &facts, NULL), STATUS_OK);
    cr_expect_eq(facts.output_limit, 250);
}

Test(request_facts, a_limit_is_written_as_the_first_member)
{
    expect_written("{\"model\":\"m\"}", "{\"max_tokens\":250,\"model\":\"m\"}");
    expect_written(" \n{ \"model\" : \"m\" }\r\n",
                   " \n{\"max_tokens\":250, \"model\" : \"m\" }\r\n");
    expect_written("{}", "{\"max_tokens\":250}");
    expect_written("{ \t}", "{\"max_tokens\":250 \t}");
    expect_written("{\"a\":{\"max_tokens\":null}}",
                   "{\"max_tokens\":250,\"a\":{\"max_tokens\":null}}");
    expect_written("{\"a\":\"max_tokens\",\"b\":null}",
                   "{\"max_tokens\":250,\"a\":\"max_tokens\",\"b\":null}");
}

/* The name twice would be null to a parser that takes the last one, and an error to others. */
Test(request_facts, a_limit_takes_the_place_of_its_null)
{
    expect_written("{\"max_tokens\":null}", "{\"max_tokens\":250}");
    expect_written("{\"a\":[null],\"max_tokens\" : null ,\"b\":null}",
                   "{\"a\":[null],\"max_tokens\" : 250 ,\"b\":null}");
    expect_written("{\"a\":1,\"max\\u005ftokens\":null\n}", "{\"a\":1,\"max\\u005ftokens\":250\n}");
}

Test(request_facts, a_limit_is_not_cut_by_a_full_buffer)
{
    for (size_t max = 0; max < strlen("{\"max_tokens\":250,\"a\":1}"); max++) {
        struct buffer out CLEANUP(buffer_fini);
        buffer_init(&out, max);
        cr_expect_eq(request_write_output_limit(SLICE("{\"a\":1}"), SLICE("max_tokens"), 250, &out),
                     STATUS_TOO_LARGE);
    }
}
