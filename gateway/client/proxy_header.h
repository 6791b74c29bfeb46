/*
 * proxy_header: the PROXY protocol, versions 1 and 2 (HAProxy, doc/proxy-protocol.txt): what a load
 * balancer says of the client, before anything else on a connection. Pure: bytes in, an address
 * out.
 *
 * Strict: it is asked of bytes that must begin with such a header, so whatever can become none is
 * bad at once. What stands behind the addresses (TLVs) is skipped.
 */
#pragma once

#include "base/address.h"
#include "base/slice.h"

#include <stddef.h>
#include <stdint.h>

enum {
    PROXY_HEADER_V1_BYTES = 107,    /* at most, with the line's end */
    PROXY_HEADER_REST_BYTES = 4096, /* behind the first 16 of version 2; more of it is bad */
    PROXY_HEADER_BYTES = 16 + PROXY_HEADER_REST_BYTES,
};

enum proxy_header_result {
    PROXY_HEADER_DONE,
    PROXY_HEADER_PARTIAL, /* ask again when there is more */
    PROXY_HEADER_BAD,     /* *ret_why says why; static */
};

enum proxy_header_source {
    PROXY_HEADER_OWN,     /* the proxy's own connection (LOCAL), or nothing is known (UNKNOWN) */
    PROXY_HEADER_ADDRESS, /* `address` */
    PROXY_HEADER_UNIX,
};

struct proxy_header {
    enum proxy_header_source source;
    uint8_t address[ADDRESS_BYTES]; /* the client's */
    size_t len;                     /* of the header; what comes behind it is the client's */
};

enum proxy_header_result proxy_header_read(struct slice bytes, struct proxy_header *ret,
                                           const char **ret_why);
