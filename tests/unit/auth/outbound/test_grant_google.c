/* The files of Google's that take several calls, as https://google.aip.dev/auth/4117 has them. */
#include "auth/outbound/token_plan.h"
#include "base/buffer.h"

#include <string.h>

#include <criterion/criterion.h>

struct scene {
    struct token_plan plan;
    struct token_input input;
    struct buffer fields, body, where, member;
    struct token_step step;
    struct error err;
};

static enum status run(struct scene *scene, const char *secret, unsigned step, const char *earlier)
{
    memset(scene, 0, sizeof(*scene));
    scene->plan.grant = token_grant_find(SLICE("google_service_account"));
    scene->plan.values[TOKEN_URL] = SLICE("https://oauth2.googleapis.com/token");
    scene->plan.values[TOKEN_SCOPE] = SLICE("a b");
    scene->input = (struct token_input){.plan = &scene->plan,
                                        .secret = slice_from(secret),
                                        .wall = 1700000000,
                                        .step = step,
                                        .earlier = slice_from(earlier)};
    struct buffer *const buffers[] = {&scene->fields, &scene->body, &scene->where, &scene->member};
    for (size_t i = 0; i < sizeof(buffers) / sizeof(*buffers); i++) {
        buffer_init(buffers[i], TOKEN_CALL_MAX);
    }
    scene->step = (struct token_step){.where = &scene->where, .member = &scene->member};
    const struct token_call call = {
        .fields = &scene->fields, .body = &scene->body, .step = &scene->step};
    return scene->plan.grant->call(&scene->input, (struct token_call *)&call, &scene->err);
}

static void tear_down(struct scene *scene)
{
    buffer_fini(&scene->fields);
    buffer_fini(&scene->body);
    buffer_fini(&scene->where);
    buffer_fini(&scene->member);
}

static void expect(const struct buffer *buffer, const char *text)
{
    struct slice bytes = buffer_bytes(buffer);
    cr_expect(slice_equal(bytes, slice_from(text)), "%.*s", SLICE_ARG(bytes));
}

#define FORM "Content-Type: application/x-www-form-urlencoded\r\n"
#define EXTERNAL                                                                                   \
    "{\"type\":\"external_account\","                                                              \
    "\"audience\":\"//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/"     \
    "providers/q\",\"subject_token_type\":\"urn:ietf:params:oauth:token-type:jwt\","               \
    "\"token_url\":\"https://sts.googleapis.com/v1/token\","
#define IMPERSONATES                                                                               \
    "\"service_account_impersonation_url\":\"https://iamcredentials.googleapis.com/v1/projects/-/" \
    "serviceAccounts/a@b.c:generateAccessToken\","
#define BY_FILE "\"credential_source\":{\"file\":\"/var/run/token\"}}"
#define AUDIENCE                                                                                   \
    "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&audience="               \
    "%2F%2Fiam.googleapis.com%2Fprojects%2F1%2Flocations%2Fglobal%2FworkloadIdentityPools%2Fp%2F"  \
    "providers%2Fq&scope="
#define TYPES                                                                                      \
    "&requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token"                \
    "&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt&subject_token=eyJ.x"

Test(grant_google, the_subjects_token_is_in_a_file)
{
    struct scene scene;
    cr_assert_eq(run(&scene, EXTERNAL BY_FILE, 0, ""), STATUS_OK, "%s", scene.err.message);
    cr_expect_eq(scene.step.place, TOKEN_IN_FILE);
    cr_expect(scene.step.more);
    expect(&scene.where, "/var/run/token");
    expect(&scene.member, "");
    tear_down(&scene);
}

Test(grant_google, or_at_a_url_with_headers_in_a_member)
{
    struct scene scene;
    cr_assert_eq(run(&scene,
                     EXTERNAL "\"credential_source\":{\"url\":\"http://169.254.169.254/x?y=z\","
                              "\"headers\":{\"Metadata\":\"True\"},\"format\":{\"type\":\"json\","
                              "\"subject_token_field_name\":\"access_token\"}}}",
                     0, ""),
                 STATUS_OK, "%s", scene.err.message);
    cr_expect_eq(scene.step.place, TOKEN_FROM_URL);
    expect(&scene.where, "http://169.254.169.254/x?y=z");
    expect(&scene.member, "access_token");
    expect(&scene.fields, "Metadata: True\r\n");
    tear_down(&scene);
}

Test(grant_google, it_is_exchanged)
{
    struct scene scene;
    cr_assert_eq(run(&scene, EXTERNAL BY_FILE, 1, "eyJ.x"), STATUS_OK, "%s", scene.err.message);
    cr_expect_eq(scene.step.place, TOKEN_AT_URL);
    cr_expect_not(scene.step.more);
    expect(&scene.where, "https://sts.googleapis.com/v1/token");
    expect(&scene.fields, FORM);
    expect(&scene.body, AUDIENCE "a%20b" TYPES);
    tear_down(&scene);
    cr_assert_eq(run(&scene, EXTERNAL "\"workforce_pool_user_project\":\"7\"," BY_FILE, 1, "eyJ.x"),
                 STATUS_OK);
    expect(&scene.body, AUDIENCE "a%20b" TYPES "&options=%7B%22userProject%22%3A%227%22%7D");
    tear_down(&scene);
}

