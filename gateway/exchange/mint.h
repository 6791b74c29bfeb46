/*
 * mint: between choose and prepare, where the route sends a token in place of its secret: takes the
 * one that is there, or waits for it. Behind it exchange->credential is the token.
 */
#pragma once

#include <stdbool.h>

struct exchange;
struct http1_response;
struct judgement;

/* The answer is a 401: the token may not be good any more. True: there is another one, or will be,
 * and the request may be sent once more with it. Once an exchange. */
bool mint_refused(struct exchange *exchange, const struct http1_response *response,
                  const struct judgement *judgement);
/* At the end. */
void mint_fini(struct exchange *exchange);
