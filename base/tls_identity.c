#include "base/tls_identity.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

static const char *last_reason(void)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(code);
    ERR_clear_error();
    return reason == NULL ? "not PEM" : reason;
}

/* A key with a passphrase is refused: nobody is there to type it. */
/* NOLINTNEXTLINE(readability-non-const-parameter): OpenSSL gives the type */
static int no_passphrase(char *to, int size, int for_writing, void *ctx)
{
    (void)to;
    (void)size;
    (void)for_writing;
    (void)ctx;
    return -1;
}

enum status tls_identity_load(SSL_CTX *ctx, const char *cert_file, const char *key_file,
                              struct error *err)
{
    const char *files[] = {cert_file, key_file};
    for (size_t i = 0; i < 2; i++) {
        if (access(files[i], R_OK) != 0) {
            FAIL(err, STATUS_UNAVAILABLE, "%s: cannot be read: %s", files[i],
                 strerrordesc_np(errno));
        }
    }
    ERR_clear_error();
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1) {
        FAIL(err, STATUS_INVALID,
             "%s: no usable certificate (%s); give a PEM file with the certificate itself first, "
             "then the chain",
             cert_file, last_reason());
    }
    if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1) {
        FAIL(err, STATUS_INVALID,
             "%s: no usable key for %s (%s); give the certificate's private key as PEM, without a "
             "passphrase",
             key_file, cert_file, last_reason());
    }
    return STATUS_OK;
}

enum status tls_identity_new(const char *cert_file, const char *key_file, SSL_CTX **ret,
                             struct error *err)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (ctx == NULL) {
        FAIL(err, STATUS_UNAVAILABLE, "cannot set up TLS: %s", last_reason());
    }
    enum status status = tls_identity_load(ctx, cert_file, key_file, err);
    if (status != STATUS_OK) {
        SSL_CTX_free(ctx);
        return status;
    }
    *ret = ctx;
    return STATUS_OK;
}

enum status tls_identity_check(const char *cert_file, const char *key_file, struct error *err)
{
    SSL_CTX *ctx;
    TRY(tls_identity_new(cert_file, key_file, &ctx, err));
    SSL_CTX_free(ctx);
    return STATUS_OK;
}

enum status tls_identity_copy(SSL_CTX *from, SSL_CTX *to)
{
    STACK_OF(X509) *chain = NULL;
    (void)SSL_CTX_get0_chain_certs(from, &chain);
    int taken = SSL_CTX_use_cert_and_key(to, SSL_CTX_get0_certificate(from),
                                         SSL_CTX_get0_privatekey(from), chain, 1);
    ERR_clear_error();
    return taken == 1 ? STATUS_OK : STATUS_UNAVAILABLE;
}
