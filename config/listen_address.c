#include "config/listen_address.h"

#include "base/address.h"
#include "config/url.h"

#include <netinet/in.h>
#include <sys/un.h>

static bool port_valid(struct slice digits)
{
    uint64_t port;
    return digits.len <= 5 && slice_number(digits, UINT16_MAX, &port);
}

static bool literal_valid(int family, struct slice host)
{
    struct in6_addr address;
    return address_parse(family, host, &address);
}

static enum status check_unix(struct slice path, struct error *err)
{
    if (path.len == 0 || path.ptr[0] != '/') {
        FAIL(err, STATUS_INVALID, "the path of a unix socket begins with '/': unix:/run/gw.sock");
    }
    if (path.len >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
        FAIL(err, STATUS_INVALID, "the path of a unix socket has 107 bytes at most");
    }
    return STATUS_OK;
}

enum status listen_address_check(struct slice text, struct slice *ret_host, struct error *err)
{
    *ret_host = slice_make("", 0);
    if (slice_starts_with(text, SLICE("unix:"))) {
        return check_unix(slice_skip(text, 5), err);
    }
    bool bracketed = slice_starts_with(text, SLICE("["));
    size_t end = bracketed ? slice_find(text, ']') + 1 : slice_find(text, ':');
    struct slice port = slice_skip(text, end);
    if (end >= text.len || port.ptr[0] != ':' || !port_valid(slice_skip(port, 1))) {
        FAIL(err, STATUS_INVALID,
             "write an address and a port, such as 127.0.0.1:8080 or \"[::1]:8080\"");
    }
    struct slice host = bracketed ? slice_make(text.ptr + 1, end - 2) : slice_make(text.ptr, end);
    if (bracketed && !literal_valid(AF_INET6, host)) {
        FAIL(err, STATUS_INVALID, "no valid IPv6 address between '[' and ']'");
    }
    if (!bracketed) {
        TRY(url_host_check(host, err));
    }
    *ret_host = host;
    return STATUS_OK;
}

bool listen_address_is_loopback(struct slice host)
{
    bool ipv4 = literal_valid(AF_INET, host) && slice_starts_with(host, SLICE("127."));
    return ipv4 || slice_equal(host, SLICE("::1")) || slice_equal(host, SLICE("localhost"));
}
