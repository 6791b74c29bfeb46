#include "base/buffer.h"
#include "routes/mapping.h"
#include "routes/profile.h"
#include "routes/route.h"

#include <stdio.h>

#include <criterion/criterion.h>

enum { WRITTEN_MAX = 1000 };

static const struct profile openai = {.name = "openai"};
static const struct profile azure = {.name = "azure-openai"};
static const struct profile http = {.name = "http"};
static const struct profile stripe = {.name = "stripe"};

static const struct model_alias to_west[] = {
    {SLICE_INIT("gpt-4o"), SLICE_INIT("west-4o")},
    {SLICE_INIT("gpt-4o-latest"), SLICE_INIT("west-4o")},
    {SLICE_INIT("o3"), SLICE_INIT("west-o3")},
};
static const struct model_alias to_east[] = {
    {SLICE_INIT("gpt-4o"), SLICE_INIT("east 4o")},
};
static const struct model_alias swapped[] = {
    {SLICE_INIT("a"), SLICE_INIT("b")},
    {SLICE_INIT("b"), SLICE_INIT("a")},
};

static const struct route plain = {.name = "openai", .profile = &openai};
static const struct route west = {
    .name = "west", .profile = &azure, .models = to_west, .model_count = 3};
static const struct route east = {
    .name = "east", .profile = &azure, .models = to_east, .model_count = 1};
static const struct route bare = {.name = "bare", .profile = &azure};
static const struct route other = {.name = "other", .profile = &http};
static const struct route payments = {.name = "payments", .profile = &stripe};
static const struct route twisted = {
    .name = "twisted", .profile = &openai, .models = swapped, .model_count = 2};

