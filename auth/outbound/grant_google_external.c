/* grant_google_external: external_account and impersonated_service_account of Google's files: a
 * token of another place, from a file or a URL, is exchanged for one of Google, and that, where the
 * file says so, for one of a service account. A call each. https://google.aip.dev/auth/4117 */
#include "auth/outbound/grant_google.h"
#include "auth/outbound/token_form.h"
#include "base/buffer.h"
#include "base/encode.h"
#include "base/http1.h"
#include "base/json.h"

enum { STEP_SUBJECT, STEP_EXCHANGE, STEP_IMPERSONATE };
enum { LIFETIME_USUAL = 3600, LIFETIME_MAX = 43200, OPTIONS_MAX = 1024 };

static const char impersonation[] = "service_account_impersonation_url";

/* ---- the subject's token ---- */

/* Framing is the gateway's. */
static bool may_send(struct slice name, struct slice value)
{
    static const struct slice own[] = {
        SLICE_INIT("host"),       SLICE_INIT("content-length"), SLICE_INIT("transfer-encoding"),
        SLICE_INIT("connection"), SLICE_INIT("expect"),         SLICE_INIT("te"),
        SLICE_INIT("upgrade"),
    };
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        if (slice_equal_nocase(name, own[i])) {
            return false;
        }
    }
    return http1_valid_token(name) && http1_valid_field_value(value);
}

static enum status put_headers(const struct cJSON *source, struct buffer *fields, struct error *err)
{
    const struct cJSON *headers = json_get(source, "headers");
    for (const struct cJSON *item = json_first(headers); item != NULL; item = json_next(item)) {
        struct slice name = slice_from(json_name(item));
        struct slice value;
        if (!json_string(item, &value) || !may_send(name, value)) {
            FAIL(err, STATUS_INVALID,
                 "the secret's credential_source has headers that cannot be sent");
        }
        TRY(buffer_append(fields, name));
        TRY(buffer_append(fields, SLICE(": ")));
        TRY(buffer_append(fields, value));
        TRY(buffer_append(fields, SLICE("\r\n")));
    }
    return STATUS_OK;
}

static enum status put_format(const struct cJSON *source, struct token_step *ret, struct error *err)
{
    const struct cJSON *format = json_get(source, "format");
    struct slice type = SLICE("text");
    struct slice member;
    (void)json_string(json_get(format, "type"), &type);
    if (slice_equal(type, SLICE("text"))) {
        return STATUS_OK;
    }
    if (!slice_equal(type, SLICE("json"))) {
        FAIL(err, STATUS_INVALID,
             "the format of the secret's credential_source is neither text "
             "nor json");
    }
    TRY(token_member(format, "subject_token_field_name", &member, err));
    return buffer_append(ret->member, member);
}

static enum status put_subject(const struct cJSON *json, struct token_call *ret, struct error *err)
{
    const struct cJSON *source = json_get(json, "credential_source");
    struct slice place;
    bool by_file = json_string(json_get(source, "file"), &place) && place.len > 0;
    bool by_url = !by_file && json_string(json_get(source, "url"), &place) && place.len > 0;
    if (json_get(source, "environment_id") != NULL) {
        FAIL(err, STATUS_INVALID,
             "the secret's credential_source is AWS's, whose signed requests are not made here; "
             "use one with a file or a url");
    }
    if (!by_file && !by_url) {
        FAIL(err, STATUS_INVALID,
             "the secret's credential_source has neither a file nor a url; programs and "
             "certificates are not used");
    }
    TRY(put_format(source, ret->step, err));
    ret->step->place = by_file ? TOKEN_IN_FILE : TOKEN_FROM_URL;
    ret->step->more = true;
    TRY(buffer_append(ret->step->where, place));
    return by_file ? STATUS_OK : put_headers(source, ret->fields, err);
}

/* ---- the exchange ---- */

/* Of a pool of workforce, which knows no client: whose quota the calls count for. */
static enum status put_options(const struct cJSON *json, struct token_call *ret)
{
    struct slice project;
    struct buffer options CLEANUP(buffer_fini);
    buffer_init(&options, OPTIONS_MAX);
    if (!json_string(json_get(json, "workforce_pool_user_project"), &project) || project.len == 0) {
        return STATUS_OK;
    }
    TRY(buffer_append(&options, SLICE("{\"userProject\":")));
    TRY(encode_json_string(project, &options));
    TRY(buffer_append(&options, SLICE("}")));
    return token_form_put(ret->body, "options", buffer_bytes(&options));
}

