#include "gateway/client/tls.h"

#include "base/tls_identity.h"

#include <stdbool.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

static const char *last_reason(void)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(code);
    ERR_clear_error();
    return reason == NULL ? "not PEM" : reason;
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
    return SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_session_id_context(tls, session_context, sizeof(session_context) - 1) == 1;
}

/* What is wrong stays in the session, for identify to tell: see peer_certificate.h. */
static int take_any(int verified, X509_STORE_CTX *chain)
{
    (void)verified;
    (void)chain;
    return 1;
}

/* Chains are verified with what OpenSSL has for servers: the purpose is client authentication. */
static enum status ask_clients(SSL_CTX *tls, const struct client_tls_files *names,
                               struct error *err)
{
    STACK_OF(X509_NAME) *authorities = SSL_load_client_CA_file(names->client_ca);
    if (authorities == NULL || SSL_CTX_load_verify_locations(tls, names->client_ca, NULL) != 1) {
        sk_X509_NAME_pop_free(authorities, X509_NAME_free);
        FAIL(err, STATUS_INVALID,
             "%s: no usable certificate (%s); give the authorities of the clients' certificates as "
             "PEM",
             names->client_ca, last_reason());
    }
    SSL_CTX_set_client_CA_list(tls, authorities);
    SSL_CTX_set_verify(tls,
                       SSL_VERIFY_PEER | (names->require ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                       names->require ? NULL : take_any);
    return STATUS_OK;
}

enum status client_tls_new(const struct client_tls_files *files, struct ssl_ctx_st **ret,
                           struct error *err)
{
    ERR_clear_error();
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    if (tls == NULL || !set_protocol(tls)) {
        SSL_CTX_free(tls);
        FAIL(err, STATUS_UNAVAILABLE, "cannot set up TLS: %s", last_reason());
    }
    enum status status = tls_identity_load(tls, files->cert, files->key, err);
    if (status == STATUS_OK && files->client_ca != NULL) {
        status = ask_clients(tls, files, err);
    }
    if (status != STATUS_OK) {
        SSL_CTX_free(tls);
        return status;
    }
    *ret = tls;
    return STATUS_OK;
}
