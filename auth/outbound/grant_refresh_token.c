/* grant_refresh_token: RFC 6749, section 6. Which refresh token is the last one is known to who
 * keeps them. */
#include "auth/outbound/token_form.h"
#include "base/json.h"

enum status grant_refresh_token_call(const struct token_input *input, struct token_call *ret,
                                     struct error *err)
{
    struct cJSON *json CLEANUP(json_free_at) = NULL;
    struct slice id, secret, refresh;
    if (token_is_json(input->secret)) {
        TRY(token_json(input->secret, &json, err));
        TRY(token_member(json, "client_id", &id, err));
        TRY(token_member(json, "client_secret", &secret, err));
        TRY(token_member(json, "refresh_token", &refresh, err));
    } else if (!token_split(input->secret, &id, &secret) ||
               !token_split(secret, &secret, &refresh)) {
        FAIL(err, STATUS_INVALID, "the secret is not of the form ID:SECRET:REFRESH_TOKEN");
    }
    if (input->refresh_token.len > 0) {
        refresh = input->refresh_token;
    }
    TRY(token_form_begin(input, "refresh_token", ret));
    TRY(token_form_put(ret->body, "refresh_token", refresh));
    TRY(token_form_put(ret->body, "scope", input->plan->values[TOKEN_SCOPE]));
    return token_form_client(input, id, secret, ret);
}
