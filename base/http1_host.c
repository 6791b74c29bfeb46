/*
 * Hosts: the syntax of what Host and the authority of a target say (RFC 3986, 3.2).
 *
 * Narrower than the grammar where it would leave room for two readings: no user name, no empty
 * host, no empty port, no zone or future address.
 */
#include "base/address.h"
#include "base/http1_internal.h"

#include <netinet/in.h>

enum { MOST_PORT_DIGITS = 5, HIGHEST_PORT = 65535 };

static bool valid_port(struct slice text)
{
    uint64_t port = 0;
    return text.len <= MOST_PORT_DIGITS && slice_number(text, HIGHEST_PORT, &port) && port > 0;
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
    struct in6_addr address;
    if (len == text.len || !address_parse(AF_INET6, slice_make(text.ptr + 1, len - 1), &address)) {
        return false;
    }
    struct slice rest = slice_skip(text, len + 1);
    return rest.len == 0 || (rest.ptr[0] == ':' && valid_port(slice_skip(rest, 1)));
}

bool http1_valid_host(struct slice text)
{
    return text.len > 0 && text.ptr[0] == '[' ? valid_literal(text) : valid_name(text);
}
