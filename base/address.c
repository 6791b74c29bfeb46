#include "base/address.h"

#include <arpa/inet.h>

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
