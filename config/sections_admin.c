/* sections_admin: the keys of `admin`; see sections.h. */
#include "config/sections.h"

/* clang-format off */
static const struct field admin_tls_fields[] = {
    FIELD_FILE(struct admin_tls_section, cert, .required = true, .example = "/etc/sallyport/admin.crt",
        .help = "The certificate and its chain, PEM."),
    FIELD_FILE(struct admin_tls_section, key, .required = true, .example = "/etc/sallyport/admin.key",
        .help = "Its private key, PEM, without a passphrase."),
    FIELD_FILE(struct admin_tls_section, ca, .fallback_text = "the system's",
        .example = "/etc/sallyport/ca.pem",
        .help = "Authorities, PEM, that this program's commands trust when they ask the running gateway."),
    FIELD_END,
};

static const struct field admin_secret_fields[] = {
    FIELD_TEXT(struct admin_secret_section, secret, .required = true, .example = "admin-token",
        LIKE_A_SECRET,
        .help = "The name of a secret: 32 characters or more, without blanks."),
    FIELD_END,
};

const struct field admin_fields[] = {
    FIELD_TEXT(struct admin_section, listen, .fallback_text = DEFAULT_ADMIN_LISTEN,
        .example = DEFAULT_ADMIN_LISTEN,
        .help = "Where the dashboard, `/livez`, `/readyz`, `/metrics` and the admin API are served: an "
                "address and port, `unix:/path`, or `off`. Elsewhere than on loopback it needs `tls`, and "
                "everything that is read needs a token."),
    FIELD_SECTION(struct admin_section, tls, admin_tls_fields,
        .help = "Serve over TLS (1.2 and up); required where `listen` is not a loopback address."),
    FIELD_TEXTS(struct admin_section, hosts, .example = "[gw.internal]",
        .help = "Names that it answers to, next to localhost and IP addresses. With `tls` the commands of "
                "this program expect the first one in the certificate."),
    FIELD_PATH(struct admin_section, token_file, .fallback_text = DEFAULT_TOKEN_FILE,
        .example = "/var/lib/sallyport/admin.token",
        .help = "The file of the token that may do all; it is made at the first start."),
    FIELD_SECTION(struct admin_section, token, admin_secret_fields,
        .example = "{secret: admin-token}",
        .help = "The token that may do all, from the `secrets` sources; instead of `token_file`."),
    FIELD_SECTION(struct admin_section, read_token, admin_secret_fields,
        .example = "{secret: admin-read-token}",
        .help = "A token that reads, and changes nothing."),
    FIELD_END,
};
/* clang-format on */
