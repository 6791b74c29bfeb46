/*
 * webhook_jwt: webhooks that carry a JSON Web Token. For the files of webhook_signature only.
 */
#pragma once

#include "auth/inbound/webhook_message.h"

/* WEBHOOK_OK with ret->outcome WEBHOOK_NEEDS: a key must be fetched. Sets ret->timestamp. */
enum webhook_reason webhook_jwt_verify(struct webhook_message *message, struct webhook_result *ret);
/* Is the text the body's SHA-256 in lower-case hex? */
bool webhook_body_hash_is(const struct webhook_request *request, struct slice text);
