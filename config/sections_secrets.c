/* Sources of secrets. */
#include "config/sections.h"

/* clang-format off */
static const struct field own_secret_fields[] = {
    FIELD_TEXT(struct own_secret_section, secret, .required = true, LIKE_A_SECRET, .example = "vault-token",
        .help = "The name of the source's own secret. It comes from the sources above this one."),
    FIELD_END,
};

static const struct field approle_fields[] = {
    FIELD_TEXT(struct approle_section, role_id, .required = true, .max = INT64_MAX,
        .example = "59d6d1ca-47bb-4e7e-a40b-8be3bc5a0ba8", .help = "The role's id, which is no secret."),
    FIELD_SECTION(struct approle_section, secret_id, own_secret_fields, .required = true,
        .example = "{secret: vault-secret-id}", .help = "Its secret id."),
    FIELD_TEXT(struct approle_section, mount, .fallback_text = "approle", .example = "approle",
        .help = "Where the auth method is mounted, below `auth/`."),
    FIELD_END,
};

static const struct field kubernetes_fields[] = {
    FIELD_TEXT(struct kubernetes_section, role, .required = true, .max = INT64_MAX, .example = "sallyport",
        .help = "The role to log in as."),
    FIELD_PATH(struct kubernetes_section, token_file,
        .fallback_text = "/var/run/secrets/kubernetes.io/serviceaccount/token",
        .example = "/var/run/secrets/vault/token",
        .help = "The service account's token; read at each login."),
    FIELD_TEXT(struct kubernetes_section, mount, .fallback_text = "kubernetes", .example = "kubernetes",
        .help = "Where the auth method is mounted, below `auth/`."),
    FIELD_END,
};

static const struct field auth_fields[] = {
    FIELD_SECTION(struct store_auth_section, token, own_secret_fields, .example = "{secret: vault-token}",
        .help = "A token. It is renewed at two thirds of its life, where it can be."),
    FIELD_SECTION(struct store_auth_section, approle, approle_fields,
        .example = "{role_id: ID, secret_id: {secret: vault-secret-id}}", .help = "AppRole."),
    FIELD_SECTION(struct store_auth_section, kubernetes, kubernetes_fields, .example = "{role: sallyport}",
        .help = "A Kubernetes service account."),
    FIELD_END,
};

