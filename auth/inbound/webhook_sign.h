/*
 * webhook_sign: the headers that sign a webhook, by the schemes that share a secret: those of what
 * the gateway delivers (Standard Webhooks), and of test events as a provider would send them.
 */
#pragma once

#include "auth/inbound/webhook_signature.h"

enum { WEBHOOK_SIGN_FIELDS = 3 };

struct webhook_sign_field {
    struct slice name;
    struct slice value; /* in the arena, or as it was given */
};

struct webhook_sign_result {
    struct webhook_sign_field field[WEBHOOK_SIGN_FIELDS]; /* signature, timestamp, id */
    unsigned count;
};

/* Of `request`: method, url, body, now, and the secrets: with all of them where the header holds
 * several signatures, so that the receiver can roll its secret; else with the first. `id` is left
 * out where the scheme signs none. STATUS_INVALID: a scheme whose key only the provider has or
 * whose signature is in the body, a secret that is none, an id with other than visible characters.
 */
MUST_USE enum status webhook_sign(const struct webhook_scheme *scheme,
                                  const struct webhook_request *request, struct slice id,
                                  struct arena *arena, struct webhook_sign_result *ret,
                                  struct error *err);
