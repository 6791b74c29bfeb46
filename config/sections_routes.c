#include "config/sections.h"

/* clang-format off */
static const struct field credential_fields[] = {
    FIELD_TEXT(struct credential_section, secret, .required = true, .example = "openai-key",
        LIKE_A_SECRET,
        .help = "The name of the secret that is put into each request."),
    FIELD_TEXT(struct credential_section, account, .fallback_text = "one for all, each with limits of its own",
        .example = "org-1", LIKE_A_SECRET,
        .help = "Whose it is at the provider, any name: credentials of one account share its limits. "
                "All of a pool say it, or none."),
    FIELD_UINT(struct credential_section, weight, .min = 1, .max = 100, .fallback = 1,
        .help = "Its share of the requests, next to the others of the pool."),
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
    FIELD_TEXT(struct inject_section, body, .example = "api_key",
        .help = "Into the body: a member at the top of a JSON object, or a field of a form; `value` says how. "
                "The caller's own is replaced. The body is held whole for that; one of another kind is 400, "
                "a request without a body goes without."),
    FIELD_TEXT(struct inject_section, value, .fallback_text = "{secret}",
        .example = "\"Bearer {secret}\"",
        .help = "With `header`, `query` or `body`: the text that is sent, with `{secret}` in it; or "
                "with `{user}` and `{password}`, what is before and behind the secret's first colon."),
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

const struct field client_tls_fields[] = {
    FIELD_FILE(struct client_tls_section, ca, .example = "/etc/ssl/corp-ca.pem",
        .help = "The certificate authorities to trust for this upstream, PEM, instead of the system's."),
    FIELD_END,
};

static const struct field upstream_tls_fields[] = {
    FIELD_FILE(struct upstream_tls_section, ca, .example = "/etc/ssl/corp-ca.pem",
        .help = "The certificate authorities to trust for this upstream, PEM, instead of the system's."),
    FIELD_TEXTS(struct upstream_tls_section, pin, .lone = true,
        .example = "[sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=]",
        .help = "SHA-256 of the upstream's public key (SubjectPublicKeyInfo) in base64; with several, one has to "
                "fit. Checked next to the chain, not in its place. List the key to come before it is in use."),
    FIELD_FILE(struct upstream_tls_section, cert, .example = "/etc/sallyport/client.crt",
        .help = "The certificate that the gateway shows to this upstream, PEM, with its chain behind it."),
    FIELD_FILE(struct upstream_tls_section, key, .example = "/etc/sallyport/client.key",
        .help = "The private key to it, PEM, without a passphrase. Files that change count for the next connection; "
                "a reload closes the idle ones."),
    FIELD_END,
};

const struct field proxy_credential_fields[] = {
    FIELD_TEXT(struct proxy_credential_section, secret, .required = true, .example = "proxy-login",
        LIKE_A_SECRET,
        .help = "The name of a secret, `user:password`."),
    FIELD_END,
};

static const struct field meter_fields[] = {
    FIELD_SIZE(struct meter_section, hold, .min = 0, .max = (int64_t)16 * 1024 * 1024,
        .fallback = (int64_t)256 * 1024,
        .help = "A plain answer of up to this size is held to its end, so that its head can tell its cost "
                "and usage; longer ones go as they come, without. `0B` holds none. Event streams are never "
                "held."),
    FIELD_BOOL(struct meter_section, stream_usage, .fallback = true, .fallback_text = "true",
        .help = "Some providers tell what a stream used only if its request says "
                "`stream_options.include_usage`. Where the caller's does not it is put in, and the event that "
                "it makes is taken out of the answer; bodies of such calls are held whole for that. `false` "
                "leaves all as it is, and such a stream is estimated: for upstreams that refuse "
                "`stream_options`."),
    FIELD_END,
};

static const char *const idempotencies[] = {
    [IDEMPOTENCY_HASHED] = "hashed",
    [IDEMPOTENCY_AS_IS] = "as_is",
    NULL,
};

static const char *const https[] = {
    [HTTP_1] = "1.1",
    [HTTP_2] = "2",
    NULL,
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
    FIELD_TEXTS(struct route_section, hosts, .fallback_text = "the profile's",
        .example = "[push.example.com, \"*.push.example.net\"]",
        .help = "In place of `base_url`: up to 32 hosts, of which each call names one in the first segment of "
                "its path, `/NAME/push.example.com/...`; always https, another port than 443 is written behind "
                "a colon. `*.` in front stands for one label. A call that names any other is 403. Each "
                "has a circuit, a retry budget and `max_in_flight` of its own. Not with `fallback`, `health` and "
                "`sign`."),
    FIELD_LIST(struct route_section, credential, struct credential_section, credential_fields,
        .lone = true, .word = "none", .example = "{secret: openai-key}",
        .help = "What is injected; a list is a pool of up to 32, used in turn. Required where the "
                "profile injects one; `none` says that this upstream needs none."),
    FIELD_LIST(struct route_section, inject, struct inject_section, inject_fields, .lone = true,
        .example = "{header: Authorization, value: \"Bearer {secret}\"}",
        .help = "Where the credential goes: one of `header`, `query`, `path`, `basic` and `body`, or a list of "
                "up to 4 such places; by default the profile's way. Required with a credential on an `http` "
                "route."),
    FIELD_SECTION(struct route_section, token, route_token_fields, .word = "off",
        .word_offset = offsetof(struct token_section, off),
        .example = "{grant: client_credentials, url: https://login.example.com/oauth2/token}",
        .help = "Sends not the secret but a token that is had for it; `{secret}` of `inject` is the token then. "
                "Members that are not given are the profile's. `off`: the secret is the token."),
    FIELD_SECTION(struct route_section, sign, sign_fields, .example = "{scheme: aws-sigv4, region: eu-central-1}",
        .help = "What is written over each request with the credential, last of all, instead of or beside "
                "what is injected; by default the profile's way. Bodies that are signed are held whole, up to "
                "`gateway.limits.body_bytes`; to S3 over https longer ones stream."),
    FIELD_SECTION(struct route_section, headers, headers_fields,
        .help = "Request headers. Always taken out: hop-by-hop fields, every header in which an SDK "
                "sends a key, X-Sallyport-*, method and URL overrides. Of Accept-Encoding "
                "gzip, br and zstd are left where the answer has to be read. Unless passed: "
                "Cookie, traceparent, tracestate, baggage, Forwarded, Via, X-Forwarded-* and its "
                "like."),
    FIELD_SECTION(struct route_section, timeouts, timeouts_fields,
        .help = "How long the upstream may take; then 504."),
    FIELD_SECTION(struct route_section, retry, retry_fields, .word = "off",
        .word_offset = offsetof(struct retry_section, off), .example = "{attempts: 3}",
        .help = "Which requests are sent again, and when. Only those that cannot have been executed, or "
                "may be executed twice. `off` is `{attempts: 1}`."),
    FIELD_SECTION(struct route_section, breaker, breaker_fields, .word = "off",
        .word_offset = offsetof(struct breaker_policy, off), .example = "{failure_rate: 50%}",
        .help = "The circuit: an upstream that fails is left alone for a while; then 503, or the "
                "fallback. 4xx and 429 are no failures."),
    FIELD_TEXTS(struct route_section, fallback, .fallback_text = "none", .example = "[azure-openai]",
        LIKE_A_NAME,
        .help = "Up to 4 other routes, in this order, where a request goes that this upstream cannot "
                "take and did not execute: of the same provider, or `openai` and `azure-openai`. Only "
                "where the tenant is allowed, too."),
    FIELD_SECTION(struct route_section, hedge, hedge_fields, .example = "{after: 500ms}",
        .help = "A second attempt beside a slow first one; the first answer counts. Only for methods that "
                "change nothing by being sent twice."),
    FIELD_SECTION(struct route_section, health, health_fields, .example = "{path: /health}",
        .help = "Calls that nobody made, to find out early whether an upstream has failed, or is well "
                "again."),
    FIELD_SECTION(struct route_section, meter, meter_fields, .example = "{hold: 256KiB}",
        .help = "Calls whose usage is known to the provider's profile are metered: in the ledger, the "
                "metrics and the access log always, in the answer's head where it is known in time."),
    FIELD_UINT(struct route_section, max_in_flight, .min = 0, .max = 1000000, .fallback = 0,
        .fallback_text = "0, no bound",
        .help = "The most requests at once at this upstream; beyond it 503."),
    FIELD_ENUM(struct route_section, idempotency, .names = idempotencies,
        .fallback = IDEMPOTENCY_HASHED, .fallback_text = "hashed",
        .help = "How a caller's idempotency key goes upstream: `hashed` with the tenant's name, so that "
                "tenants cannot meet, or `as_is`."),
    FIELD_TEXT_MAP(struct route_section, models, .example = "{gpt-4o: my-deployment}",
        .help = "Names of models as callers write them, and what each is called at this upstream; "
                "put into the body. Others go as they are."),
    FIELD_LIST(struct route_section, validate, struct validate_section, validate_fields, .lone = true,
        .example = "{content_types: [application/json], max_body: 1MiB, required: [/model]}",
        .help = "What bodies have to be like, before any quota is asked: else 400, or 413. Up to 16, each for all calls or "
                "some. Of the route that is asked, not of its fallbacks."),
    FIELD_LIST(struct route_section, prices, struct price_section, price_fields,
        .example = "[{model: \"gpt-4o*\", input: 2 USD, output: 8 USD}]",
        .help = "What this upstream costs, where that is not the provider's list price. A model that has no "
                "price, here or built in, costs the dearest of the provider."),
    FIELD_ENUM(struct route_section, http, .names = https, .fallback = HTTP_AS_PROFILE,
        .fallback_text = "the profile's, or 1.1", .example = "\"2\"",
        .help = "What is spoken to this upstream. `2`: HTTP/2, many calls on one connection; one that does not "
                "speak it is an error. Over a plain `http` URL it is begun without asking (prior knowledge)."),
    FIELD_TEXT(struct route_section, proxy, .fallback_text = "egress.proxy", .example = "none",
        .help = "The proxy to this upstream, as `egress.proxy`; `none`: without one."),
    FIELD_SECTION(struct route_section, proxy_credential, proxy_credential_fields,
        .see = "`egress.proxy_credential`", .help = "For this route's own `proxy`."),
    FIELD_SECTION(struct route_section, tls, upstream_tls_fields,
        .help = "Certificates are always verified."),
    FIELD_END,
};
/* clang-format on */
