/*
 * Hosts: the syntax of what Host and the authority of a target say (RFC 3986, 3.2).
 *
 * Narrower than the grammar where it would leave room for two readings: no user name, no empty
 * host, no empty port, no zone or future address.
 */
#include "base/http1_internal.h"

#include <arpa/inet.h>

enum { MOST_PORT_DIGITS = 5, HIGHEST_PORT = 65535 };

static bool valid_port(struct slice text)
{
    unsigned port = 0;
    if (text.len == 0 || text.len > MOST_PORT_DIGITS) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (!http1_is_digit(text.ptr[i])) {
            return false;
        }
        port = port * 10 + (unsigned)(text.ptr[i] - '0');
    }
    return port > 0 && port <= HIGHEST_PORT;
}

static bool percent_encoded(struct slice text)
{
    return text.len >= 3 && text.ptr[0] == '%' && http1_is(text.ptr[1], HTTP1_HEX_BYTE) &&
           http1_is(text.ptr[2], HTTP1_HEX_BYTE);
}

static bool valid_name(struct slice text)
{
    size_t i = 0;
    while (i < text.len) {
        if (http1_is(text.ptr[i], HTTP1_HOST_BYTE)) {
            i++;
        } else if (percent_encoded(slice_skip(text, i))) {
            i += 3;
        } else {
            return text.ptr[i] == ':' && i > 0 && valid_port(slice_skip(text, i + 1));
        }
    }
    return text.len > 0;
}

static bool valid_literal(struct slice text)
{
    size_t len = slice_find(text, ']');
    char address[INET6_ADDRSTRLEN];
    struct in6_addr parsed;
    if (len == text.len || len - 1 >= sizeof(address)) {
        return false;
    }
    memcpy(address, text.ptr + 1, len - 1);
    address[len - 1] = '\0';
    if (memchr(address, '\0', len - 1) != NULL || inet_pton(AF_INET6, address, &parsed) != 1) {
        return false;
    }
    struct slice rest = slice_skip(text, len + 1);
    return rest.len == 0 || (rest.ptr[0] == ':' && valid_port(slice_skip(rest, 1)));
}

bool http1_valid_host(struct slice text)
{
    return text.len > 0 && text.ptr[0] == '[' ? valid_literal(text) : valid_name(text);
}
