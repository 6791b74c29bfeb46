/* grant_client_credentials: RFC 6749, section 4.4; `audience` as Auth0 has it, `resource` as RFC
 * 8707 does. The client shows a secret, or a JWT that its private key signs (RFC 7523,
 * section 2.2).
 */
#include "auth/outbound/token_assertion.h"
#include "auth/outbound/token_form.h"
#include "base/buffer.h"

enum { ASSERTION_SECONDS = 300, HEADER_MAX = 1024 };

static enum status put_assertion(const struct token_input *input, struct slice id, struct slice pem,
                                 struct buffer *body, struct error *err)
{
    const struct slice *values = input->plan->values;
    struct buffer jwt CLEANUP(buffer_wipe);
    struct buffer header CLEANUP(buffer_fini);
    buffer_init(&jwt, TOKEN_CALL_MAX);
    buffer_init(&header, HEADER_MAX);
    TRY(jwt_put_text(&header, "kid", values[TOKEN_KEY_ID]));
    const struct token_assertion assertion = {
        .algorithm = slice_equal(values[TOKEN_ALGORITHM], SLICE("ES256")) ? JWT_ES256 : JWT_RS256,
        .pem = pem,
        .header = buffer_bytes(&header),
        .issuer = id,
        .subject = id,
        .audience = values[TOKEN_URL],
        .seconds = ASSERTION_SECONDS,
        .numbered = true,
    };
    TRY(token_assertion_put(input, &assertion, &jwt, err));
    TRY(token_form_put(body, "client_assertion_type",
                       SLICE("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")));
    return token_form_put(body, "client_assertion", buffer_bytes(&jwt));
}

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
    return slice_equal(plan->values[TOKEN_CLIENT], SLICE("jwt"))
               ? put_assertion(input, id, secret, ret->body, err)
               : token_form_client(input, id, secret, ret);
}
