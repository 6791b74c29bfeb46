/*
 * origin: where an upstream is reached, and with which TLS settings. Connections are only shared
 * between requests whose origins are equal in every one of these.
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>

struct outbound_proxy;

struct origin {
    bool tls;
    const char *host; /* lower case; an IPv6 literal without brackets */
    unsigned port;
    const char *authority; /* the Host field: "host", "[v6]", "host:port" if not the default port */
    const char *ca_file;   /* NULL: the system's */
    const char *cert_file; /* shown to the upstream, with the key to it; NULL: none is */
    const char *key_file;
    const char *pins; /* of its public key, one of which fits: "sha256//BASE64;sha256//..."; NULL:
                         any that the CA vouches for */
    bool http2;       /* spoken to it; over TLS ALPN has to agree, plain it is known before */
    const struct outbound_proxy *proxy; /* borrowed: the snapshot's; NULL: none */
    const char *key;                    /* all of the above in one string: the key of the pool */
};
