#include "gateway/client/peer_certificate.h"

#include "gateway/client/connection_internal.h"
#include "gateway/observe/audit_log.h"

#include <stdio.h>
#include <time.h>

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

enum { NAMES_MAX = 16 };

static X509 *certificate_of(const struct connection *connection)
{
    const SSL *ssl = connection->channel.ssl;
    return ssl == NULL ? NULL : SSL_get0_peer_certificate(ssl);
}

enum peer_certificate peer_certificate_state(const struct connection *connection, usec_t wall,
                                             const char **ret_why)
{
    const X509 *certificate = certificate_of(connection);
    time_t now = (time_t)(wall / SEC);
    if (certificate == NULL) {
        return PEER_CERTIFICATE_NONE;
    }
    long verified = SSL_get_verify_result(connection->channel.ssl);
    if (verified == X509_V_OK && X509_cmp_time(X509_get0_notAfter(certificate), &now) <= 0) {
        verified = X509_V_ERR_CERT_HAS_EXPIRED;
    }
    if (verified == X509_V_OK) {
        return PEER_CERTIFICATE_GOOD;
    }
    *ret_why = X509_verify_cert_error_string(verified);
    return PEER_CERTIFICATE_BAD;
}

void peer_certificate_names(const struct connection *connection,
                            void (*name)(void *ctx, bool is_uri, struct slice text), void *ctx)
{
    const X509 *certificate = certificate_of(connection);
    GENERAL_NAMES *names = certificate == NULL
                               ? NULL
                               : X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    int count = names == NULL ? 0 : sk_GENERAL_NAME_num(names);
    for (int i = 0; i < count && i < NAMES_MAX; i++) {
        const GENERAL_NAME *one = sk_GENERAL_NAME_value(names, i);
        if (one->type != GEN_URI && one->type != GEN_DNS) {
            continue;
        }
        const ASN1_STRING *text =
            one->type == GEN_URI ? one->d.uniformResourceIdentifier : one->d.dNSName;
        name(ctx, one->type == GEN_URI,
             slice_make((const char *)ASN1_STRING_get0_data(text),
                        (size_t)ASN1_STRING_length(text)));
    }
    GENERAL_NAMES_free(names);
}

void peer_certificate_note_refused(const struct connection *connection)
{
    const SSL *ssl = connection->channel.ssl;
    long verified = ssl == NULL ? X509_V_OK : SSL_get_verify_result(ssl);
    bool required =
        ssl != NULL && (SSL_get_verify_mode(ssl) & SSL_VERIFY_FAIL_IF_NO_PEER_CERT) != 0;
    char text[256];
    if (!required || verified == X509_V_OK) {
        return;
    }
    (void)snprintf(text, sizeof(text), "the client certificate is not taken: %s",
                   X509_verify_cert_error_string(verified));
    audit_refusal(
        &(struct audit_event){.kind = AUDIT_KEY_REFUSED, .peer = connection_peer(connection)},
        text);
}
