#include "config/sections.h"

#define GRANTS                                                                                     \
    "client_credentials|refresh_token|jwt_bearer|token_exchange|google_service_account|"           \
    "azure_client|azure_sas|github_app|apns|vapid"

/* clang-format off */
const struct field route_token_fields[] = {
    FIELD_TEXT(struct token_section, grant, .fallback_text = "the profile's", .pattern = GRANTS,
        .example = "client_credentials",
        .help = "How the token is had: `client_credentials` (secret `ID:SECRET`), `refresh_token` "
                "(`ID:SECRET:REFRESH_TOKEN`, or JSON), `jwt_bearer` (a private key, PEM), `token_exchange` (the "
                "subject's token), `google_service_account` (Google's JSON file), `azure_client` (`CLIENT_ID:SECRET` "
                "or `CLIENT_ID:PEM`), `github_app` (`APP_ID:PEM`); `apns` (`TEAM_ID:KEY_ID:PEM`), `azure_sas` "
                "(`KEY_NAME:KEY` or a connection string) and `vapid` (a private key) are signed here."),
    FIELD_TEXT(struct token_section, url, .fallback_text = "the grant's or the profile's",
        .example = "https://login.example.com/oauth2/token",
        .help = "The endpoint: https, or a path at the route's own `base_url`. Its host may be anywhere, `egress` "
                "does not count for it; the secret goes nowhere else."),
    FIELD_TEXT(struct token_section, scope, .example = "\"read write\"",
        .help = "What the token is to allow; several with blanks between."),
    FIELD_TEXT(struct token_section, audience, .example = "https://api.example.com",
        .help = "Whom the token is for, a path at the route's `base_url` too; of `jwt_bearer` whom the JWT is for, by default `url`; of `vapid` the "
                "push service's origin and of `azure_sas` the resource, by default the route's origin."),
    FIELD_TEXT(struct token_section, resource, .example = "https://api.example.com/",
        .help = "The resource, as RFC 8707 has it."),
    FIELD_TEXT(struct token_section, client, .pattern = "basic|body|jwt", .fallback_text = "basic", .example = "body",
        .help = "How the client shows who it is: `basic`, in the header Authorization; `body`, in the form; `jwt`, "
                "of `client_credentials`: by a JWT that the private key of a secret `ID:PEM` signs."),
    FIELD_TEXT(struct token_section, issuer, .example = "my-client-id",
        .help = "`jwt_bearer`: the claim `iss`."),
    FIELD_TEXT(struct token_section, subject, .example = "robot@example.com",
        .help = "The claim `sub`: on whose behalf (`jwt_bearer`, `google_service_account`); of `vapid` how to reach "
                "the sender, `mailto:` or https."),
    FIELD_TEXT(struct token_section, subject_type, .fallback_text = "urn:ietf:params:oauth:token-type:jwt",
        .example = "\"urn:ietf:params:oauth:token-type:access_token\"",
        .help = "`token_exchange`: what kind of token the secret is."),
    FIELD_TEXT(struct token_section, subject_header, .example = "X-User-Token",
        .help = "`token_exchange`: the header in which callers send the token of whom they act for, with or without "
                "`Bearer `; it is exchanged, and not sent on. The secret is `ID:SECRET` of the client then."),
    FIELD_TEXT(struct token_section, algorithm, .pattern = "RS256|ES256", .fallback_text = "RS256", .example = "ES256",
        .help = "What the JWT of `jwt_bearer` or `client: jwt` is signed with."),
    FIELD_TEXT(struct token_section, key_id, .example = "key-1",
        .help = "The key's name at the provider, `kid` in the head of that JWT."),
    FIELD_TEXT(struct token_section, directory, .pattern = "[A-Za-z0-9._-]+", .max = INT64_MAX,
        .example = "contoso.onmicrosoft.com",
        .help = "`azure_client`: the tenant of Microsoft Entra ID, by id or domain."),
    FIELD_TEXT(struct token_section, installation, .pattern = "[A-Za-z0-9._-]+", .max = INT64_MAX, .example = "12345678",
        .help = "`github_app`: the number of the app's installation."),
    FIELD_TEXT_MAP(struct token_section, parameters, .example = "{account_id: abc}",
        .help = "Further members of the form that is posted, up to 16; `grant_type` replaces the grant's own."),
    FIELD_TEXT_MAP(struct token_section, claims, .example = "{scope: \"signature impersonation\"}",
        .help = "`jwt_bearer`: further claims of the JWT, texts, up to 16."),
    FIELD_DURATION(struct token_section, lifetime, .min = 60 * SEC, .max = 86400 * SEC, .fallback = 1800 * SEC,
        .help = "How long a token is used whose answer does not say it."),
    FIELD_SECTION(struct token_section, tls, client_tls_fields,
        .help = "The endpoint's certificate is always verified."),
    FIELD_END,
};
/* clang-format on */
