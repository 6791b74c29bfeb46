/*
 * address: numeric network addresses, as a text has them.
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct sockaddr;

enum {
    ADDRESS_BYTES = 16,      /* of any: IPv4 is kept as IPv4-mapped IPv6 */
    ADDRESS_TEXT_BYTES = 46, /* with the NUL */
};

/* `family` is AF_INET or AF_INET6, `ret` a struct in_addr or in6_addr (or 4 or 16 bytes). False,
 * and nothing set, if the text is no such address: brackets, ports and zones are none of it. */
bool address_parse(int family, struct slice text, void *ret);

/* An address of either family. False, and nothing set, likewise. */
bool address_parse_any(struct slice text, uint8_t ret[ADDRESS_BYTES]);
/* From the four bytes of an IPv4 address. */
void address_map_ipv4(const void *ipv4, uint8_t ret[ADDRESS_BYTES]);
/* False, and nothing set: it has none, as unix sockets. */
bool address_of(const struct sockaddr *from, uint8_t ret[ADDRESS_BYTES]);
/* "192.0.2.7" or "2001:db8::1". */
void address_print(const uint8_t address[ADDRESS_BYTES], char out[ADDRESS_TEXT_BYTES]);
