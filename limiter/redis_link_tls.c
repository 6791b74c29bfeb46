#include "limiter/redis_link_tls.h"

#include "base/address.h"
#include "limiter/redis_link.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

static const char *last_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return reason == NULL ? "not PEM" : reason;
}

static enum status load_authorities(SSL_CTX *tls, const char *ca, struct error *err)
{
    if (ca == NULL) {
        if (SSL_CTX_set_default_verify_paths(tls) != 1) {
            FAIL(err, STATUS_UNAVAILABLE,
                 "the system's certificate authorities cannot be read: %s; name the server's CA "
                 "in store.tls.ca",
                 last_reason());
        }
        return STATUS_OK;
    }
    if (access(ca, R_OK) != 0) {
        FAIL(err, STATUS_UNAVAILABLE, "%s: cannot be read: %s", ca, strerrordesc_np(errno));
    }
    if (SSL_CTX_load_verify_file(tls, ca) != 1) {
        FAIL(err, STATUS_INVALID,
             "%s: no usable certificate (%s); give a PEM file with the CA of the Redis server", ca,
             last_reason());
    }
    return STATUS_OK;
}

enum status redis_tls_new(const struct redis_address *address, struct ssl_ctx_st **ret,
                          struct error *err)
{
    if (!address->tls) {
        *ret = NULL;
        return STATUS_OK;
    }
    ERR_clear_error();
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (tls == NULL || SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION) != 1) {
        SSL_CTX_free(tls);
        FAIL(err, STATUS_UNAVAILABLE, "cannot set up TLS: %s", last_reason());
    }
    (void)SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    (void)SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    /* Shared by threads, and reconnects are rare: nothing to resume. */
    (void)SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    enum status status = load_authorities(tls, address->ca, err);
    if (status != STATUS_OK) {
        SSL_CTX_free(tls);
        return status;
    }
    *ret = tls;
    return STATUS_OK;
}

void redis_tls_free(struct ssl_ctx_st *tls)
{
    SSL_CTX_free(tls);
}

/* A name goes into SNI (RFC 6066, section 3: no address, no dot at its end), too. */
static bool set_host(SSL *ssl, const char *host)
{
    struct in6_addr bytes;
    struct slice name = slice_from(host);
    if (address_parse(AF_INET, name, &bytes) || address_parse(AF_INET6, name, &bytes)) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    }
    char text[256]; /* a name has at most 253 bytes (RFC 1035) */
    if (name.len > 0 && name.ptr[name.len - 1] == '.') {
        name.len--;
    }
    if (name.len == 0 || name.len >= sizeof(text)) {
        return false;
    }
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set_tlsext_host_name(ssl, text) == 1 && SSL_set1_host(ssl, text) == 1;
}

struct ssl_st *redis_tls_session(struct ssl_ctx_st *tls, const struct redis_address *address)
{
    ERR_clear_error();
    SSL *ssl = SSL_new(tls);
    /* What is not checked must not be connected to. */
    if (ssl == NULL || address->host == NULL || !set_host(ssl, address->host)) {
        SSL_free(ssl);
        ERR_clear_error();
        return NULL;
    }
    SSL_set_connect_state(ssl);
    return ssl;
}

static void explain_certificate(long result, const struct redis_address *address, char *out,
                                size_t size)
{
    switch (result) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        (void)snprintf(out, size,
                       "its certificate is not for \"%s\"; write a name or address that is in it "
                       "into store.url, or give the server another",
                       address->host);
        return;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        (void)snprintf(out, size, "its %s; renew it, or set the clock",
                       result == X509_V_ERR_CERT_HAS_EXPIRED ? "certificate, or its CA's, expired"
                                                             : "certificate is not valid yet");
        return;
    default:
        (void)snprintf(out, size, "its certificate is not trusted (%s); name its CA in %s",
                       X509_verify_cert_error_string(result),
                       address->ca == NULL ? "store.tls.ca" : address->ca);
        return;
    }
}

void redis_tls_explain(const struct ssl_st *ssl, unsigned long error, const char *broke,
                       const struct redis_address *address, char *out, size_t size)
{
    long result = SSL_get_verify_result(ssl);
    const char *reason = error == 0 ? NULL : ERR_reason_error_string(error);
    if (result != X509_V_OK) {
        explain_certificate(result, address, out, size);
    } else if (SSL_is_init_finished(ssl) != 0) {
        (void)snprintf(out, size, "the TLS connection broke: %s", reason == NULL ? broke : reason);
    } else {
        (void)snprintf(out, size,
                       "it does not speak TLS as we do (%s); is that its tls-port? For a plain one "
                       "write redis://",
                       reason == NULL ? broke : reason);
    }
}
