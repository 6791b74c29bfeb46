#include "config/sections.h"

/* clang-format off */
static const char *const schemes[] = {
    [SIGNER_AWS_SIGV4] = "aws-sigv4",
    [SIGNER_AZURE_SHARED_KEY] = "azure-shared-key",
    [SIGNER_HMAC] = "hmac",
    NULL,
};
static const char *const hashes[] = {[HMAC_SHA256] = "sha256", [HMAC_SHA512] = "sha512", NULL};
static const char *const encodings[] = {[HMAC_HEX] = "hex", [HMAC_BASE64] = "base64", NULL};
static const char *const key_forms[] = {
    [HMAC_KEY_TEXT] = "text", [HMAC_KEY_BASE64] = "base64", [HMAC_KEY_HEX] = "hex", NULL,
};
static const char *const clocks[] = {
    [HMAC_SECONDS] = "seconds", [HMAC_MILLISECONDS] = "milliseconds", [HMAC_ISO_8601] = "iso8601", NULL,
};

const struct field sign_fields[] = {
    FIELD_ENUM(struct sign_section, scheme, .names = schemes, .fallback = SIGN_AS_PROFILE,
        .fallback_text = "the profile's",
        .help = "`aws-sigv4`: AWS Signature Version 4; the secret is `ID:SECRET` or `ID:SECRET:TOKEN`. "
                "`azure-shared-key`: Azure Storage; `ACCOUNT:KEY`, the key in base64. `hmac`: as `message` "
                "and `headers` say; `KEY:SECRET`, or the secret alone."),
    FIELD_TEXT(struct sign_section, region, .fallback_text = "what the base URL's host tells",
        .example = "eu-central-1",
        .help = "`aws-sigv4`: the region that is signed for. With it a profile of AWS needs no `base_url`."),
    FIELD_TEXT(struct sign_section, service, .fallback_text = "the profile's, or what the host tells",
        .example = "execute-api", .help = "`aws-sigv4`: the service that is signed for. Of `s3` the path is "
                "signed as S3 wants it."),
    FIELD_TEXT(struct sign_section, message, .example = "\"{timestamp}{method}{target}{body}\"",
        .help = "`hmac`: the text that is signed. `{method}`, `{target}` (path and query), `{path}`, `{query}`, "
                "`{host}`, `{body}`, `{body_sha256}`, `{body_sha512}`, `{timestamp}`, `{user}` (the secret up "
                "to its first colon) are replaced, `\\n` is a line break. With a body in it, bodies are held "
                "whole."),
    FIELD_ENUM(struct sign_section, hash, .names = hashes, .fallback = HMAC_SHA256, .fallback_text = "sha256",
        .help = "`hmac`: its hash."),
    FIELD_ENUM(struct sign_section, encoding, .names = encodings, .fallback = HMAC_HEX,
        .fallback_text = "hex", .help = "`hmac`: how the signature is written."),
    FIELD_ENUM(struct sign_section, key, .names = key_forms, .fallback = HMAC_KEY_TEXT,
        .fallback_text = "text", .help = "`hmac`: how the secret is written that is the key."),
    FIELD_ENUM(struct sign_section, timestamp, .names = clocks, .fallback = HMAC_SECONDS,
        .fallback_text = "seconds", .help = "`hmac`: what `{timestamp}` is, Unix time or `2026-01-31T12:00:00.000Z`."),
    FIELD_TEXT_MAP(struct sign_section, headers, .example = "{X-Key: \"{user}\", X-Sign: \"{signature}\"}",
        .help = "`hmac`: the header fields that are sent, with `{signature}`, `{timestamp}` and `{user}` in "
                "them. A caller's own are taken out."),
    FIELD_END,
};
/* clang-format on */
