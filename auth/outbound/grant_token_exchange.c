/* grant_token_exchange: RFC 8693: the secret is a token of one place, given for one of another. */
#include "auth/outbound/token_form.h"

enum status grant_token_exchange_call(const struct token_input *input, struct token_call *ret,
                                      struct error *err)
{
    static const struct slice jwt = SLICE_INIT("urn:ietf:params:oauth:token-type:jwt");
    const struct slice *values = input->plan->values;
    struct slice token = token_trim(input->secret);
    if (token.len == 0) {
        FAIL(err, STATUS_INVALID, "the secret is empty");
    }
    TRY(token_form_begin(input, "urn:ietf:params:oauth:grant-type:token-exchange", ret));
    TRY(token_form_put(ret->body, "subject_token", token));
    TRY(token_form_put(ret->body, "subject_token_type",
                       values[TOKEN_SUBJECT_TYPE].len > 0 ? values[TOKEN_SUBJECT_TYPE] : jwt));
    TRY(token_form_put(ret->body, "requested_token_type",
                       SLICE("urn:ietf:params:oauth:token-type:access_token")));
    TRY(token_form_put(ret->body, "scope", values[TOKEN_SCOPE]));
    TRY(token_form_put(ret->body, "audience", values[TOKEN_AUDIENCE]));
    return token_form_put(ret->body, "resource", values[TOKEN_RESOURCE]);
}
