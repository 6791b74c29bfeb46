#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

bool address_parse(int family, struct slice text, void *ret)
{
    char name[INET6_ADDRSTRLEN];
    if (text.len == 0 || text.len >= sizeof(name) || slice_find(text, '\0') < text.len) {
        return false;
    }
    memcpy(name, text.ptr, text.len);
    name[text.len] = '\0';
    return inet_pton(family, name, ret) == 1;
}

void address_map_ipv4(const void *ipv4, uint8_t ret[ADDRESS_BYTES])
{
    memset(ret, 0, 10);
    memset(ret + 10, 0xff, 2);
    memcpy(ret + 12, ipv4, 4);
}

bool address_parse_any(struct slice text, uint8_t ret[ADDRESS_BYTES])
{
    uint8_t ipv4[4];
    if (address_parse(AF_INET, text, ipv4)) {
        address_map_ipv4(ipv4, ret);
        return true;
    }
    return address_parse(AF_INET6, text, ret);
}

bool address_of(const struct sockaddr *from, uint8_t ret[ADDRESS_BYTES])
{
    if (from->sa_family == AF_INET) {
        struct sockaddr_in ipv4;
        memcpy(&ipv4, from, sizeof(ipv4));
        address_map_ipv4(&ipv4.sin_addr, ret);
        return true;
    }
    if (from->sa_family == AF_INET6) {
        struct sockaddr_in6 ipv6;
        memcpy(&ipv6, from, sizeof(ipv6));
        memcpy(ret, &ipv6.sin6_addr, ADDRESS_BYTES);
        return true;
    }
    return false;
}

void address_print(const uint8_t address[ADDRESS_BYTES], char out[ADDRESS_TEXT_BYTES])
{
    struct in6_addr ipv6;
    memcpy(&ipv6, address, sizeof(ipv6));
    bool mapped = IN6_IS_ADDR_V4MAPPED(&ipv6);
    const void *from = mapped ? address + 12 : address;
    (void)inet_ntop(mapped ? AF_INET : AF_INET6, from, out, ADDRESS_TEXT_BYTES);
}
