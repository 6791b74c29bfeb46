/*
 * hosts: the upstreams of a route that has several: each request names one of them in the first
 * segment of its path behind the route's: "/web-push/fcm.googleapis.com/fcm/send/...". Pure.
 *
 * An entry is a host's name of two labels at least, in lower case, with its port if that is not
 * 443; in front there may be "*.", which stands for one label. A segment is compared byte for byte
 * and whole, so that what is written in any other way (upper case, a dot at the end, the default
 * port, percent-encoding, user info, an address) names none.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

struct route;

enum { HOSTS_MAX = 32 }; /* of a route */

/* Is it an entry? The message says what is wrong, and is for whoever writes the config. */
MUST_USE enum status hosts_check(struct slice entry, struct error *err);
/* The port of a valid entry; *ret_host is without it. */
unsigned hosts_port(struct slice entry, struct slice *ret_host);

/* The first segment of "/HOST/..."; may be empty. */
struct slice hosts_segment(struct slice rest);
/* Which of route->hosts the segment names: an entry of that name, else one with '*' that covers it.
 * NULL: none. */
const struct route *hosts_find(const struct route *route, struct slice segment);
/* Of an entry with '*': it as the route to `segment`, which it covers. One piece of memory, to be
 * freed with memory_free(); the rest is borrowed from the entry. */
struct route *hosts_make(const struct route *entry, struct slice segment);
