/*
 * origin: where an upstream is reached, and with which TLS settings. Connections are only shared
 * between requests whose origins are equal in every one of these.
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>

struct origin {
    bool tls;
    const char *host; /* lower case; an IPv6 literal without brackets */
    unsigned port;
    const char *authority; /* the Host field: "host", "[v6]", "host:port" if not the default port */
    const char *ca_file;   /* NULL: the system's */
    const char *key;       /* all of the above in one string: the key of the pool */
};
