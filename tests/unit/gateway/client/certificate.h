/* A self-signed certificate and its key, in files that live as long as the test. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

struct certificate {
    char folder[64];
    char cert[96];
    char key[96];
};

static inline X509 *certificate_sign(EVP_PKEY *key)
{
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);
    (void)X509_set_version(cert, 2);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    (void)X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    (void)X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    (void)X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost",
                                     -1, -1, 0);
    (void)X509_set_issuer_name(cert, name);
    (void)X509_set_pubkey(cert, key);
    cr_assert_gt(X509_sign(cert, key, EVP_sha256()), 0);
    return cert;
}

/* With a passphrase, if that is not NULL. */
static inline void certificate_make(struct certificate *made, char *passphrase)
{
    (void)snprintf(made->folder, sizeof(made->folder), "/tmp/sallyport-test-XXXXXX");
    cr_assert_not_null(mkdtemp(made->folder));
    (void)snprintf(made->cert, sizeof(made->cert), "%s/cert.pem", made->folder);
    (void)snprintf(made->key, sizeof(made->key), "%s/key.pem", made->folder);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = certificate_sign(key);
    FILE *file = fopen(made->cert, "w");
    cr_assert_eq(PEM_write_X509(file, cert), 1);
    (void)fclose(file);
    file = fopen(made->key, "w");
    const EVP_CIPHER *cipher = passphrase == NULL ? NULL : EVP_aes_256_cbc();
    cr_assert_eq(PEM_write_PrivateKey(file, key, cipher, NULL, 0, NULL, passphrase), 1);
    (void)fclose(file);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static inline void certificate_remove(struct certificate *made)
{
    (void)unlink(made->cert);
    (void)unlink(made->key);
    (void)rmdir(made->folder);
}
