/*
 * webhook_timestamp: the times that webhooks say they were sent at.
 */
#pragma once

#include "auth/inbound/webhook_signature.h"

enum { WEBHOOK_LEEWAY_SECONDS = 10 }; /* of an expiry's clock */

/* Milliseconds since 1970. Digits only, without a sign or leading zeros, or "YYYY-MM-DDThh:mm:ssZ"
 * with or without a fraction. False: it is none, or far beyond any clock. */
bool webhook_timestamp_read(struct slice text, enum webhook_unit unit, int64_t *ret_msec);

/* WEBHOOK_OK if it is within `tolerance` seconds of `now`, both ways; exactly as far is within. */
enum webhook_reason webhook_timestamp_check(int64_t msec, int64_t now, int64_t tolerance);
