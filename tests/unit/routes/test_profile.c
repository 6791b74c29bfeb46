#include "base/memory.h"
#include "routes/profile.h"

#include <criterion/criterion.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static void load(struct arena *arena, struct profile_set *set)
{
    struct error err = {0};
    cr_assert_eq(profile_set_load(arena, set, &err), STATUS_OK, "%s", err.message);
}

static const struct profile *find(const struct profile_set *set, const char *name)
{
    const struct profile *profile = profile_find(set, slice_from(name));
    cr_assert_not_null(profile, "%s", name);
    return profile;
}

Test(profile, facts_of_the_providers)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    struct profile_set set;
    load(&arena, &set);

    const struct profile *openai = find(&set, "openai");
    cr_expect(slice_equal(openai->base_url, SLICE("https://api.openai.com")));
    cr_expect(slice_equal(openai->sdk_base_suffix, SLICE("/v1")));
    cr_expect_eq(openai->injections.list[0].place, INJECT_HEADER);
    cr_expect(slice_equal(openai->injections.list[0].name, SLICE("Authorization")));
    cr_expect(slice_equal(openai->injections.list[0].pieces[0].before, SLICE("Bearer ")));
    cr_expect_eq(openai->injections.list[0].after.len, 0);
    cr_expect_str_eq(openai->base_url_env, "OPENAI_BASE_URL");
    cr_expect(slice_equal(openai->key_env[0], SLICE("OPENAI_API_KEY")));

    const struct profile *anthropic = find(&set, "anthropic");
    cr_expect(slice_equal(anthropic->injections.list[0].name, SLICE("x-api-key")));
    cr_expect_eq(anthropic->injections.list[0].pieces[0].before.len, 0);
    cr_assert_eq(anthropic->header_count, 1);
    cr_expect(slice_equal(anthropic->headers[0].name, SLICE("anthropic-version")));
    cr_expect(slice_equal(anthropic->headers[0].value, SLICE("2023-06-01")));
    cr_assert_eq(anthropic->slot_count, 2);
    cr_expect(slice_equal(anthropic->slots[0].name, SLICE("x-api-key")));
    cr_expect_eq(anthropic->slots[0].prefix.len, 0);
    cr_expect(slice_equal(anthropic->slots[1].prefix, SLICE("Bearer ")));

    const struct profile *stripe = find(&set, "stripe");
    cr_assert_eq(stripe->slot_count, 2);
    cr_expect_eq(stripe->slots[1].kind, SLOT_BASIC_USER);
    cr_expect(slice_equal(stripe->slots[1].name, SLICE("authorization")));
    cr_expect_null(stripe->base_url_env);

    const struct profile *github = find(&set, "github");
    cr_assert_eq(github->slot_count, 3);
    cr_expect(slice_equal(github->slots[1].prefix, SLICE("token ")));
    cr_expect_eq(github->slots[2].kind, SLOT_BASIC_PASSWORD);
    cr_expect_eq(github->header_count, 3);
}

Test(profile, header_slots_of_all_are_gathered_once)
{
    static const struct slice some[] = {SLICE_INIT("authorization"), SLICE_INIT("x-api-key"),
                                        SLICE_INIT("api-key"),       SLICE_INIT("x-goog-api-key"),
                                        SLICE_INIT("apikey"),        SLICE_INIT("private-token")};
    struct arena arena CLEANUP(arena_fini) = {0};
    struct profile_set set;
    load(&arena, &set);
    for (size_t i = 0; i < COUNT_OF(some); i++) {
        unsigned seen = 0;
        for (unsigned j = 0; j < set.header_slot_count; j++) {
            seen += slice_equal(set.header_slots[j], some[i]) ? 1 : 0;
        }
        cr_expect_eq(seen, 1, "%.*s", SLICE_ARG(some[i]));
    }
}

