/*
 * webhook_challenge: the handshakes by which providers ask whether an address wants their webhooks.
 * Pure, as webhook_signature.h.
 *
 * A handshake is asked for twice: before the signature is looked at, for those that have none; and
 * behind webhook_verify(), if it accepted, for those that are signed.
 */
#pragma once

#include "auth/inbound/webhook_signature.h"

enum webhook_stage { WEBHOOK_UNVERIFIED, WEBHOOK_VERIFIED };

enum { WEBHOOK_ECHO_BYTES = 4096 };

/* The texts are in the arena that was given. */
struct webhook_challenge_answer {
    bool is_challenge;        /* false: an event, or a handshake of the other stage */
    unsigned status;          /* 200, or 403: the token is not the configured one; 400 */
    struct slice media_type;  /* empty: no body. To be sent with X-Content-Type-Options: nosniff */
    struct slice body;        /* may hold what the caller sent: text/plain, or escaped in JSON */
    struct slice confirm_url; /* to be fetched first, on one of the scheme's hosts; empty: none */
};

/* `verify_token` is what the operator told the provider, for those that send it; empty: none is
 * accepted. A mac in the answer is made with the first secret. */
void webhook_challenge(const struct webhook_scheme *scheme, const struct webhook_request *request,
                       enum webhook_stage stage, struct slice verify_token, struct arena *arena,
                       struct webhook_challenge_answer *ret);