static enum status put_client(const struct token_input *input, const struct cJSON *json,
                              struct token_call *ret)
{
    struct slice id, secret;
    if (!json_string(json_get(json, "client_id"), &id) || id.len == 0) {
        return put_options(json, ret);
    }
    if (!json_string(json_get(json, "client_secret"), &secret)) {
        secret = slice_make("", 0);
    }
    return token_form_client(input, id, secret, ret);
}

static enum status put_exchange(const struct token_input *input, const struct cJSON *json,
                                struct token_call *ret, struct error *err)
{
    struct slice audience, type, url;
    bool more = json_get(json, impersonation) != NULL;
    if (!json_string(json_get(json, "token_url"), &url) || url.len == 0) {
        url = SLICE("https://sts.googleapis.com/v1/token");
    }
    TRY(token_member(json, "audience", &audience, err));
    TRY(token_member(json, "subject_token_type", &type, err));
    TRY(token_form_begin(input, "urn:ietf:params:oauth:grant-type:token-exchange", ret));
    TRY(token_form_put(ret->body, "audience", audience));
    TRY(token_form_put(ret->body, "scope",
                       more ? GOOGLE_WIDE_SCOPE : input->plan->values[TOKEN_SCOPE]));
    TRY(token_form_put(ret->body, "requested_token_type",
                       SLICE("urn:ietf:params:oauth:token-type:access_token")));
    TRY(token_form_put(ret->body, "subject_token_type", type));
    TRY(token_form_put(ret->body, "subject_token", input->earlier));
    ret->step->place = TOKEN_AT_URL;
    ret->step->more = more;
    TRY(buffer_append(ret->step->where, url));
    return put_client(input, json, ret);
}

/* ---- the account's token ---- */

static enum status put_texts(const struct cJSON *list, struct buffer *out, struct error *err)
{
    for (const struct cJSON *item = json_first(list); item != NULL; item = json_next(item)) {
        struct slice text;
        if (!json_string(item, &text)) {
            FAIL(err, STATUS_INVALID, "the secret's delegates are no list of texts");
        }
        TRY(buffer_append(out, item == json_first(list) ? SLICE("") : SLICE(",")));
        TRY(encode_json_string(text, out));
    }
    return STATUS_OK;
}

/* "a b" as "a","b". */
static enum status put_scopes(struct slice scopes, struct buffer *out)
{
    bool first = true;
    while (scopes.len > 0) {
        struct slice one = slice_make(scopes.ptr, slice_find(scopes, ' '));
        scopes = slice_skip(scopes, one.len + 1);
        if (one.len > 0) {
            TRY(buffer_append(out, first ? SLICE("") : SLICE(",")));
            TRY(encode_json_string(one, out));
            first = false;
        }
    }
    return STATUS_OK;
}

static uint64_t lifetime_of(const struct cJSON *json)
{
    uint64_t seconds = LIFETIME_USUAL;
    const struct cJSON *settings = json_get(json, "service_account_impersonation");
    (void)json_uint(json_get(settings, "token_lifetime_seconds"), &seconds);
    return seconds < LIFETIME_MAX ? seconds : LIFETIME_MAX;
}

/* https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken
 */
enum status google_impersonate(const struct token_input *input, const struct cJSON *json,
                               struct token_call *ret, struct error *err)
{
    struct slice url;
    TRY(token_member(json, impersonation, &url, err));
    TRY(buffer_append(ret->fields, SLICE("Content-Type: application/json\r\n"
                                         "Authorization: Bearer ")));
    TRY(buffer_append(ret->fields, input->earlier));
    TRY(buffer_append(ret->fields, SLICE("\r\n")));
    TRY(buffer_append(ret->body, SLICE("{\"delegates\":[")));
    TRY(put_texts(json_get(json, "delegates"), ret->body, err));
    TRY(buffer_append(ret->body, SLICE("],\"scope\":[")));
    TRY(put_scopes(input->plan->values[TOKEN_SCOPE], ret->body));
    TRY(buffer_append(ret->body, SLICE("],\"lifetime\":\"")));
    TRY(buffer_append_number(ret->body, lifetime_of(json)));
    TRY(buffer_append(ret->body, SLICE("s\"}")));
    ret->step->place = TOKEN_AT_URL;
    return buffer_append(ret->step->where, url);
}

enum status google_external_call(const struct token_input *input, const struct cJSON *json,
                                 struct token_call *ret, struct error *err)
{
    switch (input->step) {
    case STEP_SUBJECT:
        return put_subject(json, ret, err);
    case STEP_EXCHANGE:
        return put_exchange(input, json, ret, err);
    default:
        return google_impersonate(input, json, ret, err);
    }
}