Test(profile, the_first_type_that_fits_a_status_counts)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    struct profile_set set;
    load(&arena, &set);
    const struct error_type *type =
        profile_error_type(find(&set, "anthropic"), 401, SLICE("tenant_unknown"));
    cr_expect(slice_equal(type->type, SLICE("authentication_error")));
    cr_expect_eq(type->code.len, 0);
    type = profile_error_type(find(&set, "stripe"), 400, SLICE("bad_request"));
    cr_expect(slice_equal(type->type, SLICE("invalid_request_error")));
}

Test(profile, a_code_of_the_gateway_may_have_words_of_its_own_within_a_status)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    struct profile_set set;
    load(&arena, &set);
    const struct profile *profile = find(&set, "openai");
    const struct error_type *type = profile_error_type(profile, 429, SLICE("budget_exceeded"));
    cr_expect(slice_equal(type->code, SLICE("insufficient_quota")));
    type = profile_error_type(profile, 429, SLICE("quota_exceeded"));
    cr_expect(slice_equal(type->code, SLICE("rate_limit_exceeded")));
    type = profile_error_type(profile, 429, SLICE("concurrency_exceeded"));
    cr_expect(slice_equal(type->code, SLICE("rate_limit_exceeded")));
    type = profile_error_type(profile, 400, SLICE("budget_exceeded"));
    cr_expect(slice_equal(type->type, SLICE("invalid_request_error")), "the status counts, too");
}

Test(profile, a_mistyped_name_finds_its_neighbour)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    struct profile_set set;
    load(&arena, &set);
    cr_expect_str_eq(profile_nearest(&set, SLICE("opnai")), "openai");
    cr_expect_str_eq(profile_nearest(&set, SLICE("Stripe")), "stripe");
    cr_expect_null(profile_nearest(&set, SLICE("something-else")));
}

static enum status read_one(struct arena *arena, const char *json, struct profile *ret,
                            struct error *err)
{
    return profile_read(arena, SLICE("test"), slice_from(json), ret, err);
}

Test(profile, every_place_of_a_credential_can_be_said)
{
    static const struct {
        const char *credential;
        enum injection_place place;
        const char *name, *before, *after;
    } cases[] = {
        {"{\"in\": \"header\", \"name\": \"X-Key\"}", INJECT_HEADER, "X-Key", "", ""},
        {"{\"in\": \"query\", \"name\": \"key\"}", INJECT_QUERY, "key", "", ""},
        {"{\"in\": \"path\", \"value\": \"bot{secret}\"}", INJECT_PATH, "", "bot", ""},
        {"{\"in\": \"basic\", \"value\": \"api:{secret}!\"}", INJECT_BASIC, "Authorization",
         "api:", "!"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena arena CLEANUP(arena_fini) = {0};
        struct profile profile;
        struct error err = {0};
        const char *json =
            arena_print(&arena, "{\"title\": \"T\", \"credential\": %s}", cases[i].credential);
        cr_assert_eq(read_one(&arena, json, &profile, &err), STATUS_OK, "%s", err.message);
        cr_assert_eq(profile.injections.count, 1);
        const struct injection *injection = &profile.injections.list[0];
        cr_expect_eq(injection->place, cases[i].place);
        cr_expect(slice_equal(injection->name, slice_from(cases[i].name)), "%s", json);
        cr_expect_eq(injection->piece_count, 1);
        cr_expect(slice_equal(injection->pieces[0].before, slice_from(cases[i].before)), "%s",
                  json);
        cr_expect(slice_equal(injection->after, slice_from(cases[i].after)), "%s", json);
    }
}

Test(profile, a_text_as_error_body_is_taken_as_it_is)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    struct profile profile;
    cr_assert_eq(read_one(&arena,
                          "{\"title\": \"T\", \"error\": {\"content_type\": \"text/xml\", "
                          "\"body\": \"<Error>{message}</Error>\"}, \"slots\": "
                          "[{\"in\": \"query\", \"name\": \"Key\"}, "
                          "{\"in\": \"header\", \"name\": \"X-Key\"}]}",
                          &profile, NULL),
                 STATUS_OK);
    cr_expect(slice_equal(profile.error.body, SLICE("<Error>{message}</Error>")));
    cr_expect_eq(profile.slots[0].kind, SLOT_QUERY);
    cr_expect(slice_equal(profile.slots[0].name, SLICE("Key")));
    cr_expect(slice_equal(profile.slots[1].name, SLICE("x-key")));
}

