#include "auth/outbound/token_assertion.h"

#include "base/buffer.h"
#include "base/digest.h"

#include <openssl/evp.h>

enum { CLAIMS_MAX = 16 * 1024, NUMBER_BYTES = 16 };

static enum status put_claims(const struct token_input *input,
                              const struct token_assertion *assertion, struct buffer *claims)
{
    const struct token_plan *plan = input->plan;
    int64_t made = input->wall - TOKEN_ASSERTION_EARLY;
    TRY(jwt_put_text(claims, "iss", assertion->issuer));
    TRY(jwt_put_text(claims, "sub", assertion->subject));
    TRY(jwt_put_text(claims, "aud", assertion->audience));
    TRY(jwt_put_text(claims, "scope", assertion->scope));
    TRY(jwt_put_number(claims, "iat", made));
    TRY(jwt_put_number(claims, "exp", made + assertion->seconds));
    if (assertion->numbered) {
        char number[2 * NUMBER_BYTES + 1];
        random_name(number, NUMBER_BYTES);
        TRY(jwt_put_number(claims, "nbf", made));
        TRY(jwt_put_text(claims, "jti", slice_from(number)));
    }
    for (unsigned i = 0; i < plan->claim_count; i++) {
        TRY(jwt_put_text(claims, plan->claims[i].name.ptr, plan->claims[i].value));
    }
    return STATUS_OK;
}

enum status token_assertion_put(const struct token_input *input,
                                const struct token_assertion *assertion, struct buffer *out,
                                struct error *err)
{
    EVP_PKEY *key = NULL;
    struct buffer claims CLEANUP(buffer_fini);
    buffer_init(&claims, CLAIMS_MAX);
    if (put_claims(input, assertion, &claims) != STATUS_OK) {
        FAIL(err, STATUS_TOO_LARGE, "the claims are longer than %d bytes", CLAIMS_MAX);
    }
    TRY(jwt_key_read(assertion->pem, assertion->algorithm, &key, err));
    const struct jwt_request request = {
        .key = key,
        .algorithm = assertion->algorithm,
        .header = assertion->header,
        .claims = buffer_bytes(&claims),
    };
    enum status status = jwt_sign(&request, out, err);
    EVP_PKEY_free(key);
    return status;
}
