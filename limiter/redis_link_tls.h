/*
 * redis_link_tls: what redis_link needs of OpenSSL: sessions that verify the server, and words for
 * what went wrong. redis_tls_new() is in redis_link.h.
 */
#pragma once

#include <stddef.h>

struct redis_address;
struct ssl_ctx_st;
struct ssl_st;

/* A client's session for that host; SSL_free() it. NULL: OpenSSL is out of memory. */
struct ssl_st *redis_tls_session(struct ssl_ctx_st *tls, const struct redis_address *address);

/* Why the handshake or the connection broke, and what to do. `error` is of OpenSSL's queue, 0:
 * none; then `broke` is what the socket said. */
void redis_tls_explain(const struct ssl_st *ssl, unsigned long error, const char *broke,
                       const struct redis_address *address, char *out, size_t size);
