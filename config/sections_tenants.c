/* Who may call: tenants, their keys. */
#include "config/sections.h"

/* clang-format off */
#define KEY_TIME "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?Z"
const struct field tenant_key_fields[] = {
    FIELD_TEXT(struct tenant_key_section, hash, .required = true, .example = "\"sha256:...\"",
        .help = "The key's hash."),
    FIELD_TEXT(struct tenant_key_section, not_before, .fallback_text = "at once", .example = "2026-12-01T00:00:00Z",
        .pattern = KEY_TIME,
        .help = "From when on the key is good: a time in UTC."),
    FIELD_TEXT(struct tenant_key_section, expires, .fallback_text = "never", .example = "2027-03-01T00:00:00Z",
        .pattern = KEY_TIME,
        .help = "Until when it is good. `sallyport check` warns of keys that have expired, or will within 14 days."),
    FIELD_TEXT(struct tenant_key_section, label, .example = "ci, rotated by ops",
        .help = "What you call the key, for `sallyport keys list`; never its text."),
    FIELD_END,
};

const struct field jwt_fields[] = {
    FIELD_TEXT(struct jwt_section, issuer, .required = true, .example = "https://login.corp",
        .help = "Whose tokens: their `iss`, exactly."),
    FIELD_TEXT(struct jwt_section, audience, .required = true, .example = "sallyport",
        .help = "Who they are for: their `aud`, or one of it, exactly."),
    FIELD_TEXT(struct jwt_section, jwks, .required = true, .example = "https://login.corp/keys.json",
        .help = "The issuer's public keys, a JSON Web Key Set of up to 256 KiB: an `https` URL, with a query if need be, wherever that is, or a "
                "file, which is read at start and with each reload. An issuer has one for all tenants."),
    FIELD_TEXT_MAP(struct jwt_section, claims, .required = true, .example = "{sub: checkout}",
        .help = "Which of them are this tenant's: claims, at least one, and the text that each has to be, or has to "
                "have in it if it is an array. A name that begins with `/` is a JSON Pointer, such as "
                "`/realm_access/roles`; any other is a claim's name as it is. Two tenants that one token could fit "
                "are refused."),
    FIELD_TEXTS(struct jwt_section, algorithms, .fallback_text = "[RS256, ES256, EdDSA]", .example = "[ES256]",
        .pattern = "RS256|ES256|EdDSA",
        .help = "How they may be signed: `RS256`, `ES256`, `EdDSA` (Ed25519)."),
    FIELD_DURATION(struct jwt_section, leeway, .min = 0, .max = 600 * SEC, .fallback = 60 * SEC,
        .help = "How far the issuer's clock may be off, for `exp`, `nbf` and `iat`. Whole seconds."),
    FIELD_TEXT(struct jwt_section, proxy, .fallback_text = "egress.proxy", .example = "none",
        .help = "The proxy to fetch `jwks` by, as `egress.proxy`; `none`: without one."),
    FIELD_SECTION(struct jwt_section, proxy_credential, proxy_credential_fields,
        .see = "`egress.proxy_credential`", .help = "For this `proxy`."),
    FIELD_SECTION(struct jwt_section, tls, client_tls_fields, .help = "For fetching `jwks`."),
    FIELD_END,
};

static const struct field mtls_fields[] = {
    FIELD_TEXTS(struct mtls_section, san, .lone = true, .required = true, .example = "\"spiffe://corp/checkout\"",
        .help = "Its subject alternative names, exactly: a URI, or a DNS name; one, or a list of which any will do."),
    FIELD_END,
};

const struct field deny_fields[] = {
    FIELD_TEXT(struct deny_section, route, .required = true, .example = "openai", LIKE_A_NAME,
        .help = "Of which route."),
    FIELD_TEXT(struct deny_section, method, .fallback_text = "*", .example = "DELETE",
        .help = "With this method, in any case."),
    FIELD_TEXT(struct deny_section, path, .fallback_text = "any", .example = "/v1/files/*",
        .help = "With this path behind the route's, as in `allow`."),
    FIELD_TEXT(struct deny_section, model, .fallback_text = "any", .example = "\"gpt-4*\"",
        .help = "For this model, as the caller writes it; `*` in it stands for anything. A body whose model cannot be read "
                "is refused with 400."),
    FIELD_TEXT_MAP(struct deny_section, header, .example = "{X-Env: \"test*\"}",
        .help = "With these header fields; in the values `*` stands for anything. Of a list, separated by commas, each member "
                "is compared, too."),
    FIELD_TEXT_MAP(struct deny_section, field, .example = "{/metadata/tier: \"gold*\"}",
        .help = "With these values in a JSON body: JSON Pointers, in which `*` is any element of an array, and texts, in which "
                "`*` stands for anything. `true`, `false`, `null` and numbers are compared as they are written, and numbers by value, "
                "too; of an array each element is. An object or an array fits `\"*\"` alone. A body that cannot be read is "
                "refused with 400."),
    FIELD_END,
};

const struct field tenant_fields[] = {
    FIELD_TEXTS(struct tenant_section, keys, .section = tenant_key_fields, .fallback_text = "none; required without `jwt` and `mtls`",
        .example = "[\"sha256:...\"]",
        .help = "Hashes of the tenant's keys, as `sallyport keys new --tenant NAME` prints them; or maps, for "
                "keys that have a time or a label. Several while keys are changed; none shuts the tenant out."),
    FIELD_LIST(struct tenant_section, jwt, struct jwt_section, jwt_fields, .lone = true,
        .example = "{issuer: https://login.corp, audience: sallyport, jwks: https://login.corp/keys.json, claims: {sub: checkout}}",
        .help = "JSON Web Tokens that are taken like a key of the tenant, in the same headers. Signature, `exp` (required), "
                "`nbf` and `iat` are checked. One without `kid` is taken where the key set has one key of its algorithm."),
    FIELD_SECTION(struct tenant_section, mtls, mtls_fields, .example = "{san: \"spiffe://corp/checkout\"}",
        .help = "Client certificates, of `gateway.tls.client_ca`, that are taken like a key of the tenant."),
    FIELD_TEXTS(struct tenant_section, allow, .fallback_text = "nothing",
        .example = "[openai, \"stripe:GET /v1/*\"]",
        .help = "What it may call: `ROUTE`, or `ROUTE:METHOD PATH` where METHOD may be `*`, a `*` in "
                "PATH is one segment, and a `/*` at its end any rest."),
    FIELD_TEXTS(struct tenant_section, deny, .section = deny_fields, .fallback_text = "nothing",
        .example = "[\"stripe:DELETE /*\"]",
        .help = "What it may not call, although `allow` covers it: texts as there, or maps, of which all that is said has to "
                "fit. Up to 64."),
    FIELD_UINT(struct tenant_section, max_in_flight, .min = 0, .max = 1000000, .fallback = 0,
        .fallback_text = "0, no bound",
        .help = "The most requests of this tenant at once, of this gateway; beyond it 503 `overloaded`."),
    FIELD_LIST(struct tenant_section, quotas, struct quota_section, quota_fields,
        .see = "`quotas[]`", .example = "[{requests: 600, per: 1m}]",
        .help = "Its own limits, next to those over all tenants."),
    FIELD_END,
};
/* clang-format on */
