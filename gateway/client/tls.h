/*
 * tls: how clients are spoken to over TLS. The settings only; the bytes go through channel.h.
 */
#pragma once

#include "base/status.h"

#include <stdbool.h>

struct ssl_ctx_st;

/* The server's PEM files; and whose certificates clients are asked for. */
struct client_tls_files {
    const char *cert, *key;
    const char *client_ca; /* NULL: they are not asked */
    bool require;          /* else one without, or with another, has its connection, too: see
                              peer_certificate.h */
};

/* A server context: TLS 1.2 and up, session tickets, ALPN http/1.1 only, the certificate chain and
 * key of these files. The error names the file. Free with SSL_CTX_free(). */
MUST_USE enum status client_tls_new(const struct client_tls_files *files, struct ssl_ctx_st **ret,
                                    struct error *err);
