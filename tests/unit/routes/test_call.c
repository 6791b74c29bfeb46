#include "base/memory.h"
#include "routes/call.h"
#include "routes/profile.h"

#include <criterion/criterion.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const struct profile *load(struct arena *arena, const char *name)
{
    struct error err = {0};
    struct profile_set *set = ARENA_NEW(arena, struct profile_set);
    cr_assert_eq(profile_set_load(arena, set, &err), STATUS_OK, "%s", err.message);
    const struct profile *profile = profile_find(set, slice_from(name));
    cr_assert_not_null(profile);
    return profile;
}

static const struct call *find(const struct profile *profile, const char *path)
{
    const struct call *call = call_find(profile, SLICE("POST"), slice_from(path));
    cr_assert_not_null(call, "%s", path);
    return call;
}

static bool has(const struct slice *names, unsigned count, const char *name)
{
    for (unsigned i = 0; i < count; i++) {
        if (slice_equal(names[i], slice_from(name))) {
            return true;
        }
    }
    return false;
}

Test(call, is_found_by_method_and_whole_path)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    const struct profile *openai = load(&arena, "openai");
    static const struct {
        const char *method, *path;
        bool known;
    } cases[] = {
        {"POST", "/v1/chat/completions", true},
        {"POST", "/v1/responses", true},
        {"POST", "/v1/completions", true},
        {"POST", "/v1/embeddings", true},
        {"GET", "/v1/chat/completions", false},
        {"post", "/v1/chat/completions", false},
        {"POST", "/v1/chat/completions/", false},
        {"POST", "/v1/chat", false},
        {"POST", "/V1/chat/completions", false},
        {"POST", "/v1/responses/resp_1/cancel", false},
        {"POST", "/v1/models", false},
        {"POST", "", false},
        {"", "/v1/responses", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct call *call =
            call_find(openai, slice_from(cases[i].method), slice_from(cases[i].path));
        cr_expect_eq(call != NULL, cases[i].known, "%s %s", cases[i].method, cases[i].path);
    }
    cr_expect_null(call_find(load(&arena, "http"), SLICE("POST"), SLICE("/v1/responses")));
}

Test(call, dialects_and_limits_are_the_providers)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    static const struct {
        const char *profile, *path;
        enum usage_dialect dialect;
        const char *written; /* NULL: no output */
        uint64_t output_default;
    } cases[] = {
        {"openai", "/v1/chat/completions", USAGE_OPENAI_CHAT, "max_completion_tokens", 0},
        {"openai", "/v1/responses", USAGE_OPENAI_RESPONSES, "max_output_tokens", 0},
        {"openai", "/v1/completions", USAGE_OPENAI_CHAT, "max_tokens", 16},
        {"openai", "/v1/embeddings", USAGE_OPENAI_CHAT, NULL, 0},
        {"anthropic", "/v1/messages", USAGE_ANTHROPIC, "max_tokens", 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct call *call = find(load(&arena, cases[i].profile), cases[i].path);
        cr_expect_eq(call->dialect, cases[i].dialect, "%s", cases[i].path);
        cr_expect_eq(call->output_default, cases[i].output_default, "%s", cases[i].path);
        cr_expect(slice_equal(call->model, SLICE("model")), "%s", cases[i].path);
        cr_expect_eq(call->output_limit_count == 0, cases[i].written == NULL, "%s", cases[i].path);
        if (cases[i].written != NULL) {
            cr_expect(slice_equal(call->output_limits[0], slice_from(cases[i].written)), "%s",
                      cases[i].path);
        }
    }
}

/* Each of these leads to more input than its bytes. */
Test(call, nothing_that_refers_to_more_counts_as_text)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    static const char *const types[] = {
        "image_url",
        "input_audio",
        "file",
        "input_image",
        "input_file",
        "image",
        "document",
        "url",
        "base64",
        "item_reference",
        "web_search",
        "file_search",
        "code_interpreter",
        "mcp",
        "computer_use_preview",
        "compaction",
        "web_search_call",
        "image_generation",
        "local_shell",
        "computer_call_output",
        "container_upload",
        "web_search_20250305",
        "code_execution_20250825",
        "bash_20250124",
    };
    static const char *const paths[][2] = {
        {"openai", "/v1/chat/completions"}, {"openai", "/v1/responses"},
        {"openai", "/v1/completions"},      {"openai", "/v1/embeddings"},
        {"anthropic", "/v1/messages"},
    };
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        const struct call *call = find(load(&arena, paths[i][0]), paths[i][1]);
        for (size_t j = 0; j < COUNT_OF(types); j++) {
            cr_expect_not(has(call->text_types, call->text_type_count, types[j]), "%s %s",
                          paths[i][1], types[j]);
        }
    }
    const struct call *responses = find(load(&arena, "openai"), "/v1/responses");
    cr_expect(has(responses->references.names, responses->references.count, "conversation"));
    cr_expect(
        has(responses->references.names, responses->references.count, "previous_response_id"));
}

