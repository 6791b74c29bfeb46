/*
 * hmac: HMAC-SHA-256 (RFC 2104) with a key that is prepared once: two compressions less for each
 * message. What is prepared is as secret as the key: wipe it.
 */
#pragma once

#include "base/digest.h"

struct hmac_key {
    struct sha256 inner, outer; /* what the key's two blocks make of the digest's beginning */
};

void hmac_key_init(struct hmac_key *key, struct slice bytes);
void hmac_sha256(const struct hmac_key *key, struct slice message, unsigned char out[SHA256_BYTES]);
