#include "base/http1.h"
#include "base/memory.h"
#include "routes/allow.h"
#include "routes/profile.h"

#include <criterion/criterion.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const struct profile_set *load_all(struct arena *arena)
{
    struct error err = {0};
    struct profile_set *set = ARENA_NEW(arena, struct profile_set);
    cr_assert_eq(profile_set_load(arena, set, &err), STATUS_OK, "%s", err.message);
    return set;
}

static const struct profile *load(struct arena *arena, const char *name)
{
    const struct profile *profile = profile_find(load_all(arena), slice_from(name));
    cr_assert_not_null(profile, "%s", name);
    return profile;
}

static enum status read_one(struct arena *arena, const char *members, struct profile *ret,
                            struct error *err)
{
    const char *json = arena_print(arena, "{\"title\": \"T\", %s}", members);
    return profile_read(arena, SLICE("test"), slice_from(json), ret, err);
}

Test(profile_retry, all_members_are_read)
{
    static const char members[] =
        "\"retry\": {\"after\": [{\"header\": \"x-ms\", \"form\": \"milliseconds\"},"
        " {\"header\": \"x-at\", \"form\": \"time\"}], \"should_retry\": \"x-again\","
        " \"unprocessed\": [{\"status\": 503, \"header\": \"x-refused\", \"value\": \"yes\"}],"
        " \"throttled\": [{\"status\": 403, \"header\": \"x-there\"}, {\"header\": \"x-t\","
        " \"value\": \"T\"}], \"key_refused\": [{\"status\": 401}], \"limits\": [{\"limit\":"
        " \"l\", \"remaining\": \"r\", \"reset\": \"s\", \"form\": \"epoch\"}, {\"limit\": \"l2\","
        " \"remaining\": \"r2\"}], \"docs_url\": \"https://a\"}, \"idempotency\": {\"header\":"
        " \"My-Key\", \"methods\": [\"POST\", \"PATCH\"], \"paths\": [\"/a/*\"], \"max_length\": "
        "40,"
        " \"scopes\": [\"x-account\"], \"docs_url\": \"https://b\"}, \"domains\": [{\"path\":"
        " \"/s/*\", \"name\": \"search\"}], \"domain_by_model\": true, \"health\": \"/ok?x=1\","
        " \"repeatable\": [{\"method\": \"POST\", \"path\": \"/m/*/run\"}]";
    struct arena arena CLEANUP(arena_fini) = {0};
    struct error err = {0};
    struct profile it;
    cr_assert_eq(read_one(&arena, members, &it, &err), STATUS_OK, "%s", err.message);

    cr_assert_eq(it.advice.after_count, 2);
    cr_expect(slice_equal(it.advice.after[0].header, SLICE("x-ms")));
    cr_expect_eq(it.advice.after[0].form, ADVICE_MILLISECONDS);
    cr_expect_eq(it.advice.after[0].hash, http1_name_hash(SLICE("X-MS")));
    cr_expect_eq(it.advice.after[1].form, ADVICE_TIME);
    cr_expect(slice_equal(it.advice.should_retry, SLICE("x-again")));
    cr_expect_eq(it.advice.should_retry_hash, http1_name_hash(SLICE("x-again")));
    cr_assert_eq(it.advice.unprocessed_count, 1);
    cr_expect_eq(it.advice.unprocessed[0].status, 503);
    cr_expect(slice_equal(it.advice.unprocessed[0].value, SLICE("yes")));
    cr_assert_eq(it.advice.throttled_count, 2);
    cr_expect_eq(it.advice.throttled[0].value.len, 0);
    cr_expect_eq(it.advice.throttled[1].status, 0);
    cr_expect_eq(it.advice.throttled[1].hash, http1_name_hash(SLICE("x-t")));
    cr_assert_eq(it.advice.key_refused_count, 1);
    cr_assert_eq(it.advice.limit_count, 2);
    cr_expect_eq(it.advice.limits[0].reset_hash, http1_name_hash(SLICE("s")));
    cr_expect_eq(it.advice.limits[0].form, ADVICE_EPOCH);
    cr_expect_eq(it.advice.limits[1].reset.len, 0);
    cr_expect(slice_equal(it.advice.docs_url, SLICE("https://a")));

    cr_expect(slice_equal(it.idempotency.header, SLICE("My-Key")));
    cr_expect_eq(it.idempotency.header_hash, http1_name_hash(SLICE("my-key")));
    cr_expect_eq(it.idempotency.member.len, 0);
    cr_expect_eq(it.idempotency.method_count, 2);
    cr_expect_eq(it.idempotency.path_count, 1);
    cr_expect_eq(it.idempotency.max_length, 40);
    cr_expect_eq(it.idempotency.scope_count, 1);
    cr_expect(slice_equal(it.idempotency.docs_url, SLICE("https://b")));

    cr_assert_eq(it.domain_count, 1);
    cr_expect(slice_equal(it.domains[0].name, SLICE("search")));
    cr_expect(it.domain_by_model);
    cr_expect(slice_equal(it.health_path, SLICE("/ok?x=1")));
    cr_assert_eq(it.repeatable_count, 1);
    cr_expect(call_may_repeat(&it, SLICE("POST"), SLICE("/m/a/run")));
}