/* ---- reading ---- */

#define PROFILE(calls) "{\"title\": \"T\", \"calls\": " calls "}"
#define CALL(rest)     "{\"method\": \"POST\", \"path\": \"/p\", \"usage\": \"anthropic\"" rest "}"

Test(call, all_that_a_profile_may_say_is_read)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    struct profile profile = {0};
    struct error err = {0};
    const char *json = PROFILE(
        "[" CALL(", \"model\": \"m\", \"stream\": \"s\", \"choices\": [\"n\", \"b\"],"
                 "\"batch\": \"p\", \"output_limits\": [\"x\", \"y\"], \"output_default\": 16,"
                 "\"added_input\": {\"tools\": 600}, \"references\": [\"r\"],"
                 "\"text_types\": [\"t\"], \"text_members\": [\"schema\"],"
                 "\"contents\": [\"role\"]") "]");
    cr_assert_eq(profile_read(&arena, SLICE("t"), slice_from(json), &profile, &err), STATUS_OK,
                 "%s", err.message);
    const struct call *call = find(&profile, "/p");
    cr_expect(slice_equal(call->stream, SLICE("s")));
    cr_expect(slice_equal(call->batch, SLICE("p")));
    cr_expect(call->choices.count == 2 && has(call->choices.names, 2, "b"));
    cr_expect(call->output_limit_count == 2 && slice_equal(call->output_limits[1], SLICE("y")));
    cr_expect_eq(call->output_default, 16);
    cr_assert_eq(call->added_input_count, 1);
    cr_expect(slice_equal(call->added_input[0].member, SLICE("tools")));
    cr_expect_eq(call->added_input[0].tokens, 600);
    cr_expect(call->references.count == 1 && has(call->references.names, 1, "r"));
    cr_expect(call->text_type_count == 1 && has(call->text_types, 1, "t"));
    cr_expect(call->text_members.count == 1 && has(call->text_members.names, 1, "schema"));
    cr_expect(call->contents.count == 1 && has(call->contents.names, 1, "role"));
}

Test(call, calls_that_are_wrong_say_where)
{
#define MODEL ", \"model\": \"m\""
    static const struct {
        const char *json, *wanted;
    } cases[] = {
        {PROFILE("{}"), "calls: a list is expected"},
        {PROFILE("[1]"), "calls[0]: an object is expected"},
        {PROFILE("[" CALL("") "]"), "calls[0]: model: missing"},
        {PROFILE("[{\"path\": \"/p\", \"usage\": \"anthropic\", \"model\": \"m\"}]"), "method: "},
        {PROFILE("[{\"method\": \"POST\", \"usage\": \"anthropic\", \"model\": \"m\"}]"), "path: "},
        {PROFILE("[{\"method\": \"POST\", \"path\": \"p\", \"usage\": \"anthropic\","
                 "\"model\": \"m\"}]"),
         "path: it begins with /"},
        {PROFILE("[{\"method\": \"POST\", \"path\": \"/p\", \"usage\": \"x\", \"model\": \"m\"}]"),
         "usage: \"x\" is none of"},
        {PROFILE("[" CALL(MODEL) "," CALL(MODEL) "]"), "calls[1]: the same method and path"},
        {PROFILE("[" CALL(MODEL ", \"models\": 1") "]"), "models: unknown member"},
        {PROFILE("[" CALL(MODEL ", \"stream\": 1") "]"), "stream"},
        {PROFILE("[" CALL(MODEL ", \"choices\": \"n\", \"output_limits\": [\"x\"]") "]"),
         "choices: a list is expected"},
        {PROFILE("[" CALL(MODEL ", \"choices\": [\"n\"]") "]"), "output_limits: missing"},
        {PROFILE("[" CALL(MODEL ", \"output_default\": 1") "]"), "output_limits: missing"},
        {PROFILE("[" CALL(MODEL ", \"output_limits\": [1]") "]"), "output_limits[0]: a text"},
        {PROFILE("[" CALL(MODEL ", \"output_limits\": [\"x\"], \"output_default\": \"16\"") "]"),
         "output_default: a whole number"},
        {PROFILE("[" CALL(MODEL ", \"added_input\": {\"tools\": 0}") "]"),
         "added_input: a whole number"},
        {PROFILE("[" CALL(MODEL ", \"added_input\": [\"tools\"]") "]"), "added_input: an object"},
        {PROFILE("[" CALL(MODEL ", \"references\": [\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\","
                                "\"8\",\"9\"]") "]"),
         "references: more than 8 names"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena arena CLEANUP(arena_fini) = {0};
        struct profile profile = {0};
        struct error err = {0};
        cr_expect_eq(profile_read(&arena, SLICE("t"), slice_from(cases[i].json), &profile, &err),
                     STATUS_INVALID, "%s", cases[i].json);
        cr_expect_not_null(strstr(err.message, cases[i].wanted), "%s: %s", cases[i].json,
                           err.message);
    }
}