const struct field secret_source_fields[] = {
    FIELD_ENUM(struct secret_source_section, type, .names = secret_source_types, .required = true,
        .example = "env",
        .help = "`sealed`: an encrypted file, see `sallyport secrets`. `env`: environment variables. "
                "`directory`: a file a secret. `systemd`: what `LoadCredential=` of the unit has. `vault`: HashiCorp Vault or OpenBao; "
                "`aws-secrets-manager`, `aws-ssm` (Parameter Store), `gcp-secret-manager`, `azure-key-vault`: those of "
                "the clouds; these are asked over the network."),
    FIELD_TEXT(struct secret_source_section, path, .example = "secrets.sealed",
        .help = "`sealed`: the file. `directory`: the folder. Required for both. `vault`: what stands before a "
                "secret's name, by default nothing: `openai-key` is read at `PATH/openai-key`."),
    FIELD_PATH(struct secret_source_section, key_file, .example = "master.key",
        .help = "`sealed`: the file that has the key to it. Required, or `passphrase_file`."),
    FIELD_PATH(struct secret_source_section, passphrase_file, .example = "/run/secrets/passphrase",
        .help = "`sealed`: the file that has the passphrase that it is sealed with (12 bytes or more, mode 0600), in place "
                "of `key_file`."),
    FIELD_STRING(struct secret_source_section, prefix, .example = "SALLYPORT_SECRET_",
        .help = "`env`: what the variables' names begin with, by default `SALLYPORT_SECRET_`: "
                "`openai-key` is then `SALLYPORT_SECRET_OPENAI_KEY`. Of clouds' stores what stands before a secret's name "
                "there, by default nothing: `prod/` has it read as `prod/openai-key`."),
    FIELD_TEXT(struct secret_source_section, url, .example = "https://vault.internal:8200",
        .help = "Where the store is: https, or http on this machine. Required for `vault` and `azure-key-vault` "
                "(`https://NAME.vault.azure.net`); else the cloud's. `egress` does not count for it."),
    FIELD_TEXT(struct secret_source_section, proxy, .fallback_text = "none",
        .example = "http://${env:PROXY_USER}:${env:PROXY_PASSWORD}@proxy.internal:3128",
        .help = "Of stores over the network: the proxy to the store and to `token_url`, a tunnel (CONNECT), with its login in "
                "its URL. `egress.proxy` does not count for it."),
    FIELD_SECTION(struct secret_source_section, credential, own_secret_fields, .example = "{secret: aws-key}",
        .help = "Of clouds' stores: the source's own secret. Required. AWS: `ID:SECRET`, or with `:TOKEN`. Google: a "
                "service account's JSON. Azure: `CLIENT_ID:SECRET`, or `CLIENT_ID:` and a certificate with its key, PEM."),
    FIELD_TEXT(struct secret_source_section, region, .example = "eu-central-1", .help = "AWS: the region. Required."),
    FIELD_TEXT(struct secret_source_section, project, .max = INT64_MAX, .example = "my-project",
        .help = "Google: the project. Required."),
    FIELD_TEXT(struct secret_source_section, directory, .max = INT64_MAX, .example = "contoso.onmicrosoft.com",
        .help = "Azure: the tenant of Microsoft Entra ID, by id or domain. Required."),
    FIELD_TEXT(struct secret_source_section, token_url, .fallback_text = "Google's or Microsoft's",
        .example = "https://login.microsoftonline.us/DIRECTORY/oauth2/v2.0/token",
        .help = "Google, Azure: where the token for the credential is had."),
    FIELD_PATH(struct secret_source_section, ca, .example = "/etc/ssl/corp-ca.pem",
        .help = "Of stores over the network: the certificate authorities to trust, PEM, instead of the system's."),
    FIELD_TEXT(struct secret_source_section, mount, .fallback_text = "secret", .example = "secret",
        .help = "`vault`: where the key-value engine is mounted."),
    FIELD_UINT(struct secret_source_section, version, .min = 1, .max = 2, .fallback = 2,
        .help = "`vault`: the key-value engine's version."),
    FIELD_TEXT(struct secret_source_section, namespace, .example = "team-a",
        .help = "`vault`: the namespace."),
    FIELD_SECTION(struct secret_source_section, auth, auth_fields, .example = "{token: {secret: vault-token}}",
        .help = "`vault`: how the gateway logs in: one of these. Required."),
    FIELD_TEXT(struct secret_source_section, field, .example = "api_key",
        .help = "The field that has the secret's value: `vault`: by default `value`. Else: a member of the JSON that the "
                "value is; by default it is not taken apart."),
    FIELD_TEXT_MAP(struct secret_source_section, names, .example = "{openai-key: \"llm/openai#api_key\"}",
        .help = "Secrets that lie elsewhere in the store: `NAME: PATH` (`vault`: below `mount`), or `NAME: PATH#FIELD`."),
    FIELD_DURATION(struct secret_source_section, refresh, .min = SEC, .max = 86400 * SEC, .fallback = 60 * SEC,
        .help = "Of stores over the network: how often a secret is read, give or take a fifth."),
    FIELD_DURATION(struct secret_source_section, max_stale, .min = SEC, .max = 7 * 86400 * SEC, .fallback = 3600 * SEC,
        .help = "Of stores over the network: how long a value is used after it was last read, while the store cannot be asked."),
    FIELD_DURATION(struct secret_source_section, timeout, .min = 100 * MSEC, .max = 60 * SEC, .fallback = 5 * SEC,
        .help = "Of stores over the network: for one call to the store."),
    FIELD_END,
};
/* clang-format on */
