/*
 * forwarded: who sent a request that came through proxies, by X-Forwarded-For. Pure.
 *
 * Each proxy appends whom it got the request from, so the field is believed from its right end on,
 * as long as the address that said so is a trusted proxy's. What stands further left is what the
 * client wrote.
 */
#pragma once

#include "base/address.h"
#include "routes/egress.h"

#include <stdbool.h>
#include <stdint.h>

struct http1_request;

/* Addresses whose word is taken. */
struct trusted_proxies {
    const struct egress_network *networks; /* borrowed */
    unsigned count;                        /* 0: nobody's */
};

static inline bool trusted_proxies_have(const struct trusted_proxies *proxies,
                                        const uint8_t address[ADDRESS_BYTES])
{
    return proxies->count > 0 &&
           egress_networks_contain(proxies->networks, proxies->count, address);
}

/* `peer` is who sent the request to us. The rightmost address that is no trusted proxy's; if all
 * are, the leftmost; where something is no address, the one before it. False, and nothing set: it
 * is the peer. */
bool forwarded_source(const struct http1_request *request, const struct trusted_proxies *proxies,
                      const uint8_t peer[ADDRESS_BYTES], uint8_t ret[ADDRESS_BYTES]);