Test(profile_retry, slips_in_a_file_are_found)
{
    static const struct {
        const char *members, *says;
    } cases[] = {
        {"\"retry\": []", "retry: an object"},
        {"\"retry\": {\"x\": 1}", "retry: x: unknown member"},
        {"\"retry\": {\"after\": {}}", "retry: after: a list"},
        {"\"retry\": {\"after\": [{\"form\": \"seconds\"}]}", "retry: after[0]: header: missing"},
        {"\"retry\": {\"after\": [{\"header\": \"a\"}]}", "form: \"\" is none of"},
        {"\"retry\": {\"after\": [{\"header\": \"a\", \"form\": \"hours\"}]}", "\"hours\" is none"},
        {"\"retry\": {\"after\": [{\"header\": \"A\", \"form\": \"time\"}]}", "in lower case"},
        {"\"retry\": {\"after\": [{\"header\": \"a b\", \"form\": \"time\"}]}", "in lower case"},
        {"\"retry\": {\"after\": [{\"header\": \"a\", \"form\": \"time\", \"x\": 1}]}",
         "after[0]: x: unknown"},
        {"\"retry\": {\"should_retry\": \"X\"}", "should_retry: a header's name in lower case"},
        {"\"retry\": {\"throttled\": [{}]}", "throttled[0]: header: missing"},
        {"\"retry\": {\"throttled\": [{\"status\": 200}]}", "400 to 599"},
        {"\"retry\": {\"throttled\": [{\"status\": 400, \"value\": \"x\"}]}", "header: missing"},
        {"\"retry\": {\"unprocessed\": [{\"status\": 600}]}", "unprocessed[0]: status"},
        {"\"retry\": {\"key_refused\": [{\"status\": \"401\"}]}", "key_refused[0]: status"},
        {"\"retry\": {\"limits\": [{\"limit\": \"l\"}]}", "limits[0]: remaining: missing"},
        {"\"retry\": {\"limits\": [{\"remaining\": \"r\"}]}", "limits[0]: limit: missing"},
        {"\"retry\": {\"limits\": [{\"limit\": \"l\", \"remaining\": \"r\", \"reset\": \"s\"}]}",
         "limits[0]: form"},
        {"\"idempotency\": 1", "idempotency: an object"},
        {"\"idempotency\": {\"methods\": [\"POST\"], \"max_length\": 40}", "header or member"},
        {"\"idempotency\": {\"header\": \"K\", \"member\": \"k\", \"methods\": [\"POST\"],"
         " \"max_length\": 40}",
         "header or member"},
        {"\"idempotency\": {\"header\": \"K y\", \"methods\": [\"POST\"], \"max_length\": 40}",
         "\"K y\" is no header name"},
        {"\"idempotency\": {\"header\": \"K\", \"max_length\": 40}", "methods: missing"},
        {"\"idempotency\": {\"header\": \"K\", \"methods\": [\"POST\"]}", "max_length"},
        {"\"idempotency\": {\"header\": \"K\", \"methods\": [\"POST\"], \"max_length\": 19}",
         "from 20 to 1024"},
        {"\"idempotency\": {\"header\": \"K\", \"methods\": [\"POST\"], \"max_length\": 1025}",
         "from 20 to 1024"},
        {"\"idempotency\": {\"header\": \"K\", \"methods\": [\"POST\"], \"max_length\": 20,"
         " \"scopes\": [\"X\"]}",
         "scopes[0]"},
        {"\"idempotency\": {\"header\": \"K\", \"methods\": [\"POST\"], \"max_length\": 20,"
         " \"paths\": [\"a\"]}",
         "idempotency: "},
        {"\"domains\": [{\"path\": \"/a\"}]", "domains[0]: name: missing"},
        {"\"domains\": [{\"path\": \"/a*\", \"name\": \"n\"}]", "domains[0]: \"a*\" mixes"},
        {"\"domains\": [{\"path\": \"/a/../b\", \"name\": \"n\"}]", "domains[0]: "},
        {"\"domains\": [{\"path\": \"/%61\", \"name\": \"n\"}]", "is compared as \"/a\""},
        {"\"domains\": [{\"path\": \"/a?b\", \"name\": \"n\"}]", "domains[0]: "},
        {"\"domain_by_model\": 1", "domain_by_model: true or false"},
        {"\"health\": \"ok\"", "health: a path"},
        {"\"repeatable\": true", "repeatable: a list"},
        {"\"repeatable\": [{\"path\": \"/a\"}]", "repeatable[0]: method: missing"},
        {"\"repeatable\": [{\"method\": \"POST\", \"path\": \"a\"}]", "repeatable[0]: "},
        {"\"calls\": [{\"repeatable\": \"yes\", \"method\": \"POST\", \"path\": \"/a\", \"model\":"
         " \"m\"}]",
         "calls[0]: repeatable: true or false"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena arena CLEANUP(arena_fini) = {0};
        struct profile profile;
        struct error err = {0};
        cr_assert_eq(read_one(&arena, cases[i].members, &profile, &err), STATUS_INVALID, "%s",
                     cases[i].members);
        cr_expect(strstr(err.message, cases[i].says) != NULL, "%s: %s", cases[i].members,
                  err.message);
    }
}

/* ---- facts ---- */

struct repeat_case {
    const char *profile, *method, *path;
    bool repeatable;
};

Test(profile_retry, calls_that_may_be_repeated)
{
    static const struct repeat_case cases[] = {
        {"openai", "POST", "/v1/chat/completions", true},
        {"openai", "POST", "/v1/responses", true},
        {"openai", "POST", "/v1/completions", true},
        {"openai", "POST", "/v1/embeddings", true},
        {"openai", "POST", "/v1/files", false},
        {"openai", "POST", "/v1/fine_tuning/jobs", false},
        {"openai", "PATCH", "/v1/embeddings", false},
        {"openai", "POST", "/v1/responses/resp_1/cancel", false},
        {"anthropic", "POST", "/v1/messages", true},
        {"anthropic", "POST", "/v1/messages/count_tokens", true},
        {"anthropic", "POST", "/v1/messages/batches", false},
        {"azure-openai", "POST", "/openai/v1/chat/completions", true},
        {"azure-openai", "POST", "/openai/v1/responses", true},
        {"azure-openai", "POST", "/openai/deployments/gpt/chat/completions", true},
        {"azure-openai", "POST", "/openai/deployments/gpt/embeddings", true},
        {"azure-openai", "POST", "/openai/deployments//embeddings", false},
        {"azure-openai", "POST", "/openai/deployments/a/b/embeddings", false},
        {"azure-openai", "POST", "/openai/deployments/gpt/images/generations", false},
        {"bedrock", "POST", "/model/anthropic.claude-v1%3A0/converse", true},
        {"bedrock", "POST", "/model/x/invoke-with-response-stream", true},
        {"bedrock", "POST", "/async-invoke", false},
        {"stripe", "POST", "/v1/charges", false},
        {"square", "POST", "/v2/payments", false},
        {"paypal", "POST", "/v2/checkout/orders", false},
        {"github", "POST", "/graphql", false}, /* a mutation, perhaps */
        {"http", "POST", "/anything", false},
    };
    struct arena arena CLEANUP(arena_fini) = {0};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct profile *profile = load(&arena, cases[i].profile);
        cr_expect_eq(
            call_may_repeat(profile, slice_from(cases[i].method), slice_from(cases[i].path)),
            cases[i].repeatable, "%s %s %s", cases[i].profile, cases[i].method, cases[i].path);
    }
}

