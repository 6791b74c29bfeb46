/* grant_jwt_bearer: RFC 7523, section 2.1: a JWT that the private key signs is the grant. */
#include "auth/outbound/token_assertion.h"
#include "auth/outbound/token_form.h"
#include "base/buffer.h"

enum { ASSERTION_SECONDS = 300, HEADER_MAX = 1024 };

enum status grant_jwt_bearer_call(const struct token_input *input, struct token_call *ret,
                                  struct error *err)
{
    const struct slice *values = input->plan->values;
    struct buffer jwt CLEANUP(buffer_wipe);
    struct buffer header CLEANUP(buffer_fini);
    buffer_init(&jwt, TOKEN_CALL_MAX);
    buffer_init(&header, HEADER_MAX);
    TRY(jwt_put_text(&header, "kid", values[TOKEN_KEY_ID]));
    const struct token_assertion assertion = {
        .algorithm = slice_equal(values[TOKEN_ALGORITHM], SLICE("ES256")) ? JWT_ES256 : JWT_RS256,
        .pem = input->secret,
        .header = buffer_bytes(&header),
        .issuer = values[TOKEN_ISSUER],
        .subject = values[TOKEN_SUBJECT],
        .audience = values[TOKEN_AUDIENCE].len > 0 ? values[TOKEN_AUDIENCE] : values[TOKEN_URL],
        .seconds = ASSERTION_SECONDS,
        .numbered = true,
    };
    TRY(token_assertion_put(input, &assertion, &jwt, err));
    TRY(token_form_begin(input, "urn:ietf:params:oauth:grant-type:jwt-bearer", ret));
    TRY(token_form_put(ret->body, "assertion", buffer_bytes(&jwt)));
    return token_form_put(ret->body, "scope", values[TOKEN_SCOPE]);
}
