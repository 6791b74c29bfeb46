/*
 * address: numeric network addresses, as a text has them.
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>

/* `family` is AF_INET or AF_INET6, `ret` a struct in_addr or in6_addr (or 4 or 16 bytes). False,
 * and nothing set, if the text is no such address: brackets, ports and zones are none of it. */
bool address_parse(int family, struct slice text, void *ret);
