/*
 * redis_link_resolve: the addresses of a Redis server's name, without ever blocking. Of redis_link
 * alone.
 *
 * Numeric addresses and the hosts file first, then the name servers of /etc/resolv.conf, asked with
 * evdns for both families at once. A file for each lookup, nothing is kept: a changed name server
 * or address counts from the next connection on.
 */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

struct event_base;

enum { REDIS_ADDRESSES_MAX = 8 };

struct redis_addresses {
    struct sockaddr_storage list[REDIS_ADDRESSES_MAX]; /* in the order to try them */
    unsigned count;
};

socklen_t redis_address_len(const struct sockaddr_storage *address);

/* Those that need no name server. `hosts_file` is "/etc/hosts", but in tests. */
bool redis_addresses_known(const char *host, unsigned port, const char *hosts_file,
                           struct redis_addresses *ret);

struct redis_lookup;

struct redis_lookup_settings {
    struct event_base *base;
    const char *host; /* needed at the start only */
    unsigned port;
    const char *name_server; /* as in "127.0.0.1:5353"; NULL: those of /etc/resolv.conf */
    void (*told)(void *ctx); /* something is known now; from the loop, up to twice. May not free. */
    void *ctx;
};

struct redis_lookup *redis_lookup_new(const struct redis_lookup_settings *settings);
/* Takes NULL; `told` is not called any more. The loop need not turn again for it. */
void redis_lookup_free(struct redis_lookup *lookup);

/* All is answered, or cannot be. */
bool redis_lookup_done(const struct redis_lookup *lookup);
/* What is known so far; IPv4 first. */
void redis_lookup_found(const struct redis_lookup *lookup, struct redis_addresses *ret);
/* Where it is done and nothing was found: in words. */
const char *redis_lookup_failure(const struct redis_lookup *lookup);