/* For a token of an account the first one has the wide scope, and the account's those of the plan.
 */
Test(grant_google, and_that_for_a_token_of_an_account)
{
    struct scene scene;
    cr_assert_eq(run(&scene, EXTERNAL IMPERSONATES BY_FILE, 1, "eyJ.x"), STATUS_OK);
    cr_expect(scene.step.more);
    expect(&scene.body, AUDIENCE "https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform" TYPES);
    tear_down(&scene);
    cr_assert_eq(run(&scene, EXTERNAL IMPERSONATES BY_FILE, 2, "ya29.x"), STATUS_OK);
    cr_expect_eq(scene.step.place, TOKEN_AT_URL);
    cr_expect_not(scene.step.more);
    expect(&scene.where, "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
                         "a@b.c:generateAccessToken");
    expect(&scene.fields, "Content-Type: application/json\r\nAuthorization: Bearer ya29.x\r\n");
    expect(&scene.body, "{\"delegates\":[],\"scope\":[\"a\",\"b\"],\"lifetime\":\"3600s\"}");
    tear_down(&scene);
}

Test(grant_google, an_impersonated_account_begins_with_its_source)
{
    struct scene scene;
    static const char secret[] =
        "{\"type\":\"impersonated_service_account\"," IMPERSONATES "\"delegates\":[\"d\",\"e\"],"
        "\"source_credentials\":{\"type\":\"authorized_user\",\"client_id\":\"i\","
        "\"client_secret\":\"s\",\"refresh_token\":\"r\"}}";
    cr_assert_eq(run(&scene, secret, 0, ""), STATUS_OK, "%s", scene.err.message);
    cr_expect_eq(scene.step.place, TOKEN_AT_ENDPOINT);
    cr_expect(scene.step.more);
    expect(&scene.body, "grant_type=refresh_token&client_id=i&client_secret=s&refresh_token=r");
    tear_down(&scene);
    cr_assert_eq(run(&scene, secret, 1, "ya29.x"), STATUS_OK);
    expect(&scene.body,
           "{\"delegates\":[\"d\",\"e\"],\"scope\":[\"a\",\"b\"],\"lifetime\":\"3600s\"}");
    tear_down(&scene);
}

Test(grant_google, what_is_wrong_is_said_without_the_secret)
{
    static const char *const cases[][2] = {
        {"{\"type\":\"external_account\"}", "neither a file nor a url"},
        {EXTERNAL "\"credential_source\":{\"environment_id\":\"SECRET\"}}", "AWS's"},
        {EXTERNAL "\"credential_source\":{\"executable\":{\"command\":\"SECRET\"}}}", "programs"},
        {EXTERNAL "\"credential_source\":{\"file\":\"SECRET\",\"format\":{\"type\":\"SECRET\"}}}",
         "neither text nor json"},
        {EXTERNAL "\"credential_source\":{\"file\":\"SECRET\",\"format\":{\"type\":\"json\"}}}",
         "subject_token_field_name"},
        {EXTERNAL "\"credential_source\":{\"url\":\"x\",\"headers\":{\"Host\":\"SECRET\"}}}",
         "headers that cannot be sent"},
        {EXTERNAL "\"credential_source\":{\"url\":\"x\",\"headers\":{\"A:\":\"SECRET\"}}}",
         "headers that cannot be sent"},
        {"{\"type\":\"impersonated_service_account\"}", "source_credentials"},
        {"{\"type\":\"impersonated_service_account\",\"source_credentials\":{\"type\":\"SECRET\"}}",
         "neither service_account nor"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct scene scene;
        cr_expect_eq(run(&scene, cases[i][0], 0, ""), STATUS_INVALID, "%s", cases[i][0]);
        cr_expect_not_null(strstr(scene.err.message, cases[i][1]), "%s", scene.err.message);
        cr_expect_null(strstr(scene.err.message, "SECRET"), "%s", scene.err.message);
        tear_down(&scene);
    }
}

/* As the stores of secrets do. */
Test(grant_google, where_one_call_alone_is_made_it_is_refused)
{
    struct scene scene;
    struct error err;
    (void)run(&scene, EXTERNAL BY_FILE, 0, "");
    struct token_call one = {.fields = &scene.fields, .body = &scene.body};
    cr_expect_eq(scene.plan.grant->call(&scene.input, &one, &err), STATUS_INVALID);
    cr_expect_not_null(strstr(err.message, "external_account"), "%s", err.message);
    tear_down(&scene);
}