Test(mapping, is_between_routes_of_one_profile_and_the_two_openais)
{
    static const struct {
        const struct profile *from, *to;
        bool expected;
    } cases[] = {
        {&openai, &openai, true},  {&openai, &azure, true},  {&azure, &openai, true},
        {&azure, &azure, true},    {&http, &http, true},     {&stripe, &stripe, true},
        {&http, &openai, false},   {&openai, &http, false},  {&stripe, &http, false},
        {&openai, &stripe, false}, {&azure, &stripe, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_eq(mapping_between(cases[i].from, cases[i].to), cases[i].expected, "%s, %s",
                     cases[i].from->name, cases[i].to->name);
    }
}

Test(mapping, paths_and_queries_are_those_of_the_other_route)
{
    static const struct {
        const struct route *from, *to;
        const char *path, *query; /* NULL: none */
        const char *expected;     /* path, and the query behind '?'; NULL: not mapped */
    } cases[] = {
        /* One profile: as it is, known or not. */
        {&other, &other, "/any/%2e%41", "a=b&&api-version=1", "/any/%2e%41?a=b&&api-version=1"},
        {&other, &other, "", NULL, ""},
        {&payments, &payments, "/v1/charges", "", "/v1/charges"},
        {&plain, &twisted, "/v1/files/f-1/content", NULL, "/v1/files/f-1/content"},
        /* To Azure. */
        {&plain, &bare, "/v1/chat/completions", NULL, "/openai/v1/chat/completions"},
        {&plain, &bare, "/v1/completions", NULL, "/openai/v1/completions"},
        {&plain, &bare, "/v1/embeddings", NULL, "/openai/v1/embeddings"},
        {&plain, &bare, "/v1/responses", "a=b", "/openai/v1/responses?a=b"},
        {&plain, &bare, "/v1/models", NULL, NULL},
        {&plain, &bare, "/v1/chat/completions/", NULL, NULL},
        {&plain, &bare, "/v1/chat/completions/id", NULL, NULL},
        {&plain, &bare, "/v1/chat%2Fcompletions", NULL, NULL},
        {&plain, &bare, "/v1/responses/resp_1", NULL, NULL},
        {&plain, &bare, "/chat/completions", NULL, NULL},
        {&plain, &bare, "/openai/v1/chat/completions", NULL, NULL},
        {&plain, &bare, "", NULL, NULL},
        /* From Azure. */
        {&bare, &plain, "/openai/v1/chat/completions", NULL, "/v1/chat/completions"},
        {&bare, &plain, "/openai/v1/completions", NULL, "/v1/completions"},
        {&bare, &plain, "/openai/v1/embeddings", "api-version=preview", "/v1/embeddings"},
        {&bare, &plain, "/openai/v1/responses", "a=1&api-version=preview&b=2",
         "/v1/responses?a=1&b=2"},
        {&bare, &plain, "/v1/chat/completions", NULL, NULL},
        {&bare, &plain, "/openai/v1/files", NULL, NULL},
        /* Dated. */
        {&bare, &plain, "/openai/deployments/d-1/chat/completions", "api-version=2024-10-21",
         "/v1/chat/completions"},
        {&bare, &plain, "/openai/deployments/d_1.x/completions", "api%2Dversion=2024-10-21&c=d",
         "/v1/completions?c=d"},
        {&bare, &plain, "/openai/deployments/d/embeddings", NULL, "/v1/embeddings"},
        {&bare, &plain, "/openai/deployments/d/responses", NULL, NULL},
        {&bare, &plain, "/openai/deployments/d/images/generations", NULL, NULL},
        {&bare, &plain, "/openai/deployments//chat/completions", NULL, NULL},
        {&bare, &plain, "/openai/deployments/a%20b/chat/completions", NULL, NULL},
        {&bare, &plain, "/openai/deployments/d", NULL, NULL},
        {&bare, &plain, "/openai/deployments/d/x/chat/completions", NULL, NULL},
        /* From Azure to Azure: only the deployment may be called otherwise. */
        {&west, &east, "/openai/deployments/west-4o/chat/completions", "api-version=1",
         "/openai/deployments/east%204o/chat/completions?api-version=1"},
        {&west, &bare, "/openai/deployments/west-o3/x", NULL, "/openai/deployments/o3/x"},
        {&west, &east, "/openai/deployments/unknown/chat/completions", NULL,
         "/openai/deployments/unknown/chat/completions"},
        {&west, &east, "/openai/deployments/a%20b/chat/completions", NULL,
         "/openai/deployments/a%20b/chat/completions"},
        {&west, &east, "/openai/v1/chat/completions", NULL, "/openai/v1/chat/completions"},
        /* Of providers that have nothing in common. */
        {&plain, &payments, "/v1/chat/completions", NULL, NULL},
        {&other, &plain, "/v1/chat/completions", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer path CLEANUP(buffer_fini);
        struct buffer query CLEANUP(buffer_fini);
        char got[WRITTEN_MAX];
        buffer_init(&path, WRITTEN_MAX / 2);
        buffer_init(&query, WRITTEN_MAX / 2 - 2);
        enum status status = mapping_path(cases[i].from, cases[i].to, slice_from(cases[i].path),
                                          slice_from(cases[i].query), &path, &query);
        cr_expect_eq(status, cases[i].expected == NULL ? STATUS_INVALID : STATUS_OK, "%s",
                     cases[i].path);
        (void)snprintf(got, sizeof(got), "%.*s%s%.*s", SLICE_ARG(buffer_bytes(&path)),
                       buffer_len(&query) > 0 ? "?" : "", SLICE_ARG(buffer_bytes(&query)));
        cr_expect_str_eq(got, cases[i].expected == NULL ? "" : cases[i].expected, "%s", got);
    }
}

Test(mapping, a_full_buffer_is_no_target)
{
    static const struct slice path = SLICE_INIT("/openai/deployments/west-4o/chat/completions");
    static const struct slice query = SLICE_INIT("api-version=1&a=b");
    const size_t path_len = strlen("/openai/deployments/east%204o/chat/completions");
    for (size_t max = 0; max <= path_len; max++) {
        struct buffer out_path CLEANUP(buffer_fini);
        struct buffer out_query CLEANUP(buffer_fini);
        buffer_init(&out_path, max);
        buffer_init(&out_query, query.len);
        cr_expect_eq(mapping_path(&west, &east, path, query, &out_path, &out_query),
                     max < path_len ? STATUS_TOO_LARGE : STATUS_OK);
    }
    struct buffer out_path CLEANUP(buffer_fini);
    struct buffer out_query CLEANUP(buffer_fini);
    buffer_init(&out_path, WRITTEN_MAX);
    buffer_init(&out_query, 2);
    cr_expect_eq(mapping_path(&west, &plain, path, query, &out_path, &out_query), STATUS_TOO_LARGE);
}

Test(mapping, dated_paths_say_the_model)
{
    static const struct {
        const struct route *from;
        const char *path;
        const char *expected; /* NULL: none */
    } cases[] = {
        {&west, "/openai/deployments/west-4o/chat/completions", "west-4o"},
        {&west, "/openai/deployments/d", "d"},
        {&west, "/openai/deployments/", NULL},
        {&west, "/openai/deployments", NULL},
        {&west, "/openai/deployments/a%2Fb/chat/completions", NULL},
        {&west, "/openai/v1/chat/completions", NULL},
        {&plain, "/openai/deployments/west-4o/chat/completions", NULL},
        {&other, "/openai/deployments/west-4o/chat/completions", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice model = SLICE("untouched");
        bool found = mapping_deployment(cases[i].from, slice_from(cases[i].path), &model);
        cr_expect_eq(found, cases[i].expected != NULL, "%s", cases[i].path);
        cr_expect(slice_equal(model, cases[i].expected == NULL ? SLICE("untouched")
                                                               : slice_from(cases[i].expected)));
    }
}

Test(mapping, models_have_the_names_of_the_other_route)
{
    static const struct {
        const struct route *from; /* NULL: called itself */
        const struct route *to;
        const char *model, *expected;
    } cases[] = {
        {NULL, &west, "gpt-4o", "west-4o"},
        {NULL, &west, "gpt-4o-latest", "west-4o"},
        {NULL, &west, "GPT-4o", "GPT-4o"},
        {NULL, &west, "west-4o", "west-4o"},
        {NULL, &plain, "gpt-4o", "gpt-4o"},
        {NULL, &twisted, "a", "b"},
        {NULL, &twisted, "b", "a"},
        /* The caller wrote the public name ... */
        {&plain, &west, "gpt-4o", "west-4o"},
        {&west, &plain, "gpt-4o", "gpt-4o"},
        {&west, &east, "gpt-4o", "east 4o"},
        {&west, &east, "o3", "o3"},
        {&twisted, &plain, "a", "a"},
        /* ... or the upstream's; of two public ones the first that was written counts. */
        {&west, &plain, "west-4o", "gpt-4o"},
        {&west, &east, "west-4o", "east 4o"},
        {&west, &east, "west-o3", "o3"},
        {&east, &west, "east 4o", "west-4o"},
        /* Names that none has stay. */
        {&west, &east, "x", "x"},
        {&other, &payments, "x", "x"},
        {&west, &east, "", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice model;
        bool renamed =
            mapping_renames(cases[i].from, cases[i].to, slice_from(cases[i].model), &model);
        cr_expect_eq(renamed, strcmp(cases[i].model, cases[i].expected) != 0, "%s", cases[i].model);
        cr_expect(slice_equal(model, slice_from(cases[i].expected)), "%s: %.*s", cases[i].model,
                  SLICE_ARG(model));
    }
}

Test(mapping, the_model_is_written_into_the_body)
{
    static const struct {
        const char *body, *expected;
    } cases[] = {
        {"{\"model\":\"gpt-4o\",\"n\":1}", "{\"model\":\"my \\\"one\\\"\",\"n\":1}"},
        {"{\"n\":1, \"model\" : \"gpt\\u002d4o\" }", "{\"n\":1, \"model\" : \"my \\\"one\\\"\" }"},
        {"{\"messages\":[{\"model\":\"x\"}]}",
         "{\"model\":\"my \\\"one\\\"\",\"messages\":[{\"model\":\"x\"}]}"},
        {"{}", "{\"model\":\"my \\\"one\\\"\"}"},
        {"{\"model\":null}", "{\"model\":\"my \\\"one\\\"\"}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer out CLEANUP(buffer_fini);
        buffer_init(&out, WRITTEN_MAX);
        cr_assert_eq(mapping_body(slice_from(cases[i].body), SLICE("my \"one\""), &out, NULL),
                     STATUS_OK);
        struct slice written = buffer_bytes(&out);
        cr_expect(slice_equal(written, slice_from(cases[i].expected)), "%.*s", SLICE_ARG(written));
    }
}

Test(mapping, a_body_without_one_clear_model_is_refused)
{
    static const struct {
        const char *body, *message;
    } cases[] = {
        {"{\"model\":\"a\",\"model\":\"b\"}",
         "the body: \"model\" is there twice, and that can be read in two ways: send it once"},
        {"[]", "the body: no JSON object"},
        {"--boundary", "the body: no JSON: a number is malformed"},
        {"", "the body: no JSON: the value is not complete"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer out CLEANUP(buffer_fini);
        struct error err = {0};
        buffer_init(&out, WRITTEN_MAX);
        cr_expect_eq(mapping_body(slice_from(cases[i].body), SLICE("m"), &out, &err),
                     STATUS_INVALID);
        cr_expect_str_eq(err.message, cases[i].message, "%s", err.message);
        cr_expect_eq(buffer_len(&out), 0U);
    }
    for (size_t max = 0; max < strlen("{\"model\":\"m\"}"); max++) {
        struct buffer out CLEANUP(buffer_fini);
        buffer_init(&out, max);
        cr_expect_eq(mapping_body(SLICE("{}"), SLICE("m"), &out, NULL), STATUS_TOO_LARGE);
    }
}
