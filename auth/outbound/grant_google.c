/* grant_google: a service account's key file (RFC 7523 with RS256), what `gcloud auth
 * application-default login` writes (a refresh token, or with one of the two a service account that
 * is impersonated), or an external account's (grant_google_external.c). A file's own token_uri is
 * not followed: where a secret goes is said in the config. */
#include "auth/outbound/grant_google.h"

#include "auth/outbound/token_assertion.h"
#include "auth/outbound/token_form.h"
#include "base/buffer.h"
#include "base/json.h"

enum { ASSERTION_SECONDS = 3600, HEADER_MAX = 1024 };

static enum status put_service_account(const struct token_input *input, const struct cJSON *json,
                                       struct slice scope, struct token_call *ret,
                                       struct error *err)
{
    const struct slice *values = input->plan->values;
    struct slice email, pem, key_id = {NULL, 0};
    struct buffer jwt CLEANUP(buffer_wipe);
    struct buffer header CLEANUP(buffer_fini);
    buffer_init(&jwt, TOKEN_CALL_MAX);
    buffer_init(&header, HEADER_MAX);
    TRY(token_member(json, "client_email", &email, err));
    TRY(token_member(json, "private_key", &pem, err));
    (void)json_string(json_get(json, "private_key_id"), &key_id);
    TRY(jwt_put_text(&header, "kid", key_id));
    const struct token_assertion assertion = {
        .algorithm = JWT_RS256,
        .pem = pem,
        .header = buffer_bytes(&header),
        .issuer = email,
        .subject = values[TOKEN_SUBJECT],
        .audience = values[TOKEN_URL],
        .scope = scope,
        .seconds = ASSERTION_SECONDS,
    };
    TRY(token_assertion_put(input, &assertion, &jwt, err));
    TRY(token_form_begin(input, "urn:ietf:params:oauth:grant-type:jwt-bearer", ret));
    return token_form_put(ret->body, "assertion", buffer_bytes(&jwt));
}

static enum status put_authorized_user(const struct token_input *input, const struct cJSON *json,
                                       struct token_call *ret, struct error *err)
{
    struct slice id, secret, refresh;
    TRY(token_member(json, "client_id", &id, err));
    TRY(token_member(json, "client_secret", &secret, err));
    TRY(token_member(json, "refresh_token", &refresh, err));
    TRY(token_form_begin(input, "refresh_token", ret));
    TRY(token_form_put(ret->body, "client_id", id));
    TRY(token_form_put(ret->body, "client_secret", secret));
    return token_form_put(ret->body, "refresh_token", refresh);
}

enum status google_own_call(const struct token_input *input, const struct cJSON *json,
                            struct slice scope, struct token_call *ret, struct error *err)
{
    struct slice type = {NULL, 0};
    TRY(token_member(json, "type", &type, err));
    if (slice_equal(type, SLICE("service_account"))) {
        return put_service_account(input, json, scope, ret, err);
    }
    if (slice_equal(type, SLICE("authorized_user"))) {
        return put_authorized_user(input, json, ret, err);
    }
    FAIL(err, STATUS_INVALID,
         "the secret's JSON is of a type that is neither service_account nor "
         "authorized_user");
}

static enum status put_impersonated(const struct token_input *input, const struct cJSON *json,
                                    struct token_call *ret, struct error *err)
{
    const struct cJSON *source = json_get(json, "source_credentials");
    if (input->step > 0) {
        return google_impersonate(input, json, ret, err);
    }
    if (!json_is_object(source)) {
        FAIL(err, STATUS_INVALID, "the secret's JSON has no object \"source_credentials\"");
    }
    ret->step->more = true;
    return google_own_call(input, source, GOOGLE_WIDE_SCOPE, ret, err);
}

enum status grant_google_call(const struct token_input *input, struct token_call *ret,
                              struct error *err)
{
    const struct slice *values = input->plan->values;
    struct cJSON *json CLEANUP(json_free_at) = NULL;
    struct slice type = {NULL, 0};
    TRY(token_json(input->secret, &json, err));
    TRY(token_member(json, "type", &type, err));
    bool external = slice_equal(type, SLICE("external_account"));
    if (!external && !slice_equal(type, SLICE("impersonated_service_account"))) {
        return google_own_call(input, json, values[TOKEN_SCOPE], ret, err);
    }
    if (ret->step == NULL) {
        FAIL(err, STATUS_INVALID,
             "the secret's JSON is of type %.*s, which takes several calls, and here one alone is "
             "made; use a service_account",
             SLICE_ARG(type));
    }
    if (values[TOKEN_SUBJECT].len > 0) {
        FAIL(err, STATUS_INVALID,
             "the token is to be of a subject, which a service_account's key alone can ask for");
    }
    return external ? google_external_call(input, json, ret, err)
                    : put_impersonated(input, json, ret, err);
}
