#include "auth/secrets/store_plan.h"
#include "base/buffer.h"
#include "base/secret.h"

#include <string.h>

#include <criterion/criterion.h>

static const struct store_name names[] = {
    {SLICE_INIT("other"), SLICE_INIT("llm/o ther"), SLICE_INIT("api_key")},
};

static struct store_plan plan = {
    .kind = &store_vault,
    .authority = "vault:8200",
    .base = SLICE_INIT("/behind"),
    .mount = SLICE_INIT("secret"),
    .path = SLICE_INIT("a/b"),
    .field = SLICE_INIT("value"),
    .version = 2,
    .names = names,
    .name_count = 1,
};

static struct {
    struct buffer head, body;
    struct store_call call;
    struct error err;
} t;

static void set_up(void)
{
    buffer_init(&t.head, STORE_CALL_MAX);
    buffer_init(&t.body, STORE_CALL_MAX);
    t.call = (struct store_call){.head = &t.head, .body = &t.body};
}

static void tear_down(void)
{
    buffer_wipe(&t.head);
    buffer_wipe(&t.body);
}

TestSuite(store_vault, .init = set_up, .fini = tear_down);

static void expect_text(const struct buffer *buffer, const char *wanted)
{
    struct slice text = buffer_bytes(buffer);
    cr_expect(slice_equal(text, slice_from(wanted)), "%.*s", SLICE_ARG(text));
}

static const struct store_input *input(const char *name)
{
    static struct store_input it;
    it = (struct store_input){
        .plan = &plan,
        .credential = SLICE("the-credential"),
        .identity = SLICE("the-jwt\n"),
        .token = SLICE("the-token"),
        .name = name,
    };
    return &it;
}

#define COMMON                                                                                     \
    " HTTP/1.1\r\nHost: vault:8200\r\nUser-Agent: sallyport\r\nAccept: application/json\r\n"

Test(store_vault, reads_where_the_name_lies)
{
    cr_assert_eq(store_vault.read(input("openai-key"), &t.call, &t.err), STATUS_OK);
    expect_text(&t.head, "GET /behind/v1/secret/data/a/b/openai-key" COMMON
                         "X-Vault-Request: true\r\nX-Vault-Token: the-token\r\n");
    expect_text(&t.body, "");
}

Test(store_vault, version_one_has_no_data_in_its_path_and_names_may_lie_elsewhere)
{
    plan.version = 1;
    plan.space = SLICE("team");
    cr_assert_eq(store_vault.read(input("other"), &t.call, &t.err), STATUS_OK);
    expect_text(&t.head,
                "GET /behind/v1/secret/llm/o%20ther" COMMON
                "X-Vault-Request: true\r\nX-Vault-Namespace: team\r\nX-Vault-Token: the-token\r\n");
}

Test(store_vault, logs_in_by_approle_with_the_credential_as_json)
{
    plan.auth = STORE_AUTH_APPROLE;
    plan.auth_mount = SLICE("corp/approle");
    plan.role = SLICE("a\"role");
    cr_assert_eq(store_vault.login(input(NULL), &t.call, &t.err), STATUS_OK);
    cr_assert_eq(t.call.method, HTTP1_POST);
    expect_text(&t.head, "POST /behind/v1/auth/corp/approle/login" COMMON
                         "X-Vault-Request: true\r\nContent-Type: application/json\r\n");
    expect_text(&t.body, "{\"role_id\":\"a\\\"role\",\"secret_id\":\"the-credential\"}");
}

Test(store_vault, logs_in_by_kubernetes_with_the_file_without_its_line_end)
{
    plan.auth = STORE_AUTH_KUBERNETES;
    plan.auth_mount = SLICE("kubernetes");
    plan.role = SLICE("role");
    cr_assert_eq(store_vault.login(input(NULL), &t.call, &t.err), STATUS_OK);
    expect_text(&t.body, "{\"role\":\"role\",\"jwt\":\"the-jwt\"}");
}

Test(store_vault, token_that_a_header_cannot_carry_is_not_sent)
{
    struct store_input bad = *input("openai-key");
    bad.token = SLICE("a\r\nX-Other: b");
    cr_assert_eq(store_vault.read(&bad, &t.call, &t.err), STATUS_INVALID);
    cr_expect_null(strstr(t.err.message, "X-Other"));
}

/* ---- answers ---- */

struct answer_case {
    unsigned version, status;
    const char *body;
    enum status wanted;
    const char *value, *text; /* of a good one: its value and version; else of the message */
};

static void expect_answer(const struct answer_case *it)
{
    struct store_value value = {0};
    struct error err = {0};
    const struct store_answer answer = {it->status, slice_from(it->body)};
    plan.version = it->version;
    enum status status = store_vault.read_answer(input("openai-key"), &answer, &value, &err);
    cr_assert_eq(status, it->wanted, "%s: %s", it->body, err.message);
    cr_expect_null(strstr(err.message, "hidden"), "%s", err.message);
    if (status == STATUS_OK) {
        cr_expect(slice_equal(secret_reveal(value.secret), slice_from(it->value)), "%s", it->body);
        cr_expect_str_eq(value.version, it->text);
    } else {
        cr_expect_not_null(strstr(err.message, it->text), "%s: %s", it->body, err.message);
        cr_expect_null(value.secret);
    }
    secret_free(value.secret);
}

#define V2(value) "{\"data\":{\"data\":{\"value\":" value "},\"metadata\":{\"version\":7}}}"

