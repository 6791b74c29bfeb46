/*
 * webhook_secret: the configured secrets of a webhook as keys. For the files of webhook_signature
 * and webhook_sign only, but for webhook_secret_usable().
 */
#pragma once

#include "auth/inbound/webhook_message.h"

enum { WEBHOOK_KEY_BYTES = 1024 };

/* Goes over the secrets, each of which may be several. Zero-initialized is before the first. */
struct webhook_secret_walk {
    unsigned next;
    struct slice rest;
};

/* False: there are no more. May give an empty one, which is no secret. */
bool webhook_secret_next(const struct webhook_message *message, struct webhook_secret_walk *walk,
                         struct slice *ret);

/* The secret as the key's bytes, in `room` (which the caller wipes) or where it is; false: it is
 * none. */
bool webhook_secret_decode(const struct webhook_scheme *scheme, struct slice secret,
                           unsigned char room[WEBHOOK_KEY_BYTES], struct slice *ret);

/* Is it written as the scheme's secrets are? What is not matches no signature, ever. */
bool webhook_secret_usable(const struct webhook_scheme *scheme, struct slice secret);
