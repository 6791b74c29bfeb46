/* grant_azure: client credentials of Microsoft Entra ID, with a client secret or a certificate: a
 * JWT by PS256 whose head has the certificate's SHA-256 (x5t#S256). */
#include "auth/outbound/token_assertion.h"
#include "auth/outbound/token_form.h"
#include "base/buffer.h"
#include "base/digest.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

enum { ASSERTION_SECONDS = 300, HEADER_MAX = 1024 };

static enum status put_thumbprint(struct slice pem, struct buffer *header, struct error *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    bool done = certificate != NULL && X509_digest(certificate, EVP_sha256(), digest, &len) == 1;
    X509_free(certificate);
    BIO_free(bio);
    ERR_clear_error();
    if (!done) {
        FAIL(err, STATUS_INVALID,
             "the secret has a private key, but no certificate as PEM beside "
             "it");
    }
    TRY(buffer_append(header, SLICE("\"x5t#S256\":\"")));
    TRY(jwt_put_base64url(slice_make((const char *)digest, len), header));
    return buffer_append(header, SLICE("\""));
}

static enum status put_assertion(const struct token_input *input, struct slice id, struct slice pem,
                                 struct token_call *ret, struct error *err)
{
    struct buffer jwt CLEANUP(buffer_wipe);
    struct buffer header CLEANUP(buffer_fini);
    buffer_init(&jwt, TOKEN_CALL_MAX);
    buffer_init(&header, HEADER_MAX);
    TRY(put_thumbprint(pem, &header, err));
    const struct token_assertion assertion = {
        .algorithm = JWT_PS256,
        .pem = pem,
        .header = buffer_bytes(&header),
        .issuer = id,
        .subject = id,
        .audience = input->plan->values[TOKEN_URL],
        .seconds = ASSERTION_SECONDS,
        .numbered = true,
    };
    TRY(token_assertion_put(input, &assertion, &jwt, err));
    TRY(token_form_put(ret->body, "client_assertion_type",
                       SLICE("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")));
    return token_form_put(ret->body, "client_assertion", buffer_bytes(&jwt));
}

enum status grant_azure_call(const struct token_input *input, struct token_call *ret,
                             struct error *err)
{
    struct slice id, secret;
    if (!token_split(input->secret, &id, &secret)) {
        FAIL(err, STATUS_INVALID, "the secret is not of the form CLIENT_ID:SECRET");
    }
    TRY(token_form_begin(input, "client_credentials", ret));
    TRY(token_form_put(ret->body, "client_id", id));
    TRY(token_form_put(ret->body, "scope", input->plan->values[TOKEN_SCOPE]));
    if (slice_starts_with(token_trim(secret), SLICE("-----BEGIN "))) {
        return put_assertion(input, id, secret, ret, err);
    }
    return token_form_put(ret->body, "client_secret", secret);
}
