/*
 * token_assertion: the JWT that a grant sends as its proof: who it is from, whom it is for, and how
 * long it lives.
 */
#pragma once

#include "auth/outbound/jwt_sign.h"
#include "auth/outbound/token_plan.h"

/* So much before now it is said to be made, for clocks that are a little slow. */
enum { TOKEN_ASSERTION_EARLY = 10 };

struct token_assertion {
    enum jwt_algorithm algorithm;
    struct slice pem;
    struct slice header; /* members of its head, as jwt_sign() takes them */
    struct slice issuer, subject, audience, scope; /* empty ones are left out */
    unsigned seconds;                              /* that it lives */
    bool numbered;                                 /* with a jti and nbf */
};

/* Appends the JWT, with the plan's further claims. */
MUST_USE enum status token_assertion_put(const struct token_input *input,
                                         const struct token_assertion *assertion,
                                         struct buffer *out, struct error *err);
