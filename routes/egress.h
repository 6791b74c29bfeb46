/*
 * egress: which addresses an upstream may have. Refuses what is not globally reachable (private,
 * loopback, link-local, metadata, shared, multicast, mapped and translated forms of those), unless
 * the config allows it. Asked after DNS, for each address that is about to be connected.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct sockaddr;

/* An IPv4 network is kept as IPv4-mapped IPv6. */
struct egress_network {
    uint8_t address[16];
    unsigned prefix; /* 0..128 */
};

struct egress_policy {
    const struct egress_network *allowed; /* borrowed */
    unsigned allowed_count;
};

/* "10.1.0.0/16", "fd00::/8", or a single address. Bits behind the prefix must be 0. */
MUST_USE enum status egress_network_parse(struct slice text, struct egress_network *ret,
                                          struct error *err);
/* An allowed IPv4 network covers its IPv4-mapped form, but not translated ones (NAT64, 6to4): those
 * lead through a translator, and must be allowed as what they are. */
bool egress_allows(const struct egress_policy *policy, const struct sockaddr *address);
/* Of a host whose addresses are not known here, for a proxy finds them: false for an address that
 * egress_allows() refuses, and for localhost, unless loopback is allowed. */
bool egress_allows_host(const struct egress_policy *policy, const char *host);
/* Allows all: for what the config itself names as the place of a thing, for that use alone. */
const struct egress_policy *egress_everywhere(void);

/* Is the address in one of the networks? An IPv4 address is IPv4-mapped, as base/address.h has it.
 */
bool egress_networks_contain(const struct egress_network *networks, unsigned count,
                             const uint8_t address[16]);
