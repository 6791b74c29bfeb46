/*
 * token_answer: reads what a token endpoint answers (RFC 6749, section 5; GitHub's "token" and
 * "expires_at", and "accessToken" and "expireTime" of Google's IAM, as well). Strict where a
 * mistake would do harm: a token that a header cannot carry, a time that makes no sense. Pure.
 */
#pragma once

#include "auth/outbound/token_plan.h"
#include "base/slice.h"
#include "base/status.h"

struct cJSON;

enum { TOKEN_ANSWER_MAX = 64 * 1024, TOKEN_ERROR_CODE_MAX = 64 };

#define TOKEN_LIFE_LONGEST (30 * 86400 * SEC) /* of what an answer says, no more is believed */

struct token_answer {
    struct cJSON *document;     /* owned; holds the texts; its strings are wiped with it */
    struct slice token;         /* visible ASCII */
    struct slice refresh_token; /* likewise; empty: none was given */
    usec_t life;                /* > 0 */
};

/* `wall`: seconds since 1970 by the endpoint's clock. STATUS_INVALID: it is no token; the error
 * quotes nothing but the code that the endpoint gives ("invalid_client"). Zero-initialized before;
 * token_answer_fini() in any case. */
MUST_USE enum status token_answer_read(const struct token_plan *plan, unsigned status,
                                       struct slice body, int64_t wall, struct token_answer *ret,
                                       struct error *err);
void token_answer_fini(struct token_answer *answer);

/* "Sun, 06 Nov 1994 08:49:37 GMT" and "2016-07-11T22:14:10Z" as seconds since 1970. False: it is
 * none. */
bool token_http_date(struct slice text, int64_t *ret);
bool token_iso_date(struct slice text, int64_t *ret);
