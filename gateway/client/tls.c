#include "gateway/client/tls.h"

#include <errno.h>
#include <stdbool.h>
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

/* Of what the client offers, http/1.1 or nothing (RFC 7301, section 3.2). */
static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *offered, unsigned offered_len, void *ctx)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen = NULL;
    (void)ssl;
    (void)ctx;
    int result =
        SSL_select_next_proto(&chosen, out_len, ours, sizeof(ours) - 1, offered, offered_len);
    if (result != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static bool set_protocol(SSL_CTX *tls)
{
    static const unsigned char session_context[] = "sallyport";
    (void)SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                       SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    (void)SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    /* One recv a record instead of two. */
    SSL_CTX_set_read_ahead(tls, 1);
    /* Tickets, not a cache: nothing to share between workers, and nothing that grows. */
    (void)SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(tls, select_alpn, NULL);
    SSL_CTX_set_default_passwd_cb(tls, no_passphrase);
    return SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_session_id_context(tls, session_context, sizeof(session_context) - 1) == 1;
}

static enum status load(SSL_CTX *tls, const char *cert_file, const char *key_file,
                        struct error *err)
{
    const char *files[] = {cert_file, key_file};
    for (size_t i = 0; i < 2; i++) {
        if (access(files[i], R_OK) != 0) {
            FAIL(err, STATUS_UNAVAILABLE, "%s: cannot be read: %s", files[i],
                 strerrordesc_np(errno));
        }
    }
    if (SSL_CTX_use_certificate_chain_file(tls, cert_file) != 1) {
        FAIL(err, STATUS_INVALID,
             "%s: no usable certificate (%s); give a PEM file with the server's certificate first, "
             "then the chain",
             cert_file, last_reason());
    }
    if (SSL_CTX_use_PrivateKey_file(tls, key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(tls) != 1) {
        FAIL(err, STATUS_INVALID,
             "%s: no usable key for %s (%s); give the certificate's private key as PEM, without a "
             "passphrase",
             key_file, cert_file, last_reason());
    }
    return STATUS_OK;
}

enum status client_tls_new(const char *cert_file, const char *key_file, struct ssl_ctx_st **ret,
                           struct error *err)
{
    ERR_clear_error();
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    if (tls == NULL || !set_protocol(tls)) {
        SSL_CTX_free(tls);
        FAIL(err, STATUS_UNAVAILABLE, "cannot set up TLS: %s", last_reason());
    }
    enum status status = load(tls, cert_file, key_file, err);
    if (status != STATUS_OK) {
        SSL_CTX_free(tls);
        return status;
    }
    *ret = tls;
    return STATUS_OK;
}