struct key_case {
    const char *profile, *header, *member;
    unsigned max_length;
    const char *methods, *scopes;
};

static const char *joined(struct arena *arena, const struct slice *texts, unsigned count)
{
    const char *all = "";
    for (unsigned i = 0; i < count; i++) {
        all = arena_print(arena, "%s%s%.*s", all, i == 0 ? "" : " ", SLICE_ARG(texts[i]));
    }
    return all;
}

Test(profile_retry, idempotency_keys)
{
    static const struct key_case cases[] = {
        {"stripe", "Idempotency-Key", "", 255, "POST", "stripe-account stripe-context"},
        {"square", "", "idempotency_key", 45, "POST PUT", ""},
        {"paypal", "PayPal-Request-Id", "", 108, "POST PATCH", "paypal-auth-assertion"},
        {"adyen", "Idempotency-Key", "", 64, "POST", ""},
        {"resend", "Idempotency-Key", "", 256, "POST", ""},
        {"openai", "", "", 0, "", ""},
        {"anthropic", "", "", 0, "", ""},
        {"azure-openai", "", "", 0, "", ""},
        {"github", "", "", 0, "", ""},
        {"bedrock", "", "", 0, "", ""},
        {"http", "", "", 0, "", ""},
    };
    struct arena arena CLEANUP(arena_fini) = {0};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct idempotency_facts *it = &load(&arena, cases[i].profile)->idempotency;
        cr_expect(slice_equal(it->header, slice_from(cases[i].header)), "%s", cases[i].profile);
        cr_expect(slice_equal(it->member, slice_from(cases[i].member)), "%s", cases[i].profile);
        cr_expect_eq(it->max_length, cases[i].max_length, "%s", cases[i].profile);
        cr_expect_str_eq(joined(&arena, it->methods, it->method_count), cases[i].methods);
        cr_expect_str_eq(joined(&arena, it->scopes, it->scope_count), cases[i].scopes);
    }
}

