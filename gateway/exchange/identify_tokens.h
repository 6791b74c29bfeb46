/*
 * identify_tokens: the JSON Web Tokens of a request: whose they are, with the keys of their
 * issuers, for which it may have to wait. A part of the step `identify`.
 */
#pragma once

#include "auth/inbound/jwt_issuer.h"

struct authentication;
struct exchange;

enum tokens_answer {
    TOKENS_DONE,    /* all were looked at: `auth` knows what they are */
    TOKENS_PENDING, /* a key set is waited for: ask again when exchange->key_wait is over */
    TOKENS_UNTOLD,  /* a key set cannot be had, so nobody can tell */
};

enum { TOKEN_ISSUER_SHOWN = 100 };

/* What is said of the one that was refused last. */
struct token_news {
    bool refused;
    enum token_verdict verdict;
    char issuer[TOKEN_ISSUER_SHOWN + 1]; /* as far as it can be shown; "": none was read */
    char kid[JWT_KID_MAX_BYTES + 1];
};

enum tokens_answer identify_tokens(struct exchange *exchange, struct authentication *auth,
                                   struct token_news *ret);