/* clang-format off */
static const struct answer_case answers[] = {
    {2, 200, V2("\"hidden\""), STATUS_OK, "hidden", "7"},
    {2, 200, V2("\"a\\n\""), STATUS_OK, "a", "7"},
    {2, 200, V2("\"-----BEGIN\\nhidden\\n-----END\\n\""), STATUS_OK, "-----BEGIN\nhidden\n-----END", "7"},
    {2, 200, V2("\"a\\u0001hidden\""), STATUS_INVALID, NULL, "control characters"},
    {2, 200, V2("\"a\\u0000hidden\""), STATUS_UNAVAILABLE, NULL, "not its JSON"},
    {2, 200, V2("\"\""), STATUS_INVALID, NULL, "is empty"},
    {2, 200, V2("17"), STATUS_INVALID, NULL, "is no text"},
    {2, 200, V2("null"), STATUS_INVALID, NULL, "is no text"},
    {2, 200, "{\"data\":{\"data\":{\"hidden\":\"x\"},\"metadata\":{\"version\":7}}}", STATUS_INVALID, NULL, "no field \"value\""},
    {2, 200, "{\"data\":{\"value\":\"hidden\"}}", STATUS_UNAVAILABLE, NULL, "version: 1"},
    {2, 200, "{\"data\":{\"data\":null,\"metadata\":{\"version\":7}}}", STATUS_UNAVAILABLE, NULL, "without"},
    {2, 200, "{}", STATUS_UNAVAILABLE, NULL, "version 1"},
    {2, 200, "hidden", STATUS_UNAVAILABLE, NULL, "not its JSON"},
    {2, 200, "", STATUS_UNAVAILABLE, NULL, "not its JSON"},
    {1, 200, "{\"data\":{\"value\":\"hidden\",\"metadata\":{}}}", STATUS_OK, "hidden", ""},
    {1, 200, "{\"data\":[]}", STATUS_UNAVAILABLE, NULL, "without"},
    {2, 404, "{\"errors\":[]}", STATUS_NOT_FOUND, NULL, "no such secret"},
    {2, 404, "{\"data\":{\"data\":null,\"metadata\":{\"version\":7,\"deletion_time\":\"x\"}}}", STATUS_NOT_FOUND, NULL, "no such secret"},
    {2, 404, "{\"errors\":[\"hidden\"]}", STATUS_UNAVAILABLE, NULL, "nothing is mounted"},
    {1, 404, "{\"errors\":[],\"warnings\":[\"hidden\"]}", STATUS_UNAVAILABLE, NULL, "write version: 2"},
    {2, 404, "{}", STATUS_UNAVAILABLE, NULL, "not its JSON"},
    {2, 404, "<html>hidden</html>", STATUS_UNAVAILABLE, NULL, "not its JSON"},
    {2, 403, "{\"errors\":[\"hidden\"]}", STATUS_DENIED, NULL, "answered 403"},
    {2, 401, "", STATUS_DENIED, NULL, "answered 401"},
    {2, 503, "{\"errors\":[\"hidden\"]}", STATUS_UNAVAILABLE, NULL, "is sealed"},
    {2, 500, "", STATUS_UNAVAILABLE, NULL, "answered 500"},
    {2, 307, "", STATUS_UNAVAILABLE, NULL, "answered 307"},
    {2, 204, "", STATUS_UNAVAILABLE, NULL, "answered 204"},
};
/* clang-format on */

Test(store_vault, answers_to_reads)
{
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        expect_answer(&answers[i]);
    }
}

Test(store_vault, login_gives_a_token_and_its_life)
{
    struct store_session session = {0};
    const struct store_answer answer = {
        200,
        SLICE("{\"auth\":{\"client_token\":\"tok\",\"lease_duration\":90,\"renewable\":true}}")};
    plan.auth = STORE_AUTH_APPROLE;
    cr_assert_eq(store_vault.login_answer(input(NULL), &answer, &session, &t.err), STATUS_OK);
    cr_expect(slice_equal(secret_reveal(session.token), SLICE("tok")));
    cr_expect_eq(session.life, 90 * SEC);
    cr_expect(session.renewable);
    secret_free(session.token);
}

Test(store_vault, login_without_a_token_that_a_header_can_carry_fails)
{
    static const char *const bodies[] = {
        "{\"auth\":{\"client_token\":\"a\\r\\nX: y\"}}",
        "{\"auth\":{\"client_token\":\"\"}}",
        "{\"auth\":{}}",
        "{}",
        "[]",
        "",
    };
    plan.auth = STORE_AUTH_APPROLE;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct store_session session = {0};
        const struct store_answer answer = {200, slice_from(bodies[i])};
        cr_expect_eq(store_vault.login_answer(input(NULL), &answer, &session, &t.err),
                     STATUS_UNAVAILABLE, "%s", bodies[i]);
        cr_expect_null(session.token);
    }
}

Test(store_vault, static_token_is_used_even_if_it_may_not_look_itself_up)
{
    struct store_session session = {0};
    const struct store_answer answer = {403, SLICE("{\"errors\":[\"permission denied\"]}")};
    plan.auth = STORE_AUTH_TOKEN;
    cr_assert_eq(store_vault.login_answer(input(NULL), &answer, &session, &t.err), STATUS_OK);
    cr_expect(slice_equal(secret_reveal(session.token), SLICE("the-credential")));
    cr_expect_eq(session.life, 0);
    secret_free(session.token);
}
