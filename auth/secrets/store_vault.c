/*
 * store_vault: HashiCorp Vault and OpenBao: the key-value secrets engine, versions 1 and 2, and the
 * auth methods token, AppRole and Kubernetes (the HTTP API's reference: /api-docs/secret/kv,
 * /api-docs/auth/token, /api-docs/auth/approle, /api-docs/auth/kubernetes).
 */
#include "auth/secrets/store_json.h"
#include "base/buffer.h"
#include "base/encode.h"
#include "base/json.h"
#include "base/secret.h"

#include <inttypes.h>
#include <stdio.h>

#define LONGEST_LIFE (10 * 365 * 86400 * SEC)

/* ---- calls ---- */

static enum status begin(const struct store_input *input, const char *method,
                         struct store_call *ret)
{
    ret->method = method[0] == 'G' ? HTTP1_GET : HTTP1_POST;
    TRY(store_head_begin(input, method, ret->head));
    return buffer_append(ret->head, SLICE("/v1"));
}

/* Behind the path. */
static enum status finish(const struct store_input *input, struct slice token,
                          struct store_call *ret, struct error *err)
{
    const struct store_plan *plan = input->plan;
    TRY(store_head_end_line(ret->head, plan));
    TRY(buffer_append(ret->head, SLICE("X-Vault-Request: true\r\n")));
    if (plan->space.len > 0) {
        TRY(store_head_field(ret->head, SLICE("X-Vault-Namespace"), plan->space, err));
    }
    if (token.len > 0) {
        TRY(store_head_field(ret->head, SLICE("X-Vault-Token"), token, err));
    }
    if (buffer_len(ret->body) > 0) {
        TRY(buffer_append(ret->head, SLICE("Content-Type: application/json\r\n")));
    }
    return STATUS_OK;
}

static enum status put_member(struct buffer *body, const char *before, struct slice text)
{
    TRY(buffer_append(body, slice_from(before)));
    return encode_json_string(text, body);
}

/* Of a file that ends with a line. */
static struct slice without_line_ends(struct slice text)
{
    while (text.len > 0 && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r')) {
        text.len--;
    }
    return text;
}

static enum status login_with(const struct store_input *input, struct store_call *ret,
                              struct error *err)
{
    const struct store_plan *plan = input->plan;
    bool approle = plan->auth == STORE_AUTH_APPROLE;
    TRY(begin(input, "POST", ret));
    TRY(buffer_append(ret->head, SLICE("/auth")));
    TRY(store_put_path(plan->auth_mount, ret->head));
    TRY(buffer_append(ret->head, SLICE("/login")));
    TRY(put_member(ret->body, approle ? "{\"role_id\":" : "{\"role\":", plan->role));
    TRY(put_member(ret->body, approle ? ",\"secret_id\":" : ",\"jwt\":",
                   without_line_ends(approle ? input->credential : input->identity)));
    TRY(buffer_append(ret->body, SLICE("}")));
    return finish(input, SLICE(""), ret, err);
}

static enum status login(const struct store_input *input, struct store_call *ret, struct error *err)
{
    if (input->plan->auth != STORE_AUTH_TOKEN) {
        return login_with(input, ret, err);
    }
    TRY(begin(input, "GET", ret));
    TRY(buffer_append(ret->head, SLICE("/auth/token/lookup-self")));
    return finish(input, input->credential, ret, err);
}

static enum status renew(const struct store_input *input, struct store_call *ret, struct error *err)
{
    TRY(begin(input, "POST", ret));
    TRY(buffer_append(ret->head, SLICE("/auth/token/renew-self")));
    TRY(buffer_append(ret->body, SLICE("{}")));
    return finish(input, input->token, ret, err);
}

static enum status read_secret(const struct store_input *input, struct store_call *ret,
                               struct error *err)
{
    struct store_place place = store_place_of(input->plan, input->name);
    TRY(begin(input, "GET", ret));
    TRY(store_put_path(input->plan->mount, ret->head));
    TRY(buffer_append(ret->head, input->plan->version == 2 ? SLICE("/data") : SLICE("")));
    TRY(store_put_path(place.path, ret->head));
    TRY(store_put_path(place.last, ret->head));
    return finish(input, input->token, ret, err);
}

/* ---- answers ---- */

static usec_t life_of(const struct cJSON *seconds)
{
    uint64_t number = 0;
    if (!json_uint(seconds, &number)) {
        return 0;
    }
    return number > (uint64_t)(LONGEST_LIFE / SEC) ? LONGEST_LIFE : (usec_t)number * SEC;
}

/* Of lookup-self. One that may not look itself up may read all the same. */
static enum status take_lookup(const struct store_answer *answer, struct store_session *ret,
                               struct error *err)
{
    struct cJSON *document CLEANUP(store_free_document) = NULL;
    if (answer->status == 403) {
        return STATUS_OK;
    }
    if (answer->status != 200) {
        return store_refusal(answer, err);
    }
    TRY(store_parse(answer, &document, err));
    const struct cJSON *data = json_get(document, "data");
    ret->life = life_of(json_get(data, "ttl"));
    (void)json_bool(json_get(data, "renewable"), &ret->renewable);
    return STATUS_OK;
}

