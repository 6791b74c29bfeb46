/*
 * outbound_proxy: the proxy that an upstream is reached by: a tunnel (CONNECT) through it, for
 * https and http alike, so that what goes by it is the gateway's own and nobody in between
 * rewrites it. Immutable, part of a snapshot.
 */
#pragma once

struct secret_slot;

struct outbound_proxy {
    const char *host; /* lower case; an IPv6 literal without brackets */
    unsigned port;
    const char *authority;       /* "host:port" or "[v6]:port" */
    const char *user;            /* of the URL; NULL: of the secret, or none is sent */
    const char *password;        /* likewise */
    const char *secret_name;     /* "user:password"; NULL: of the URL, or none */
    struct secret_slot *slot;    /* ref, set by config/link.c; NULL: of no name, or of no store */
    struct outbound_proxy *next; /* of the snapshot's */
};
