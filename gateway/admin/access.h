/*
 * access: who may ask the admin listener for what. Knows no socket. Main thread.
 *
 * A name or an origin that is not ours is refused, so that no web page can reach the listener. Who
 * is on this machine may read; everybody else needs a token for that, and a change needs the token
 * that may do all from anybody. An address that brings wrong tokens is made to wait, so that they
 * cannot be guessed.
 */
#pragma once

#include "base/clock.h"
#include "gateway/admin/admin_server.h"

#include <stdbool.h>

struct sockaddr;

/* The names that the listener answers to, next to localhost and IP literals. */
struct admin_hosts {
    const char *const *names;
    unsigned count;
};

/* `host` and `origin` are the fields' values, NULL: none. */
bool access_host_is_ours(const char *host, const struct admin_hosts *hosts);
bool access_origin_is_ours(const char *origin, const char *host);

enum { ACCESS_PEER_SIZE = 64 };

/* Writes the address ("unix" without one) as text; a mapped IPv4 address as the IPv4 one. */
const char *access_peer(const struct sockaddr *peer, char out[ACCESS_PEER_SIZE]);
/* Of 127.0.0.0/8, ::1, or a unix socket. */
bool access_peer_is_local(const struct sockaddr *peer);

/* ---- wrong tokens ---- */

enum {
    ACCESS_FAILURES_MAX = 10, /* of an address (IPv6: of a /64) at once; then one each */
    ACCESS_FAILURE_SECONDS = 6,
    ACCESS_ADDRESSES_MAX = 256, /* that are remembered; the one that is quiet longest gives way */
};

struct access_failure {
    unsigned char network[16]; /* all 0: a unix socket */
    usec_t until;              /* what it owes is paid then; 0: a free place */
};

/* Zero-initialized: nobody has failed. */
struct access_failures {
    struct access_failure list[ACCESS_ADDRESSES_MAX];
};

/* 0: it may try a token now; else in so many seconds. `peer` as access_peer() writes it. */
unsigned access_wait_seconds(const struct access_failures *failures, const char *peer, usec_t now);
void access_failed(struct access_failures *failures, const char *peer, usec_t now);

/* ---- what a request may ---- */

enum access_verdict {
    ACCESS_GRANTED,
    ACCESS_TOKEN_MISSING, /* 401 */
    ACCESS_TOKEN_WRONG,   /* 401; counted */
    ACCESS_TOKEN_READS,   /* 403: right, but not for this */
    ACCESS_TOO_OFTEN,     /* 429 */
};

struct access_request {
    const char *authorization; /* the field's value; NULL: none */
    const char *peer;
    bool local; /* on this machine, and nobody's proxy */
    usec_t now;
};

/* Whether the request may do what needs `needed`. *ret_wait is of ACCESS_TOO_OFTEN, in seconds. */
enum access_verdict access_decide(const struct access_request *request, enum admin_right needed,
                                  struct access_failures *failures, const struct admin_ops *ops,
                                  void *ctx, unsigned *ret_wait);