static enum status take_auth(const struct store_answer *answer, struct store_session *ret,
                             struct error *err)
{
    struct cJSON *document CLEANUP(store_free_document) = NULL;
    struct slice token;
    if (answer->status == 400) {
        FAIL(err, STATUS_DENIED, "does not let this source log in (400)");
    }
    if (answer->status != 200) {
        return store_refusal(answer, err);
    }
    TRY(store_parse(answer, &document, err));
    const struct cJSON *auth = json_get(document, "auth");
    if (!json_string(json_get(auth, "client_token"), &token) || token.len == 0 ||
        token.len > STORE_TOKEN_MAX || !http1_valid_field_value(token)) {
        FAIL(err, STATUS_UNAVAILABLE, "answered a login without a token");
    }
    ret->token = secret_new(token);
    ret->life = life_of(json_get(auth, "lease_duration"));
    (void)json_bool(json_get(auth, "renewable"), &ret->renewable);
    return STATUS_OK;
}

static enum status login_answer(const struct store_input *input, const struct store_answer *answer,
                                struct store_session *ret, struct error *err)
{
    if (input->plan->auth != STORE_AUTH_TOKEN) {
        return take_auth(answer, ret, err);
    }
    TRY(take_lookup(answer, ret, err));
    ret->token = secret_new(input->credential);
    return STATUS_OK;
}

static enum status renew_answer(const struct store_input *input, const struct store_answer *answer,
                                struct store_session *ret, struct error *err)
{
    (void)input;
    return take_auth(answer, ret, err);
}

/* A 404 is said of what is not there, and of a path that is none of a mount, or of another kind of
 * one: then it tells of errors or warns. */
static enum status take_absence(const struct store_input *input, const struct store_answer *answer,
                                struct error *err)
{
    struct cJSON *document CLEANUP(store_free_document) = NULL;
    TRY(store_parse(answer, &document, err));
    if (json_count(json_get(document, "errors")) > 0) {
        FAIL(err, STATUS_UNAVAILABLE,
             "answered 404: nothing is mounted there; see mount and namespace");
    }
    if (json_count(json_get(document, "warnings")) > 0) {
        FAIL(err, STATUS_UNAVAILABLE,
             "answered 404: the mount is not of version %u; write version: %u",
             input->plan->version, input->plan->version == 1 ? 2U : 1U);
    }
    if (!json_is_array(json_get(document, "errors")) && json_get(document, "data") == NULL) {
        FAIL(err, STATUS_UNAVAILABLE, "answered 404 with what is not its JSON");
    }
    FAIL(err, STATUS_NOT_FOUND, "has no such secret");
}

static enum status take_field(const struct store_input *input, const struct cJSON *data,
                              struct store_value *ret, struct error *err)
{
    char field[80];
    struct slice text;
    struct slice name = store_place_of(input->plan, input->name).field;
    (void)snprintf(field, sizeof(field), "%.*s", SLICE_ARG(name));
    const struct cJSON *value = json_get(data, field);
    if (value == NULL) {
        FAIL(err, STATUS_INVALID, "has no field \"%s\" there", field);
    }
    if (!json_string(value, &text)) {
        FAIL(err, STATUS_INVALID, "has a field \"%s\" there that is no text", field);
    }
    return store_take_value(text, &ret->secret, err);
}

static enum status read_answer(const struct store_input *input, const struct store_answer *answer,
                               struct store_value *ret, struct error *err)
{
    struct cJSON *document CLEANUP(store_free_document) = NULL;
    uint64_t number = 0;
    if (answer->status == 404) {
        return take_absence(input, answer, err);
    }
    if (answer->status != 200) {
        return store_refusal(answer, err);
    }
    TRY(store_parse(answer, &document, err));
    const struct cJSON *data = json_get(document, "data");
    const struct cJSON *metadata = json_get(data, "metadata");
    if (input->plan->version == 2) {
        data = json_get(data, "data");
        if (!json_is_object(metadata)) {
            FAIL(err, STATUS_UNAVAILABLE, "answered as a mount of version 1; write version: 1");
        }
    }
    if (!json_is_object(data)) {
        FAIL(err, STATUS_UNAVAILABLE, "answered 200 without the secret's data");
    }
    if (input->plan->version == 2 && json_uint(json_get(metadata, "version"), &number)) {
        (void)snprintf(ret->version, sizeof(ret->version), "%" PRIu64, number);
    }
    return take_field(input, data, ret, err);
}

const struct store_kind store_vault = {
    .name = "vault",
    .login = login,
    .login_answer = login_answer,
    .renew = renew,
    .renew_answer = renew_answer,
    .read = read_secret,
    .read_answer = read_answer,
};
