/* grant_github_app: a JWT by RS256 as the app, of ten minutes at most, for a token of one of its
 * installations. */
#include "auth/outbound/token_assertion.h"
#include "auth/outbound/token_form.h"
#include "base/buffer.h"

enum { ASSERTION_SECONDS = 540 };

enum status grant_github_app_call(const struct token_input *input, struct token_call *ret,
                                  struct error *err)
{
    struct slice app, pem;
    if (!token_split(input->secret, &app, &pem)) {
        FAIL(err, STATUS_INVALID, "the secret is not of the form APP_ID:PEM");
    }
    const struct token_assertion assertion = {
        .algorithm = JWT_RS256,
        .pem = pem,
        .issuer = app,
        .seconds = ASSERTION_SECONDS,
    };
    TRY(buffer_append(ret->fields, SLICE("X-GitHub-Api-Version: 2022-11-28\r\n"
                                         "Authorization: Bearer ")));
    TRY(token_assertion_put(input, &assertion, ret->fields, err));
    return buffer_append(ret->fields, SLICE("\r\n"));
}
