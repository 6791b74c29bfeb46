#include "config/sections.h"

/* clang-format off */
static const struct field credential_fields[] = {
    FIELD_TEXT(struct credential_section, secret, .required = true, .example = "openai-key",
        .help = "The name of the secret that is put into each request."),
    FIELD_END,
};

static const struct field inject_fields[] = {
    FIELD_TEXT(struct inject_section, header, .example = "Authorization",
        .help = "Into this header field; `value` says how."),
    FIELD_TEXT(struct inject_section, query, .example = "api_key",
        .help = "Into this query parameter; `value` says how. The caller's own is taken out."),
    FIELD_TEXT(struct inject_section, path, .example = "\"bot{secret}\"",
        .help = "As path segments between the base URL's path and the rest, percent-encoded."),
    FIELD_TEXT(struct inject_section, basic, .example = "\"{secret}\"",
        .help = "As `Authorization: Basic`, this text (`user:password`) in base64."),
    FIELD_TEXT(struct inject_section, value, .fallback_text = "{secret}",
        .example = "\"Bearer {secret}\"",
        .help = "With `header` or `query`: the text that is sent, with `{secret}` in it once."),
    FIELD_END,
};

static const struct field headers_fields[] = {
    FIELD_TEXT_MAP(struct headers_section, set, .example = "{OpenAI-Organization: org-1}",
        .help = "Sent with each request, in place of what the caller sent. Not the framing, "
                "hop-by-hop fields, Host, or a header that carries credentials."),
    FIELD_TEXTS(struct headers_section, drop, .example = "[X-Debug]",
        .help = "Taken out of the caller's requests, next to what always is."),
    FIELD_TEXTS(struct headers_section, pass, .example = "[Cookie]",
        .help = "Let through although they are taken out by default: Cookie, trace context, Forwarded and "
                "its like. Never a header that carries credentials or overrides method or URL."),
    FIELD_END,
};

#define WAIT(member, fallback_, help_)                                                             \
    FIELD_DURATION(struct route_timeouts, member, .min = 10 * MSEC, .max = 86400 * SEC,        \
        .fallback = (fallback_), .help = (help_))
static const struct field timeouts_fields[] = {
    WAIT(connect, 5 * SEC, "To resolve the name, connect and finish the TLS handshake."),
    WAIT(first_byte, 60 * SEC, "From the last byte of the request to the first of the answer."),
    WAIT(idle, 60 * SEC, "Without a byte of the answer, while the client takes what comes."),
    WAIT(total, 600 * SEC, "For the request as a whole."),
    FIELD_END,
};
#undef WAIT

static const struct field client_tls_fields[] = {
    FIELD_FILE(struct client_tls_section, ca, .example = "/etc/ssl/corp-ca.pem",
        .help = "The certificate authorities to trust for this upstream, PEM, instead of the system's."),
    FIELD_END,
};

const struct field route_fields[] = {
    FIELD_TEXT(struct route_section, path, .fallback_text = "/NAME; / with a host", .example = "/openai",
        .help = "The path that clients call; what is behind it goes to the upstream. Matched on "
                "segment borders, the longest wins."),
    FIELD_TEXT(struct route_section, host, .example = "openai.gw.internal",
        .help = "The host name that clients call, lower case and without a port, for SDKs that take "
                "no base path. Such a route goes before those without."),
    FIELD_TEXT(struct route_section, provider, .fallback_text = "NAME, if a profile is called so",
        .example = "openai",
        .help = "The provider profile, see `sallyport providers`. `http` is any API: `base_url` and "
                "`inject` say all of it."),
    FIELD_TEXT(struct route_section, base_url, .fallback_text = "the profile's",
        .example = "https://api.example.com",
        .help = "Where the upstream is: `http` or `https`, a host, a port and a path if needed."),
    FIELD_SECTION(struct route_section, credential, credential_fields, .word = "none",
        .word_offset = offsetof(struct credential_section, none), .example = "{secret: openai-key}",
        .help = "What is injected. Required where the profile injects one; `none` says that this "
                "upstream needs none."),
    FIELD_SECTION(struct route_section, inject, inject_fields,
        .example = "{header: Authorization, value: \"Bearer {secret}\"}",
        .help = "Where the credential goes: one of `header`, `query`, `path` and `basic`; by default "
                "the profile's way. Required with a credential on an `http` route."),
    FIELD_SECTION(struct route_section, headers, headers_fields,
        .help = "Request headers. Always taken out: hop-by-hop fields, every header in which an SDK "
                "sends a key, Accept-Encoding, X-Sallyport-*, method and URL overrides. Unless "
                "passed: Cookie, traceparent, tracestate, baggage, Forwarded, Via, X-Forwarded-* "
                "and its like."),
    FIELD_SECTION(struct route_section, timeouts, timeouts_fields,
        .help = "How long the upstream may take; then 504."),
    FIELD_SECTION(struct route_section, tls, client_tls_fields,
        .help = "Certificates are always verified."),
    FIELD_END,
};

const struct field tenant_fields[] = {
    FIELD_TEXTS(struct tenant_section, keys, .required = true, .example = "[\"sha256:...\"]",
        .help = "Hashes of the tenant's keys, as `sallyport keys new --tenant NAME` prints them. "
                "Several while keys are changed; none shuts the tenant out."),
    FIELD_TEXTS(struct tenant_section, allow, .fallback_text = "nothing",
        .example = "[openai, \"stripe:GET /v1/*\"]",
        .help = "What it may call: `ROUTE`, or `ROUTE:METHOD PATH` where METHOD may be `*`, a `*` in "
                "PATH is one segment, and a `/*` at its end any rest."),
    FIELD_LIST(struct tenant_section, quotas, struct quota_section, quota_fields,
        .see = "`quotas[]`", .example = "[{requests: 600, per: 1m}]",
        .help = "Its own limits, next to those over all tenants."),
    FIELD_END,
};
/* clang-format on */
