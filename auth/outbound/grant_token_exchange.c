/* grant_token_exchange: RFC 8693: a token of one place is given for one of another: the secret, or,
 * where callers send one for whom they act, that one, with the secret as the client's. */
#include "auth/outbound/token_form.h"

/* The subject's token, and, if the secret is not that, who asks. */
static enum status put_subject(const struct token_input *input, struct token_call *ret,
                               struct error *err)
{
    struct slice id, secret, token = token_trim(input->secret);
    if (input->plan->values[TOKEN_SUBJECT_HEADER].len == 0) {
        return token.len > 0
                   ? token_form_put(ret->body, "subject_token", token)
                   : error_set(err, STATUS_INVALID, __FILE__, __LINE__, "the secret is empty");
    }
    if (!token_split(input->secret, &id, &secret)) {
        FAIL(err, STATUS_INVALID, "the secret is not of the form ID:SECRET");
    }
    TRY(token_form_put(ret->body, "subject_token", input->subject));
    return token_form_client(input, id, secret, ret);
}

enum status grant_token_exchange_call(const struct token_input *input, struct token_call *ret,
                                      struct error *err)
{
    static const struct slice jwt = SLICE_INIT("urn:ietf:params:oauth:token-type:jwt");
    const struct slice *values = input->plan->values;
    TRY(token_form_begin(input, "urn:ietf:params:oauth:grant-type:token-exchange", ret));
    TRY(put_subject(input, ret, err));
    TRY(token_form_put(ret->body, "subject_token_type",
                       values[TOKEN_SUBJECT_TYPE].len > 0 ? values[TOKEN_SUBJECT_TYPE] : jwt));
    TRY(token_form_put(ret->body, "requested_token_type",
                       SLICE("urn:ietf:params:oauth:token-type:access_token")));
    TRY(token_form_put(ret->body, "scope", values[TOKEN_SCOPE]));
    TRY(token_form_put(ret->body, "audience", values[TOKEN_AUDIENCE]));
    return token_form_put(ret->body, "resource", values[TOKEN_RESOURCE]);
}
