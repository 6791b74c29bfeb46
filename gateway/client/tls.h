/*
 * tls: how clients are spoken to over TLS. The settings only; the bytes go through channel.h.
 */
#pragma once

#include "base/status.h"

struct ssl_ctx_st;

/* A server context: TLS 1.2 and up, session tickets, ALPN http/1.1 only, the certificate chain and
 * key of these PEM files. The error names the file. Free with SSL_CTX_free(). */
MUST_USE enum status client_tls_new(const char *cert_file, const char *key_file,
                                    struct ssl_ctx_st **ret, struct error *err);
