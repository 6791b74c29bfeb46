/*
 * tls_identity: what one end of a TLS connection shows of itself: a certificate with its chain, and
 * the private key to it, from PEM files.
 */
#pragma once

#include "base/status.h"

struct ssl_ctx_st;

/* Puts them into the context. STATUS_UNAVAILABLE: a file cannot be read. STATUS_INVALID: it is of
 * no use, or the two do not belong together. A key with a passphrase is refused. */
MUST_USE enum status tls_identity_load(struct ssl_ctx_st *ctx, const char *cert_file,
                                       const char *key_file, struct error *err);

/* The same for nobody: are they of use? */
MUST_USE enum status tls_identity_check(const char *cert_file, const char *key_file,
                                        struct error *err);

/* A client's, in a context of its own, from which others are given it. The caller frees that with
 * SSL_CTX_free(). */
MUST_USE enum status tls_identity_new(const char *cert_file, const char *key_file,
                                      struct ssl_ctx_st **ret, struct error *err);
/* STATUS_UNAVAILABLE: OpenSSL does not take it. */
MUST_USE enum status tls_identity_copy(struct ssl_ctx_st *from, struct ssl_ctx_st *to);