Test(profile, slips_in_a_file_are_found)
{
    static const struct {
        const char *json, *says;
    } cases[] = {
        {"[]", "profile test: an object is expected"},
        {"{", "not valid JSON"},
        {"{}", "title: missing"},
        {"{\"title\": 1}", "title: a text"},
        {"{\"title\": \"T\", \"titel\": \"T\"}", "titel: unknown member"},
        {"{\"title\": \"T\", \"base_url\": \"https://x/\"}", "base_url"},
        {"{\"title\": \"T\", \"base_url\": \"http://x\"}", "base_url"},
        {"{\"title\": \"T\", \"slots\": {}}", "slots: a list"},
        {"{\"title\": \"T\", \"slots\": [{\"in\": \"header\"}]}", "slots[0]: name: missing"},
        {"{\"title\": \"T\", \"slots\": [{\"in\": \"header\", \"name\": \"a b\"}]}", "header name"},
        {"{\"title\": \"T\", \"slots\": [{\"in\": \"body\"}]}",
         "none of header, basic, query, path and aws"},
        {"{\"title\": \"T\", \"slots\": [{\"in\": \"basic\", \"part\": \"x\"}]}",
         "user or password"},
        {"{\"title\": \"T\", \"slots\": [1]}", "slots[0]: an object"},
        {"{\"title\": \"T\", \"slots\": [{\"in\": \"header\", \"name\": \"x\", \"parameter\": 1}]}",
         "slots[0]: parameter"},
        {"{\"title\": \"T\", \"slots\": [{\"in\": \"path\"}, {\"in\": \"path\", \"prefix\": "
         "\"x\"}]}",
         "slots[1]: the same place as slots[0]"},
        {"{\"title\": \"T\", \"slots\": [{\"in\": \"header\", \"name\": \"A\", \"prefix\": \"B "
         "\"}, "
         "{\"in\": \"header\", \"name\": \"a\", \"prefix\": \"b \"}]}",
         "slots[1]: the same place as slots[0]"},
        {"{\"title\": \"T\", \"slots\": [1,2,3,4,5,6,7,8,9,10,11,12,13]}", "slots: more than 12"},
        {"{\"title\": \"T\", \"user_token\": {\"prefix\": \"x\"}}", "user_token: name: missing"},
        {"{\"title\": \"T\", \"sdk\": {\"language\": \"C\", \"lines\": []}}",
         "sdk: lines: one to 3"},
        {"{\"title\": \"T\", \"sdk\": {\"lines\": [\"x\"]}}", "sdk: language: missing"},
        {"{\"title\": \"T\", \"http\": \"3\"}", "http: \"1.1\" or \"2\" is expected"},
        {"{\"title\": \"T\", \"base_url\": \"https://x\", \"base_url_form\": \"https://y\"}",
         "base_url_form: there is a base_url"},
        {"{\"title\": \"T\", \"credential\": {\"in\": \"cookie\"}}", "credential: in"},
        {"{\"title\": \"T\", \"credential\": {\"in\": \"body\"}}", "credential: name"},
        {"{\"title\": \"T\", \"credential\": {\"in\": \"path\", \"value\": \"x\"}}", "{secret}"},
        {"{\"title\": \"T\", \"credential\": \"x\"}", "credential: an object"},
        {"{\"title\": \"T\", \"credential\": []}", "credential: a list has one to 4"},
        {"{\"title\": \"T\", \"credential\": [1]}", "credential[0]: an object"},
        {"{\"title\": \"T\", \"credential\": [{\"in\": \"header\", \"name\": \"Authorization\"}, "
         "{\"in\": \"basic\"}]}",
         "credential[1]: another of the list goes to the same place"},
        {"{\"title\": \"T\", \"credential\": {\"in\": \"path\", \"value\": \"a?{secret}\"}}",
         "a path cannot have"},
        {"{\"title\": \"T\", \"headers\": {\"Host\": \"x\"}}", "\"Host\" cannot be sent"},
        {"{\"title\": \"T\", \"headers\": {\"X\": \"a\\nb\"}}", "\"X\" cannot be sent"},
        {"{\"title\": \"T\", \"headers\": []}", "headers: an object"},
        {"{\"title\": \"T\", \"error\": {\"body\": {}}}", "content_type: missing"},
        {"{\"title\": \"T\", \"error\": {\"content_type\": \"x\"}}", "error: body"},
        {"{\"title\": \"T\", \"error_types\": [{\"status\": 200, \"type\": \"x\"}]}", "400 to 599"},
        {"{\"title\": \"T\", \"error_types\": [{\"type\": \"x\"}, {\"type\": \"y\"}]}", "the last"},
        {"{\"title\": \"T\", \"error_types\": [{\"status\": 400}]}", "type: missing"},
        {"{\"title\": \"T\", \"key_env\": [1]}", "key_env[0]"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena arena CLEANUP(arena_fini) = {0};
        struct profile profile;
        struct error err = {0};
        cr_assert_eq(read_one(&arena, cases[i].json, &profile, &err), STATUS_INVALID, "%s",
                     cases[i].json);
        cr_expect(strstr(err.message, cases[i].says) != NULL, "%s: %s", cases[i].json, err.message);
    }
}

Test(profile, errors_that_would_be_none_are_found_beforehand)
{
    static const struct {
        const char *error, *says;
    } cases[] = {
        {"\"error\": {\"content_type\": \"application/json\", \"body\": \"{\\\"a\\\":{code}}\"}",
         "profile test: error: body: with status 400 and code bad_request: "},
        {"\"error\": {\"content_type\": \"text/plain\", \"body\": \"{mesage}\"}",
         "and nothing else in braces"},
        {"\"error\": {\"content_type\": \"text/plain\", \"body\": \"{type}\"}",
         "error_types: nothing for status 400"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena arena CLEANUP(arena_fini) = {0};
        struct profile profile;
        struct error err = {0};
        const char *json = arena_print(&arena, "{\"title\": \"T\", %s}", cases[i].error);
        cr_assert_eq(read_one(&arena, json, &profile, &err), STATUS_OK, "%s", err.message);
        cr_expect_eq(profile_check_errors(&profile, &err), STATUS_INVALID, "%s", cases[i].error);
        cr_expect_not_null(strstr(err.message, cases[i].says), "%s", err.message);
    }
}

Test(profile, own_ones_are_added_in_order_or_stand_in_for_built_in_ones)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    struct profile_set set;
    struct profile own[3];
    load(&arena, &set);
    unsigned before = set.count;
    const char *slots = "\"slots\": [{\"in\": \"header\", \"name\": \"X-Own-Key\"}]";
    for (unsigned i = 0; i < COUNT_OF(own); i++) {
        static const char *const names[] = {"zzz", "openai", "acme"};
        const char *json = arena_print(&arena, "{\"title\": \"Own\", %s}", slots);
        cr_assert_eq(profile_read(&arena, slice_from(names[i]), slice_from(json), &own[i], NULL),
                     STATUS_OK);
    }
    profile_set_add(&arena, &set, own, COUNT_OF(own));
    cr_expect_eq(set.count, before + 2);
    for (unsigned i = 1; i < set.count; i++) {
        cr_expect_lt(strcmp(set.profiles[i - 1].name, set.profiles[i].name), 0);
    }
    cr_expect_str_eq(find(&set, "openai")->title, "Own");
    cr_expect_str_eq(find(&set, "acme")->title, "Own");
    unsigned seen = 0;
    for (unsigned i = 0; i < set.header_slot_count; i++) {
        seen += slice_equal(set.header_slots[i], SLICE("x-own-key")) ? 1 : 0;
    }
    cr_expect_eq(seen, 1);
}