/* A key is put into each body that has none, and a search, say, would refuse it. */
Test(profile_retry, keys_in_bodies_are_for_some_paths_only)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    const struct profile_set *set = load_all(&arena);
    for (unsigned i = 0; i < set->count; i++) {
        const struct idempotency_facts *it = &set->profiles[i].idempotency;
        cr_expect(it->member.len == 0 || it->path_count > 0, "%s", set->profiles[i].name);
        for (unsigned n = 0; n < it->path_count; n++) {
            const struct allow_rule rule = {.path = it->paths[n]};
            cr_expect_not(allow_matches(&rule, SLICE("POST"), SLICE("/v2/orders/search")));
        }
    }
}

static const char *domain_of(const struct profile *profile, const char *path)
{
    for (unsigned i = 0; i < profile->domain_count; i++) {
        const struct allow_rule rule = {.path = profile->domains[i].path};
        if (allow_matches(&rule, SLICE("GET"), slice_from(path))) {
            return profile->domains[i].name.ptr;
        }
    }
    return "";
}

Test(profile_retry, limits_that_are_counted_by_themselves)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    const struct profile *github = load(&arena, "github");
    const struct profile *anthropic = load(&arena, "anthropic");
    cr_expect_str_eq(domain_of(github, "/search/code"), "code_search");
    cr_expect_str_eq(domain_of(github, "/search/issues"), "search");
    cr_expect_str_eq(domain_of(github, "/graphql"), "graphql");
    cr_expect_str_eq(domain_of(github, "/repos/a/b"), "core");
    cr_expect_str_eq(domain_of(github, "/"), "core");
    cr_expect_not(github->domain_by_model);
    cr_expect_str_eq(domain_of(anthropic, "/v1/messages/count_tokens"), "count_tokens");
    cr_expect_str_eq(domain_of(anthropic, "/v1/messages"), "");
    cr_expect(anthropic->domain_by_model);
    cr_expect(load(&arena, "openai")->domain_by_model);
    cr_expect(load(&arena, "azure-openai")->domain_by_model);
    cr_expect_not(load(&arena, "stripe")->domain_by_model);
}

Test(profile_retry, health_checks)
{
    static const struct {
        const char *profile, *path;
    } cases[] = {
        {"openai", "/v1/models"},
        {"anthropic", "/v1/models"},
        {"azure-openai", "/openai/v1/models"},
        {"github", "/rate_limit"},
        {"stripe", "/v1/balance"},
        {"square", "/v2/locations"},
        {"resend", "/domains"},
        {"http", ""},
    };
    struct arena arena CLEANUP(arena_fini) = {0};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct profile *profile = load(&arena, cases[i].profile);
        cr_expect(slice_equal(profile->health_path, slice_from(cases[i].path)), "%s",
                  cases[i].profile);
    }
}
