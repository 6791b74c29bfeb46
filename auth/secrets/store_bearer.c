/*
 * store_bearer: stores that want a token of an OAuth endpoint: Google Cloud's Secret Manager (the
 * credential is a service account's JSON), and Azure's Key Vault (CLIENT_ID:SECRET, or with a
 * certificate).
 */
#include "auth/outbound/token_answer.h"
#include "auth/secrets/store_json.h"
#include "base/buffer.h"
#include "base/encode.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/secret.h"

#include <string.h>

/* ---- the token ---- */

static enum status login(const struct store_input *input, struct store_call *ret, struct error *err)
{
    const struct store_plan *plan = input->plan;
    struct buffer fields CLEANUP(buffer_wipe);
    struct token_call call = {.fields = &fields, .body = ret->body};
    const struct token_input token = {
        .plan = plan->token, .secret = input->credential, .wall = input->wall / SEC};
    ret->method = HTTP1_POST;
    buffer_init(&fields, STORE_CALL_MAX);
    TRY(buffer_reserve(&fields, STORE_CALL_MAX));
    enum status status = plan->token->grant->call(&token, &call, err);
    if (status == STATUS_INVALID) {
        error_prefix(err, "is not asked");
    }
    TRY(status);
    TRY(buffer_append(ret->head, SLICE("POST ")));
    TRY(buffer_append(ret->head, plan->token_path));
    TRY(buffer_append(ret->head, SLICE(" HTTP/1.1\r\nHost: ")));
    TRY(buffer_append(ret->head, slice_from(plan->token_authority)));
    TRY(buffer_append(ret->head,
                      SLICE("\r\nUser-Agent: sallyport\r\nAccept: application/json\r\n")));
    return buffer_append(ret->head, buffer_bytes(&fields));
}

static enum status login_answer(const struct store_input *input, const struct store_answer *answer,
                                struct store_session *ret, struct error *err)
{
    struct token_answer token = {0};
    struct error why;
    enum status status = token_answer_read(input->plan->token, answer->status, answer->body,
                                           input->wall / SEC, &token, &why);
    if (status == STATUS_OK) {
        ret->token = secret_new(token.token);
        ret->life = token.life;
    }
    token_answer_fini(&token);
    if (status != STATUS_OK) {
        FAIL(err, STATUS_UNAVAILABLE, "has no token for this source: %s %s",
             input->plan->token_authority, why.message);
    }
    return STATUS_OK;
}

/* ---- calls ---- */

static enum status finish(const struct store_input *input, struct store_call *ret,
                          struct error *err)
{
    (void)err;
    TRY(store_head_end_line(ret->head, input->plan));
    TRY(buffer_append(ret->head, SLICE("Authorization: Bearer ")));
    TRY(buffer_append(ret->head, input->token)); /* visible ASCII, says token_answer_read() */
    return buffer_append(ret->head, SLICE("\r\n"));
}

static enum status read_gcp(const struct store_input *input, struct store_call *ret,
                            struct error *err)
{
    struct store_place place = store_place_of(input->plan, input->name);
    ret->method = HTTP1_GET;
    TRY(store_head_begin(input, "GET", ret->head));
    TRY(buffer_append(ret->head, SLICE("/v1/projects/")));
    TRY(encode_percent(input->plan->project, ret->head));
    TRY(buffer_append(ret->head, SLICE("/secrets/")));
    TRY(encode_percent(place.path, ret->head));
    TRY(encode_percent(place.last, ret->head));
    TRY(buffer_append(ret->head, SLICE("/versions/latest:access")));
    return finish(input, ret, err);
}

/* Names there have letters, digits and '-' alone. */
static enum status put_azure_name(struct slice name, struct buffer *head)
{
    for (size_t i = 0; i < name.len; i++) {
        char byte = name.ptr[i] == '_' || name.ptr[i] == '.' ? '-' : name.ptr[i];
        TRY(encode_percent(slice_make(&byte, 1), head));
    }
    return STATUS_OK;
}

