/*
 * certificates: a certificate authority and server certificates, made at test time.
 */
#pragma once

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

struct authority {
    EVP_PKEY *key;
    X509 *certificate;
    char file[64]; /* its certificate as PEM; removed by authority_fini() */
};

static inline X509 *certificate_new(EVP_PKEY *key, const char *name, const char *alternatives,
                                    const struct authority *issuer)
{
    X509 *certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), random());
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600L * 24);
    X509_set_pubkey(certificate, key);
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509 *signer = issuer == NULL ? certificate : issuer->certificate;
    X509_set_issuer_name(certificate, X509_get_subject_name(signer));
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, signer, certificate, NULL, NULL, 0);
    int extension = issuer == NULL ? NID_basic_constraints : NID_subject_alt_name;
    X509_EXTENSION *added =
        X509V3_EXT_conf_nid(NULL, &ctx, extension, issuer == NULL ? "CA:TRUE" : alternatives);
    assert(added != NULL);
    X509_add_ext(certificate, added, -1);
    X509_EXTENSION_free(added);
    X509_sign(certificate, issuer == NULL ? key : issuer->key, EVP_sha256());
    return certificate;
}

static inline void authority_init(struct authority *authority, const char *name)
{
    authority->key = EVP_EC_gen("P-256");
    authority->certificate = certificate_new(authority->key, name, NULL, NULL);
    (void)snprintf(authority->file, sizeof(authority->file), "/tmp/sallyport-ca-XXXXXX");
    FILE *file = fdopen(mkstemp(authority->file), "w");
    PEM_write_X509(file, authority->certificate);
    (void)fclose(file);
}

static inline void authority_fini(struct authority *authority)
{
    EVP_PKEY_free(authority->key);
    X509_free(authority->certificate);
    (void)unlink(authority->file);
}

/* A server's context, with a certificate for `alternatives`, as "DNS:localhost,IP:127.0.0.1". */
static inline SSL_CTX *authority_server(const struct authority *authority, const char *alternatives)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = certificate_new(key, "server", alternatives, authority);
    SSL_CTX_use_certificate(ctx, certificate);
    SSL_CTX_use_PrivateKey(ctx, key);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"test", 4);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return ctx;
}
