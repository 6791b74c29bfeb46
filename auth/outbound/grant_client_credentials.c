/* grant_client_credentials: RFC 6749, section 4.4; `audience` as Auth0 has it, `resource` as RFC
 * 8707 does. */
#include "auth/outbound/token_form.h"

enum status grant_client_credentials_call(const struct token_input *input, struct token_call *ret,
                                          struct error *err)
{
    const struct token_plan *plan = input->plan;
    struct slice id, secret;
    if (!token_split(input->secret, &id, &secret)) {
        FAIL(err, STATUS_INVALID, "the secret is not of the form ID:SECRET");
    }
    TRY(token_form_begin(input, "client_credentials", ret));
    TRY(token_form_put(ret->body, "scope", plan->values[TOKEN_SCOPE]));
    TRY(token_form_put(ret->body, "audience", plan->values[TOKEN_AUDIENCE]));
    TRY(token_form_put(ret->body, "resource", plan->values[TOKEN_RESOURCE]));
    return token_form_client(input, id, secret, ret);
}