static enum status read_azure(const struct store_input *input, struct store_call *ret,
                              struct error *err)
{
    struct store_place place = store_place_of(input->plan, input->name);
    ret->method = HTTP1_GET;
    TRY(store_head_begin(input, "GET", ret->head));
    TRY(buffer_append(ret->head, SLICE("/secrets/")));
    TRY(put_azure_name(place.path, ret->head));
    TRY(put_azure_name(place.last, ret->head));
    TRY(buffer_append(ret->head, SLICE("?api-version=7.4")));
    return finish(input, ret, err);
}

/* ---- answers ---- */

/* A 404 of the store itself says so in its words; one of another path, or of a proxy, does not. */
static enum status take_error(const struct store_answer *answer, const char *member,
                              const char *absent, struct error *err)
{
    struct cJSON *document CLEANUP(store_free_document) = NULL;
    struct slice word = {NULL, 0};
    if (answer->status != 404) {
        return store_refusal(answer, err);
    }
    TRY(store_parse(answer, &document, err));
    (void)json_string(json_get(json_get(document, "error"), member), &word);
    if (!slice_equal(word, slice_from(absent))) {
        FAIL(err, STATUS_UNAVAILABLE,
             "answered 404, and does not say that the secret is not there");
    }
    FAIL(err, STATUS_NOT_FOUND, "has no such secret");
}

static enum status take_base64(const struct store_input *input, struct slice text,
                               struct store_value *ret, struct error *err)
{
    size_t room = text.len / 4 * 3 + 1;
    size_t len = 0;
    unsigned char *bytes = memory_alloc(room);
    enum status status = decode_base64(text, bytes, &len);
    if (status == STATUS_OK) {
        status = store_take_text(input, slice_make((const char *)bytes, len), &ret->secret, err);
    } else {
        status = error_set(err, STATUS_UNAVAILABLE, __FILE__, __LINE__,
                           "answered with data that is not base64");
    }
    secret_wipe(bytes, room);
    memory_free(bytes);
    return status;
}

static enum status gcp_answer(const struct store_input *input, const struct store_answer *answer,
                              struct store_value *ret, struct error *err)
{
    struct cJSON *document CLEANUP(store_free_document) = NULL;
    struct slice text;
    struct slice name = {NULL, 0};
    if (answer->status != 200) {
        return take_error(answer, "status", "NOT_FOUND", err);
    }
    TRY(store_parse(answer, &document, err));
    if (!json_string(json_get(json_get(document, "payload"), "data"), &text)) {
        FAIL(err, STATUS_UNAVAILABLE, "answered 200 without the secret's data");
    }
    if (json_string(json_get(document, "name"), &name)) {
        store_take_version(name, ret);
    }
    return take_base64(input, text, ret, err);
}

static enum status azure_answer(const struct store_input *input, const struct store_answer *answer,
                                struct store_value *ret, struct error *err)
{
    struct cJSON *document CLEANUP(store_free_document) = NULL;
    struct slice text;
    struct slice id = {NULL, 0};
    if (answer->status != 200) {
        return take_error(answer, "code", "SecretNotFound", err);
    }
    TRY(store_parse(answer, &document, err));
    if (!json_string(json_get(document, "value"), &text)) {
        FAIL(err, STATUS_UNAVAILABLE, "answered 200 without the secret's value");
    }
    if (json_string(json_get(document, "id"), &id)) {
        store_take_version(id, ret);
    }
    return store_take_text(input, text, &ret->secret, err);
}

const struct store_kind store_gcp_secret_manager = {
    .name = "gcp-secret-manager",
    .login = login,
    .login_answer = login_answer,
    .read = read_gcp,
    .read_answer = gcp_answer,
};

const struct store_kind store_azure_key_vault = {
    .name = "azure-key-vault",
    .login = login,
    .login_answer = login_answer,
    .read = read_azure,
    .read_answer = azure_answer,
};
